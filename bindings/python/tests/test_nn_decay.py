"""Parameters of a model without weight decay, beside Keras's exclude_from_weight_decay; and such models as files."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

from martlet import MartletError, nn
from martlet._errors import ArgumentError, DTypeError, OrderError, UnsupportedError
from networks import digits_like


def network(library: Any) -> Any:
    dense = library.Dense if library is nn else keras.layers.Dense
    norm = library.BatchNormalization if library is nn else keras.layers.BatchNormalization
    return library.Sequential(
        [library.Input((20,)), dense(24, name="hidden"), norm(name="norm"), dense(10, name="logits")]
    )


def trained(model: Any, optimizer: Any, steps: int = 6) -> Any:
    x, y = digits_like(40, (20,))
    if optimizer is not None:
        model.compile(optimizer, "sparse_categorical_crossentropy")
    for _ in range(steps):
        model.train_on_batch(x, y)
    return model


@pytest.mark.parametrize("name", ["AdamW", "Adam", "SGD", "Muon"])
@pytest.mark.parametrize("excluded", [["bias"], ["gamma", "^b", "no such"], ["kernel"]], ids=str)
def test_trains_as_kerass(name: str, excluded: list[str]) -> None:
    """Keras's optimizer takes the gradients that ours were."""
    ours, theirs = network(nn), network(keras)
    options = {"learning_rate": 0.01, "weight_decay": 0.5}
    optimizer, other = getattr(nn, name)(**options), getattr(keras.optimizers, name)(**options)
    for one in (optimizer, other):
        one.exclude_from_weight_decay(var_names=excluded)
    rng = np.random.default_rng(1)
    ours.set_weights([rng.standard_normal(weight.shape) + 2 for weight in ours.get_weights()])
    theirs.set_weights(ours.get_weights())
    ours.compile(optimizer, "sparse_categorical_crossentropy")
    x, y = digits_like(40, (20,))
    sizes = [variable.shape for variable in theirs.trainable_variables]
    ends = np.cumsum([int(np.prod(size)) for size in sizes])[:-1]
    start = ours.parameters().copy()
    for step in range(6):
        if step == 3:  # both groups' numbers move
            optimizer.learning_rate = other.learning_rate = 0.02
        ours.train_on_batch(x, y)
        parts = [part.reshape(size) for part, size in zip(np.split(ours.gradients(), ends), sizes, strict=True)]
        other.apply(parts, theirs.trainable_variables)
    wanted = np.concatenate([np.ravel(variable.numpy()) for variable in theirs.trainable_variables])
    np.testing.assert_allclose(
        ours.parameters() - start, wanted - start, rtol=0, atol=1e-4 * np.abs(wanted - start).max()
    )


def test_a_layers_name_and_later_numbers() -> None:
    """A name that Keras has only as a path; a number that is set later is also of what is excluded, but the decay."""
    optimizer = nn.AdamW(learning_rate=0.01, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["hidden/", "logits/bias"])
    model = trained(network(nn), optimizer, 1)
    optimizer.beta_1, optimizer.weight_decay, optimizer.learning_rate = 0.5, 0.25, 0.125
    groups = model._ready().model.groups()
    assert [(row.lr, row.beta1, row.weight_decay) for row in groups] == [(0.125, 0.5, 0.25), (0.125, 0.5, 0.0)]
    views = model._ready().model.views(0)
    assert [view.name for view in views if view.group] == ["hidden/kernel", "hidden/bias", "logits/bias"]


@pytest.mark.parametrize("name", ["AdamW", "Muon", "soap"])
def test_files_know_what_has_no_decay(name: str, tmp_path: Path) -> None:
    """Training goes on to the bit, and numbers that are set later reach what has none."""
    optimizer = nn.optimizers.get(name.lower())
    optimizer.learning_rate, optimizer.weight_decay = 0.01, 0.5
    optimizer.exclude_from_weight_decay(var_names=["logits", "bias"])
    model = trained(network(nn), optimizer, 3)
    model.save(tmp_path / "model")
    loaded = nn.load_model(tmp_path / "model")
    assert type(loaded.optimizer).__name__ == type(optimizer).__name__
    for each in (model, loaded):
        each.optimizer.weight_decay = 0.125
        if name == "AdamW":
            each.optimizer.beta_2 = 0.9
        trained(each, None, 3)
    assert np.array_equal(model.parameters(), loaded.parameters())
    assert model._ready().model.groups() == loaded._ready().model.groups()


def test_copies_and_second_calls() -> None:
    optimizer = nn.SGD(weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["kernel"])
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    for each in (optimizer, copy.deepcopy(optimizer)):
        views = trained(network(nn), each, 1)._ready().model.views(0)
        assert [view.name for view in views if view.group] == ["hidden/bias", "logits/bias"]


def test_refusals() -> None:
    optimizer = nn.AdamW()
    wrong: list[tuple[type[MartletError], dict[str, Any], str]] = [
        (DTypeError, {"var_names": "bias"}, "var_names is 'bias'; wanted a list"),
        (ArgumentError, {"var_names": ["("]}, r"var_names has '\(', no regular expression"),
        (ArgumentError, {"var_names": [3]}, "var_names has 3"),
        (UnsupportedError, {"var_list": [np.ones(3)]}, "by names"),
    ]
    for error, options, words in wrong:
        with pytest.raises(error, match=words):
            optimizer.exclude_from_weight_decay(**options)
    model = trained(network(nn), optimizer, 1)
    with pytest.raises(OrderError, match="trains a model already"):
        model.optimizer.exclude_from_weight_decay(var_names=["bias"])
    with pytest.raises(ArgumentError, match="rprop has no weight decay"):
        nn.optimizers.get("rprop").exclude_from_weight_decay(var_names=["bias"])
