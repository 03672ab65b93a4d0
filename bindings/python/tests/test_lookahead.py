"""Lookahead around every algorithm: the steps without it, and slow weights worked out here in float64; the same bits
for any threads, layout, type of state and way into the library; training that goes on; and what is refused.
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
from by_number import CLASSES, bits, in_every_layout, name_of, noise, told
from martlet import _algorithms, _ffi_optimizers, convert, functional, nn, optim
from martlet._errors import ArgumentError, UnsupportedError

ALL = sorted(CLASSES)
LOOKING = {"lookahead_steps": 3, "lookahead_alpha": 0.7}


def options_of(number: int) -> list[dict[str, Any]]:
    """None beside it, and what changes a step's passes."""
    flags = _algorithms.of(number).flags
    found: list[dict[str, Any]] = [{}]
    if flags & _ffi_optimizers.CAUTIOUS_UPDATE:
        found.append({"cautious": True})
    if flags & _ffi_optimizers.HYPERBALL:
        found += [{"hyperball": True}, {"hyperball": True, "cautious": True}]
    if flags & _ffi_optimizers.CORRECTED_DECAY:
        found.append({"corrected_weight_decay": True, "weight_decay": 0.1})
    return found


@pytest.mark.parametrize("number", ALL, ids=name_of)
def test_slow_weights_go_a_part_of_the_way_and_the_parameter_back_to_them(number: int) -> None:
    for extra in options_of(number):
        options = told(number) | {"lr": 0.1} | extra
        ours, other = noise(0), noise(0)
        looking = CLASSES[number]([ours], **LOOKING, **options)
        plain = CLASSES[number]([other], **options)
        slow = other.copy()
        for t in range(8):
            looking.step([noise(10 + t)])
            plain.step([noise(10 + t)])
            if t % 3 == 2:
                slow += 0.7 * (other - slow)
                other[...] = slow
            np.testing.assert_allclose(ours, other, rtol=0, atol=1e-14, err_msg=f"{extra}, step {t}")
            states = [next(iter(each.state_dict()["state"].values()), {}) for each in (looking, plain)]
            np.testing.assert_allclose(states[0].pop("slow_params"), slow, rtol=0, atol=1e-14)
            assert states[0].pop("lookahead_step") == t % 3 + 1
            for slot, value in states[1].items():
                np.testing.assert_allclose(states[0][slot], value, rtol=1e-9, atol=1e-12, err_msg=f"{extra}, {slot}")


def test_torch_by_hand() -> None:
    """Around torch's own Adam, as the paper has it."""
    start = torch.from_numpy(noise(1))
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    looking = martlet.torch.Adam([ours], lr=0.05, lookahead_steps=5)
    plain = torch.optim.Adam([theirs], lr=0.05)
    slow = start.clone()
    for t in range(17):
        ours.grad, theirs.grad = (torch.from_numpy(noise(20 + t)) for _ in range(2))
        looking.step()
        plain.step()
        if (t + 1) % 5 == 0:
            slow += 0.5 * (theirs.detach() - slow)
            with torch.no_grad():
                theirs.copy_(slow)
        torch.testing.assert_close(ours.detach(), theirs.detach(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float16], ids=str)
@pytest.mark.parametrize("number", ALL, ids=name_of)
def test_the_same_bits_for_any_threads_and_layout(number: int, dtype: type) -> None:
    found = []
    for arrays, steps in in_every_layout(number, dtype):
        optimizer = CLASSES[number](arrays, lookahead_steps=2, **told(number))
        for grads in steps:
            optimizer.step(grads)
        found.append(bits([*arrays, *(entry["slow_params"] for entry in optimizer.state_dict()["state"].values())]))
    assert len(set(found)) == 1


