"""numpy arrays that change between steps: shape, type, strides, memory and writability are looked at each time, and a
parameter that no longer fits its moments is an error that names it, by any way of stepping, with nothing written."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import martlet
from martlet.optim import Adam, AdamW

Arrays = list[np.ndarray[Any, Any]]
Step = Callable[[Arrays], Any]
Way = Callable[[Arrays], tuple[Step, Callable[[], Any]]]


def by_step(params: Arrays) -> tuple[Step, Callable[[], Any]]:
    optimizer = Adam(params, lr=0.1)
    return optimizer.step, optimizer.state_dict


def by_name(params: Arrays) -> tuple[Step, Callable[[], Any]]:
    optimizer = AdamW({f"params[{place}]": array for place, array in enumerate(params)}, lr=0.1)
    return lambda grads: optimizer.step({f"params[{i}]": g for i, g in enumerate(grads)}), optimizer.state_dict


def by_update(params: Arrays) -> tuple[Step, Callable[[], Any]]:
    optimizer = Adam(params, lr=0.1, amsgrad=True)
    return optimizer.update, optimizer.state_dict


def bound(params: Arrays) -> tuple[Step, Callable[[], Any]]:
    held = [np.zeros_like(array) for array in params]
    optimizer = Adam(params, lr=0.1, grads=held)

    def step(grads: Arrays) -> None:
        held[:] = grads
        optimizer.step()

    return step, optimizer.state_dict


def by_pairs(params: Arrays) -> tuple[Step, Callable[[], Any]]:
    optimizer = Adam(lr=0.1)
    return lambda grads: optimizer.apply_gradients(zip(grads, params, strict=True)), optimizer.state_dict


def function(params: Arrays) -> tuple[Step, Callable[[], Any]]:
    state: dict[Any, Any] = {}
    return lambda grads: martlet.adam(params, grads, state, lr=0.1), lambda: copy.deepcopy(state)


def numbered(params: Arrays) -> tuple[Step, Callable[[], Any]]:
    state: dict[Any, Any] = {}

    def step(grads: Arrays) -> None:
        number = state[0]["step"] + 1 if state else 1
        martlet.adam_optimizer(params, grads, number, 0.1, state=state)

    return step, lambda: copy.deepcopy(state)


WAYS: list[Way] = [by_step, by_name, by_update, bound, by_pairs, function, numbered]


def set_attribute(array: Any, name: str, value: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy advises against some of these
        setattr(array, name, value)


def grown(array: Any) -> None:
    array.resize(1000, refcheck=False)


def shrunk(array: Any) -> None:
    array.resize(2, refcheck=False)


def reshaped(array: Any) -> None:
    set_attribute(array, "shape", (2, 2))


def of_half_the_size(array: Any) -> None:
    set_attribute(array, "dtype", np.float32 if array.dtype == np.float64 else np.float16)


def read_only(array: Any) -> None:
    array.flags.writeable = False


def repeating(array: Any) -> None:
    set_attribute(array, "strides", (0,))


def fresh() -> Arrays:
    return [np.array([1.0, 1.5, 2.0]), np.array([-1.0, 0.0, 0.5, 1.0]), np.ones((2, 3), np.float32)]


def plain(state: Any) -> Any:
    """A state as nested lists, which can be compared."""
    if isinstance(state, dict):
        return {key: plain(value) for key, value in state.items() if key != "params"}
    if isinstance(state, list):
        return [plain(value) for value in state]
    return state.tolist() if isinstance(state, np.ndarray) else state


@pytest.mark.parametrize("change", [grown, shrunk, reshaped, of_half_the_size, read_only, repeating])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("gradient_follows", [True, False])
def test_a_parameter_that_no_longer_fits(way: Way, change: Callable[[Any], None], gradient_follows: bool) -> None:
    params = fresh()
    step, state = way(params)
    for _ in range(3):
        step([np.ones_like(array) for array in params])
    grads = [np.ones_like(array) for array in params]
    change(params[1])
    if gradient_follows:
        grads[1] = np.ones(params[1].shape, params[1].dtype)
    before, values = plain(state()), [array.tolist() for array in params]
    for _ in range(2):
        with pytest.raises(martlet.MartletError, match=r"(params|state)\[1\]") as caught:
            step(grads)
        assert isinstance(caught.value, ValueError | TypeError)
        assert [array.tolist() for array in params] == values
        assert plain(state()) == before


@pytest.mark.parametrize("way", WAYS)
def test_a_parameter_that_fits_again_goes_on(way: Way) -> None:
    """Also from another place, with other strides, and from a copy of the gradient that lies elsewhere."""
    params, wanted = [np.ones(4), np.arange(6.0).reshape(2, 3)], [np.ones(4), np.arange(6.0).reshape(2, 3)]
    step, _ = way(params)
    undisturbed, _ = way(wanted)
    rng = np.random.default_rng(1)
    for turn in range(6):
        grads = [rng.standard_normal(array.shape) for array in params]
        if turn == 2:
            grown(params[0])
            with pytest.raises(martlet.MartletError):
                step([np.ones(1000), grads[1]])
            held = np.zeros(100_000)  # so that the memory is another one when it is given back
            params[0].resize(4, refcheck=False)
            del held
        if turn == 3:
            params[0].flags.writeable = False
            with pytest.raises(martlet.ReadOnlyError):
                step(grads)
            params[0].flags.writeable = True
        if turn == 4:
            values = params[1].copy()
            set_attribute(params[1], "strides", (8, 16))
            params[1][...] = values
        step(grads)
        undisturbed(grads)
        assert all((ours == theirs).all() for ours, theirs in zip(params, wanted, strict=True))


@pytest.mark.parametrize("way", WAYS[:5])
def test_a_type_of_the_same_size(way: Way) -> None:
    params = [np.ones(4, np.float16), np.ones(4, np.float16)]
    step, _ = way(params)
    step([np.ones(4), np.ones(4)])
    set_attribute(params[1], "dtype", ml_dtypes.bfloat16)
    with pytest.raises(martlet.DTypeError, match=r"params\[1\] has dtype bfloat16, and its moments .* for float16"):
        step([np.ones(4), np.ones(4)])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("which", ["parameter", "gradient"])
def test_a_view_of_an_array_that_was_resized(way: Way, which: str) -> None:
    owners = {"parameter": np.ones(1 << 20), "gradient": np.ones(1 << 20)}
    params = [np.ones(3), owners["parameter"][1:1001:2]]
    grads = [np.ones(3), owners["gradient"][1000:0:-2]]
    step, _ = way(params)
    for _ in range(2):
        step(grads)
    owners[which].resize(2, refcheck=False)
    with pytest.raises(martlet.OverlapError, match=r"params\[1\] is a view of an array that was resized"):
        step(grads)
    assert params[0][0] == pytest.approx(0.8, abs=0.01)


class Kind(np.ndarray[Any, Any]):
    """A view of one has it as its base, and not the array that has the memory."""


@pytest.mark.parametrize("steps_before", [0, 2])
@pytest.mark.parametrize("way", WAYS)
def test_a_view_of_a_view_of_an_array_that_was_resized(way: Way, steps_before: int) -> None:
    owner = np.ones(1 << 20)
    array = owner.view(Kind)[1:1001:2].view(np.ndarray)
    assert isinstance(array.base, Kind)
    step, _ = way([array])
    for _ in range(steps_before):
        step([np.ones(500)])
    owner.resize(2, refcheck=False)
    with pytest.raises(martlet.OverlapError, match="is a view of an array that was resized"):
        step([np.ones(500)])


def test_a_parameter_that_moved_is_found_by_its_new_memory_alone() -> None:
    """Another array may lie where it was."""
    array = np.ones(4)
    optimizer = Adam(lr=0.1)
    optimizer.apply_gradients([(np.ones(4), array)])
    others = [np.ones(4) for _ in range(50)]
    array.resize(1 << 16, refcheck=False)
    array.resize(4, refcheck=False)
    others += [np.ones(4) for _ in range(50)]
    for other in others:
        optimizer.apply_gradients([(np.ones(4), other[:])])
        assert other[0] == pytest.approx(0.9)
    optimizer.apply_gradients([(np.ones(4), array[:])])
    np.testing.assert_allclose(array, 0.8, atol=1e-6)
    assert len(optimizer.param_groups[0]["params"]) == 101
    with pytest.raises(martlet.OverlapError):
        optimizer.add_param_group({"params": array[1:]})


def test_moments_that_no_longer_fit_are_neither_saved_nor_loaded_into(tmp_path: Any) -> None:
    array = np.ones(4)
    optimizer = Adam([array])
    optimizer.step(np.ones(4))
    optimizer.save(tmp_path / "state")
    state = optimizer.state_dict()
    array.resize(2, refcheck=False)
    for call in (optimizer.save, optimizer.load):
        with pytest.raises(martlet.ShapeError, match=r"params\[0\] has shape \(2,\), and its moments .* for \(4,\)"):
            call(tmp_path / "state")
    with pytest.raises(martlet.FormatError, match=r"params\[0\]"):
        optimizer.load_state_dict(state)
    optimizer.load_state_dict({**state, "state": {}})
    optimizer.step(np.ones(2))
    assert optimizer.state_dict()["state"][0]["step"] == 1


def test_a_parameter_may_change_before_its_first_step() -> None:
    array = np.ones(4)
    optimizer = Adam([array], lr=0.1)
    array.resize(6, refcheck=False)
    set_attribute(array, "shape", (2, 3))
    optimizer.step(np.ones((2, 3)))
    np.testing.assert_allclose(array, [[0.9, 0.9, 0.9], [0.9, -0.1, -0.1]], atol=1e-6)


def test_the_functions_state_may_change_too() -> None:
    array, state = np.ones(4), {}
    martlet.adam(array, np.ones(4), state)
    state["exp_avg"].resize(2, refcheck=False)
    with pytest.raises(martlet.FormatError, match=r"'exp_avg' in state has shape \(2,\)"):
        martlet.adam(array, np.ones(4), state)
