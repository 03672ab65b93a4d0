"""LAMB, LARS, StableAdamW and MARS, which go by norms over a whole parameter: shapes, zeros, what is no number, and
the same bits for any threads and layout. Expected values are worked out here in float64, with the oracles of the parity
table in longdouble.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import martlet
import martlet.convert
import martlet.torch
import oracles
import resumed
from martlet import optim

NAMES = ("LAMB", "LARS", "StableAdamW", "MARS")
#: Several tiles of 16,384 elements, and a rest.
LARGE = 5 * 16_384 + 123
DEFAULTS: dict[str, dict[str, Any]] = {
    "LAMB": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-6},
    "LARS": {"lr": 1.0, "momentum": 0.9, "trust_coefficient": 1e-3, "eps": 1e-8},
    "MARS": {
        "lr": 3e-3,
        "betas": (0.95, 0.99),
        "eps": 1e-8,
        "gamma": 0.025,
        "decoupled_weight_decay": True,
    },
    "StableAdamW": {
        "lr": 1e-3,
        "betas": (0.9, 0.99),
        "eps": 1e-8,
        "weight_decay": 1e-2,
        "decoupled_weight_decay": True,
    },
}
RULES = {"LAMB": oracles.lamb, "LARS": oracles.lars, "StableAdamW": oracles.stable_adamw, "MARS": oracles.mars}
SHAPES = ((7, 5, 3, 3), (40, 36), (3, 1), (1, 3), (1,), (700,), (), (0, 3))


def noise(seed: int, shape: tuple[int, ...], scale: float = 1.0) -> np.ndarray:
    """With gradients whose size jumps, so that StableAdamW has something to clip."""
    return np.asarray(np.random.default_rng(seed).standard_normal(shape) * scale)


def by_oracle(name: str, start: np.ndarray, grads: list[np.ndarray], lrs: list[float], **options: Any) -> np.ndarray:
    p, state = start.astype(oracles.LONG), oracles.State(start.shape)
    told = {"weight_decay": 0.0, **DEFAULTS[name], **options}
    for t, (grad, lr) in enumerate(zip(grads, lrs, strict=True), 1):
        p = oracles.step(RULES[name], p, grad, state, t, **{**told, "lr": lr})
    return p.astype(float)


def jumping(shape: tuple[int, ...], steps: int = 6) -> list[np.ndarray]:
    return [noise(10 + t, shape, (1.0, 0.3, 20.0, 0.1, 5.0, 1.0)[t % 6]) for t in range(steps)]


L2 = {"weight_decay": 0.1}
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    *((name, options) for name in NAMES for options in ({}, L2, {**L2, "maximize": True})),
    ("LAMB", {"semantics": "keras", "weight_decay": 0.1}),
    ("LARS", {"momentum": 0.0, "weight_decay": 0.1}),
    ("LARS", {"dampening": 0.5}),
    ("LARS", {"nesterov": True, "weight_decay": 0.1}),
    ("LARS", {"semantics": "optax", "nesterov": True, "weight_decay": 0.1}),
    ("LARS", {"eps": 30.0, "trust_coefficient": 0.1}),
    ("StableAdamW", {"weight_decay": 0.1, "cautious_weight_decay": True}),
    ("StableAdamW", {"weight_decay": 0.1, "corrected_weight_decay": True}),
    ("StableAdamW", {"weight_decay": 0.1, "corrected_weight_decay": True, "cautious_weight_decay": True}),
    ("StableAdamW", {"eps": 0.5}),
    ("MARS", {"eps": 0.5, "gamma": 0.9}),
    ("MARS", {"gamma": 0.0}),
    ("MARS", {"weight_decay": 0.1, "cautious_weight_decay": True}),
    ("MARS", {"weight_decay": 0.1, "corrected_weight_decay": True}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_every_kind_of_shape_under_a_rate_that_moves(name: str, options: dict[str, Any]) -> None:
    """After each number of steps, so that the first is seen by itself."""
    lr = DEFAULTS[name]["lr"]
    lrs = [lr, 3 * lr, 0.5 * lr, 2 * lr, 0.0, lr]
    for steps in (1, 2, 6):
        starts = [noise(k, shape) for k, shape in enumerate(SHAPES)]
        grads = [jumping(shape, steps) for shape in SHAPES]
        arrays = [start.copy() for start in starts]
        optimizer = getattr(optim, name)(arrays, lr=lambda step: lrs[step], **options)
        tensors = [torch.nn.Parameter(torch.from_numpy(start.copy())) for start in starts]
        other = getattr(martlet.torch, name)(tensors, **options)
        scheduler = torch.optim.lr_scheduler.LambdaLR(other, lambda step: ([*lrs, lr])[step] / lr)
        for t in range(steps):
            optimizer.step([grad[t] for grad in grads])
            for tensor, grad in zip(tensors, grads, strict=True):
                tensor.grad = torch.from_numpy(grad[t].copy())
            other.step()
            scheduler.step()
        for start, grad, array, tensor in zip(starts, grads, arrays, tensors, strict=True):
            wanted = by_oracle(name, start, grad, lrs[:steps], **options)
            np.testing.assert_allclose(array, wanted, rtol=1e-12, atol=1e-14)
            assert np.array_equal(array, tensor.detach().numpy())


@pytest.mark.parametrize("name", NAMES)
def test_a_norm_of_zero_leaves_the_rate_as_it_is(name: str) -> None:
    """Of a parameter of zeros, or of its gradients; the next step, with neither, has its ratio."""
    first, zero = noise(1, (6, 5)), np.zeros((6, 5))
    for start, grads in ((zero, [first, first]), (first, [zero, first]), (zero, [zero, first])):
        for options in ({}, {"weight_decay": 0.1}):
            array = start.copy()
            optimizer = getattr(optim, name)([array], **options)
            for t, grad in enumerate(grads, 1):
                optimizer.step([grad])
                wanted = by_oracle(name, start, grads[:t], [DEFAULTS[name]["lr"]] * t, **options)
                np.testing.assert_allclose(array, wanted, rtol=1e-12, atol=1e-15)


def test_steps_from_zero_by_hand() -> None:
    """LAMB's first update is the gradient's sign, LARS's the gradient, StableAdamW's the sign: times the rate alone."""
    grad = np.array([0.5, -2.0, 4.0])
    for name, lr, wanted in (("LAMB", 0.1, np.sign(grad)), ("LARS", 0.1, grad), ("StableAdamW", 0.1, np.sign(grad))):
        array = np.zeros(3)
        getattr(optim, name)([array], lr=lr).step([grad])
        np.testing.assert_allclose(array, -lr * wanted, rtol=1e-5)
    # From ones: |p| / |u| is 1 for LAMB; 1e-3 sqrt(3) / |g| for LARS.
    for name, lr, wanted in (("LAMB", 0.1, np.sign(grad)), ("LARS", 1.0, 1e-3 * grad * math.sqrt(3 / 20.25))):
        array = np.ones(3)
        getattr(optim, name)([array], lr=lr).step([grad])
        np.testing.assert_allclose(1 - array, lr * wanted, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_threads_and_layout_change_no_bit(name: str, dtype: Any) -> None:
    """One large parameter of several tiles among small ones: by 1, 2, 3 and 7 threads, contiguous, strided, transposed
    and against the memory's order.
    """
    rows, columns = 3, LARGE // 3
    start = [noise(1, (rows, columns)).astype(dtype), noise(2, (9,)).astype(dtype)]
    grads = [[grad.astype(dtype) for grad in (noise(3 + t, (rows, columns), 1 + 9 * t), noise(8 + t, (9,)))]
             for t in range(3)]  # fmt: skip

    def laid_out(kind: str, values: np.ndarray) -> np.ndarray:
        if kind == "strided":
            made = np.zeros((*values.shape, 2), dtype)[..., 1]
        elif kind == "transposed":
            made = np.zeros(values.shape[::-1], dtype).T
        elif kind == "backwards":
            made = np.zeros(values.shape, dtype)[..., ::-1]
        else:
            made = np.zeros(values.shape, dtype)
        made[...] = values
        return made

    found = []
    for kind, threads in [("contiguous", threads) for threads in (1, 2, 3, 7)] + [
        (kind, threads) for kind in ("strided", "transposed", "backwards") for threads in (1, 3)
    ]:
        martlet.set_num_threads(threads)
        arrays = [laid_out(kind, value) for value in start]
        optimizer = getattr(optim, name)(arrays, lr=0.01, weight_decay=0.1)
        for grad in grads:
            optimizer.step([laid_out(kind, value) for value in grad])
        state = optimizer.state_dict()["state"]
        slots = [np.ascontiguousarray(value) for entry in state.values() for value in entry.values() if np.ndim(value)]
        found.append([*(np.ascontiguousarray(array) for array in arrays), *slots])
    assert found[0][0].size > 4 * 16_384
    for other in found[1:]:
        assert all(map(np.array_equal, found[0], other))
    wanted = by_oracle(name, start[0].astype(float), [grad[0] for grad in grads], [0.01] * 3, weight_decay=0.1)
    np.testing.assert_allclose(found[0][0], wanted, rtol=2e-6 if dtype is np.float32 else 1e-12, atol=1e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_that_are_no_numbers(name: str, value: float) -> None:
    """They are seen in their element, where StableAdamW has its size from in all of them, and in no other parameter. A
    norm that is no number makes no ratio, as in timm and Keras.
    """
    arrays = [np.ones((4, 5)), np.ones(3)]
    optimizer = getattr(optim, name)(arrays)
    spoiled = noise(1, (4, 5))
    spoiled[1, 2] = value
    optimizer.step([spoiled, np.ones(3)])
    assert np.isnan(arrays[0][1, 2])
    assert np.isnan(arrays[0]).sum() == (20 if name == "StableAdamW" else 1)
    np.testing.assert_allclose(arrays[1], by_oracle(name, np.ones(3), [np.ones(3)], [DEFAULTS[name]["lr"]]), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_resumed_to_the_bit(name: str, tmp_path: Any) -> None:
    """By a state_dict, by a file, and in martlet.torch, in the middle of jumping gradients."""
    start, grads = noise(1, (40, 36)).astype(np.float32), [g.astype(np.float32) for g in jumping((40, 36), 8)]
    resumed.check(name, start, grads, {"weight_decay": 0.1, "lr": 0.02}, tmp_path)


def test_a_momentum_of_lars_that_comes_late() -> None:
    """Starts with the first update that it sees, undampened."""
    array, grads = noise(1, (6, 5)), jumping((6, 5), 5)
    optimizer = optim.LARS([array], dampening=0.5, momentum=0.0)
    wanted, buffer = array.copy(), None
    for t, grad in enumerate(grads):
        optimizer.param_groups[0]["momentum"] = 0.9 if t > 1 else 0.0
        optimizer.step([grad])
        norms = np.linalg.norm(wanted), np.linalg.norm(grad)
        update = 1e-3 * norms[0] / (norms[1] + 1e-8) * grad
        if t > 1:
            buffer = update if buffer is None else 0.9 * buffer + 0.5 * update
            update = buffer
        wanted -= update
        np.testing.assert_allclose(array, wanted, rtol=1e-12)


def test_what_lars_does_not_take() -> None:
    with pytest.raises(martlet.ArgumentError, match="dampening is 0.5; expected 0: optax's convention has none"):
        optim.LARS([np.ones(3)], dampening=0.5, semantics="optax")
    for options in ({"momentum": 0.0}, {"dampening": 0.5}):
        with pytest.raises(martlet.ArgumentError, match="(?i)nesterov"):
            optim.LARS([np.ones(3)], nesterov=True, **options)
    with pytest.raises(martlet.MartletError, match="trust_coefficient"):
        optim.LARS([np.ones(3)], trust_coefficient=-1.0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", NAMES)
def test_16_bit_parameters_with_state_in_fp32(name: str, dtype: torch.dtype) -> None:
    """The step is that of the values as they are in 16 bits, rounded once: within half a unit in the last place."""
    start, grads = torch.from_numpy(noise(1, (41, 37))).to(dtype), jumping((41, 37), 3)
    tensor = torch.nn.Parameter(start.clone())
    optimizer = getattr(martlet.torch, name)([tensor], lr=0.05, weight_decay=0.1, state_dtype=torch.float32)
    given = [torch.from_numpy(grad).to(dtype) for grad in grads]
    tensor.grad = given[0].clone()
    optimizer.step()
    wanted = by_oracle(name, start.double().numpy(), [given[0].double().numpy()], [0.05], weight_decay=0.1)
    np.testing.assert_allclose(
        tensor.detach().double().numpy(), wanted, rtol=torch.finfo(dtype).eps / 2 * 1.001, atol=1e-7
    )


def test_mars_clips_the_corrected_gradient() -> None:
    """By hand: without averages the step is the sign; its moments hold the gradient, corrected and of norm 1."""
    grads = [np.array([3.0, -4.0]), np.array([0.3, 0.4])]
    array = np.zeros(2)
    optimizer = optim.MARS([array], lr=0.1, betas=(0.5, 0.5), gamma=0.5)
    optimizer.step([grads[0]])
    state = optimizer.state_dict()["state"][0]
    first = np.array([0.6, -0.8])
    np.testing.assert_allclose(state["exp_avg"], 0.5 * first, rtol=1e-15)
    np.testing.assert_allclose(array, -0.1 * np.sign(first), rtol=1e-7)
    optimizer.step([grads[1]])
    corrected = grads[1] + 0.5 * (grads[1] - grads[0])
    assert np.linalg.norm(corrected) > 1
    corrected /= np.linalg.norm(corrected)
    state = optimizer.state_dict()["state"][0]
    np.testing.assert_allclose(state["exp_avg"], 0.25 * first + 0.5 * corrected, rtol=1e-14)
    assert np.array_equal(state["last_grad"], grads[1])


def test_a_state_of_timms_mars_goes_on() -> None:
    """From its second step on its rule is the authors', for what optimize_1d gives to it."""
    group = {"lr": 0.02, "betas": (0.9, 0.95), "eps": 1e-6, "weight_decay": 0.1, "gamma": 0.5, "mars_type": "adamw"}
    group |= {"optimize_1d": True, "lr_1d_factor": 1.0, "betas_1d": (0.9, 0.95), "caution": False, "params": [0]}
    start, grads = noise(1, (4, 3)), jumping((4, 3), 4)
    array = start.copy()
    plain = optim.MARS([array], lr=0.02, betas=(0.9, 0.95), eps=1e-6, weight_decay=0.1, gamma=0.5)
    for grad in grads[:2]:
        plain.step([grad])
    entry = {key: torch.tensor(value) for key, value in plain.state_dict()["state"][0].items() if key != "step"}
    tensor = torch.nn.Parameter(torch.from_numpy(array.copy()))
    ours = martlet.torch.MARS([tensor])
    ours.load_state_dict({"state": {0: {**entry, "step": 2}}, "param_groups": [group]})
    for grad in grads[2:]:
        plain.step([grad])
        tensor.grad = torch.from_numpy(grad)
        ours.step()
    assert np.array_equal(tensor.detach().numpy(), array)
    for key, value in (("optimize_1d", False), ("mars_type", "lion"), ("caution", True)):
        with pytest.raises(martlet.UnsupportedError, match=f"{key}="):
            ours.load_state_dict({"state": {}, "param_groups": [{**group, key: value}]})