@pytest.mark.parametrize("number", ALL, ids=name_of)
def test_training_goes_on_from_a_state(number: int, tmp_path: Path) -> None:
    """In the middle between two looks back."""
    grads = [noise(t, (9, 5)).astype(np.float32) for t in range(7)]
    options = told(number, **LOOKING)
    resumed.check(CLASSES[number].__name__, noise(8, (9, 5)).astype(np.float32), grads, options, tmp_path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("kept", [torch.float64, torch.float32, torch.bfloat16])
def test_slow_weights_of_other_types(dtype: torch.dtype, kept: torch.dtype) -> None:
    """Each is rounded to its own type: the slow weights, and the parameter that goes back to them."""
    start = torch.from_numpy(noise(3, (40, 7))).to(dtype)
    parameter = torch.nn.Parameter(start.clone())
    optimizer = martlet.torch.SGD([parameter], lr=0.25, lookahead_steps=1, lookahead_alpha=0.75, state_dtype=kept)
    slow, wide = start.to(kept), torch.float64 if kept == torch.float64 else torch.float32
    for t in range(3):
        grad = torch.from_numpy(noise(30 + t, (40, 7))).to(dtype)
        parameter.grad = grad
        before = parameter.detach().clone()
        optimizer.step()
        fast = (before.to(wide) - torch.tensor(0.25, dtype=wide) * grad.to(wide)).to(dtype).to(wide)
        exact = slow.to(wide) - torch.tensor(0.75, dtype=wide) * (slow.to(wide) - fast)
        slow = exact.to(kept)
        torch.testing.assert_close(optimizer.state[parameter]["slow_params"], slow, rtol=1e-6, atol=0)
        torch.testing.assert_close(parameter.detach(), exact.to(dtype), rtol=1e-6, atol=0)
        slow = optimizer.state[parameter]["slow_params"].clone()


def test_models_look_ahead() -> None:
    """As the same optimizer does over the model's arrays."""
    x, y = noise(1, (16, 5)).astype(np.float32), noise(2, (16, 1)).astype(np.float32)
    model = nn.Sequential([nn.Dense(4, activation="tanh", input_shape=(5,)), nn.Dense(1)], seed=1)
    model.compile(nn.Adam(learning_rate=0.1, lookahead_steps=2, lookahead_alpha=0.25), "mse")
    flat = model.parameters().copy()
    other = optim.Adam([flat], lr=0.1, eps=1e-7, semantics="keras", lookahead_steps=2, lookahead_alpha=0.25)
    for _ in range(5):
        model.train_on_batch(x, y)
        other.step([model.gradients().copy()])
        assert np.array_equal(model.parameters(), flat)


@pytest.mark.parametrize("name", ["Muon", "SOAP", "Shampoo", "AdamMini"])
def test_adamw_beside_looks_ahead_too(name: str) -> None:
    """In each face, to the bit."""
    rules = {"rules": [("b", "adamw")]} if name == "AdamMini" else {}
    start = {"w": noise(1, (6, 4)), "b": noise(2, (4,))}
    arrays = {key: value.copy() for key, value in start.items()}
    tensors = {key: torch.nn.Parameter(torch.from_numpy(value.copy())) for key, value in start.items()}
    ours = getattr(optim, name)(arrays, lr=0.1, lookahead_steps=1, **rules)
    theirs = getattr(martlet.torch, name)(tensors, lr=0.1, lookahead_steps=1, **rules)
    for t in range(3):
        grads = {key: noise(5 * t + k, value.shape) for k, (key, value) in enumerate(start.items())}
        ours.step([grads[key] for key in ("w", "b")])
        for key, tensor in tensors.items():
            tensor.grad = torch.from_numpy(grads[key])
        theirs.step()
    assert all(np.array_equal(arrays[key], tensors[key].detach().numpy()) for key in start)
    assert all("slow_params" in entry for entry in ours.state_dict()["state"].values())


def test_functions_and_groups() -> None:
    p, q, r = noise(1), noise(1), noise(1)
    kept: dict[str, Any] = {}
    optimizer = optim.Adam([{"params": [q], "lookahead_steps": 2}, {"params": [r]}], lr=0.1)
    for t in range(4):
        functional.adam(p, noise(t), kept, lr=0.1, lookahead_steps=2)
        optimizer.step([noise(t), noise(t)])
    assert np.array_equal(p, q)
    assert not np.array_equal(q, r)
    assert "lookahead_steps" not in optimizer.param_groups[1]
    assert optimizer.param_groups[0]["lookahead_steps"] == 2


def test_a_state_without_slow_weights_starts_them() -> None:
    """Where lookahead_step says 0: a state of before, into an optimizer that looks ahead."""
    p = noise(1)
    optimizer = optim.Adam([p], lr=0.1, **LOOKING)
    optimizer.step([noise(2)])
    state = optimizer.state_dict()
    state["state"][0]["slow_params"][...] = np.nan
    state["state"][0]["lookahead_step"] = 0.0
    optimizer.load_state_dict(state)
    before = p.copy()
    optimizer.step([noise(3)])
    assert np.array_equal(optimizer.state_dict()["state"][0]["slow_params"], before)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lookahead_steps": 2.5}, "lookahead_steps is 2.5; expected a whole number"),
        ({"lookahead_steps": -1}, "lookahead_steps is -1"),
        ({"lookahead_steps": float("nan")}, "lookahead_steps is nan"),
        ({"lookahead_steps": 2, "lookahead_alpha": 1.5}, "lookahead_alpha is 1.5; expected 0 to 1"),
        ({"lookahead_steps": 2, "lookahead_alpha": float("inf")}, "lookahead_alpha is inf"),
    ],
)
def test_numbers_out_of_range(options: dict[str, Any], words: str) -> None:
    for face, value in ((optim, np.ones((2, 2))), (martlet.torch, torch.ones(2, 2))):
        for name in ("LAMB", "Adam", "Muon"):
            with pytest.raises(ArgumentError, match=words):
                getattr(face, name)([value], **options)


