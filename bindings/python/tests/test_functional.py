"""The plain functions over numpy arrays: their structures, states and steps."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np
import pytest

import martlet
from arrays import grads, values


def test_adam_optimizer_of_scenario_2() -> None:
    assert str(inspect.signature(martlet.adam_optimizer)).startswith(
        "(parameters: 'P', gradients: 'Any', t: 'int', learning_rate: 'float' = 0.01, beta1: 'float' = 0.9, "
        "beta2: 'float' = 0.9999, epsilon: 'float' = 1e-08, *, state:"
    )
    parameters = {"W": np.ones((2, 2)), "b": np.zeros(2)}
    state: dict[str, Any] = {}
    for t in range(1, 6):
        gradients = {"W": np.ones((2, 2)), "b": np.ones(2)}
        assert martlet.adam_optimizer(parameters, gradients, t, state=state) is parameters
    np.testing.assert_allclose(parameters["W"], 1 - 0.05, rtol=1e-6)
    assert state["W"]["step"] == 5
    with pytest.raises(ValueError, match="t is 2, and state is None: a step after the first needs the state of those"):
        martlet.adam_optimizer(parameters, gradients, 2)
    with pytest.raises(ValueError, match="state is empty"):
        martlet.adam_optimizer(parameters, gradients, 2, state={})
    with pytest.raises(ValueError, match="t is 9, and .* has taken 5 steps: wanted t = 6"):
        martlet.adam_optimizer(parameters, gradients, 9, state=state)
    for wrong in (0, -1, 1.5, True, "1"):
        with pytest.raises(ValueError, match="wanted the number of this step"):
            martlet.adam_optimizer(parameters, gradients, wrong, state=state)
    one, given = np.ones(2), np.ones(2)
    assert martlet.adam_optimizer(one, given, 1) is one


def test_a_later_step_needs_the_state_of_those_before() -> None:
    array = np.ones(3)
    for function in (martlet.adam, martlet.nadam, martlet.lion):
        for state in (None, {}):
            with pytest.raises(martlet.ArgumentError, match=r"step is 5, and state is (None|empty): .* step = 1"):
                function(array, np.ones(3), state, step=5)
    assert np.array_equal(array, np.ones(3))
    martlet.sgd(array, np.ones(3), None, step=5)  # which keeps nothing
    _, state = martlet.adam(array, np.ones(3), step=1)
    martlet.adam(array, np.ones(3), state, step=5)
    assert state["step"] == 5


def test_adam_optimizer_without_some_gradients() -> None:
    """Each parameter counts its own steps, as in martlet.optim and torch."""
    parameters, state = values(), {}
    reference = values()
    optimizer = martlet.optim.Adam(reference, lr=0.01, betas=(0.9, 0.9999))
    for t, absent in enumerate([(), (1,), (1, 2), ()], 1):
        given = [None if place in absent else grad for place, grad in enumerate(grads(t))]
        martlet.adam_optimizer(parameters, given, t, state=state)
        optimizer.step(given)
        assert all(np.array_equal(a, b) for a, b in zip(parameters, reference, strict=True))
    assert [state[place]["step"] for place in range(4)] == [4, 2, 3, 4]


def test_functions_keep_the_structure() -> None:
    for make in (list, tuple):
        params = make(values())
        found, state = martlet.adam(params, make(grads(0)))
        assert found is params
        assert list(state) == [0, 1, 2, 3]
    array = values()[0]
    found, state = martlet.adamw(array, grads(0)[0], {})
    assert found is array
    assert state.keys() == {"step", "exp_avg", "exp_avg_sq"}
    given: dict[str, Any] = {}
    _, state = martlet.adam(array, grads(0)[0], given, amsgrad=True)
    assert state is given
    assert given.keys() == {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}


def test_copy_leaves_the_arguments() -> None:
    params, state = {"w": np.ones(3)}, {}
    martlet.adam(params, {"w": np.ones(3)}, state)
    before = copy.deepcopy((params, state))
    found, other = martlet.adam(params, {"w": np.ones(3)}, state, copy=True)
    np.testing.assert_array_equal(params["w"], before[0]["w"])
    assert state["w"]["step"] == 1
    assert other["w"]["step"] == 2
    np.testing.assert_array_equal(state["w"]["exp_avg"], before[1]["w"]["exp_avg"])
    martlet.adam(params, {"w": np.ones(3)}, state)
    np.testing.assert_array_equal(found["w"], params["w"])


def test_explicit_step() -> None:
    first, second = np.zeros(3), np.zeros(3)
    state = {"step": 0, "exp_avg": np.zeros(3), "exp_avg_sq": np.zeros(3)}
    martlet.adam(first, np.ones(3), state, step=10)
    assert state["step"] == 10
    expected = 1e-3 * (0.1 / (1 - 0.9**10)) / ((0.001 / (1 - 0.999**10)) ** 0.5 + 1e-8)
    np.testing.assert_allclose(first, -expected, rtol=1e-9)
    with pytest.raises(ValueError, match="step is 0"):
        martlet.adam(second, np.ones(3), step=0)
    martlet.adam(second, np.ones(3), state, step=2**63 - 1)
    assert state["step"] == 2**63 - 1
    with pytest.raises(ValueError, match=f"step is {2**63}"):
        martlet.adam(second, np.ones(3), step=2**63)


def test_copy_keeps_every_state() -> None:
    params = [np.ones(3), np.ones(3)]
    params, state = martlet.adam(params, [np.ones(3), np.ones(3)], copy=True)
    _, later = martlet.adam(params, [np.ones(3), None], state, copy=True)
    assert (later[0]["step"], later[1]["step"]) == (2, 1)
    np.testing.assert_array_equal(later[1]["exp_avg"], state[1]["exp_avg"])
    assert later[1]["exp_avg"] is not state[1]["exp_avg"]
    one, single = martlet.adam(np.ones(3), np.ones(3))
    assert martlet.adam(one, None, single, copy=True)[1].keys() == single.keys()


def test_states_are_filled_in_place() -> None:
    array, state = np.ones(3), {}
    martlet.adam({"w": array}, {"w": np.ones(3)}, state, amsgrad=True)
    held, moment = state["w"], state["w"]["exp_avg"]
    martlet.adam({"w": array}, {"w": np.ones(3)}, state)
    assert state["w"] is held
    assert held["exp_avg"] is moment
    assert held["step"] == 2
    assert "max_exp_avg_sq" in held


def test_dicts_are_paired_by_key() -> None:
    params = {"W": np.zeros((2, 2)), "b": np.zeros(2)}
    martlet.adam(params, {"b": np.ones(2), "W": -np.ones((2, 2))}, lr=0.1)
    np.testing.assert_allclose(params["W"], 0.1, rtol=1e-6)
    np.testing.assert_allclose(params["b"], -0.1, rtol=1e-6)
    with pytest.raises(martlet.ShapeError, match=r"^grads lacks 'b' \(give None where a parameter has no gradient\)$"):
        martlet.adam(params, {"W": np.ones((2, 2))})
    with pytest.raises(martlet.ShapeError, match="^grads has 'c', which names no parameter$"):
        martlet.adam(params, {"W": np.ones((2, 2)), "b": np.ones(2), "c": np.ones(2)})
    many = {f"w{k}": np.zeros(1) for k in range(100)}
    with pytest.raises(martlet.ShapeError, match="lacks 'w0', 'w1', 'w2', 'w3', 'w4' and 95 more"):
        martlet.adam(many, {})
    with pytest.raises(martlet.ShapeError, match="grads is a list of 2 arrays, and params is a dict"):
        martlet.adam(params, list(params.values()))


def test_states_that_do_not_belong() -> None:
    array, grad = np.zeros(3), np.ones(3)
    _, state = martlet.adam(array, grad)
    before = array.copy()
    for params, gradients, given, text in (
        ([array], [grad], state, "state has 'step', which is no key of params"),
        ({"w": array}, {"w": grad}, {"v": state}, "state has 'v', which is no key of params"),
        (array, grad, {0: state}, "state has 0; wanted a dict with 'step'"),
        (array, grad, {"step": 5}, "state lacks 'exp_avg', 'exp_avg_sq'"),
        (array, grad, {**state, "step": 5.7}, "'step' in state is 5.7; wanted .* an integer"),
        (array, grad, {"step": 3, "exp_avg": state["exp_avg"], "exp_inf": state["exp_avg"]}, "lacks 'exp_avg_sq'"),
        ([array], [grad], {0: {**state, "step": True}}, r"'step' in state\[0\] is True"),
    ):
        with pytest.raises(martlet.FormatError, match=text):
            martlet.adam(params, gradients, given)
    assert (array == before).all()
    martlet.adam(array, grad, {"step": 0})
