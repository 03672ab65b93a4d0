"""martlet.nn.Muon: beside Keras's with Keras's gradients, kernels of convolutions beside martlet.torch's on the same
matrices, what goes where, rates that move together, files, and what is refused."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import martlet.torch
from martlet import MartletError, _records, nn
from martlet._config import defaults
from martlet._ffi_optimizers import ADAM
from martlet.schedules import CosineDecay
from networks import digits_like


def network(library: Any, name: str) -> Any:
    """In either library's words, with layers of the same names."""
    layers = library if library is nn else library.layers
    if name == "mlp":
        body = [layers.Dense(24, activation="relu", name="hidden"), layers.Dense(30, activation="relu", name="wide")]
        shape: tuple[int, ...] = (20,)
    else:
        body = [layers.Conv2D(6, 3, activation="relu", name="conv"), layers.Flatten(), layers.Dense(12, name="hidden")]
        shape = (6, 6, 3)
    return library.Sequential([library.Input(shape=shape), *body, layers.Dense(10, name="logits")])


def trained(optimizer: Any, name: str = "mlp", steps: int = 4) -> nn.Sequential:
    model = network(nn, name)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    x, y = digits_like(40, model.input_shape[1:])
    for _ in range(steps):
        model.train_on_batch(x, y)
    return model


def test_defaults_are_kerass() -> None:
    theirs = keras.optimizers.Muon().get_config()
    for ours in (nn.Muon(), nn.optimizers.get("muon"), nn.optimizers.get(nn.Muon)):
        known = {key: value for key, value in theirs.items() if hasattr(ours, key)}
        assert {"learning_rate", "adam_beta_2", "adam_weight_decay", "epsilon", "muon_c", "rms_rate"} < known.keys()
        for key, value in known.items():
            if key != "exclude_layers":
                assert (getattr(ours, key) or 0) == pytest.approx(value or 0, rel=1e-6), key
        assert ours.exclude_layers == theirs["exclude_layers"] == []
        assert ours.hyperparameters().nesterov is theirs["nesterov"]


