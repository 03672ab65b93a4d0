"""What stands around steps in groups of several algorithms, in models and in functions: who is told of it, and what is
refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from by_number import noise
from martlet import _algorithms, _groups, functional, nn, optim
from martlet._config import defaults
from martlet._errors import ArgumentError, MartletError
from martlet._spellings import FLAGS


def test_models_have_it_too() -> None:
    """As the same optimizer does over the model's arrays, which are averages where they are used or looked at."""
    x, y = noise(1, (16, 5)).astype(np.float32), noise(2, (16, 1)).astype(np.float32)
    options: dict[str, Any] = {"max_norm": 0.1, "accumulate": 2, "ema_decay": 0.5, "skip_nonfinite": True}
    model = nn.Sequential([nn.Dense(4, activation="tanh", input_shape=(5,)), nn.Dense(1)], seed=1)
    model.compile(nn.Adam(learning_rate=0.1, **options), "mse")
    flat = model.parameters().copy()
    other = optim.Adam([flat], lr=0.1, eps=1e-7, semantics="keras", **options)
    for _ in range(6):
        model.train_on_batch(x, y)
        other.step([model.gradients().copy()])
        with other.averaged():
            assert np.array_equal(model.parameters(), flat)


BESIDE = ["Muon", "SOAP", "Shampoo", "AdamMini"]


# In any spelling, and what of it stands in AdamW's groups.
TOLD: dict[str, Any] = {
    "global_clipnorm": 0.5,
    "loss_scale": 8.0,
    "skip_nonfinite": True,
    "ema_decay": 0.5,
    "gradient_accumulation_steps": 2,
    "zero_grads": True,
    "measure": True,
}


STAND = {"max_norm": 0.5, "accumulate": 2} | {key: TOLD[key] for key in TOLD if "_" not in key or key in FLAGS}


@pytest.mark.parametrize("name", BESIDE)
def test_adamw_beside_is_told(name: str) -> None:
    rules = {"rules": [("b", "adamw")]} if name == "AdamMini" else {}
    arrays = {"w": noise(1, (6, 4)), "b": noise(2, (4,))}
    optimizer = getattr(optim, name)(arrays, lr=0.1, **TOLD, **rules)
    (group,) = (one for one in optimizer.param_groups if one.get("algorithm") == "adamw")
    assert {key: group.get(key) for key in STAND} == STAND
    before = {key: value.copy() for key, value in arrays.items()}
    grads = [np.ones((6, 4)), np.array([1.0, np.nan, 1.0, 1.0])]
    optimizer.step(grads)
    assert optimizer.last_step.skipped
    assert not any(gradient.any() for gradient in grads)
    assert all(np.array_equal(arrays[key], value) for key, value in before.items())


@pytest.mark.parametrize("name", ["muon", "soap", "shampoo"])
def test_a_models_vectors_have_it_too(name: str) -> None:
    """As martlet.optim does with the same matrices and vectors in one call, whose norm is of all."""
    x, y = noise(1, (16, 5)).astype(np.float32), noise(2, (16, 3)).astype(np.float32)
    options: dict[str, Any] = {"max_norm": 0.1, "accumulate": 2, "ema_decay": 0.5, "lookahead_steps": 2}
    options |= {"skip_nonfinite": True, "loss_scale": 4.0, "lr": 0.1}
    row = _groups.completed(defaults(_algorithms.number_of(name)), options)
    optimizer = nn.Muon(**options) if name == "muon" else nn.optimizers.of(row)
    model = nn.Sequential([nn.Dense(4, activation="tanh", input_shape=(5,)), nn.Dense(3)], seed=1)
    assert optimizer._others[0].skip_nonfinite
    model.compile(optimizer, "mse")
    weights = model.get_weights()
    ends = np.cumsum([weight.size for weight in weights])[:-1]
    sides = [np.ascontiguousarray(weight.T) for weight in weights]
    matrices, vectors = optimizer.hyperparameters(), optimizer._others[0].changed({"lr": 0.1})
    of_matrices = {"algorithm": name, **_groups.as_group(matrices)}
    of_vectors = {"algorithm": "adamw", **_groups.as_group(vectors)}
    other = optim.Adam([{"params": [side], **(of_matrices if side.ndim > 1 else of_vectors)} for side in sides])
    for _ in range(8):
        model.train_on_batch(x, y)
        grads = zip(np.split(model.gradients(), ends), weights, strict=True)
        other.step([np.ascontiguousarray(grad.reshape(weight.shape).T) for grad, weight in grads])
        with other.averaged():
            for ours, theirs in zip(model.get_weights(), sides, strict=True):
                np.testing.assert_allclose(ours, theirs.T, rtol=0, atol=1e-6)