def test_what_a_group_keeps_does_not_change() -> None:
    """In C: a handle's parameters have slow weights from the start, or never."""
    optimizer, config = _ffi_optimizers.HANDLE(), _algorithms.new_config(_ffi_optimizers.ADAM)
    _ffi_optimizers.martlet_optimizer_create(optimizer, config)
    try:
        _ffi_optimizers.martlet_optimizer_set(optimizer, 0, _ffi_optimizers.LOOKAHEAD_STEPS, 5.0)
        _ffi_optimizers.martlet_optimizer_set(optimizer, 0, _ffi_optimizers.LOOKAHEAD_STEPS, 0.0)
        parameter, memory = martlet._ffi.Parameter(), np.zeros(3, np.float32)
        parameter.value.data, parameter.value.count, parameter.value.dtype = memory.ctypes.data, 3, martlet._ffi.FP32
        _ffi_optimizers.martlet_optimizer_add(optimizer, None, parameter)
        with pytest.raises(ArgumentError, match="lookahead_steps is 5.*slow_params"):
            _ffi_optimizers.martlet_optimizer_set(optimizer, 0, _ffi_optimizers.LOOKAHEAD_STEPS, 5.0)
    finally:
        _ffi_optimizers.martlet_optimizer_destroy(optimizer)


def test_what_is_put_around_an_optimizer_is_not_taken_for_one() -> None:
    """pytorch_optimizer's keeps a state_dict of each."""
    inner = torch.optim.AdamW([torch.nn.Parameter(torch.ones(3))])
    body = {
        "__module__": "pytorch_optimizer.optimizer.lookahead",
        "step": None,
        "state_dict": lambda _: inner.state_dict(),
    }
    with pytest.raises(UnsupportedError, match="pytorch_optimizer's Lookahead is not converted"):
        convert.from_torch(type("Lookahead", (), body)(), optim.AdamW([np.ones(3)]))


def test_libraries_that_have_none_are_not_handed_a_state() -> None:
    p = np.ones(3)
    ours = optim.Adam([p], lookahead_steps=2)
    ours.step([p.copy()])
    with pytest.raises(UnsupportedError, match="lookahead_steps, which is 2"):
        convert.to_torch(ours, torch.optim.Adam([torch.ones(3)]))
    tensor = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    theirs = martlet.torch.Adam([tensor])
    theirs.load_state_dict(convert.to_torch(ours, theirs))
    assert theirs.param_groups[0]["lookahead_steps"] == 2
    assert torch.equal(theirs.state[tensor]["slow_params"], torch.ones(3, dtype=torch.float64))
