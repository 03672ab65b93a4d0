"""State of 16, 8 and 4 bits: a step is the wide step between codes, worked out here in float64 from what martlet.h
says; what never saw a gradient stands still and nothing runs away; the same bits for threads, sets and a resume."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import martlet
import martlet.optim as optim
from codes import check_codes, decoded
from conftest import Run
from martlet import _algorithms

NDArray = np.ndarray[Any, Any]
BITS = {"fp16": 16, "int8": 8, "int4": 4}
# Algorithms whose later passes read what an earlier one has kept.
IN_PASSES = ("AdamMini", "LAMB", "Prodigy", "StableAdamW")
# How far an element may go, in times its wide move, where that is over 2: steps that have no divisor of their own, or
# that are scaled by all of a parameter. Of Muon, whose steps mix all elements, nothing is said of one.
MOST = {"AdamMini": 4.0, "LAMB": 4.0, "LARS": 2.5, "Prodigy": 2.5, "SimplifiedAdEMAMix": 3.0, "Muon": np.inf}
# In 4 bits an average is rounded at random where it is 1/128 to 1/8 of the largest: right on average, and 16 times too
# large now and then, which a divisor of the element's own would hold.
MOST_OF_FOUR = MOST | {"AdamMini": 16.0, "LARS": 24.0, "Prodigy": 3.0}


def classes() -> list[tuple[str, type[optim.Optimizer], dict[str, Any]]]:
    """The algorithms that keep something in few bits, once each, with options for which they do."""
    found, seen = [], set()
    for name in sorted(optim.__all__):
        made = getattr(optim, name)
        if not inspect.isclass(made) or not issubclass(made, optim.Optimizer) or not hasattr(made, "_algorithm"):
            continue
        kind = _algorithms.of(made._algorithm)
        options = {"weight_decay": 0.0} if "weight_decay" in kind.defaults else {}
        if "momentum" in kind.defaults and kind.defaults["momentum"] == 0:
            options["momentum"] = 0.9
        if made._algorithm not in seen and _algorithms.all_slots(made._algorithm).small and "Keras" not in name:
            seen.add(made._algorithm)
            found.append((name, made, options))
    return found


CLASSES = classes()
NAMES = [name for name, _, _ in CLASSES]


def state_of(optimizer: optim.Optimizer) -> dict[str, NDArray]:
    return optimizer._parameters.entries[0].state


@pytest.mark.parametrize("state_dtype", BITS)
@pytest.mark.parametrize(("name", "made", "options"), CLASSES, ids=NAMES)
def test_a_step_is_a_wide_step_between_codes(
    name: str, made: type[optim.Optimizer], options: dict[str, Any], state_dtype: str
) -> None:
    rng, bits = np.random.default_rng(7), BITS[state_dtype]
    value = rng.normal(size=(21, 256)).astype(np.float32)
    small = made([value], state_dtype=state_dtype, **options)  # type: ignore[call-arg]
    for _ in range(6):
        gradient = (rng.normal(size=value.shape) * 10.0 ** rng.integers(-3, 1, size=value.shape)).astype(np.float32)
        before, entry = value.copy(), small._parameters.entries[0]
        wide = made([before], **options)  # type: ignore[call-arg]
        other, kept = wide._parameters.entries[0], {}
        for slot, array in entry.state.items():
            is_small = array.dtype == np.uint8
            kept[slot] = decoded(array, value.size, slot, bits).reshape(value.shape) if is_small else array.copy()
        other.take(entry.steps, kept)
        small.step([gradient])
        wide.step([gradient])
        if name not in IN_PASSES:
            assert np.array_equal(before, value)
        assert any(array.dtype == np.uint8 for array in state_of(small).values())
        for slot, array in state_of(small).items():
            if array.dtype == np.uint8:
                check_codes(array, state_of(wide)[slot], slot, bits)
            elif name not in IN_PASSES:
                assert np.array_equal(array, state_of(wide)[slot])


@pytest.mark.parametrize("state_dtype", BITS)
@pytest.mark.parametrize(("name", "made", "options"), CLASSES, ids=NAMES)
def test_nothing_runs_away(name: str, made: type[optim.Optimizer], options: dict[str, Any], state_dtype: str) -> None:
    """A coordinate of each block 1e5 times the rest, gradients one step in five, 1,000 steps."""
    rng = np.random.default_rng(1)
    values = {key: np.full((17, 256), 0.5, np.float32) for key in ("wide", "small")}
    optimizers = {
        "wide": made([values["wide"]], **options),  # type: ignore[call-arg]
        "small": made([values["small"]], state_dtype=state_dtype, **options),  # type: ignore[call-arg]
    }
    scale = np.exp(rng.normal(size=(17, 256)) * 0.3) * 1e-3
    scale[:, 7] *= 1e5
    scale[:, 20:30] = 0
    moves = {key: np.zeros((17, 256)) for key in values}
    for _ in range(1000):
        drawn = (rng.normal(size=scale.shape) + 0.5) * scale * (rng.random(scale.shape) < 0.2)
        for key, optimizer in optimizers.items():
            optimizer.step([drawn.astype(np.float32)])
            np.maximum(moves[key], abs(values[key] - np.float32(0.5)), out=moves[key])
    still = moves["wide"] == 0
    assert still[:, 20:30].all()
    assert np.all(moves["small"][still] == 0)
    most = (MOST_OF_FOUR if state_dtype == "int4" else MOST).get(name, 2.0)
    assert np.all(moves["small"][~still] <= most * moves["wide"][~still])
    assert np.linalg.norm(moves["small"]) < 2 * np.linalg.norm(moves["wide"])
    assert np.any(moves["small"] > 0)


@pytest.mark.parametrize("state_dtype", BITS)
def test_what_sees_no_gradient_comes_to_rest(state_dtype: str) -> None:
    """Beside others that see one at each step, for which averages that are rounded to nearest stand still."""
    value, rng = np.zeros((16, 256), np.float32), np.random.default_rng(3)
    optimizer = optim.Adam([value], lr=1e-3, betas=(0.95, 0.999), state_dtype=state_dtype)
    for step in range(300):
        gradient = rng.normal(size=value.shape).astype(np.float32)
        gradient[:, ::2] = gradient[:, ::2] if step == 0 else 0
        optimizer.step([gradient])
    before = value.copy()
    optimizer.step([np.zeros_like(value)])
    assert np.array_equal(before[:, ::2], value[:, ::2])


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("state_dtype", BITS)
@pytest.mark.parametrize("shape", [(4096,), (37, 111), (300_001,), (64, 65, 3)])
def test_same_bits(state_dtype: str, shape: tuple[int, ...], amsgrad: bool, tmp_path: Path) -> None:
    """For any threads and instruction set, and where training goes on from a file or a state_dict."""
    rng = np.random.default_rng(5)
    start = rng.normal(size=shape).astype(np.float32)
    gradients = [rng.normal(size=shape).astype(np.float32) for _ in range(6)]

    def trained(resume: str = "") -> tuple[NDArray, dict[str, NDArray]]:
        value = start.copy()
        optimizer = optim.AdamW([("w", value)], lr=1e-2, amsgrad=amsgrad, state_dtype=state_dtype)
        for index, gradient in enumerate(gradients):
            if index == 3 and resume:
                value = value.copy()
                other = optim.AdamW([("w", value)], lr=1e-2, amsgrad=amsgrad, state_dtype=state_dtype)
                if resume == "file":
                    optimizer.save(tmp_path / "state")
                    other.load(tmp_path / "state")
                else:
                    other.load_state_dict(optimizer.state_dict())
                optimizer = other
            optimizer.step([gradient])
        return value, state_of(optimizer)

    wanted = trained()
    found = [trained("file"), trained("dict")]
    for isa in ("baseline", "avx2", "avx512"):
        try:
            martlet.set_isa(isa)
        except martlet.MartletError:
            continue  # which this machine lacks
        for threads in (1, 3):
            martlet.set_num_threads(threads)
            found.append(trained())
    for value, state in found:
        assert np.array_equal(value, wanted[0])
        assert all(np.array_equal(state[slot], array) for slot, array in wanted[1].items())


@pytest.mark.parametrize("scale", [1e-7, 1e-5, 1e4])
@pytest.mark.parametrize(("name", "made", "options"), CLASSES, ids=NAMES)
def test_gradients_of_any_size(name: str, made: type[optim.Optimizer], options: dict[str, Any], scale: float) -> None:
    """With fp16 that has scales a parameter goes where it goes with float32; plain, its squares are 0 or infinite."""
    if "eps" in _algorithms.of(made._algorithm).defaults and name != "Adadelta":  # whose steps grow from it
        options = options | {"eps": 1e-12}
    ends = {}
    for word in ("fp32", "fp16", "float16"):
        rng, value = np.random.default_rng(11), np.zeros((17, 256), np.float32)
        optimizer = made([value], state_dtype=word, **options)  # type: ignore[call-arg]
        drift = rng.normal(size=value.shape)
        for _ in range(60):
            optimizer.step([((drift + rng.normal(size=value.shape)) * scale).astype(np.float32)])
        ends[word] = value.astype(np.float64)
    way = np.linalg.norm(ends["fp32"])
    assert way > 0
    assert np.linalg.norm(ends["fp16"] - ends["fp32"]) < 0.01 * way
    if name in ("Adam", "AdamW", "NAdam"):
        assert not np.linalg.norm(ends["float16"] - ends["fp32"]) < 0.1 * way


@pytest.mark.parametrize("state_dtype", BITS)
def test_a_nan_stays(state_dtype: str) -> None:
    """In its block's moments, and in no other's: what was wrong is to be seen."""
    value, gradient = np.ones(4096, np.float32), np.ones(4096, np.float32)
    optimizer = optim.Adam([value], state_dtype=state_dtype)
    for number in (1, np.nan, 1):
        gradient[517] = number
        optimizer.step([gradient])
    assert np.isnan(value).nonzero()[0].tolist() == list(range(512, 640 if state_dtype == "int4" else 768))


def test_strided_parameters_keep_codes_in_row_major_order() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(70, 80)).astype(np.float32)
    across = np.asfortranarray(rows)
    every = np.zeros((70, 160), np.float32)[:, ::2]
    every[...] = rows
    states = []
    values = (rows, across, every)
    optimizers = [optim.Adam([value], lr=1e-2, state_dtype="int8") for value in values]
    for _ in range(4):
        gradient = rng.normal(size=(70, 80)).astype(np.float32)
        for optimizer in optimizers:
            optimizer.step([gradient])
    states = [state_of(optimizer) for optimizer in optimizers]
    for value, state in zip(values[1:], states[1:], strict=True):
        assert np.array_equal(value, rows)
        assert all(np.array_equal(state[slot], states[0][slot]) for slot in state)


def test_what_stays_wide() -> None:
    short, long, double = (np.zeros(size, dtype) for size, dtype in ((4095, "f4"), (4096, "f4"), (4096, "f8")))
    odd = np.zeros((64, 100), np.float32)
    optimizer = optim.Adam([short, long, double], state_dtype="int8")
    optimizer.step([np.ones_like(array) for array in (short, long, double)])
    types = [[array.dtype for array in entry.state.values()] for entry in optimizer._parameters.entries]
    assert types == [[np.float32] * 2, [np.uint8] * 2, [np.float64] * 2]
    half = np.zeros(10, np.float16)
    for word, kept in (("int8", np.float16), ("fp16", np.float32), ("float16", np.float16), (None, np.float16)):
        optimizer = optim.Adam([half], state_dtype=word)
        optimizer.step([np.ones_like(half)])
        assert [array.dtype for array in state_of(optimizer).values()] == [kept] * 2
    matrices = optim.Muon([odd], state_dtype="int8")
    matrices.step([np.ones_like(odd)])
    assert state_of(matrices)["momentum_buffer"].dtype == np.float32
    for made, slots in ((optim.AdamWScheduleFree, ("z",)), (optim.Prodigy, ("p0", "s"))):
        value = np.zeros(5000, np.float32)
        optimizer = made([value], state_dtype="int4")
        optimizer.step([np.ones_like(value)])
        assert all(state_of(optimizer)[slot].dtype == np.float32 for slot in slots)
        assert state_of(optimizer)["exp_avg_sq"].dtype == np.uint8
    centered = optim.RMSprop([long], centered=True, momentum=0.9, state_dtype="int8")
    centered.step([np.ones_like(long)])
    kept = {slot: array.dtype == np.uint8 for slot, array in state_of(centered).items()}
    assert kept == {"square_avg": False, "momentum_buffer": True, "grad_avg": False}


def test_each_group_has_a_type_of_its_own(tmp_path: Path) -> None:
    """As optimizers of one type each have it, through files, state_dicts and pickles."""
    words: list[Any] = ["int8", "int4", "fp16", "fp32", ml_dtypes.bfloat16, None, "default"]

    def made(values: list[NDArray]) -> optim.Adam:
        groups = [
            {"params": [value]} | ({} if word == "default" else {"state_dtype": word})
            for word, value in zip(words, values, strict=True)
        ]
        return optim.Adam(groups, state_dtype="int4", seed=3)

    rng = np.random.default_rng(4)
    values = [rng.normal(size=5000).astype(np.float16) for _ in words]
    alone = [value.copy() for value in values]
    optimizer = made(values)
    others = [
        optim.Adam([value], state_dtype="int4" if word == "default" else word, seed=3)
        for word, value in zip(words, alone, strict=True)
    ]
    for key, other in enumerate(others):
        other._parameters.entries[0].key = key  # whose draws it has in one optimizer of all
    for t in range(9):
        grads = [rng.normal(size=5000).astype(np.float16) for _ in words]
        if t and t % 3 == 0:
            optimizer.save(tmp_path / "state")
            fresh = made(values)
            fresh.load(tmp_path / "state")
            assert [group.get("state_dtype") for group in fresh.param_groups] == [
                *("int8", "int4", "fp16", "float32", "bfloat16", None, "int4")
            ]
            optimizer = fresh
        optimizer.step(grads)
        for other, gradient in zip(others, grads, strict=True):
            other.step([gradient])
        assert all(map(np.array_equal, values, alone))
    kept = [entry.state["exp_avg"] for entry in optimizer._parameters.entries]
    assert [array.dtype for array in kept] == [*[np.uint8] * 3, "f4", ml_dtypes.bfloat16, "f2", np.uint8]
    twin = pickle.loads(pickle.dumps(optimizer))
    fresh = made([value.copy() for value in values])
    fresh.load_state_dict(optimizer.state_dict())
    for each in (optimizer, twin, fresh):
        each.step([np.ones(5000, np.float16)] * len(words))
    for each in (twin, fresh):
        assert all(
            np.array_equal(one.value, two.value)
            for one, two in zip(each._parameters.entries, optimizer._parameters.entries, strict=True)
        )


def test_a_groups_type_may_change_before_it_has_state() -> None:
    p, q = np.ones(5000, np.float32), np.ones(5000, np.float32)
    optimizer = optim.Adam([{"params": [p]}, {"params": [q]}])
    optimizer.param_groups[1]["state_dtype"] = "int8"
    optimizer.step([p.copy(), q.copy()])
    assert [entry.state["exp_avg"].dtype for entry in optimizer._parameters.entries] == [np.float32, np.uint8]
    optimizer.param_groups[0]["state_dtype"] = "small"
    before = p.copy(), q.copy()
    with pytest.raises(martlet.DTypeError, match=r"param_groups\[0\]\['state_dtype'\] is 'small'; wanted float64"):
        optimizer.step([p.copy(), q.copy()])
    assert np.array_equal(p, before[0]) and np.array_equal(q, before[1])
    with pytest.raises(martlet.DTypeError, match="state_dtype.*'small'"):
        optimizer.add_param_group({"params": [np.ones(3)], "state_dtype": "small"})
    assert len(optimizer.param_groups) == 2


@pytest.mark.parametrize("way", ["file", "dict"])
def test_plain_fp16_that_was_saved_goes_on(way: str, tmp_path: Path) -> None:
    """A file's where scales are asked for, as fp16 had none in files before; a state_dict's as its group says."""
    rng = np.random.default_rng(8)
    values = [rng.normal(size=size).astype(np.float32) for size in (5000, 10)]
    grads = [[rng.normal(size=value.size).astype(np.float32) for value in values] for _ in range(6)]
    old = optim.Adam(values, lr=1e-2, state_dtype="float16")
    for each in grads[:3]:
        old.step(each)
    others = [value.copy() for value in values]
    new = optim.Adam(others, lr=1e-2, state_dtype="fp16")
    if way == "file":
        old.save(tmp_path / "old")
        new.load(tmp_path / "old")
    else:
        new.load_state_dict(old.state_dict())
    long, short = (entry.state for entry in new._parameters.entries)
    kept, limit = old._parameters.entries[0].state, 2.0**-11 if way == "file" else 0
    for slot, array in long.items():
        assert array.dtype == (np.uint8 if way == "file" else np.float16)
        numbers = decoded(array, 5000, slot, 16) if way == "file" else array
        np.testing.assert_allclose(numbers, kept[slot].astype(np.float64), rtol=limit, atol=0)
        assert short[slot].dtype == (np.float32 if way == "file" else np.float16)
    for each in grads[3:]:
        old.step(each)
        new.step(each)
    for ours, theirs in zip(others, values, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-3 if way == "file" else 0)
    if way == "dict":
        return
    new.save(tmp_path / "new")
    again = optim.Adam([value.copy() for value in others], lr=1e-2, state_dtype="fp16")
    again.load(tmp_path / "new")
    for one, two in zip(again._parameters.entries, new._parameters.entries, strict=True):
        assert all(np.array_equal(one.state[slot], two.state[slot]) for slot in two.state)


def test_files_that_have_neither(tmp_path: Path) -> None:
    value = np.ones(5000, np.float32)
    other = optim.Adam([value], state_dtype="int8")
    other.step([value.copy()])
    other.save(tmp_path / "other")
    optimizer = optim.Adam([value], state_dtype="fp16")
    with pytest.raises(martlet.FormatError, match=r"exp_avg.float16"):
        optimizer.load(tmp_path / "other")
    assert optimizer._parameters.entries[0].state == {}


def test_states_that_do_not_fit() -> None:
    value = np.zeros((50, 100), np.float32)
    optimizer = optim.Adam([value], state_dtype="int8")
    optimizer.step([np.ones_like(value)])
    state = optimizer.state_dict()
    for change in (lambda array: array[:-1], lambda array: array.reshape(1, -1), lambda array: array.astype(np.int8)):
        wrong = optimizer.state_dict()
        entry = wrong["state"][0] if "state" in wrong else wrong
        entry["exp_avg"] = change(entry["exp_avg"])
        with pytest.raises(martlet.MartletError):
            optimizer.load_state_dict(wrong)
    optimizer.load_state_dict(state)
    with pytest.raises(martlet.MartletError, match="fp64"):
        optimizer.step([np.ones((50, 100))])
    for wrong_type in ("int2", "float8", 8):
        with pytest.raises(martlet.MartletError):
            optim.Adam([value], state_dtype=wrong_type)


@pytest.mark.parametrize(("state_dtype", "most"), [("fp16", 4.1), ("int8", 2.1), ("int4", 1.1)])
def test_resident_memory(run_python: Run, state_dtype: str, most: float) -> None:
    """Bytes of a parameter that steps of Adam add to what is resident, of 32 million."""
    script = f"""
import numpy as np, martlet.optim as optim, martlet
martlet.set_num_threads(1)
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
small = np.ones(1 << 16, np.float32)
optim.Adam([small], state_dtype="int8").step([small.copy()])
value, gradient = np.ones(1 << 25, np.float32), np.ones(1 << 25, np.float32)
optimizer = optim.Adam([value], state_dtype={state_dtype!r})
before = resident()
for _ in range(3):
    optimizer.step([gradient])
print((resident() - before) / value.size)
"""
    assert float(run_python(script).stdout) <= most
