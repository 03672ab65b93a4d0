"""martlet.optim and the plain functions over numpy arrays, against torch and against each other."""

from __future__ import annotations

import copy
import inspect
import pickle
import threading
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import martlet
from martlet.optim import Adam, AdamOptimizer, AdamW

SHAPES = [(6, 5), (5,), (), (2, 3, 4)]


def values(dtype: Any = np.float32) -> list[np.ndarray[Any, Any]]:
    generator = np.random.default_rng(1)
    return [generator.standard_normal(shape).astype(dtype) for shape in SHAPES]


def grads(step: int, dtype: Any = np.float32) -> list[np.ndarray[Any, Any]]:
    generator = np.random.default_rng(100 + step)
    return [generator.standard_normal(shape).astype(dtype) for shape in SHAPES]


def torchs(name: str, steps: int, dtype: Any, **options: Any) -> list[np.ndarray[Any, Any]]:
    parameters = [torch.nn.Parameter(torch.from_numpy(np.array(value))) for value in values(dtype)]
    optimizer = getattr(torch.optim, name)(parameters, foreach=False, **options)
    for step in range(steps):
        for parameter, grad in zip(parameters, grads(step, dtype), strict=True):
            parameter.grad = torch.from_numpy(np.array(grad))
        optimizer.step()
    return [parameter.detach().numpy() for parameter in parameters]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"amsgrad": True}, {"weight_decay": 0.1}, {"maximize": True}], ids=str)
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_against_torch(name: str, options: dict[str, Any], dtype: Any) -> None:
    ours = values(dtype)
    optimizer = getattr(martlet.optim, name)(ours, lr=0.01, **options)
    for step in range(30):
        optimizer.step(grads(step, dtype))
    for found, wanted in zip(ours, torchs(name, 30, dtype, lr=0.01, **options), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-7)


def test_defaults_are_torchs() -> None:
    for ours, theirs in ((Adam, torch.optim.Adam), (AdamW, torch.optim.AdamW)):
        peer = inspect.signature(theirs).parameters
        for key in ("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize"):
            assert ours().defaults[key] == peer[key].default


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6},
        {"learning_rate": 0.01, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6},
        {"lr": 0.01, "beta1": 0.8, "beta2": 0.95, "eps": 1e-6},
    ],
)
def test_both_spellings(options: dict[str, Any]) -> None:
    assert {**Adam(**options).defaults} == {**Adam(None, 0.01, (0.8, 0.95), 1e-6).defaults}
    reference, found = values()[0], values()[0]
    martlet.adam(reference, grads(0)[0], lr=0.01, betas=(0.8, 0.95), eps=1e-6)
    martlet.adam(found, grads(0)[0], **options)
    assert np.array_equal(reference, found)


@pytest.mark.parametrize(
    "options", [{"lr": 1, "learning_rate": 1}, {"betas": (0.9, 0.9), "beta1": 0.9}, {"eps": 1e-8, "epsilon": 1e-8}]
)
def test_one_spelling_at_a_time(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="two names of one argument"):
        Adam(**options)


def test_keras_style() -> None:
    ours, reference = values(), values()
    optimizer = Adam(learning_rate=0.01)
    other = Adam(reference, lr=0.01)
    for step in range(5):
        optimizer.apply_gradients(zip(grads(step), ours, strict=True))
        other.step(grads(step))
    assert all(np.array_equal(a, b) for a, b in zip(ours, reference, strict=True))
    assert Adam(0.25).learning_rate == 0.25
    optimizer.learning_rate = 0.5
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_apply_gradients_knows_a_fresh_view_again() -> None:
    memory = np.zeros((4, 3))
    optimizer = Adam(lr=0.1)
    for _ in range(3):
        optimizer.apply_gradients([(np.ones(3), memory[row]) for row in range(4)])
    np.testing.assert_allclose(memory, -0.3, rtol=1e-6)
    assert {entry["step"] for entry in optimizer.state_dict()["state"].values()} == {3}


