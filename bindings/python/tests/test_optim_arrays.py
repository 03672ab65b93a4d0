"""Arrays of every served type and layout, as the numpy optimizers step them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import martlet
from arrays import grads, values
from martlet.optim import Adam


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
    optimizer, other = Adam([array], lr=0.1, amsgrad=True), Adam([plain], lr=0.1, amsgrad=True)
    for _ in range(3):
        optimizer.step([gradient])
        other.step([np.ascontiguousarray(gradient)])
        assert np.array_equal(array, plain)


def test_what_lies_between_stays() -> None:
    memory = np.zeros(30)
    Adam([memory[::3]], lr=1.0).step([np.ones(10)])
    np.testing.assert_allclose(memory[::3], -1, rtol=1e-6)
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


def test_empty_arrays() -> None:
    empty, other = np.zeros((0, 3), np.float32), np.zeros(2, np.float32)
    optimizer = Adam([empty, other], lr=0.1)
    optimizer.step([np.zeros((0, 3), np.float32), np.ones(2, np.float32)])
    np.testing.assert_allclose(other, -0.1, rtol=1e-6)
    assert martlet.adam([], [])[0] == []


def test_a_repeated_step_follows_its_arrays() -> None:
    """What a laid-out call remembers is looked at again: another place, type, layout or object of a gradient."""
    memory = np.arange(24.0, dtype=np.float32)
    array, plain = np.ones(6, np.float32), np.ones(6, np.float32)
    optimizer, state = Adam([array], lr=0.1), {}
    for gradient in (
        memory[:6],
        memory[6:12],
        memory.view(np.float16)[1:13:2],
        memory[:6].astype(np.float64),
        memory[::4],
        memory[:6][::-1],
        memory[:6].copy(),
        np.broadcast_to(np.float32(2), (6,)),
        memory[:6],
    ):
        for _ in range(2):
            optimizer.step([gradient])
            martlet.adam(plain, gradient.copy(), state, lr=0.1)
            assert np.array_equal(array, plain)
    for wrong, kind, text in (
        (memory[:6].reshape(2, 3), martlet.ShapeError, "wanted the same"),
        (np.zeros(25, np.uint8)[1:].view(np.float32), martlet.AlignmentError, "give an aligned copy"),
        (np.ma.array(memory[:6]), martlet.DTypeError, "is a masked array"),
    ):
        with pytest.raises(kind, match=text):
            optimizer.step([wrong])
        optimizer.step([memory[:6]])
        martlet.adam(plain, memory[:6], state, lr=0.1)
    assert np.array_equal(array, plain)


def test_gradients_that_come_and_go() -> None:
    ours, states = values(), {}
    plain = values()
    optimizer = Adam(ours, lr=0.1)
    for step, absent in enumerate([(), (1,), (1,), (0, 2), (), (0, 1, 2, 3), ()]):
        given = [None if place in absent else grad for place, grad in enumerate(grads(step))]
        optimizer.step(given)
        martlet.adam(plain, given, states, lr=0.1)
        assert all(np.array_equal(a, b) for a, b in zip(ours, plain, strict=True))
    assert [optimizer.state_dict()["state"][place]["step"] for place in range(4)] == [5, 4, 5, 6]
