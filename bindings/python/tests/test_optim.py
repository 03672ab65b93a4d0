"""martlet.optim over numpy arrays, against torch and against the plain functions."""

from __future__ import annotations

import inspect
import threading
from typing import Any

import numpy as np
import pytest
import torch

import martlet
from arrays import grads, values
from martlet.optim import Adam, AdamOptimizer, AdamW


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


def test_a_view_is_known_again_whatever_the_stride_of_one_element() -> None:
    row = np.zeros((1, 3))
    other = np.lib.stride_tricks.as_strided(row, row.shape, (80, 8))
    assert other.strides != row.strides
    optimizer = Adam(lr=0.1)
    optimizer.apply_gradients([(np.ones((1, 3)), row)])
    optimizer.apply_gradients([(np.ones((1, 3)), other)])
    assert optimizer.state_dict()["state"][0]["step"] == 2


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
    with pytest.raises(martlet.ShapeError, match=r"shape \(2,\); this optimizer has been updating arrays of \(\)"):
        optimizer.update(np.ones(2))
    for call in (
        lambda: optimizer.step(np.ones(())),
        lambda: optimizer.apply_gradients([(np.ones(2), theta)]),
        lambda: optimizer.add_param_group({"params": theta}),
        lambda: optimizer.build(theta),
    ):
        with pytest.raises(martlet.ArgumentError, match="has no parameters, and returns changes"):
            call()
    with pytest.raises(martlet.ArgumentError, match="nothing to decay"):
        AdamW().update(np.ones(2))


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


def test_a_schedule() -> None:
    ours, plain = values(), values()
    state: dict[str, Any] = {}
    optimizer = Adam([{"params": ours[:2]}, {"params": ours[2:]}])
    for step in range(6):
        optimizer.lr = lr = 0.1 / (1 + step // 2)
        optimizer.param_groups[1]["betas"] = betas = (0.9, 0.99 if step < 3 else 0.9)
        optimizer.step(grads(step))
        given = list(zip(plain, grads(step), strict=True))
        for place, (array, grad) in enumerate(given):
            options = {"betas": betas} if place >= 2 else {}
            martlet.adam(array, grad, state.setdefault(place, {}), lr=lr, **options)
        assert all(np.array_equal(a, b) for a, b in zip(ours, plain, strict=True))


def test_names_of_variables_that_were_taken_on() -> None:
    first, second, third = np.zeros(2), np.zeros(2), np.zeros(2)
    assert Adam({"var[0]": first}).state_dict()["param_groups"][0]["param_names"] == ["var[0]"]
    optimizer = Adam(0.1)
    optimizer.apply_gradients([(np.ones(2), first)])
    optimizer.apply_gradients([(np.ones(2), second), (np.ones(2), first)])
    optimizer.build([first, third])
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["params[0]", "params[1]", "params[2]"]
    with pytest.raises(martlet.ShapeError, match=r"gradient of params\[1\] has shape \(3,\)"):
        optimizer.apply_gradients([(np.ones(3), second)])


def test_bound_gradients_are_aligned_at_each_step() -> None:
    array, late, bound = np.zeros(3), np.zeros(2), [np.ones(3)]
    optimizer = Adam([array], lr=0.1, grads=bound)
    optimizer.add_param_group({"params": [late]})
    for call in (optimizer.step, optimizer.zero_grad):
        with pytest.raises(martlet.ShapeError, match="grads has 1 arrays, and there are 2 parameters"):
            call()
    bound.append(np.ones(2))
    optimizer.step()
    np.testing.assert_allclose(late, -0.1, rtol=1e-6)
    with pytest.raises(martlet.ShapeError, match=r"gradient of params\[0\] has shape \(2,\)"):
        Adam([array], grads=[np.ones(2)])
    fixed = np.ones(3)
    fixed.flags.writeable = False
    optimizer = Adam([array], grads=[fixed])
    optimizer.step()
    with pytest.raises(martlet.ReadOnlyError, match=r"gradient of params\[0\] is read-only"):
        optimizer.zero_grad()


def test_everything_waits_at_the_gate() -> None:
    array = np.zeros(3)
    optimizer = Adam(lr=0.1)
    optimizer.build(array)
    state = optimizer.state_dict()
    calls = {
        "step": lambda: optimizer.step(np.ones(3)),
        "apply_gradients": lambda: optimizer.apply_gradients([(np.ones(3), array)]),
        "update": lambda: optimizer.update(np.ones(3)),
        "zero_grad": optimizer.zero_grad,
        "build": lambda: optimizer.build(np.zeros(2)),
        "add_param_group": lambda: optimizer.add_param_group({"params": np.zeros(2)}),
        "state_dict": optimizer.state_dict,
        "load_state_dict": lambda: optimizer.load_state_dict(state),
        "save": lambda: optimizer.save("nowhere"),
        "load": lambda: optimizer.load("nowhere"),
    }
    turn = optimizer._martlet_gate.enter()
    for name, call in calls.items():
        with pytest.raises(martlet.BusyError):
            call()
            pytest.fail(name)
    optimizer._martlet_gate.leave(turn)
    calls["step"]()
    assert len(optimizer.param_groups) == 1