def test_apply_gradients_skips_and_refuses() -> None:
    first, second = np.zeros(3), np.zeros(3)
    optimizer = Adam(lr=0.1)
    optimizer.apply_gradients([(np.ones(3), first), (None, second)])
    assert (second == 0).all()
    assert (first != 0).all()
    with pytest.raises(ValueError, match="no gradient for any variable"):
        optimizer.apply_gradients([(None, first)])
    with pytest.raises(martlet.OverlapError, match="twice"):
        optimizer.apply_gradients([(np.ones(3), first), (np.ones(3), first[:])])
    with pytest.raises(martlet.ArgumentError, match="none of this optimizer's parameters"):
        Adam([first]).apply_gradients([(np.ones(3), second)])


def test_update_of_scenario_1() -> None:
    optimizer = AdamOptimizer(0.001, 0.9, 0.999, 1e-8)
    theta, reference = np.ones(4), np.ones(4)
    other = Adam([reference], lr=0.001)
    for step in range(5):
        gradient = np.full(4, step + 1.0)
        theta += optimizer.update(gradient)
        assert other.update(gradient) is reference
    np.testing.assert_allclose(theta, reference, rtol=1e-12)
    number = 0.0
    optimizer = AdamOptimizer(lr=0.01)
    for _ in range(10):
        number += optimizer.update(2 * (number - 1))
    assert number == pytest.approx(0.0996503, abs=1e-6)
    with pytest.raises(martlet.ArgumentError, match="nothing to decay"):
        AdamW().update(np.ones(2))


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
    with pytest.raises(ValueError, match="t is 2, and state is None: from step 2 on Adam needs the moments"):
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
    _, state = martlet.adam(first, np.ones(3), step=10)
    assert state["step"] == 10
    expected = 1e-3 * (0.1 / (1 - 0.9**10)) / ((0.001 / (1 - 0.999**10)) ** 0.5 + 1e-8)
    np.testing.assert_allclose(first, -expected, rtol=1e-9)
    with pytest.raises(ValueError, match="step is 0"):
        martlet.adam(second, np.ones(3), step=0)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
@pytest.mark.parametrize("state_dtype", [None, np.float16, ml_dtypes.bfloat16, "float32", np.float64])
def test_types(dtype: Any, state_dtype: Any) -> None:
    ours, wide = values(dtype), [value.astype(np.float64) for value in values(dtype)]
    optimizer = Adam(ours, lr=0.05, state_dtype=state_dtype)
    reference = Adam(wide, lr=0.05)
    for step in range(5):
        optimizer.step(grads(step, dtype))
        reference.step([grad.astype(np.float64) for grad in grads(step, dtype)])
    for found, wanted in zip(ours, wide, strict=True):
        np.testing.assert_allclose(found.astype(np.float64), wanted, rtol=0.05, atol=0.02)
    stored = optimizer.state_dict()["state"][0]["exp_avg"].dtype
    assert stored == np.dtype(dtype if state_dtype is None else state_dtype)


def strided(kind: str) -> np.ndarray[Any, Any]:
    generator = np.random.default_rng(3)
    return {
        "C": lambda: generator.standard_normal((4, 6)),
        "F": lambda: np.asfortranarray(generator.standard_normal((4, 6))),
        "transposed": lambda: generator.standard_normal((6, 4)).T,
        "reversed": lambda: generator.standard_normal((4, 6))[::-1, ::-1],
        "every other": lambda: generator.standard_normal((8, 12))[::2, ::-2],
        "one column": lambda: generator.standard_normal((4, 6, 3))[..., 1],
        "moved": lambda: np.moveaxis(generator.standard_normal((3, 6, 4)), 0, -1)[..., 0].T,
    }[kind]()


