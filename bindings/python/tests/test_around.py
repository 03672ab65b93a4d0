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
from martlet import _algorithms, _groups, functional, nn, optim
from martlet._config import defaults
from martlet._errors import ArgumentError, MartletError, OrderError
from martlet._spellings import FLAGS
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


def test_models_have_it_too() -> None:
    """As the same optimizer does over the model's arrays, which are averages where they are used or looked at."""
    x, y = noise(1, (16, 5)).astype(np.float32), noise(2, (16, 1)).astype(np.float32)
    options: dict[str, Any] = {"max_norm": 0.1, "accumulate": 2, "ema_decay": 0.5, "skip_nonfinite": True}
    model = nn.Sequential([nn.Dense(4, activation="tanh", input_shape=(5,)), nn.Dense(1)], seed=1)
    model.compile(nn.Adam(learning_rate=0.1, **options), "mse")
    flat = model.parameters().copy()
    other = optim.Adam([flat], lr=0.1, eps=1e-7, semantics="keras", **options)
    for _ in range(6):
        model.train_on_batch(x, y)
        other.step([model.gradients().copy()])
        with other.averaged():
            assert np.array_equal(model.parameters(), flat)


BESIDE = ["Muon", "SOAP", "Shampoo", "AdamMini"]
# In any spelling, and what of it stands in AdamW's groups.
TOLD: dict[str, Any] = {"global_clipnorm": 0.5, "loss_scale": 8.0, "skip_nonfinite": True, "ema_decay": 0.5}
TOLD |= {"gradient_accumulation_steps": 2, "zero_grads": True, "measure": True}
STAND = {"max_norm": 0.5, "accumulate": 2} | {key: TOLD[key] for key in TOLD if "_" not in key or key in FLAGS}


@pytest.mark.parametrize("name", BESIDE)
def test_adamw_beside_is_told(name: str) -> None:
    rules = {"rules": [("b", "adamw")]} if name == "AdamMini" else {}
    arrays = {"w": noise(1, (6, 4)), "b": noise(2, (4,))}
    optimizer = getattr(optim, name)(arrays, lr=0.1, **TOLD, **rules)
    (group,) = (one for one in optimizer.param_groups if one.get("algorithm") == "adamw")
    assert {key: group.get(key) for key in STAND} == STAND
    before = {key: value.copy() for key, value in arrays.items()}
    grads = [np.ones((6, 4)), np.array([1.0, np.nan, 1.0, 1.0])]
    optimizer.step(grads)
    assert optimizer.last_step.skipped
    assert not any(gradient.any() for gradient in grads)
    assert all(np.array_equal(arrays[key], value) for key, value in before.items())


@pytest.mark.parametrize("name", ["muon", "soap", "shampoo"])
def test_a_models_vectors_have_it_too(name: str) -> None:
    """As martlet.optim does with the same matrices and vectors in one call, whose norm is of all."""
    x, y = noise(1, (16, 5)).astype(np.float32), noise(2, (16, 3)).astype(np.float32)
    options: dict[str, Any] = {"max_norm": 0.1, "accumulate": 2, "ema_decay": 0.5, "lookahead_steps": 2}
    options |= {"skip_nonfinite": True, "loss_scale": 4.0, "lr": 0.1}
    row = _groups.completed(defaults(_algorithms.number_of(name)), options)
    optimizer = nn.Muon(**options) if name == "muon" else nn.optimizers.of(row)
    model = nn.Sequential([nn.Dense(4, activation="tanh", input_shape=(5,)), nn.Dense(3)], seed=1)
    assert optimizer._others[0].skip_nonfinite
    model.compile(optimizer, "mse")
    weights = model.get_weights()
    ends = np.cumsum([weight.size for weight in weights])[:-1]
    sides = [np.ascontiguousarray(weight.T) for weight in weights]
    matrices, vectors = optimizer.hyperparameters(), optimizer._others[0].changed({"lr": 0.1})
    of_matrices = {"algorithm": name, **_groups.as_group(matrices)}
    of_vectors = {"algorithm": "adamw", **_groups.as_group(vectors)}
    other = optim.Adam([{"params": [side], **(of_matrices if side.ndim > 1 else of_vectors)} for side in sides])
    for _ in range(8):
        model.train_on_batch(x, y)
        grads = zip(np.split(model.gradients(), ends), weights, strict=True)
        other.step([np.ascontiguousarray(grad.reshape(weight.shape).T) for grad, weight in grads])
        with other.averaged():
            for ours, theirs in zip(model.get_weights(), sides, strict=True):
                np.testing.assert_allclose(ours, theirs.T, rtol=0, atol=1e-6)


