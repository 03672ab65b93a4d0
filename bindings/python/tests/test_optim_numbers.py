"""Numbers as gradients of parameters of one element, and what is given where lists of arrays are wanted."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import martlet
from martlet.optim import Adam
from test_optim_changed import WAYS, Way

NUMBERS = [
    0.5,
    2,
    np.float64(0.5),
    np.float32(0.5),
    np.float16(0.5),
    ml_dtypes.bfloat16(0.5),
    np.longdouble(0.5),
    np.int64(3),
    np.array(0.5),
    np.array(0.5, np.float32),
]


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
@pytest.mark.parametrize("number", NUMBERS, ids=[f"{type(number).__name__} {number!r}" for number in NUMBERS])
def test_numbers_are_gradients_of_one_element(number: Any, shape: tuple[int, ...]) -> None:
    weight, bias, wanted = np.ones(3), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    optimizer, other = Adam([weight, bias], lr=0.1), Adam([wanted], lr=0.1)
    for turn in range(4):
        scale = turn - 1
        optimizer.step([np.ones(3), number * scale])
        # As an array of its own type, where that is one that gradients have, else as float64.
        own = np.asarray(number * scale).dtype
        other.step([np.full(shape, float(number * scale), own if own.itemsize < 8 else np.float64)])
        assert bias == wanted
    assert bias.shape == shape


@pytest.mark.parametrize("way", WAYS)
def test_by_every_way_of_stepping(way: Way) -> None:
    """A bias that is one number, beside a weight, as in a linear regression by hand."""
    x, params, wanted = np.linspace(-1, 1, 8), [np.ones(1), np.zeros(())], [np.ones(1), np.zeros(())]
    step, _ = way(params)
    with_arrays, _ = way(wanted)
    for _ in range(5):
        error = params[0] * x + params[1] - np.sin(x)
        grads = [2 * (error * x).mean(), 2 * error.mean()]
        assert isinstance(grads[0], np.float64)
        step(grads)
        with_arrays([np.full(1, grads[0]), np.asarray(grads[1])])
        assert params == wanted
    step([float(grads[0]), None])


def test_a_number_alone() -> None:
    bias = np.zeros(1)
    optimizer = Adam([bias], lr=0.1)
    optimizer.step(np.float64(2))
    assert optimizer.update(1.5) is bias
    martlet.adam(bias, 0.5)
    martlet.adam({"b": bias}, {"b": np.float32(0.5)})
    changes = Adam(lr=0.1)
    assert changes.update(np.float32(2)) == pytest.approx(-0.1)
    assert isinstance(changes.update(np.float64(2)), float)


@pytest.mark.parametrize(
    ("number", "text"), [(True, "dtype bool"), (1j, "complex"), (np.complex64(1), "dtype complex")]
)
def test_what_is_no_gradient(number: Any, text: str) -> None:
    bias = np.zeros(1)
    with pytest.raises(martlet.DTypeError, match=rf"the gradient of params\[0\] .*{text}"):
        Adam([bias]).step([number])
    with pytest.raises(martlet.DTypeError, match=r"the gradient of params\[0\] is 0.5, one number, .* shape \(3,\)"):
        Adam([np.zeros(3)]).step([0.5])
    assert bias == 0


A = np.ones(3)
T = torch.ones(3)
TENSOR = "is a torch.Tensor, as martlet.torch serves them; wanted"
FLOATS = r"is a list of 3 numbers.*numpy.array\("
CALLS: dict[str, tuple[Callable[[], Any], str]] = {
    "a tensor of parameters": (lambda: Adam(T), f"params {TENSOR} numpy.ndarray, or a list"),
    "a tensor without axes": (lambda: Adam(torch.ones(())), f"params {TENSOR}"),
    "a tensor in a group": (lambda: Adam([{"params": T}]), TENSOR),
    "a tensor that is added": (lambda: Adam([A]).add_param_group({"params": T}), TENSOR),
    "a tensor to build for": (lambda: Adam().build(T), f"variables {TENSOR}"),
    "floats as parameters": (lambda: Adam([0.1, 0.2, 0.3]), f"params {FLOATS}"),
    "floats in a group": (lambda: Adam({"params": [0.1, 0.2, 0.3]}), FLOATS),
    "floats to build for": (lambda: Adam().build((0.1, 0.2, 0.3)), f"variables {FLOATS}"),
    "a tensor of gradients": (lambda: Adam([A]).step(T), f"grads {TENSOR} a list or dict"),
    "a tensor to update by": (lambda: Adam([A]).update(T), f"grads {TENSOR}"),
    "a tensor that is bound": (lambda: Adam([A], grads=T), f"grads {TENSOR}"),
    "floats as gradients": (lambda: Adam([A]).step([0.1, 0.2, 0.3]), f"grads {FLOATS}"),
    "a tuple of them": (lambda: Adam([A]).step((0.1, 0.2, 0.3)), f"grads {FLOATS}"),
    "a text": (lambda: Adam([A]).step("abc"), "grads is 'abc'; wanted a list or dict"),
    "one array for two": (lambda: Adam([A, A + 1]).step(A), "grads is one array, and there are 2 .* wanted a list"),
    "one number for two": (lambda: Adam([A, A + 1]).step(0.5), "grads is one number, and there are 2 parameters"),
    "one array of pairs": (lambda: Adam().apply_gradients(A), r"grads_and_vars is one array; wanted pairs"),
    "an array without axes": (lambda: Adam().apply_gradients(np.ones(())), "grads_and_vars is one array; wanted"),
    "a tensor of pairs": (lambda: Adam().apply_gradients(T), f"grads_and_vars {TENSOR} pairs"),
    "arrays of pairs": (lambda: Adam().apply_gradients([A, A]), r"grads_and_vars\[0\] is .*; wanted pairs"),
    "function: a tensor": (lambda: martlet.adam(T, A), "params is a torch.Tensor; martlet.torch serves tensors"),
    "function: its gradient": (lambda: martlet.adam(A, T), "the gradient of params is a torch.Tensor; martlet.torch"),
    "function: floats": (lambda: martlet.adam([0.1, 0.2, 0.3], A), f"params {FLOATS}"),
    "function: float gradients": (lambda: martlet.adam(A, [0.1, 0.2, 0.3]), f"grads {FLOATS}"),
    "function: a tensor for a list": (
        lambda: martlet.adam([A], T),
        "grads is a torch.Tensor, .* params is a list of 1",
    ),
    "function: one array for a list": (lambda: martlet.adamw([A], A), "grads is one array, and params is a list of 1"),
}


@pytest.mark.parametrize("case", CALLS)
def test_what_is_given_where_a_list_of_arrays_is_wanted(case: str) -> None:
    call, text = CALLS[case]
    with pytest.raises(martlet.MartletError, match=text) as caught:
        call()
    assert isinstance(caught.value, TypeError | ValueError)
    assert (A == 1).all()


def test_generators_and_zips_are_lists() -> None:
    first, second = np.zeros(3), np.zeros(2)
    optimizer = Adam((array for array in (first, second)), lr=0.1)
    optimizer.step(np.ones(size) for size in (3, 2))
    optimizer.step(itertools.chain([np.ones(3)], [np.ones(2)]))
    optimizer.step((np.ones(3), np.ones(2)))
    optimizer.apply_gradients(zip((np.ones(3), np.ones(2)), (first, second), strict=True))
    assert first[0] == pytest.approx(-0.4) and second[0] == pytest.approx(-0.4)