@pytest.mark.parametrize("grad_kind", ["C", "F", "reversed", "broadcast", "read-only"])
@pytest.mark.parametrize("kind", ["C", "F", "transposed", "reversed", "every other", "one column", "moved"])
def test_layouts(kind: str, grad_kind: str) -> None:
    array = strided(kind)
    plain = np.ascontiguousarray(array)
    gradient = {
        "C": lambda: strided("C"),
        "F": lambda: strided("F"),
        "reversed": lambda: strided("reversed"),
        "broadcast": lambda: np.broadcast_to(np.arange(6.0), (4, 6)),
        "read-only": lambda: np.frombuffer(strided("C").tobytes()).reshape(4, 6),
    }[grad_kind]()
    for _ in range(3):
        optimizer, other = Adam([array], lr=0.1, amsgrad=True), Adam([plain], lr=0.1, amsgrad=True)
        optimizer.step([gradient])
        other.step([np.ascontiguousarray(gradient)])
        assert np.array_equal(array, plain)


def test_what_lies_between_stays() -> None:
    memory = np.zeros(30)
    Adam([memory[::3]], lr=1.0).step([np.ones(10)])
    assert (memory[::3] == -1).all() or np.allclose(memory[::3], -1)
    assert (memory[1::3] == 0).all()
    assert (memory[2::3] == 0).all()


def test_memory_maps(tmp_path: Path) -> None:
    path = tmp_path / "weights.npy"
    np.save(path, np.ones(100, np.float32))
    mapped = np.load(path, mmap_mode="r+")
    Adam([mapped], lr=0.5).step([np.ones(100, np.float32)])
    mapped.flush()
    np.testing.assert_allclose(np.load(path), 0.5, rtol=1e-6)
    with pytest.raises(martlet.ReadOnlyError, match="read-only"):
        Adam([np.load(path, mmap_mode="r")])


def test_groups_and_names() -> None:
    first, second = np.zeros(3), np.zeros(3)
    optimizer = Adam([{"params": {"w": first}, "learning_rate": 0.5}, {"params": [second], "beta1": 0.5}], lr=0.25)
    optimizer.step({"w": np.ones(3), "params[1]": np.ones(3)})
    np.testing.assert_allclose(first, -0.5, rtol=1e-6)
    np.testing.assert_allclose(second, -0.25, rtol=1e-6)
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step([np.ones(3), None])
    np.testing.assert_allclose(first, -0.5, rtol=1e-6)
    third = np.zeros(2)
    optimizer.add_param_group({"params": [("late", third)], "lr": 1.0, "amsgrad": True})
    optimizer.step([None, None, np.ones(2)])
    np.testing.assert_allclose(third, -1.0, rtol=1e-6)
    state = optimizer.state_dict()
    assert [group["param_names"] for group in state["param_groups"]] == [["w"], ["params[1]"], ["late"]]
    assert "max_exp_avg_sq" in state["state"][2]
    with pytest.raises(martlet.ArgumentError, match="'momentum', which is no hyperparameter"):
        optimizer.add_param_group({"params": [np.zeros(1)], "momentum": 0.9})
    assert "group 2: 1 parameters" in repr(optimizer)


def test_bound_gradients_and_zero_grad() -> None:
    array, gradient = np.zeros(3), np.ones(3)
    optimizer = Adam([array], lr=0.1, grads=[gradient])
    optimizer.step()
    np.testing.assert_allclose(array, -0.1, rtol=1e-6)
    optimizer.zero_grad()
    assert (gradient == 0).all()
    unbound = Adam([array])
    unbound.zero_grad()
    with pytest.raises(martlet.ArgumentError, match="no gradients"):
        unbound.step()


