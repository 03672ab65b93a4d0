"""The mask of cautious updates, over every algorithm that reads it: what a step without it makes, masked here in
float64; the same bits for any threads, layout and way to go on; what is no number; and who refuses it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import martlet
import martlet.torch
import resumed
from by_number import CLASSES, LARGE, name_of, noise, told
from martlet import _algorithms, _ffi_optimizers, functional, nn, optim
from martlet._errors import ArgumentError, DTypeError

MASKED = [number for number in CLASSES if _algorithms.of(number).flags & _ffi_optimizers.CAUTIOUS_UPDATE]
OTHERS = sorted(CLASSES.keys() - MASKED)


def pair(number: int, options: dict[str, Any], p: np.ndarray, t: int, packed: Any) -> tuple[Any, np.ndarray, Any, Any]:
    """A masked and a plain optimizer over copies of `p`, with the state of the masked one."""
    made = []
    for extra in ({"cautious": True}, {}):
        array = p.copy()
        optimizer = CLASSES[number]([array], **options, **extra)
        if t:
            group = {key: value for key, value in packed["param_groups"][0].items() if key != "cautious"} | extra
            optimizer.load_state_dict({**packed, "param_groups": [group]})
        made += [optimizer, array]
    return made[0], made[1], made[2], made[3]


@pytest.mark.parametrize("way", [{}, {"maximize": True}, {"weight_decay": 0.3}], ids=str)
@pytest.mark.parametrize("number", MASKED, ids=name_of)
def test_a_step_is_that_without_the_mask_masked(number: int, way: dict[str, Any]) -> None:
    """Weight decay here is in the gradient, or no part of the update: whichever the algorithm has by default. The state
    moves as without the mask.
    """
    kind = _algorithms.of(number)
    if "weight_decay" in way and "weight_decay" not in kind.places:
        return
    options = told(number, **way)
    apart = bool(kind.default_flags & _ffi_optimizers.DECOUPLED_DECAY) or kind.name in ("adan", "mars", "muon")
    apart = apart or kind.name in ("adamw", "stable_adamw", "adam_mini")
    p, packed, went_against = noise(0), None, 0
    for t in range(6):
        grad = noise(10 + t)
        masked, ours, plain, theirs = pair(number, options, p, t, packed)
        state_before = plain.state_dict()
        masked.step([grad])
        plain.step([grad])
        bare = p.copy()
        if apart and options.get("weight_decay"):  # what the decay takes off, once more without it
            other = CLASSES[number]([bare], **{**options, "weight_decay": 0.0})
            if t:
                group = {**state_before["param_groups"][0], "weight_decay": 0.0}
                other.load_state_dict({**state_before, "param_groups": [group]})
            other.step([grad])
        else:
            bare = theirs
        taken = -grad if way.get("maximize") else grad
        taken = taken + (0.0 if apart else options.get("weight_decay", 0.0)) * p
        update = p - bare
        mask = update * taken > 0
        left = np.where(mask, update / max(mask.mean(), 1e-3), 0.0)
        if kind.name == "adan":  # its decay divides the update too
            left /= 1 + masked.param_groups[0]["lr"] * options.get("weight_decay", 0.0)
            decayed = p / (1 + masked.param_groups[0]["lr"] * options.get("weight_decay", 0.0))
        else:
            decayed = theirs + update if apart else p
        size = np.abs(p).max()
        tolerance = 2e-15 * size * 1e3
        # Where rounding hides an update's sign, nothing is said of the element.
        clear = (np.abs(update) > 1e-14 * size) | (update == 0)
        assert np.allclose(ours[clear], (decayed - left)[clear], rtol=0, atol=tolerance), (kind.name, t)
        for one, other_state in zip(
            masked.state_dict()["state"].values(), plain.state_dict()["state"].values(), strict=True
        ):
            assert all(np.array_equal(one[slot], other_state[slot]) for slot in one), kind.name
        went_against += int((~mask & (update != 0)).sum())
        p, packed = ours, masked.state_dict()
    if {"momentum", "beta1"} & kind.places.keys() and kind.name != "adopt":
        assert went_against > 100


@pytest.mark.parametrize("dtype", [np.float32, np.float16], ids=str)
@pytest.mark.parametrize("number", MASKED, ids=name_of)
def test_the_same_bits_for_any_threads_and_layout(number: int, dtype: type) -> None:
    options = told(number, cautious=True)
    if "weight_decay" in options:
        options["weight_decay"] = 0.1
    found = []
    for count, strided in ((1, False), (2, False), (3, False), (7, False), (1, True), (3, True)):
        martlet.set_num_threads(count)
        arrays = []
        for seed, shape in enumerate([LARGE, (31, 37), (1, 1), (5, 0)]):
            values = noise(seed, shape).astype(dtype)
            room = np.zeros((2 * shape[0], shape[1]), dtype)
            view = room[::-2] if strided else np.empty(shape, dtype)
            view[...] = values
            arrays.append(view)
        optimizer = CLASSES[number](arrays, **options)
        for t in range(4):
            optimizer.step([noise(100 + 10 * t + k, array.shape).astype(np.float32) for k, array in enumerate(arrays)])
        found.append(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
    assert len(set(found)) == 1


@pytest.mark.parametrize("number", MASKED, ids=name_of)
def test_training_goes_on_from_a_state(number: int, tmp_path: Path) -> None:
    grads = [noise(t, (9, 5)).astype(np.float32) for t in range(7)]
    resumed.check(
        CLASSES[number].__name__, noise(8, (9, 5)).astype(np.float32), grads, told(number, cautious=True), tmp_path
    )


@pytest.mark.parametrize("number", OTHERS, ids=name_of)
def test_who_refuses_it(number: int) -> None:
    """By its name, where it is set."""
    with pytest.raises(DTypeError, match="cautious"):
        CLASSES[number]([np.zeros(3)], cautious=True)
    config = _algorithms.new_config(number)
    config.flags |= _ffi_optimizers.CAUTIOUS_UPDATE
    with pytest.raises(ArgumentError, match=f"CAUTIOUS_UPDATE.*{_algorithms.of(number).name}"):
        _ffi_optimizers.martlet_algorithm_slot_count(martlet._ffi.Int64(), config)


def test_by_hand() -> None:
    """A momentum of 1/2 over two gradients: where they differ in sign the larger wins, maybe against the second."""
    p, q = np.zeros(4), np.zeros(4)
    optimizer = optim.SGD([p], lr=1.0, momentum=0.5, cautious=True)
    optimizer.step([np.array([4.0, 4.0, -4.0, 0.0])])
    assert p.tolist() == [-4 / 0.75, -4 / 0.75, 4 / 0.75, 0.0]
    p[:] = 0
    optimizer.step([np.array([1.0, -1.0, 1.0, 3.0])])  # b = 3, 1, -1, 3
    assert p.tolist() == [-6.0, 0.0, 0.0, -6.0]
    functional.sgd(q, np.array([1.0, 0.0, 0.0, 0.0]), {}, lr=1.0, momentum=0.5, cautious=True)
    assert q.tolist() == [-4.0, 0.0, 0.0, 0.0]


def test_an_update_without_a_gradient_is_left_out() -> None:
    """Whichever sign the zero has."""
    p = np.zeros(4)
    optimizer = optim.SGD([p], lr=1.0, momentum=0.5, cautious=True)
    optimizer.step([np.array([4.0, -4.0, 4.0, -4.0])])
    p[:] = 0
    optimizer.step([np.array([0.0, 0.0, -0.0, -1.0])])  # b = 2, -2, 2, -3
    assert p.tolist() == [0.0, 0.0, 0.0, 12.0]


def test_the_share_is_a_thousandth_at_least() -> None:
    """And of the parameter that it is of: neither of a tile nor of all of them."""
    grad = np.zeros(20_000)
    grad[-1] = 1.0
    p, q = np.zeros(20_000), np.zeros(2)
    optim.SGD([p, q], lr=1.0, momentum=0.5, cautious=True).step([grad, np.array([1.0, 0.0])])
    assert p[-1] == -1000.0
    assert not p[:-1].any()
    assert q.tolist() == [-2.0, 0.0]


def test_small_numbers_have_signs() -> None:
    """The product of such an update and its gradient is 0 in the type that is computed in."""
    p = np.zeros(2, np.float32)
    optim.SGD([p], lr=1e-10, cautious=True).step([np.array([1e-20, -1e-20], np.float32)])
    assert p.tolist() == [np.float32(-1e-30), np.float32(1e-30)]


def test_what_is_no_number_is_not_hidden() -> None:
    for grad, wanted in ((np.nan, np.isnan), (np.inf, np.isnan)):
        p = np.ones(3, np.float32)
        optim.AdamW([p], lr=0.1, cautious=True).step([np.array([1.0, grad, 1.0], np.float32)])
        assert wanted(p[1])
        assert np.isfinite(p[[0, 2]]).all()


def test_a_groups_flag_can_be_set_later() -> None:
    """In both faces, and taken back."""
    parameter = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    optimizer = martlet.torch.SGD([parameter], lr=1.0, momentum=0.5)
    assert "cautious" not in optimizer.param_groups[0]
    optimizer.param_groups[0]["cautious"] = True
    parameter.grad = torch.tensor([1.0, 0.0], dtype=torch.float64)
    optimizer.step()
    assert parameter.tolist() == [-2.0, 0.0]
    optimizer.param_groups[0]["cautious"] = False
    optimizer.step()
    assert parameter.tolist() == [-3.5, 0.0]
    with pytest.raises(DTypeError, match="cautious is 'yes'"):
        optim.AdamW([np.zeros(2)], cautious="yes")


def test_a_model_masks_each_of_its_arrays() -> None:
    """Not all of them as one."""
    model = nn.Sequential([nn.Input((3,)), nn.Dense(4), nn.Dense(2)], seed=1)
    model.compile(nn.SGD(learning_rate=0.1, momentum=0.9, semantics="torch", cautious=True), "mse")
    alone = [view.copy() for view in model.get_weights()]
    optimizer = optim.SGD(alone, lr=0.1, momentum=0.9, cautious=True)
    x, y = noise(1, (5, 3)).astype(np.float32), noise(2, (5, 2)).astype(np.float32)
    for _ in range(4):
        model.train_on_batch(x, y)
        flat, grads = model.gradients(), []
        for array in alone:
            grads.append(flat[: array.size].reshape(array.shape).copy())
            flat = flat[array.size :]
        optimizer.step(grads)
    for ours, theirs in zip(model.get_weights(), alone, strict=True):
        assert np.array_equal(ours, theirs)
