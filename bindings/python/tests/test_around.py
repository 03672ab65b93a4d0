"""What stands around the steps of every algorithm: unscaling, the look at gradients, clipping, accumulation, averages,
copies and zeros, each worked out here in float64 from steps without it; and all of them together: the same bits for any
threads and layout, training that goes on, and steps that are skipped whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import resumed
from by_number import CLASSES, bits, in_every_layout, name_of, noise, told
from martlet import _algorithms, optim
from martlet._errors import OrderError
from test_lookahead import options_of

ALL = sorted(CLASSES)
SHAPES = ((31, 37), (6, 5), (4, 3))


def averages_itself(number: int) -> bool:
    return "schedule_free" in name_of(number)


def everything(number: int) -> dict[str, Any]:
    """All of it at once."""
    options: dict[str, Any] = {"max_norm": 0.5, "loss_scale": 8.0, "skip_nonfinite": True, "measure_update": True}
    options |= {"accumulate": 2, "param_copy": np.float16, "lookahead_steps": 2}
    return options if averages_itself(number) else options | {"ema_decay": 0.75}


def arrays(seed: int, dtype: Any = np.float64) -> list[np.ndarray]:
    return [noise(seed + k, shape).astype(dtype) for k, shape in enumerate(SHAPES)]


def norm_of(grads: list[np.ndarray]) -> float:
    return float(np.sqrt(sum((gradient.astype(np.float64) ** 2).sum() for gradient in grads)))


def states_of(optimizer: Any) -> list[dict[str, Any]]:
    return list(optimizer.state_dict()["state"].values())


def steps_alike(number: int, options: dict[str, Any], change: Any, steps: int = 5) -> None:
    """An optimizer with these options takes the steps of one without, by gradients that are changed by hand."""
    for extra in options_of(number):
        ours, other = arrays(0), arrays(0)
        asked = CLASSES[number](ours, **told(number, **extra), **options)
        plain = CLASSES[number](other, **told(number, **extra))
        for t in range(steps):
            grads = arrays(10 + 5 * t)
            asked.step(grads)
            plain.step(change(grads))
            for one, two in zip(ours, other, strict=True):
                np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-11, err_msg=f"{extra}, step {t}")


@pytest.mark.parametrize("number", ALL, ids=name_of)
def test_gradients_are_unscaled_and_clipped(number: int) -> None:
    def by_all(most: float, added: float) -> Any:
        def clipped(grads: list[np.ndarray]) -> list[np.ndarray]:
            factor = min(1.0, most / (norm_of(grads) + added))
            return [gradient * factor for gradient in grads]

        return clipped

    steps_alike(number, {"loss_scale": 3.0}, lambda grads: [gradient / 3 for gradient in grads])
    steps_alike(number, {"max_norm": 2.5}, by_all(2.5, 1e-6))
    steps_alike(number, {"max_norm": 1e6}, lambda grads: grads)
    steps_alike(number, {"clip_norm": 0.9}, lambda grads: [by_all(0.9, 1e-6)([gradient])[0] for gradient in grads])
    steps_alike(number, {"clip_value": 0.2}, lambda grads: [np.clip(gradient, -0.2, 0.2) for gradient in grads])
    steps_alike(
        number,
        {"max_norm": 2.0, "loss_scale": 4.0, "maximize": True},
        lambda grads: [-gradient for gradient in by_all(2.0, 1e-6)([gradient / 4 for gradient in grads])],
    )


def test_each_convention_of_clipping() -> None:
    """torch adds 1e-6 to the norm; Keras and optax do not."""
    for semantics, added in (("torch", 1e-6), ("keras", 0), ("optax", 0)):
        p, gradient = np.zeros(2), np.array([3e-6, 4e-6])
        optimizer = optim.Adam([p], max_norm=1e-6, semantics=semantics)
        optimizer.step([gradient])
        mean = optimizer.state_dict()["state"][0]["exp_avg"]
        np.testing.assert_allclose(mean, 0.1 * gradient * 1e-6 / (5e-6 + added), rtol=1e-9)


@pytest.mark.parametrize("number", ALL, ids=name_of)
def test_accumulated_gradients(number: int) -> None:
    """As optax's MultiSteps takes their mean; micro-steps leave all else as it is."""
    for extra in options_of(number):
        ours, other = arrays(0), arrays(0)
        asked = CLASSES[number](ours, accumulate=3, **told(number, **extra))
        plain = CLASSES[number](other, **told(number, **extra))
        mean: list[np.ndarray] = []
        for t in range(9):
            before = [array.copy() for array in ours]
            grads = arrays(10 + 5 * t)
            mean = grads if t % 3 == 0 else [a + (g - a) / (t % 3 + 1) for a, g in zip(mean, grads, strict=True)]
            asked.step(grads)
            if t % 3 == 2:
                plain.step(mean)
            for index, (one, two) in enumerate(zip(ours, other, strict=True)):
                np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-11, err_msg=f"{extra}, call {t}")
                if t % 3 < 2:
                    assert np.array_equal(one, before[index])
            state = states_of(asked)[0]
            assert state.get("step", 0) in (0, (t + 1) // 3) or number in _algorithms.UNCOUNTED
            assert state["accumulated"] == (t + 1) % 3
            np.testing.assert_allclose(state["grad_mean"], 0 if t % 3 == 2 else mean[0], rtol=0, atol=1e-15)


@pytest.mark.parametrize("number", [one for one in ALL if not averages_itself(one)], ids=name_of)
def test_averages(number: int) -> None:
    decay = 0.9
    ways = {
        (): lambda t: 1 - decay,
        ("ema_bias_correction",): lambda t: (1 - decay) / (1 - decay ** (t + 1)),
        ("ema_warmup",): lambda t: 1 - min(decay, (1 + t) / (10 + t)),
    }
    for flags, weight in ways.items():
        for extra in options_of(number):
            ours, other = arrays(0), arrays(0)
            asked = CLASSES[number](ours, ema_decay=decay, **told(number, **extra), **dict.fromkeys(flags, True))
            plain = CLASSES[number](other, **told(number, **extra))
            average = np.zeros(SHAPES[0])
            for t in range(6):
                grads = arrays(10 + 5 * t)
                asked.step(grads)
                plain.step(grads)
                average += (1 if t == 0 else weight(t)) * (other[0] - average)
                np.testing.assert_allclose(ours[0], other[0], rtol=0, atol=1e-14)
                state = states_of(asked)[0]
                np.testing.assert_allclose(state["ema_params"], average, rtol=0, atol=1e-14, err_msg=f"{flags} {extra}")
                assert state["ema_step"] == t + 1


def test_averages_change_places_with_parameters() -> None:
    for dtype in (np.float64, np.float32, np.float16, ml_dtypes.bfloat16):
        whole, strided = noise(1, (40, 30)).astype(dtype), np.zeros((3000, 2), dtype)[::-1, :1]
        strided[...] = noise(2, (3000, 1)).astype(dtype)
        optimizer = optim.Adam([whole, strided], ema_decay=0.5)
        for t in range(3):
            optimizer.step([noise(t, (40, 30)).astype(dtype), noise(t, (3000, 1)).astype(dtype)])
        before, kept = [whole.copy(), strided.copy()], [one["ema_params"].copy() for one in states_of(optimizer)]
        assert all(one.dtype == (np.float64 if dtype == np.float64 else np.float32) for one in kept)
        with optimizer.averaged():
            for array, average in zip((whole, strided), kept, strict=True):
                assert np.array_equal(array, average.astype(dtype))
            for call, given in ((optimizer.state_dict, ()), (optimizer.step, (before,)), (optimizer.save, ("x",))):
                with pytest.raises(OrderError, match="the parameters are their averages"):
                    call(*given)
        assert np.array_equal(whole, before[0])
        assert np.array_equal(strided, before[1])
        for one, average in zip(states_of(optimizer), kept, strict=True):
            assert np.array_equal(one["ema_params"], average.astype(dtype).astype(average.dtype))
        optimizer.step(before)


def test_averages_of_parameters_that_were_never_stepped_stay() -> None:
    p = np.ones(3)
    optimizer = optim.Adam([p], ema_decay=0.5)
    optimizer.swap_averages()
    assert np.array_equal(p, np.ones(3))


@pytest.mark.parametrize("number", ALL, ids=name_of)
def test_copies_and_zeros(number: int) -> None:
    for extra in options_of(number):
        ours, other = arrays(0), arrays(0)
        own = [np.full((31, 37), np.nan, np.float32), None, np.full((3, 4), np.nan, ml_dtypes.bfloat16).T]
        asked = CLASSES[number](ours, param_copy=own, zero_grads=True, **told(number, **extra))
        plain = CLASSES[number](other, **told(number, **extra))
        assert np.array_equal(own[0], ours[0].astype(np.float32))
        for t in range(3):
            grads = arrays(10 + 5 * t)
            plain.step(grads)
            asked.step(grads)
            assert not any(gradient.any() for gradient in grads)
            for one, two in zip(ours, other, strict=True):
                np.testing.assert_allclose(one, two, rtol=0, atol=1e-14)
            assert np.array_equal(own[0], ours[0].astype(np.float32))
            # Through fp32, as ml_dtypes rounds too.
            assert np.array_equal(own[2], ours[2].astype(ml_dtypes.bfloat16))
        assert asked.param_copies[0] is own[0]
        assert asked.param_copies[1] is None


@pytest.mark.parametrize("number", ALL, ids=name_of)
def test_a_gradient_that_is_not_finite_leaves_all_as_it_was(number: int) -> None:
    """But for means, which it drops, and gradients that are to be zeroed."""
    for extra in options_of(number):
        for value in (np.nan, np.inf, -np.inf):
            ours = arrays(0, np.float32)
            optimizer = CLASSES[number](ours, zero_grads=True, **told(number, **extra), **everything(number))
            for t in range(3):
                optimizer.step(arrays(10 + 5 * t, np.float32))
            assert states_of(optimizer)[0]["accumulated"] == 1
            before = [array.copy() for array in (*ours, *optimizer.param_copies)]
            states = states_of(optimizer)
            grads = arrays(60, np.float32)
            grads[1][3, 2] = value
            optimizer.step(grads)
            assert optimizer.last_step.skipped
            assert optimizer.last_step.nonfinite == "params[1]"
            assert not any(gradient.any() for gradient in grads)
            for one, two in zip((*ours, *optimizer.param_copies), before, strict=True):
                assert np.array_equal(one, two)
            for one, two in zip(states_of(optimizer), states, strict=True):
                assert not one.pop("grad_mean").any()
                assert one.pop("accumulated") == 0
                for slot, kept in one.items():
                    assert np.array_equal(kept, two[slot]), slot


def test_what_is_not_looked_for_is_not_skipped() -> None:
    p, q = np.ones(2), np.ones(2)
    optimizer = optim.SGD([p], lr=1.0, measure=True)
    optimizer.step([np.array([1.0, np.inf])])
    assert not optimizer.last_step.skipped
    assert optimizer.last_step.nonfinite == "params[0]"
    assert optimizer.last_step.grad_norm == np.inf
    assert np.array_equal(p, [0.0, -np.inf])
    assert optim.SGD([q], lr=1.0).last_step is None
    plain = optim.SGD([q], lr=1.0)
    plain.step([np.array([np.nan, 0.0])])
    assert np.isnan(plain.last_step.grad_norm)
    assert plain.last_step.nonfinite is None


def test_one_bad_gradient_skips_the_groups_of_all() -> None:
    p, q = np.ones(2), np.ones(2)
    optimizer = optim.Adam([{"params": [p]}, {"params": [q], "skip_nonfinite": True}])
    optimizer.step([np.ones(2), np.array([np.nan, 1.0])])
    assert np.array_equal(p, np.ones(2))
    assert optimizer.last_step.skipped
    assert optimizer.last_step.nonfinite == "params[1]"


def test_norms_beyond_float32_are_clipped_and_not_skipped() -> None:
    p = np.zeros(3, np.float32)
    optimizer = optim.SGD([p], lr=1.0, max_norm=1.0, skip_nonfinite=True)
    optimizer.step([np.array([3e30, 0, -3e30], np.float32)])
    assert not optimizer.last_step.skipped
    np.testing.assert_allclose(optimizer.last_step.grad_norm, 3e30 * np.sqrt(2), rtol=1e-7)
    np.testing.assert_allclose(p, [-np.sqrt(0.5), 0, np.sqrt(0.5)], rtol=1e-6)


@pytest.mark.parametrize("number", ALL, ids=name_of)
def test_what_a_step_has_found(number: int) -> None:
    ours = arrays(0)
    optimizer = CLASSES[number](ours, **told(number), **everything(number))
    mean: list[np.ndarray] = []
    for t in range(4):
        before, grads = [array.copy() for array in ours], arrays(10 + 5 * t)
        mean = [g / 2 if t % 2 == 0 else m + g / 2 for m, g in zip(grads if t % 2 == 0 else mean, grads, strict=True)]
        optimizer.step(grads)
        found = optimizer.last_step
        if t % 2 == 0:
            assert np.isnan(found.grad_norm)
            assert np.isnan(found.update_norm)
        else:
            assert found.grad_norm == pytest.approx(norm_of(mean) / 8, rel=1e-12)
            change = norm_of([one - two for one, two in zip(ours, before, strict=True)])
            assert found.update_norm == pytest.approx(change, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float16], ids=str)
@pytest.mark.parametrize("number", ALL, ids=name_of)
def test_the_same_bits_for_any_threads_and_layout(number: int, dtype: type) -> None:
    found = []
    for given, steps in in_every_layout(number, dtype):
        optimizer = CLASSES[number](given, **told(number), **everything(number))
        for grads in steps:
            optimizer.step(grads)
        kept = [value for entry in states_of(optimizer) for value in entry.values() if isinstance(value, np.ndarray)]
        numbers = np.array([optimizer.last_step.grad_norm, optimizer.last_step.update_norm])
        found.append(bits([*given, *kept, *optimizer.param_copies, numbers]))
    assert len(set(found)) == 1


@pytest.mark.parametrize("number", ALL, ids=name_of)
def test_training_goes_on_from_a_state(number: int, tmp_path: Path) -> None:
    """In the middle of an accumulated step."""
    grads = [noise(t, (9, 5)).astype(np.float32) for t in range(9)]
    options = told(number, **everything(number))
    for key in ("param_copy", "measure_update", "lookahead_steps"):
        del options[key]
    options |= {"accumulate": 3}
    resumed.check(CLASSES[number].__name__, noise(8, (9, 5)).astype(np.float32), grads, options, tmp_path)