def test_what_is_set_under_way_is_every_groups() -> None:
    x, y = noise(1, (16, 5)).astype(np.float32), noise(2, (16, 3)).astype(np.float32)
    model = nn.Sequential([nn.Dense(3, input_shape=(5,))], seed=1)
    model.compile(nn.Muon(0.1, max_norm=1.0, weight_decay=0.1), "mse")
    model.optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.train_on_batch(x, y)
    model.optimizer.max_norm = 0.25
    assert [row.max_norm for row in model._ready().model.groups()] == [0.25] * 3
    assert [row.max_norm for row in model.optimizer._others] == [0.25]


def test_functions_and_other_names() -> None:
    p, q = noise(1), noise(1)
    kept: dict[str, Any] = {}
    optimizer = optim.Adam([q], lr=0.1, global_clipnorm=0.5, gradient_accumulation_steps=2)
    for t in range(4):
        functional.adam(p, noise(t), kept, lr=0.1, max_norm=0.5, accumulate=2)
        optimizer.step([noise(t)])
    assert np.array_equal(p, q)
    assert optimizer.param_groups[0]["max_norm"] == 0.5
    assert optimizer.param_groups[0]["accumulate"] == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"loss_scale": 0.0}, "loss_scale is 0.0; expected a finite number, more than 0"),
        ({"loss_scale": np.inf}, "loss_scale is inf"),
        ({"loss_scale": np.nan}, "loss_scale is nan"),
        ({"max_norm": -1.0}, "max_norm is -1.0; expected 0 or more, up to infinity"),
        ({"max_norm": np.nan}, "max_norm is nan"),
        (
            {"max_norm": 1.0, "clip_value": 2.0},
            "max_norm is 1.0 beside a clip_value of 2.0; expected infinity for one of them",
        ),
        ({"ema_decay": 1.0}, "ema_decay is 1.0; expected 0 or more and less than 1"),
        ({"ema_warmup": True}, "EMA_WARMUP and ema_decay is 0.0; expected the flag beside an average"),
        ({"accumulate": 2.5}, "accumulate is 2.5; expected a whole number"),
        ({"param_copy": "complex64"}, "param_copy has dtype complex64"),
        ({"param_copy": [np.ones(3)]}, r"param_copy\[0\] has shape \(3,\)"),
        ({"param_copy": [None, None]}, "param_copy has 2 arrays; wanted 1"),
        ({"skip_nonfinite": "no"}, "skip_nonfinite is 'no'; wanted True or False"),
    ],
)
def test_what_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(MartletError, match=words):
        optim.Adam([np.ones((2, 2))], **options)


def test_averages_beside_others_are_refused() -> None:
    with pytest.raises(ArgumentError, match="schedule_free_adamw, which averages parameters itself"):
        optim.AdamWScheduleFree([np.ones(2)], ema_decay=0.5)


def test_copies_and_gradients_that_do_not_fit_are_refused_before_anything_is_written() -> None:
    p = np.ones((4, 4), np.float32)
    for copy, words in (
        (p, "overlap"),
        (np.ones((4, 4)), "fp64; expected fp32, bf16 or fp16"),
        (np.broadcast_to(np.float32(0), (4, 4)), "read-only"),
    ):
        with pytest.raises(MartletError, match=words):
            optim.SGD([p], lr=1.0, param_copy=[copy]).step([p.copy()])
        assert np.array_equal(p, np.ones((4, 4), np.float32))
    gradient = np.ones((4, 4), np.float32)
    gradient.flags.writeable = False
    optimizer = optim.SGD([p], lr=1.0, zero_grads=True)
    with pytest.raises(MartletError, match="read-only"):
        optimizer.step([gradient])
    optimizer.step([gradient.copy()])
    with pytest.raises(MartletError, match="read-only"):
        optimizer.step([gradient])
    with pytest.raises(MartletError, match="overlap"):
        optimizer.step([p])
    assert np.array_equal(p, np.zeros((4, 4), np.float32))
