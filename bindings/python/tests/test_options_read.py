"""No option is taken in vain: by each convention, each changes what steps do, or every face refuses it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import martlet
import martlet.torch
from by_number import CLASSES
from martlet import _algorithms, _choices, _spellings, nn
from martlet._config import SEMANTICS

CASES = [
    (number, name) for number in CLASSES for name, of in SEMANTICS.items() if of in _algorithms.of(number).conventions
]
# Options that others are read with.
BESIDE: list[dict[str, Any]] = [
    {},
    {"weight_decay": 0.1},
    {"weight_decay": 0.0},
    {"momentum": 0.9},
    {"weight_decay": 0.1, "momentum": 0.9},
    {"lambd": 0.1, "t0": 2.0},
    {"alpha_warmup": 10.0, "beta3_warmup": 10.0},
    {"rectify": True},
    {"grafting": "adam"},
    {"lookahead_steps": 2.0},
    {"ema_decay": 0.5},
]
VALUES = (0.3, 0.9, 1e-3, 1.1, 2.0, 5.0, 0.0, -0.5, 100.0, 1.0)
#: What is so in any case: Keras's convention decouples decay whatever the flag says, as optax's Adan does, and torch's
#: groups of an Adam always have the flag, so that False there asks for nothing.
SETTLED = {"decoupled_weight_decay"}
#: What moves nothing where gradients are finite and of all rows, and nobody reads them twice.
EMA = {"ema_decay", "ema_bias_correction", "ema_warmup"}
SETTLED |= {"skip_nonfinite", "measure", "measure_update", "zero_grads", "defer_rows"}


def shown(case: tuple[int, str]) -> str:
    return f"{_algorithms.of(case[0]).name}, {case[1]}"


def moved(number: int, options: dict[str, Any]) -> bytes:
    """Where a few steps lead, with the state; the rate grows and falls, and so do gradients."""
    values = np.array([[1.0, -0.5], [2.0, 0.1]])
    optimizer = CLASSES[number]([values], **options)
    for step in range(12):
        if step in (4, 8):
            optimizer.param_groups[0]["lr"] *= 2.0 if step == 4 else 0.25
        noise = np.array([[0.5 if step != 7 else -0.01, -1.0], [0.01, (-1.0) ** step]])
        optimizer.step([noise * (10.0 if step == 2 else 0.1 * (1 + step % 3))])
    return pickle.dumps((values, optimizer.state_dict()["state"]))


def contexts(number: int) -> Iterator[dict[str, Any]]:
    kind = _algorithms.of(number)
    known = {*kind.places, *_spellings.flag_keys(number), *_choices.keys(number)}
    for beside in BESIDE:
        if beside.keys() <= known:
            yield beside
            for flag in _spellings.flag_keys(number):
                yield {**beside, flag: True}


def given(number: int, option: str, value: Any) -> dict[str, Any]:
    """An option by the key that a group has for it."""
    kind = _algorithms.of(number)
    parts = _spellings.lists(kind).get(option, ())
    return {option: tuple(value if part == option else kind.defaults[part] for part in parts) or value}


def is_read(number: int, semantics: str, option: str, values: tuple[Any, ...]) -> bool:
    """Whether two of the values lead elsewhere, whatever else is set."""
    for beside in contexts(number):
        found = set()
        for value in values:
            try:
                found.add(moved(number, {**beside, "semantics": semantics, **given(number, option, value)}))
            except martlet.MartletError:
                continue
            if len(found) > 1:
                return True
    return False


def refused(number: int, semantics: str, option: str, value: Any) -> None:
    """By each face, before anything is changed."""
    kind = _algorithms.of(number)
    wanted = pytest.raises(martlet.ArgumentError, match=f"{option} is {value}.*(semantics|convention)")
    values, gradients = np.ones(3), np.ones(3)
    with wanted:
        CLASSES[number]([values], **{option: value, "semantics": semantics})
    with wanted:
        getattr(martlet, kind.name)([values], [gradients], **{option: value, "semantics": semantics})
    optimizer = CLASSES[number]([values], semantics=semantics)
    optimizer.param_groups[0][option] = value
    with wanted:
        optimizer.step([gradients])
    assert np.array_equal(values, np.ones(3)) and not optimizer.state_dict()["state"]
    made = getattr(martlet.torch, CLASSES[number].__name__)
    parameter = torch.nn.Parameter(torch.ones(3))
    with wanted:
        made([parameter], **{option: value, "semantics": semantics})
    tensors = made([parameter], semantics=semantics)
    tensors.param_groups[0][option] = value
    parameter.grad = torch.ones(3)
    with wanted:
        tensors.step()
    assert torch.equal(parameter.detach(), torch.ones(3))
    model = nn.optimizers.get(kind.name)
    if type(model).__init__ is not nn.optimizers.Optimizer.__init__:  # of Keras's; others take no arguments
        with wanted:
            type(model)(**{option: value, "semantics": semantics})
    if model.hyperparameters().semantics == semantics:
        with wanted:
            setattr(model, option, value)
        assert getattr(model, option) == kind.defaults[option]


@pytest.mark.parametrize("case", CASES, ids=shown)
def test_no_option_is_taken_in_vain(case: tuple[int, str]) -> None:
    number, semantics = case
    # What averages by itself takes no average, by any convention.
    settled = SETTLED | (EMA if "schedule_free" in _algorithms.of(number).name else set())
    for option, default in _algorithms.of(number).defaults.items():
        if option not in settled and not is_read(number, semantics, option, (default, *VALUES)):
            refused(number, semantics, option, next(value for value in VALUES if value != default))
    for flag in _spellings.flag_keys(number):
        if flag not in settled and not is_read(number, semantics, flag, (False, True)):
            with pytest.raises(martlet.ArgumentError, match=f"{flag.split('_')[0].upper()}.*convention"):
                CLASSES[number]([np.ones(3)], **{flag: True, "weight_decay": 0.1, "semantics": semantics})