@pytest.mark.parametrize(
    "name, options",
    [
        ("mlp", {}),
        ("mlp", {"exclude_layers": ["log.ts"], "nesterov": False, "momentum": 0.8}),
        ("mlp", {"adam_lr_ratio": 0.25, "adam_weight_decay": 0.2, "weight_decay": 0.1, "adam_beta_1": 0.8}),
        ("mlp", {"ns_steps": 3, "muon_a": 2.0, "muon_b": -1.5, "muon_c": 0.5, "epsilon": 1e-3, "weight_decay": None}),
        ("convolutional", {"exclude_layers": ["logits"], "adam_beta_2": 0.9}),
    ],
)
def test_trains_as_kerass(name: str, options: dict[str, Any]) -> None:
    """Six steps: Keras's optimizer takes the gradients that ours were."""
    options = {"learning_rate": 0.01} | options
    ours, theirs = network(nn, name), network(keras, name)
    theirs.set_weights(ours.get_weights())
    ours.compile(nn.Muon(**options), "sparse_categorical_crossentropy")
    optimizer, variables = keras.optimizers.Muon(**options), theirs.trainable_variables
    x, y = digits_like(40, ours.input_shape[1:])
    start = ours.parameters().copy()
    ends = np.cumsum([weight.size for weight in ours.get_weights()])[:-1]
    for _ in range(6):
        ours.train_on_batch(x, y)
        parts = zip(np.split(ours.gradients(), ends), variables, strict=True)
        optimizer.apply([part.reshape(variable.shape) for part, variable in parts], variables)
    moved = ours.parameters() - start
    wanted = np.concatenate([np.ravel(weight) for weight in theirs.get_weights()]) - start
    np.testing.assert_allclose(moved, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


def test_kernels_are_matrices_of_a_row_for_each_filter() -> None:
    """Beside martlet.torch.Muon, which is given torch's layout of the same kernel and gradients."""
    model = network(nn, "convolutional")
    model.compile(nn.Muon(0.02, rules={"conv": "muon"}), "sparse_categorical_crossentropy")
    x, y = digits_like(40, (6, 6, 3))
    kernel = torch.nn.Parameter(torch.tensor(np.transpose(model.get_weights()[0], (3, 2, 0, 1)).copy()))
    other = martlet.torch.Muon(
        [{"params": [kernel], "algorithm": "muon"}], lr=0.02, weight_decay=0.004, adjust_lr_fn="match_rms_adamw"
    )
    for _ in range(6):
        model.train_on_batch(x, y)
        gradient = model.gradients()[: kernel.numel()].reshape(3, 3, 3, 6)
        kernel.grad = torch.tensor(np.transpose(gradient, (3, 2, 0, 1)).copy())
        other.step()
    mine = np.transpose(model.get_weights()[0], (3, 2, 0, 1))
    np.testing.assert_allclose(mine, kernel.detach().numpy(), rtol=0, atol=2e-6)


def test_describe_says_what_goes_where() -> None:
    optimizer = nn.Muon(rules={"conv": "muon"}, exclude_layers=["logits"])
    with pytest.raises(MartletError, match="trains no model yet"):
        optimizer.describe()
    model = trained(optimizer, "convolutional", 1)
    lines = {line.split()[0]: line for line in optimizer.describe().splitlines()}
    assert list(lines)[1:] == [view.name for view in model._ready().model.views(0)]
    assert lines["conv/kernel"].endswith("muon       rules has 'conv'")
    assert lines["conv/bias"].endswith("adamw      a vector")
    assert lines["hidden/kernel"].endswith("muon       a matrix")
    assert lines["logits/kernel"].endswith("adamw      exclude_layers has 'logits'")
    model = trained(nn.Muon(), "convolutional", 1)
    assert "conv/kernel    3 x 3 x 3 x 6  adamw      no matrix, and no rule gives it to" in model.optimizer.describe()


def test_rules_may_be_a_function() -> None:
    seen = {}

    def rule(name: str, parameter: Any) -> str | None:
        seen[name] = parameter.shape
        return "adamw" if name == "wide/kernel" else None

    model = trained(nn.Muon(rules=rule), steps=1)
    assert seen["hidden/kernel"] == (20, 24) and seen["logits/bias"] == (10,)
    groups = {line.split()[0]: "muon" in line for line in model.optimizer.describe().splitlines()[1:]}
    assert [name for name, muon in groups.items() if muon] == ["hidden/kernel", "logits/kernel"]


def rates(model: nn.Sequential) -> list[float]:
    return [row.lr for row in model._ready().model.groups()]


def test_rates_move_together() -> None:
    """Set under way, by a schedule that begins at 0, and by a callback."""
    model = trained(nn.Muon(0.5, adam_lr_ratio=0.25))
    assert rates(model) == [0.5, 0.125]
    model.optimizer.learning_rate = 2.0
    assert rates(model) == [2.0, 0.5] and model.optimizer.adam_lr_ratio == 0.25
    warm = trained(nn.Muon(CosineDecay(0.0, 10, warmup_target=0.5, warmup_steps=4), adam_lr_ratio=0.5), steps=1)
    assert rates(warm) == [0.0, 0.0]
    x, y = digits_like(40, (20,))
    for _ in range(4):
        warm.train_on_batch(x, y)
    assert rates(warm) == [0.5, 0.25]
    model.fit(x, y, epochs=1, verbose=0, callbacks=[nn.LearningRateScheduler(lambda epoch: 0.25)])
    assert rates(model) == [0.25, 0.0625]


def test_numbers_of_both_can_be_set_under_way() -> None:
    model = trained(nn.Muon(adam_lr_ratio=0.5))
    optimizer = model.optimizer
    optimizer.momentum, optimizer.weight_decay, optimizer.muon_a = 0.75, 0.25, 3.0
    optimizer.adam_beta_1, optimizer.epsilon, optimizer.adam_weight_decay = 0.5, 0.125, 0.25
    muon, adamw = model._ready().model.groups()
    assert (muon.momentum, muon.weight_decay, muon.ns_a) == (0.75, 0.25, 3.0)
    assert (adamw.beta1, adamw.eps, adamw.weight_decay) == (0.5, 0.125, 0.5)
    assert (optimizer.adam_beta_1, optimizer.epsilon, optimizer.adam_weight_decay) == (0.5, 0.125, 0.25)
    with pytest.raises(MartletError):
        optimizer.adam_beta_2 = 1.0
    assert copy.copy(optimizer).adam_beta_1 == 0.5


@pytest.mark.parametrize("rate", [0.02, CosineDecay(0.0, 12, warmup_target=0.02, warmup_steps=3)])
def test_goes_on_from_a_file_to_the_bit(rate: Any, tmp_path: Path) -> None:
    optimizer = nn.Muon(rate, rules={"conv": "muon"}, exclude_layers=["logits"], adam_lr_ratio=0.3)
    model = trained(optimizer, "convolutional")
    model.save(tmp_path / "model")
    loaded = nn.load_model(tmp_path / "model")
    assert isinstance(loaded.optimizer, nn.Muon) and loaded.optimizer.adam_lr_ratio == 0.3
    x, y = digits_like(40, (6, 6, 3))
    for one in (model, loaded):
        one.fit(x, y, epochs=2, verbose=0, batch_size=16)
    np.testing.assert_array_equal(model.parameters(), loaded.parameters())
    again = copy.copy(loaded.optimizer)
    loaded.compile(again, "sparse_categorical_crossentropy")  # anew, with the file's groups
    loaded.train_on_batch(x, y)
    assert [view.group for view in loaded._ready().model.views(0)] == [0, 1, 0, 1, 1, 1]


def test_groups_of_one_algorithm_come_back_from_a_file(tmp_path: Path) -> None:
    """As C makes them: no decay on biases, and a rate of their own."""
    model = network(nn, "mlp")
    adam = defaults(ADAM)._replace(semantics="keras")
    rows = [adam.changed({"lr": 0.5, "weight_decay": 0.1}), adam.changed({"lr": 0.25})]
    model._ready().model.compile([_records.Training(1)], rows, [0, 1] * 3)
    model._ready().model.save(os.fsencode(tmp_path / "model"))
    loaded = nn.load_model(tmp_path / "model")
    assert isinstance(loaded.optimizer, nn.Adam) and loaded.optimizer.weight_decay == 0.1
    loaded.optimizer.learning_rate = 1.0
    assert rates(loaded) == [1.0, 0.5]
    loaded.compile(copy.copy(loaded.optimizer), "sparse_categorical_crossentropy")
    loaded.train_on_batch(*digits_like(40, (20,)))
    assert rates(loaded) == [1.0, 0.5]
    assert [row.weight_decay for row in loaded._ready().model.groups()] == [0.1, 0.0]


def test_algorithms_of_matrices_have_adamw_beside_them(tmp_path: Path) -> None:
    """SOAP, which Keras does not have: kernels too, and at AdamW's own numbers for vectors."""
    model = trained("soap", "convolutional", 12)
    soap, adamw = model._ready().model.groups()
    assert adamw.lr == soap.lr == model.optimizer.learning_rate
    assert [view.group for view in model._ready().model.views(0)] == [0, 1] * 3
    model.save(tmp_path / "model")
    loaded = nn.load_model(tmp_path / "model")
    x, y = digits_like(40, (6, 6, 3))
    for one in (model, loaded):
        one.fit(x, y, epochs=4, verbose=0, batch_size=16)
    np.testing.assert_array_equal(model.parameters(), loaded.parameters())
    assert type(loaded.optimizer).__name__ == "soap" and loaded.optimizer._others == model.optimizer._others


@pytest.mark.parametrize(
    "options, words",
    [
        ({"rms_rate": None}, "rms_rate is None; wanted 0.2"),
        ({"rms_rate": 0.3}, "rms_rate is 0.3; wanted 0.2"),
        ({"adam_lr_ratio": 0.0}, "adam_lr_ratio is 0.0"),
        ({"adam_lr_ratio": "1"}, "adam_lr_ratio"),
        ({"adam_beta_1": 1.0}, "for AdamW, beside Muon: Invalid beta parameter at index 0: 1.0"),
        ({"momentum": 1.0}, "momentum"),
        ({"exclude_layers": "logits"}, "wanted a list"),
        ({"exclude_layers": ["("]}, r"exclude_layers has '\('"),
        ({"rules": {"conv": "sgd"}}, "rules has 'sgd'"),
        ({"amsgrad": True}, "unexpected argument 'amsgrad'"),
        ({"clipnorm": -1.0}, "clip_norm is -1.0; expected 0 or more"),
        ({"clipnorm": 1.0, "max_norm": 1.0}, "max_norm"),
        ({"semantics": "keras"}, "unexpected argument 'semantics'"),
    ],
)
def test_what_it_cannot_do_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(MartletError, match=words):
        nn.Muon(**options)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"exclude_layers": ["output"]}, "exclude_layers has 'output', which is in none of the parameters: hidden/"),
        ({"rules": {"output": "muon"}}, "rules has 'output', which matches none of the parameters"),
        ({"rules": {"hidden/bias": "muon"}}, r"Muon steps matrices, and hidden/bias has shape \(24,\)"),
        ({"rules": lambda name, parameter: "muon"}, "Muon steps matrices, and hidden/bias"),
    ],
)
def test_names_that_match_nothing_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(MartletError, match=words):
        trained(nn.Muon(**options), steps=1)


def test_a_model_takes_no_groups_of_arrays() -> None:
    with pytest.raises(MartletError, match="optimizer has 2 groups of arrays; wanted one, or martlet.nn.Muon"):
        nn.optimizers.get(martlet.optim.Muon())
