"""Softmax and sigmoid under their own cross-entropies, on data that nobody scaled: the gradient never vanishes, however
far a wrong answer leads, and training gives the bits of the same model without the activation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from martlet import nn

RNG = np.random.default_rng(5)
X = RNG.integers(0, 256, (150, 12)).astype(np.float32)
LABELS = RNG.integers(0, 4, 150)
ONE_HOT = np.eye(4, dtype=np.float32)[LABELS]
SEVERAL = RNG.integers(0, 2, (150, 4)).astype(np.float32)

LOSSES: dict[str, tuple[str, Any, Any]] = {
    "labels": ("softmax", nn.SparseCategoricalCrossentropy(), LABELS),
    "smoothed labels": ("softmax", nn.SparseCategoricalCrossentropy(label_smoothing=0.2), LABELS),
    "one-hot": ("softmax", nn.CategoricalCrossentropy(), ONE_HOT),
    "smoothed": ("softmax", nn.CategoricalCrossentropy(label_smoothing=0.2), ONE_HOT),
    "said to be probabilities": ("softmax", nn.CategoricalCrossentropy(from_logits=False), ONE_HOT),
    "binary": ("sigmoid", nn.BinaryCrossentropy(), SEVERAL),
    "binary, smoothed": ("sigmoid", nn.BinaryCrossentropy(label_smoothing=0.2), SEVERAL),
    "binary, said to be probabilities": ("sigmoid", nn.BinaryCrossentropy(from_logits=False), SEVERAL),
}

ENDS: dict[str, Any] = {
    "an argument": lambda activation: [nn.Dense(4, activation=activation)],
    "a layer": lambda activation: [nn.Dense(4), nn.Activation(activation)],
    "views behind it": lambda activation: [
        nn.Reshape((1, 1, 12)), nn.Conv2D(4, 1, activation=activation), nn.Flatten(), nn.Reshape((2, 2)),
        nn.Flatten(), nn.Dropout(0.0), nn.Activation("linear"),
    ],
    "behind batch normalization": lambda activation: [
        nn.Dense(4), nn.BatchNormalization(), nn.Activation(activation)
    ],
}  # fmt: skip


def trained(end: str, activation: str, loss: Any, y: Any, metrics: Any = ()) -> nn.Sequential:
    model = nn.Sequential([nn.Dense(12, activation="relu", input_shape=(12,)), *ENDS[end](activation)], seed=2)
    if activation == "linear":
        loss = type(loss)(from_logits=True, label_smoothing=loss.label_smoothing)
    model.compile("adam", loss, metrics=list(metrics))
    model.fit(X, y, epochs=3, verbose=0)
    return model


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("end", ENDS)
def test_training_gives_the_bits_of_logits(end: str, loss: str) -> None:
    activation, function, y = LOSSES[loss]
    plain = trained(end, "linear", function, y)
    for metrics in ([], ["accuracy", "mse"] if y is not LABELS else ["accuracy"]):
        model = trained(end, activation, function, y, metrics)
        np.testing.assert_array_equal(model.parameters(), plain.parameters())
        scores = np.atleast_1d(model.evaluate(X, y, verbose=0))
        assert scores[0] == plain.evaluate(X, y, verbose=0)
        # Predictions are probabilities, and so is what metrics look at.
        logits, p = torch.from_numpy(plain.predict(X)).double(), model.predict(X)
        wanted = torch.softmax(logits, 1) if activation == "softmax" else torch.sigmoid(logits)
        np.testing.assert_allclose(p, wanted.numpy(), atol=1e-6)
        if metrics:
            right = np.equal(p.argmax(1), LABELS) if activation == "softmax" else np.equal(p > 0.5, y > 0.5)
            assert scores[1] == pytest.approx(right.mean(), abs=1e-12)
        if "mse" in metrics:
            assert scores[2] == pytest.approx(np.mean((p - y) ** 2.0), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("lead", [1, 16, 17, 88, 104, 1000])
def test_a_leading_wrong_class_is_torchs(loss: str, lead: float) -> None:
    """The gradient of the output's bias against torch's, in fp64, where the wrong classes lead by 1 to 1000."""
    activation, function, y = LOSSES[loss]
    model = nn.Sequential([nn.Dense(4, activation=activation, input_shape=(4,))])
    x = (-lead * (ONE_HOT if y is not SEVERAL else 2 * SEVERAL - 1)).astype(np.float32)
    model.set_weights([np.eye(4), np.zeros(4)])
    model.compile("adam", function)
    z = torch.from_numpy(x).double().requires_grad_()
    smoothing = function.label_smoothing
    if activation == "softmax":
        wanted = torch.nn.functional.cross_entropy(z, torch.from_numpy(LABELS), label_smoothing=smoothing)
    else:
        targets = torch.from_numpy(y).double() * (1 - smoothing) + smoothing / 2
        wanted = torch.nn.functional.binary_cross_entropy_with_logits(z, targets)
    (gradient,) = torch.autograd.grad(wanted, z)
    assert model.train_on_batch(x, y) == pytest.approx(wanted.item(), rel=1e-6)
    assert gradient.abs().sum() > 0.2
    np.testing.assert_allclose(model.gradients()[-4:], gradient.sum(0).numpy(), rtol=1e-5, atol=1e-7)


def test_what_a_pair_is_not_keeps_its_bounds() -> None:
    """Probabilities that another layer makes are kept within 1e-7 of 0 and 1, where the gradient is 0."""
    x = np.array([[0, 1]], np.float32)
    for loss, y in ((nn.CategoricalCrossentropy, [[1.0, 0.0]]), (nn.BinaryCrossentropy, [[1.0, 0.0]])):
        model = nn.Sequential([nn.Dense(2, input_shape=(2,))])
        model.set_weights([np.eye(2), np.zeros(2)])
        model.compile("adam", loss(from_logits=False))
        assert model.train_on_batch(x, y) == pytest.approx(-np.log(1e-7), rel=1e-2)  # 1 - 1e-7 is no number of fp32
        assert not model.gradients().any()