def test_what_is_set_under_way_is_every_groups() -> None:
    x, y = noise(1, (16, 5)).astype(np.float32), noise(2, (16, 3)).astype(np.float32)
    model = nn.Sequential([nn.Dense(3, input_shape=(5,))], seed=1)
    model.compile(nn.Muon(0.1, max_norm=1.0, weight_decay=0.1), "mse")
    model.optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.train_on_batch(x, y)
    model.optimizer.max_norm = 0.25
    assert [row.max_norm for row in model._ready().model.groups()] == [0.25] * 3
    assert [row.max_norm for row in model.optimizer._others] == [0.25]


def test_functions_and_other_names() -> None:
    p, q = noise(1), noise(1)
    kept: dict[str, Any] = {}
    optimizer = optim.Adam([q], lr=0.1, global_clipnorm=0.5, gradient_accumulation_steps=2)
    for t in range(4):
        functional.adam(p, noise(t), kept, lr=0.1, max_norm=0.5, accumulate=2)
        optimizer.step([noise(t)])
    assert np.array_equal(p, q)
    assert optimizer.param_groups[0]["max_norm"] == 0.5
    assert optimizer.param_groups[0]["accumulate"] == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"loss_scale": 0.0}, "loss_scale is 0.0; expected a finite number, more than 0"),
        ({"loss_scale": np.inf}, "loss_scale is inf"),
        ({"loss_scale": np.nan}, "loss_scale is nan"),
        ({"max_norm": -1.0}, "max_norm is -1.0; expected 0 or more, up to infinity"),
        ({"max_norm": np.nan}, "max_norm is nan"),
        (
            {"max_norm": 1.0, "clip_value": 2.0},
            "max_norm is 1.0 beside a clip_value of 2.0; expected infinity for one of them",
        ),
        ({"ema_decay": 1.0}, "ema_decay is 1.0; expected 0 or more and less than 1"),
        ({"ema_warmup": True}, "EMA_WARMUP and ema_decay is 0.0; expected the flag beside an average"),
        ({"accumulate": 2.5}, "accumulate is 2.5; expected a whole number"),
        ({"param_copy": "complex64"}, "param_copy has dtype complex64"),
        ({"param_copy": [np.ones(3)]}, r"param_copy\[0\] has shape \(3,\)"),
        ({"param_copy": [None, None]}, "param_copy has 2 arrays; wanted 1"),
        ({"skip_nonfinite": "no"}, "skip_nonfinite is 'no'; wanted True or False"),
    ],
)
def test_what_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(MartletError, match=words):
        optim.Adam([np.ones((2, 2))], **options)


def test_averages_beside_others_are_refused() -> None:
    with pytest.raises(ArgumentError, match="schedule_free_adamw, which averages parameters itself"):
        optim.AdamWScheduleFree([np.ones(2)], ema_decay=0.5)


def test_copies_and_gradients_that_do_not_fit_are_refused_before_anything_is_written() -> None:
    p = np.ones((4, 4), np.float32)
    for copy, words in (
        (p, "overlap"),
        (np.ones((4, 4)), "fp64; expected fp32, bf16 or fp16"),
        (np.broadcast_to(np.float32(0), (4, 4)), "read-only"),
    ):
        with pytest.raises(MartletError, match=words):
            optim.SGD([p], lr=1.0, param_copy=[copy]).step([p.copy()])
        assert np.array_equal(p, np.ones((4, 4), np.float32))
    gradient = np.ones((4, 4), np.float32)
    gradient.flags.writeable = False
    optimizer = optim.SGD([p], lr=1.0, zero_grads=True)
    with pytest.raises(MartletError, match="read-only"):
        optimizer.step([gradient])
    optimizer.step([gradient.copy()])
    with pytest.raises(MartletError, match="read-only"):
        optimizer.step([gradient])
    with pytest.raises(MartletError, match="overlap"):
        optimizer.step([p])
    assert np.array_equal(p, np.zeros((4, 4), np.float32))
