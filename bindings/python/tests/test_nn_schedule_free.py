"""Models trained by Schedule-Free optimizers, which have two points: gradients are taken at one, and the other is what
the model is for. Against the oracles, over a layer whose gradient is a line of numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import martlet
import martlet.optim
import martlet.torch
import oracles
from martlet import nn

SAMPLES, INPUTS, OUTPUTS, BATCH = 24, 5, 3, 8
ADAM = {"lr": 0.02, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}
RULES: dict[str, dict[str, Any]] = {
    "schedule_free_sgd": {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.0},
    "schedule_free_adamw": ADAM,
    "schedule_free_radam": ADAM,
}


def samples() -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(SAMPLES, INPUTS)).astype(np.float32)
    return x, (x @ rng.normal(size=(INPUTS, OUTPUTS))).astype(np.float32)


def network(rule: str, **options: Any) -> Any:
    model = nn.Sequential([nn.Dense(OUTPUTS, use_bias=False)], seed=1)
    model.build((None, INPUTS))
    optimizer = nn.optimizers.get(rule)
    for name, value in (RULES[rule] | options).items():
        for field, number in zip(("beta1", "beta2"), value, strict=True) if name == "betas" else [(name, value)]:
            setattr(optimizer, field, number)
    model.compile(optimizer, nn.losses.MeanSquaredError())
    return model


class Oracle:
    """The same in longdouble. `trained` is the point that evaluation wants."""

    def __init__(self, rule: str, kernel: Any) -> None:
        self.rule, self.kernel = rule, kernel.astype(np.longdouble)
        self.state, self.steps = oracles.State(kernel.shape), 0

    def train(self, x: Any, y: Any) -> None:
        x, y = x.astype(np.longdouble), y.astype(np.longdouble)
        gradient = 2 * x.T @ (x @ self.kernel - y) / y.size
        self.steps += 1
        rule = getattr(oracles, self.rule)
        self.kernel = oracles.step(rule, self.kernel, gradient, self.state, self.steps, **RULES[self.rule])

    @property
    def trained(self) -> Any:
        return self.state["x"]


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted.astype(np.float64), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("rule", RULES)
def test_weights_are_the_trained_point(rule: str) -> None:
    x, y = samples()
    model = network(rule)
    oracle = Oracle(rule, model.get_weights()[0])
    for epoch in range(3):
        model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
        for start in range(0, SAMPLES, BATCH):
            oracle.train(x[start : start + BATCH], y[start : start + BATCH])
        close(model.layers[0].get_weights()[0], oracle.trained)
        close(model.predict(x), x @ oracle.trained)
        if epoch:
            assert np.abs(oracle.trained - oracle.kernel).max() > 1e-5, "the two points are the same"
    loss = model.evaluate(x, y, verbose=0)
    close(np.float64(loss), np.mean((x @ oracle.trained - y) ** 2))


@pytest.mark.parametrize("rule", RULES)
def test_training_goes_on_from_where_gradients_are_taken(rule: str) -> None:
    x, y = samples()
    model = network(rule)
    oracle = Oracle(rule, model.get_weights()[0])
    for _ in range(20):
        model.train_on_batch(x, y)
        oracle.train(x, y)
        close(model.get_weights()[0], oracle.trained)
        close(model.parameters().reshape(INPUTS, OUTPUTS), oracle.trained)


def test_validation_is_of_the_trained_point() -> None:
    x, y = samples()
    model = network("schedule_free_adamw")
    oracle = Oracle("schedule_free_adamw", model.get_weights()[0])
    history = model.fit(x, y, batch_size=BATCH, epochs=4, shuffle=False, validation_data=(x, y), verbose=0)
    for found in history.history["val_loss"]:
        for start in range(0, SAMPLES, BATCH):
            oracle.train(x[start : start + BATCH], y[start : start + BATCH])
        close(np.float64(found), np.mean((x @ oracle.trained - y) ** 2))


def test_fits_one_after_another_are_one() -> None:
    x, y = samples()
    whole, parts = network("schedule_free_adamw"), network("schedule_free_adamw")
    whole.fit(x, y, batch_size=BATCH, epochs=6, verbose=0)
    for _ in range(3):
        parts.fit(x, y, batch_size=BATCH, epochs=2, verbose=0)
        parts.optimizer.learning_rate = 0.02  # may be set between
    assert whole.get_weights()[0].tobytes() == parts.get_weights()[0].tobytes()


def test_a_file_holds_the_trained_point_and_goes_on(tmp_path: Path) -> None:
    x, y = samples()
    model = network("schedule_free_adamw")
    model.fit(x, y, batch_size=BATCH, epochs=2, verbose=0)
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.safetensors")
    trained = model.get_weights()[0]
    again = nn.load_model(tmp_path / "model.safetensors")
    assert again.get_weights()[0].tobytes() == trained.tobytes()
    for one in (model, again):
        one.fit(x, y, batch_size=BATCH, epochs=2, verbose=0)
    assert again.get_weights()[0].tobytes() == model.get_weights()[0].tobytes()


@pytest.mark.parametrize("rule", RULES)
def test_the_two_points_have_the_same_bits_in_arrays_and_tensors(rule: str) -> None:
    """Strided and in 16 bits too, with a way back, and each group by its own momentum."""
    name = {"schedule_free_sgd": "SGD", "schedule_free_adamw": "AdamW", "schedule_free_radam": "RAdam"}[
        rule
    ] + "ScheduleFree"
    rng = np.random.default_rng(5)
    start = [rng.normal(size=shape).astype(np.float32) for shape in ((40, 50), (7,), (3, 4, 5))]
    start[0] = start[0].T
    own = {"momentum": 0.7} if rule == "schedule_free_sgd" else {"betas": (0.7, 0.99)}
    arrays = [array.copy(order="K") for array in start]
    tensors = [torch.from_numpy(array.copy(order="K")).requires_grad_() for array in start]
    both = (
        getattr(martlet.optim, name)([{"params": arrays[:2]}, {"params": arrays[2:], **own}], lr=0.1),
        getattr(martlet.torch, name)([{"params": tensors[:2]}, {"params": tensors[2:], **own}], lr=0.1),
    )
    for _ in range(3):
        for _ in range(4):
            grads = [rng.normal(size=array.shape).astype(np.float32) for array in start]
            both[0].step(grads)
            for tensor, gradient in zip(tensors, grads, strict=True):
                tensor.grad = torch.from_numpy(gradient)
            both[1].step()
        versions = [tensor._version for tensor in tensors]
        for move in ("eval", "eval", "train"):
            for one in both:
                getattr(one, move)()
            for array, tensor in zip(arrays, tensors, strict=True):
                assert array.tobytes() == tensor.detach().numpy().tobytes(), move
        assert all(tensor._version > version for tensor, version in zip(tensors, versions, strict=True))


def test_a_momentum_of_zero_keeps_no_average() -> None:
    x, y = samples()
    model = network("schedule_free_sgd")
    model.fit(x, y, verbose=0)
    with pytest.raises(martlet.ArgumentError, match="schedule_free_sgd has a momentum of 0.0; expected 2"):
        model.optimizer.momentum = 0.0
    model.optimizer.momentum = 0.5  # from the way back on
    model.fit(x, y, verbose=0)
    with pytest.raises(martlet.ArgumentError, match="beta1 of 0.0"):
        network("schedule_free_adamw", betas=(0.0, 0.999)).fit(x, y, verbose=0)
