"""Optimizer.save and load: safetensors that others can read, and errors for files that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file

import martlet
from martlet.optim import Adam, AdamW


def stepped(dtype: Any = np.float32, order: str = "C", **options: Any) -> tuple[Any, list[np.ndarray[Any, Any]]]:
    generator = np.random.default_rng(0)
    arrays = [np.asarray(generator.standard_normal(shape).astype(dtype), order=order) for shape in ((3, 4), (5,), ())]
    optimizer = AdamW([("layer.weight", arrays[0]), ("layer.bias", arrays[1]), ("scale", arrays[2])], **options)
    for step in range(3):
        take_step(optimizer, arrays, step)
    return optimizer, arrays


def take_step(optimizer: Any, arrays: list[np.ndarray[Any, Any]], step: int) -> None:
    generator = np.random.default_rng(50 + step)
    optimizer.step([generator.standard_normal(array.shape).astype(array.dtype) for array in arrays])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_round_trip(dtype: Any, amsgrad: bool, tmp_path: Path) -> None:
    optimizer, arrays = stepped(dtype, lr=0.02, amsgrad=amsgrad)
    optimizer.save(tmp_path / "state.safetensors")
    other, others = stepped(dtype, amsgrad=amsgrad)
    for array, saved in zip(others, arrays, strict=True):
        array[...] = saved
    other.load(tmp_path / "state.safetensors")
    assert other.lr == 0.02
    for step in range(3, 6):
        take_step(optimizer, arrays, step)
        take_step(other, others, step)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, others, strict=True))
    assert other.state_dict()["state"][0]["step"] == 6


@pytest.mark.parametrize(
    "options",
    [
        {"maximize": True, "decoupled_weight_decay": True, "cautious": True, "weight_decay": 0.1},
        {"semantics": "keras", "weight_decay": 0.1, "cautious_weight_decay": True},
        {"flush_denormals": False, "betas": (0.5, 0.9)},
    ],
    ids=str,
)
def test_flags_and_convention_are_the_files(options: dict[str, Any], tmp_path: Path) -> None:
    """In both directions, as in a handle of C."""
    path = tmp_path / "state"
    start, grads = np.linspace(-2, 2, 7), [np.random.default_rng(t).standard_normal(7) for t in range(6)]
    for first, second in ((options, {}), ({}, options)):
        whole, resumed = start.copy(), start.copy()
        optimizer, other = Adam([whole], **first), Adam([resumed], **second)
        for grad in grads[:3]:
            optimizer.step([grad])
        optimizer.save(path)
        resumed[:] = whole
        other.load(path)
        plain = [{key: group[key] for key in group if key != "params"} for group in optimizer.param_groups]
        assert [{key: group[key] for key in group if key != "params"} for group in other.param_groups] == plain
        for grad in grads[3:]:
            optimizer.step([grad])
            other.step([grad])
        assert np.array_equal(whole, resumed)


def test_a_file_of_other_moments_is_refused(tmp_path: Path) -> None:
    """By what its groups keep; and nothing has changed."""
    for flag, slot in (("amsgrad", "max_exp_avg_sq"), ("corrected_weight_decay", "lr_max")):
        Adam([np.zeros(3)], **{flag: True}).save(tmp_path / "state")
        optimizer = Adam([np.zeros(3)])
        before = repr(optimizer)
        with pytest.raises(martlet.FormatError, match=slot):
            optimizer.load(tmp_path / "state")
        assert repr(optimizer) == before


def test_read_by_the_safetensors_package(tmp_path: Path) -> None:
    optimizer, _ = stepped()
    path = tmp_path / "state.safetensors"
    optimizer.save(str(path))
    found = load_file(path)
    state = optimizer.state_dict()["state"]
    for place, name in enumerate(("layer.weight", "layer.bias", "scale")):
        for slot in ("exp_avg", "exp_avg_sq"):
            tensor = found.pop(f"{name}.{slot}")
            # A scalar is stored as one element: the library's rank 0 says contiguous, and no more.
            assert tensor.shape == (state[place][slot].shape or (1,))
            assert np.array_equal(tensor.ravel(), state[place][slot].ravel())
        step = found.pop(f"{name}.step")
        assert (step.dtype, step.shape, int(step)) == (np.int64, (), 3)
    assert not found


def test_layout_does_not_matter(tmp_path: Path) -> None:
    optimizer, arrays = stepped(order="C")
    optimizer.save(tmp_path / "state")
    other, others = stepped(order="F")
    for array, saved in zip(others, arrays, strict=True):
        array[...] = saved
    other.load(tmp_path / "state")
    take_step(optimizer, arrays, 3)
    take_step(other, others, 3)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, others, strict=True))


def test_before_the_first_step(tmp_path: Path) -> None:
    array = np.zeros(3)
    Adam([array]).save(tmp_path / "state")
    optimizer = Adam([array], lr=0.5)
    optimizer.step([np.ones(3)])
    optimizer.load(tmp_path / "state")
    assert optimizer.state_dict()["state"][0]["step"] == 0
    array[:] = 0
    optimizer.lr = 0.5
    optimizer.step([np.ones(3)])
    np.testing.assert_allclose(array, -0.5, rtol=1e-6)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    optimizer, _ = stepped()
    path = tmp_path / "state"
    optimizer.save(path)
    before = optimizer.state_dict()
    whole = path.read_bytes()
    wrong = {
        "cut": whole[: len(whole) - 3],
        "empty": b"",
        "text": b"not a file of tensors at all",
        "huge header": (2**62).to_bytes(8, "little") + whole[8:],
    }
    for name, content in wrong.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(martlet.FormatError):
            optimizer.load(tmp_path / name)
    with pytest.raises(martlet.FormatError):
        Adam([("other", np.zeros(3))]).load(path)
    with pytest.raises(OSError, match="missing"):
        optimizer.load(tmp_path / "missing")
    with pytest.raises(martlet.FileError):
        optimizer.save(tmp_path / "no folder" / "state")
    for path_like in (3, None):
        with pytest.raises(TypeError, match="path"):
            optimizer.save(path_like)
    after = optimizer.state_dict()
    for key, entry in before["state"].items():
        assert all(np.array_equal(after["state"][key][slot], value) for slot, value in entry.items())


def test_the_file_replaces_whole(tmp_path: Path) -> None:
    optimizer, arrays = stepped()
    path = tmp_path / "state"
    optimizer.save(path)
    first = path.read_bytes()
    take_step(optimizer, arrays, 9)
    optimizer.save(path)
    assert path.read_bytes() != first
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("steps", [2**53 - 1, 2**53, 2**53 + 1, 2**62 - 1, 2**62, 2**63 - 2, 2**63 - 1])
def test_steps_to_the_end_of_what_is_counted(steps: int, tmp_path: Path) -> None:
    path = tmp_path / "state"
    optimizer, arrays = stepped()
    state = optimizer.state_dict()
    for entry in state["state"].values():
        entry["step"] = steps
    optimizer.load_state_dict(state)
    optimizer.save(path)
    optimizer.load(path)
    if steps < 2**63 - 1:
        take_step(optimizer, arrays, 3)
        steps += 1
        optimizer.load_state_dict(optimizer.state_dict())
    if steps == 2**63 - 1:
        with pytest.raises(martlet.ArgumentError, match="9223372036854775807"):
            take_step(optimizer, arrays, 4)
    optimizer.save(path)
    optimizer.load(path)
    assert [entry["step"] for entry in optimizer.state_dict()["state"].values()] == [steps] * 3
    for beyond in (2**63, 2.0**63, -1):
        state["state"][0]["step"] = beyond
        with pytest.raises(martlet.FormatError, match="'step'"):
            optimizer.load_state_dict(state)


def test_names_that_no_file_could_hold(tmp_path: Path) -> None:
    for name in ("", "a" * 501, "é" * 251, "a\0b", "\ud800"):
        for named in ([(name, np.zeros(3))], {name: np.zeros(3)}):
            with pytest.raises(martlet.ArgumentError, match="1 to 500 bytes"):
                Adam(named)
    for name in ("é" * 250, "a" * 500, "e\u0301", " ", "__metadata__", "a.step"):
        optimizer = Adam({name: np.zeros(3)})
        optimizer.save(tmp_path / "state")
        optimizer.load(tmp_path / "state")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_header_whose_length_begins_like_a_pickle(protocol: int, tmp_path: Path) -> None:
    optimizer, _ = stepped()
    path = tmp_path / "state"
    optimizer.save(path)
    whole = path.read_bytes()
    tensors = whole[8 + int.from_bytes(whole[:8], "little") :]
    header = b'{"__metadata__":{}}'.ljust(0x80 + (protocol << 8))
    path.write_bytes(len(header).to_bytes(8, "little") + header + tensors)
    with pytest.raises(martlet.FormatError) as raised:
        optimizer.load(path)
    assert "pickle" not in str(raised.value)