@pytest.mark.parametrize("way", ["state_dict", "deepcopy", "pickle"])
def test_copies_go_on_alike(way: str) -> None:
    ours = values()
    optimizer = AdamW(ours, lr=0.01, amsgrad=True, semantics="keras", state_dtype="float64")
    for step in range(4):
        optimizer.step(grads(step))
    if way == "state_dict":
        theirs = [value.copy() for value in ours]
        twin = AdamW(theirs, state_dtype="float64")
        twin.load_state_dict(optimizer.state_dict())
    else:
        twin = copy.deepcopy(optimizer) if way == "deepcopy" else pickle.loads(pickle.dumps(optimizer))
        theirs = [entry.value for entry in twin._parameters.entries]
    for step in range(4, 8):
        optimizer.step(grads(step))
        twin.step(grads(step))
    assert all(np.array_equal(a, b) and a is not b for a, b in zip(ours, theirs, strict=True))
    assert twin.state_dict()["state"][3]["step"] == 8


def test_state_dict_is_a_copy_in_plain_types() -> None:
    ours = values()
    optimizer = Adam(ours)
    optimizer.step(grads(0))
    state = optimizer.state_dict()
    assert type(state["state"][0]["step"]) is int
    assert type(state["state"][0]["exp_avg"]) is np.ndarray
    state["state"][0]["exp_avg"][:] = 99
    assert optimizer.state_dict()["state"][0]["exp_avg"].max() < 99


def test_loads_torchs_state() -> None:
    parameters = [torch.nn.Parameter(torch.from_numpy(np.array(value))) for value in values()]
    peer = torch.optim.Adam(parameters, lr=0.02)
    for parameter, grad in zip(parameters, grads(0), strict=True):
        parameter.grad = torch.from_numpy(np.array(grad))
    peer.step()
    ours = [parameter.detach().numpy().copy() for parameter in parameters]
    optimizer = Adam(ours)
    optimizer.load_state_dict(peer.state_dict())
    assert optimizer.lr == 0.02
    for parameter, grad in zip(parameters, grads(1), strict=True):
        parameter.grad = torch.from_numpy(np.array(grad))
    peer.step()
    optimizer.step(grads(1))
    for found, parameter in zip(ours, parameters, strict=True):
        np.testing.assert_allclose(found, parameter.detach().numpy(), rtol=1e-5, atol=1e-7)


def test_states_that_do_not_fit() -> None:
    optimizer = Adam(values())
    optimizer.step(grads(0))
    before = optimizer.state_dict()
    for change, text in (
        (lambda s: s["state"][1].update(exp_avg=np.zeros(2)), "shape"),
        (lambda s: s["state"][1].update(exp_avg=np.zeros(5, np.int32)), "int32"),
        (lambda s: s["state"][1].update(step=-4), "step"),
        (lambda s: s["state"][1].pop("exp_avg_sq"), "exp_avg_sq"),
        (lambda s: s["param_groups"].pop(), "groups"),
        (lambda s: s["param_groups"][0].update(lr=float("nan")), "Invalid learning rate"),
    ):
        wrong = copy.deepcopy(before)
        change(wrong)
        with pytest.raises(martlet.MartletError, match=text):
            optimizer.load_state_dict(wrong)
    after = optimizer.state_dict()
    assert all(np.array_equal(after["state"][k]["exp_avg"], before["state"][k]["exp_avg"]) for k in range(4))


def test_two_threads_in_one_optimizer() -> None:
    array = np.ones(3_000_000, np.float32)
    optimizer = Adam([array])
    gradient = np.ones(3_000_000, np.float32)
    busy = []
    barrier = threading.Barrier(2)

    def work() -> None:
        barrier.wait()
        for _ in range(25):
            try:
                optimizer.step([gradient])
            except martlet.BusyError:
                busy.append(1)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert busy
    assert optimizer.state_dict()["state"][0]["step"] == 50 - len(busy)


def test_empty_arrays() -> None:
    empty, other = np.zeros((0, 3), np.float32), np.zeros(2, np.float32)
    optimizer = Adam([empty, other], lr=0.1)
    optimizer.step([np.zeros((0, 3), np.float32), np.ones(2, np.float32)])
    np.testing.assert_allclose(other, -0.1, rtol=1e-6)
    assert martlet.adam([], [])[0] == []
