"""Prodigy, whose rate is an estimate over all parameters of a step: shapes, groups, zeros, what is no number, and the
same bits for any threads and layout. Expected values are worked out here, and by the oracle of the parity table in
longdouble.
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

SHAPES = ((7, 5, 3, 3), (40, 36), (3, 1), (1,), (700,), (), (0, 3))
DEFAULTS: dict[str, Any] = {"betas": (0.9, 0.999), "eps": 1e-8, "decoupled_weight_decay": True}
#: An estimate that moves visibly, in a few steps.
LARGE = {"d0": 1e-2}


def noise(seed: int, shape: tuple[int, ...], scale: float = 1.0) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape) * scale)


def downhill(starts: list[np.ndarray], steps: int) -> list[list[np.ndarray]]:
    """Gradients of one sign and of jumping sizes, by which the estimate grows."""
    return [
        [
            np.asarray(abs(noise(100 * t + k, start.shape, (1.0, 0.3, 20.0, 0.1)[t % 4])) + 0.1)
            for k, start in enumerate(starts)
        ]
        for t in range(steps)
    ]


def by_oracle(starts: list[np.ndarray], grads: list[list[np.ndarray]], lrs: list[float], **options: Any) -> Any:
    ps, states = [p.astype(oracles.LONG) for p in starts], [oracles.State(p.shape) for p in starts]
    for t, (grad, lr) in enumerate(zip(grads, lrs, strict=True), 1):
        ps = oracles.steps(oracles.prodigy, ps, grad, states, t, **{**DEFAULTS, **options, "lr": lr})
    return [p.astype(float) for p in ps], float(states[0].get("d", options.get("d0", 1e-6)))


def estimates(optimizer: Any) -> list[float]:
    return [float(entry["d"]) for entry in optimizer.state_dict()["state"].values()]


DECAY = {**LARGE, "weight_decay": 0.1}
OPTIONS: list[dict[str, Any]] = [
    {},
    LARGE,
    {**DECAY, "maximize": True},
    {**DECAY, "decoupled_weight_decay": False},
    {**DECAY, "cautious_weight_decay": True},
    {**DECAY, "corrected_weight_decay": True},
    {**DECAY, "use_bias_correction": True, "corrected_weight_decay": True, "cautious_weight_decay": True},
    {**LARGE, "safeguard_warmup": True, "beta3": 0.5},
    {**LARGE, "growth_rate": 1.1, "d_coef": 3.0},
    {**LARGE, "eps": 0.5, "betas": (0.0, 0.5)},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_kind_of_shape_under_a_rate_that_moves(options: dict[str, Any]) -> None:
    """After each number of steps, so that the first is seen by itself; a rate of 0 first, and later, moves nothing."""
    lrs = [0.0, 1.0, 3.0, 0.5, 0.0, 1.0, 2.0]
    for steps in (1, 2, 3, 7):
        starts = [noise(k, shape) for k, shape in enumerate(SHAPES)]
        grads = downhill(starts, steps)
        arrays = [start.copy() for start in starts]
        optimizer = optim.Prodigy(arrays, lr=lambda step: [*lrs, 0.0][step], **options)
        tensors = [torch.nn.Parameter(torch.from_numpy(start.copy())) for start in starts]
        other = martlet.torch.Prodigy(tensors, **options)
        for t in range(steps):
            optimizer.step(grads[t])
            other.param_groups[0]["lr"] = lrs[t]
            for tensor, grad in zip(tensors, grads[t], strict=True):
                tensor.grad = torch.from_numpy(grad.copy())
            other.step()
        wanted, d = by_oracle(starts, grads, lrs[:steps], **options)
        for array, tensor, one in zip(arrays, tensors, wanted, strict=True):
            np.testing.assert_allclose(array, one, rtol=1e-12, atol=1e-14)
            assert np.array_equal(array, tensor.detach().numpy())
        found = [value for value, start in zip(estimates(optimizer), starts, strict=True) if start.size]
        np.testing.assert_allclose(found, d, rtol=1e-12)
        assert len(set(found)) == 1
        if steps == 7 and LARGE.items() <= options.items() and not options.get("maximize"):
            assert d > 1.2 * options["d0"]


def test_first_steps_by_hand() -> None:
    """The first is d0 (1 - beta1) / sqrt(1 - beta2) long. After it the estimate is that of two gradients of 1."""
    array = np.zeros(4)
    optimizer = optim.Prodigy([array], d0=0.5, betas=(0.75, 0.75), eps=0.0)
    optimizer.step([np.ones(4)])
    np.testing.assert_allclose(array, -0.5 * 0.25 / math.sqrt(0.25), rtol=1e-15)
    optimizer.step([np.ones(4)])
    beta3 = math.sqrt(0.75)
    estimate = 0.5 * 4 * 0.25 / (4 * 0.5 * (1 + beta3))
    assert estimate < 0.5
    assert estimates(optimizer) == [0.5]
    state = optimizer.state_dict()["state"][0]
    np.testing.assert_allclose(state["d_numerator"], 0.5 * 4 * 0.25, rtol=1e-15)
    np.testing.assert_allclose(state["s"], 0.5 * (1 + beta3), rtol=1e-15)
    assert np.array_equal(state["p0"], np.zeros(4))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_and_layout_change_no_bit(dtype: Any) -> None:
    """One large parameter of several tiles among small ones: by 1, 2, 3 and 7 threads, contiguous, strided, transposed
    and against the memory's order.
    """
    starts = [noise(k, shape).astype(dtype) for k, shape in enumerate(((3, 27_347), (9,), (5, 4)))]
    grads = [[grad.astype(dtype) for grad in step] for step in downhill(starts, 4)]

    def laid_out(kind: str, values: np.ndarray) -> np.ndarray:
        made = np.zeros(values.shape, dtype)
        if kind == "strided":
            made = np.zeros((*values.shape, 2), dtype)[..., 1]
        elif kind == "transposed":
            made = np.zeros(values.shape[::-1], dtype).T
        elif kind == "backwards":
            made = made[..., ::-1]
        made[...] = values
        return made

    found = []
    for kind, threads in [("contiguous", threads) for threads in (1, 2, 3, 7)] + [
        (kind, threads) for kind in ("strided", "transposed", "backwards") for threads in (1, 3)
    ]:
        martlet.set_num_threads(threads)
        arrays = [laid_out(kind, value) for value in starts]
        optimizer = optim.Prodigy(arrays, d0=1e-2, weight_decay=0.1)
        for grad in grads:
            optimizer.step([laid_out(kind, value) for value in grad])
        state = optimizer.state_dict()["state"]
        slots = [np.ascontiguousarray(value) for entry in state.values() for value in entry.values()]
        found.append([*(np.ascontiguousarray(array) for array in arrays), *slots])
    for other in found[1:]:
        assert all(map(np.array_equal, found[0], other))
    wanted, d = by_oracle(starts, grads, [1.0] * 4, d0=1e-2, weight_decay=0.1)
    for one, array in zip(wanted, found[0], strict=False):
        np.testing.assert_allclose(array, one, rtol=3e-5 if dtype is np.float32 else 1e-12, atol=1e-6)
    np.testing.assert_allclose(estimates(optimizer), d, rtol=1e-5 if dtype is np.float32 else 1e-12)


def test_groups_share_the_estimate() -> None:
    """Each has its own decay and eps. One with a rate of 0 stands still; a late one goes on with the others' estimate,
    and so does one that had no gradient for a while.
    """
    starts = [noise(k, (5, 4)) for k in range(4)]
    grads = downhill(starts, 6)
    arrays = [start.copy() for start in starts]
    optimizer = optim.Prodigy([arrays[0]], **LARGE)
    optimizer.add_param_group({"params": [arrays[1]], "weight_decay": 0.5, "eps": 0.1})
    optimizer.add_param_group({"params": [arrays[2]], "lr": 0.0, "weight_decay": 0.5})
    for grad in grads[:3]:
        optimizer.step(grad[:3])
    states = optimizer.state_dict()["state"]
    assert np.array_equal(arrays[2], starts[2])
    assert not any(states[2][name].any() for name in ("exp_avg", "exp_avg_sq", "s"))
    without = [start.copy() for start in starts[:2]]
    other = optim.Prodigy([without[0]], **LARGE)
    other.add_param_group({"params": [without[1]], "weight_decay": 0.5, "eps": 0.1})
    for grad in grads[:3]:
        other.step(grad[:2])
    assert all(map(np.array_equal, arrays, without))
    together, _ = by_oracle(starts[:2], [grad[:2] for grad in grads[:3]], [1.0] * 3, **LARGE)
    assert not np.allclose(arrays[1], together[1], rtol=1e-3)
    assert len({*estimates(optimizer), *estimates(other)}) == 1
    before = estimates(optimizer)[0]
    assert before > LARGE["d0"]
    optimizer.add_param_group({"params": [arrays[3]]})
    optimizer.step([None, grads[3][1], None, grads[3][3]])
    found = estimates(optimizer)
    assert found[0] == found[2] == before
    assert found[1] == found[3] >= before
    optimizer.step(grads[4])
    assert len(set(estimates(optimizer))) == 1
    assert estimates(optimizer)[0] >= found[1]


def test_no_gradient_so_far_moves_nothing() -> None:
    """Not even by decay; the step after has its estimate from where training began."""
    array, grad = np.ones(3), np.array([1.0, -2.0, 3.0])
    optimizer = optim.Prodigy([array], weight_decay=0.5, eps=0.0, d0=0.1)
    for _ in range(2):
        optimizer.step([np.zeros(3)])
        assert np.array_equal(array, np.ones(3))
        assert estimates(optimizer) == [0.1]
    optimizer.step([grad])
    wanted, _ = by_oracle([np.ones(3)], [[np.zeros(3)], [np.zeros(3)], [grad]], [1.0] * 3,
                          weight_decay=0.5, eps=0.0, d0=0.1)  # fmt: skip
    np.testing.assert_allclose(array, wanted[0], rtol=1e-14)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_gradients_that_are_no_numbers(value: float) -> None:
    """They are seen in their element, and the estimate stays as it is: as in prodigyopt, where others go on."""
    arrays = [np.ones((4, 5)), np.ones(3)]
    optimizer = optim.Prodigy(arrays, **LARGE)
    spoiled = noise(1, (4, 5))
    spoiled[1, 2] = value
    for _ in range(3):
        optimizer.step([spoiled, np.ones(3)])
    assert np.isnan(arrays[0][1, 2])
    assert np.isnan(arrays[0]).sum() == 1
    assert (arrays[1] < 1).all()
    assert estimates(optimizer) == [1e-2, 1e-2]
    assert all(math.isfinite(float(entry["d_numerator"])) for entry in optimizer.state_dict()["state"].values())


def test_resumed_to_the_bit(tmp_path: Any) -> None:
    """By a state_dict, by a file, and in martlet.torch, in the middle of jumping gradients."""
    start = noise(1, (40, 36)).astype(np.float32)
    grads = [step[0].astype(np.float32) for step in downhill([start], 8)]
    resumed.check("Prodigy", start, grads, {**DECAY, "growth_rate": 1.05, "beta3": 0.9}, tmp_path)


def test_kept_in_fp32_the_first_estimate_may_still_jump() -> None:
    """d0 is not itself in fp32: the jump by more than growth_rate is allowed all the same."""
    found = []
    for dtype in (torch.float64, torch.float32):
        tensor = torch.nn.Parameter(torch.zeros(20, dtype=torch.float64))
        optimizer = martlet.torch.Prodigy([tensor], growth_rate=1.01, d_coef=100.0)
        for t in range(3):
            tensor.grad = torch.ones(20, dtype=torch.float64)
            optimizer.step()
            if t == 0:
                entry = optimizer.state[tensor]
                for name in ("d", "d_max", "d_numerator"):
                    entry[name] = torch.as_tensor(entry[name]).to(dtype)
        found.append(float(optimizer.state[tensor]["d"]))
    assert found[0] > 5e-6
    assert found[1] == pytest.approx(found[0], rel=1e-6)


def test_what_is_not_taken() -> None:
    array = np.ones(3)
    for options, words in (
        ({"d0": 0.0}, "d0 is 0.0; expected a finite number, more than 0"),
        ({"growth_rate": 0.5}, "growth_rate is 0.5; expected 1 or more, up to infinity"),
        ({"growth_rate": math.nan}, "growth_rate is nan"),
        ({"d_coef": -1.0}, "d_coef is -1.0"),
        ({"d0": math.inf}, "d0 is inf"),
        ({"beta3": 1.0}, "(?i)beta"),
    ):
        for make in (lambda o: optim.Prodigy([array], **o), lambda o: martlet.torch.Prodigy([torch.ones(3)], **o)):
            with pytest.raises(martlet.ArgumentError, match=words):
                make(options)
    with pytest.raises(martlet.MartletError, match="safeguard_warmup"):
        optim.Adam([array], safeguard_warmup=True)
    with pytest.raises(martlet.MartletError, match="amsgrad"):
        optim.Prodigy([array], amsgrad=True)
    adam = optim.Adam([array])
    adam.step([np.ones(3)])
    with pytest.raises(martlet.MartletError):
        optim.Prodigy([array]).load_state_dict(adam.state_dict())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bit_parameters_with_state_in_fp32(dtype: torch.dtype) -> None:
    """The step is that of the values as they are in 16 bits, rounded once: within half a unit in the last place."""
    start = torch.from_numpy(noise(1, (41, 37))).to(dtype)
    tensor = torch.nn.Parameter(start.clone())
    optimizer = martlet.torch.Prodigy([tensor], d0=0.05, weight_decay=0.1, state_dtype=torch.float32)
    grad = torch.from_numpy(noise(2, (41, 37))).to(dtype)
    tensor.grad = grad.clone()
    optimizer.step()
    wanted, _ = by_oracle([start.double().numpy()], [[grad.double().numpy()]], [1.0], d0=0.05, weight_decay=0.1)
    np.testing.assert_allclose(
        tensor.detach().double().numpy(), wanted[0], rtol=torch.finfo(dtype).eps / 2 * 1.001, atol=1e-7
    )
    assert torch.equal(optimizer.state[tensor]["p0"].to(dtype), start)


def stepped(**options: Any) -> Any:
    tensor = torch.nn.Parameter(torch.ones(3, 2))
    optimizer = martlet.torch.Prodigy([tensor], **options)
    tensor.grad = torch.ones(3, 2)
    optimizer.step()
    return optimizer


def test_states_of_prodigy_that_are_refused() -> None:
    """Those of another rule, by what makes it one."""
    group = {"lr": 1.0, "betas": (0.9, 0.999), "beta3": None, "eps": 1e-8, "d0": 1e-6, "d_coef": 1.0, "params": [0],
             "growth_rate": math.inf, "weight_decay": 0.1, "safeguard_warmup": False, "d": 1e-6, "d_max": 1e-6,
             "d_numerator": 0.0}  # fmt: skip
    for options, words in (
        (
            {"slice_p": 11, "decouple": True, "use_bias_correction": False, "k": 1},
            "prodigyopt's Prodigy has slice_p=11",
        ),
        ({"step": 2, "weight_decouple": False, "bias_correction": False}, "weight_decouple=False"),
    ):
        ours = martlet.torch.Prodigy([torch.ones(3, 2)])
        with pytest.raises(martlet.UnsupportedError, match=words):
            ours.load_state_dict({"state": {}, "param_groups": [{**group, **options}]})
    optax = pytest.importorskip("optax")
    start = np.ones((3, 2), np.float32)
    state = optax.contrib.prodigy().init([start])
    with pytest.raises(martlet.ArgumentError, match="use_bias_correction is False"):
        martlet.convert.to_optax(stepped(), state)
    with pytest.raises(martlet.ArgumentError, match="growth_rate is 1.02"):
        martlet.convert.to_optax(stepped(use_bias_correction=True, growth_rate=1.02), state)
    assert martlet.convert.to_optax(stepped(use_bias_correction=True), state).count == 1


@pytest.mark.parametrize("d", [0.0, -1.0, math.nan])
def test_an_estimate_that_is_no_distance_is_refused(d: float) -> None:
    optimizer = stepped()
    tensor = optimizer.param_groups[0]["params"][0]
    before = tensor.detach().clone()
    optimizer.state[tensor]["d"] = torch.tensor(d, dtype=torch.float64)
    with pytest.raises(martlet.ArgumentError, match="no step 2|would be nan"):
        optimizer.step()
    assert torch.equal(tensor, before)


def test_a_state_of_prodigyopts_shape() -> None:
    """It keeps s and p0 without dimensions, and a p0 of zeros as one number."""
    group = {"lr": 1.0, "betas": (0.9, 0.999), "beta3": 0.5, "eps": 1e-8, "d0": 1e-6, "d_coef": 1.0, "params": [0],
             "growth_rate": 1.5, "weight_decay": 0.1, "safeguard_warmup": True, "d": 0.25, "d_max": 0.5,
             "d_numerator": 0.125, "slice_p": 1, "decouple": True, "use_bias_correction": True, "k": 7}  # fmt: skip
    moments = {"exp_avg": torch.ones(3, 2), "exp_avg_sq": torch.ones(3, 2)}
    entry = {**moments, "s": torch.arange(6.0), "p0": torch.tensor(0.0), "step": 7}
    tensor = torch.nn.Parameter(torch.ones(3, 2))
    ours = martlet.torch.Prodigy([tensor])
    ours.load_state_dict({"state": {0: entry}, "param_groups": [group]})
    state = ours.state[tensor]
    assert torch.equal(state["s"], torch.arange(6.0).reshape(3, 2))
    assert torch.equal(state["p0"], torch.zeros(3, 2))
    assert [float(state[name]) for name in ("d", "d_max", "d_numerator", "step")] == [0.25, 0.5, 0.125, 7]
    assert ours.param_groups[0]["beta3"] == 0.5
