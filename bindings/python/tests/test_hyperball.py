"""Steps along the sphere of a matrix's norm, over every algorithm that takes them: the update that a step without it
makes, moved along and scaled here in float64; the same bits for any threads, layout and way to go on; what stays; and
who refuses it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import martlet
import martlet.torch
import resumed
from by_number import CLASSES, LARGE, name_of, noise, told
from martlet import _algorithms, _ffi_optimizers, functional, nn, optim
from martlet._errors import ArgumentError, DTypeError

BALLED = [number for number in CLASSES if _algorithms.of(number).flags & _ffi_optimizers.HYPERBALL]
OTHERS = sorted(CLASSES.keys() - BALLED)


@pytest.mark.parametrize("extra", [{}, {"maximize": True}, {"cautious": True}], ids=str)
@pytest.mark.parametrize("number", BALLED, ids=name_of)
def test_a_step_is_that_without_it_along_the_sphere(number: int, extra: dict[str, Any]) -> None:
    options = told(number, **extra)
    lr = CLASSES[number]([np.zeros((1, 1))], **options).param_groups[0]["lr"]
    ours = noise(0)
    radius = np.linalg.norm(ours)
    ball = CLASSES[number]([ours], hyperball=True, **options)
    far = np.zeros_like(ours)
    plain = CLASSES[number]([far], **options)
    for t in range(6):
        # Updates do not depend on the value: the other's is as good. Around 0 nothing of one is lost.
        far[...] = 0
        before = ours.copy()
        ball.step([noise(10 + t)])
        plain.step([noise(10 + t)])
        moved = before + lr * radius * far / (np.linalg.norm(far) or 1)
        wanted = radius * moved / np.linalg.norm(moved)
        tolerance = 1e-6 if _algorithms.of(number).name == "muon" else 1e-13
        np.testing.assert_allclose(ours, wanted, rtol=0, atol=tolerance)
        states = [next(iter(each.state_dict()["state"].values())) for each in (ball, plain)]
        assert float(states[0].pop("radius")) == pytest.approx(radius, rel=1e-15)
        assert all(np.array_equal(states[0][slot], states[1][slot]) for slot in states[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float16], ids=str)
@pytest.mark.parametrize("number", BALLED, ids=name_of)
def test_the_same_bits_for_any_threads_and_layout(number: int, dtype: type) -> None:
    found = []
    for count, strided in ((1, False), (2, False), (7, False), (1, True), (3, True)):
        martlet.set_num_threads(count)
        arrays = []
        for seed, shape in enumerate([LARGE, (31, 37), (1, 1), (5, 0), (7, 1), (1, 9)]):
            room = np.zeros((2 * shape[0], shape[1]), dtype)
            view = room[::-2] if strided else np.empty(shape, dtype)
            view[...] = noise(seed, shape).astype(dtype)
            arrays.append(view)
        optimizer = CLASSES[number](arrays, hyperball=True, **told(number))
        for t in range(4):
            optimizer.step([noise(100 + 10 * t + k, array.shape).astype(np.float32) for k, array in enumerate(arrays)])
        found.append(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
    assert len(set(found)) == 1


@pytest.mark.parametrize("number", BALLED, ids=name_of)
def test_training_goes_on_from_a_state(number: int, tmp_path: Path) -> None:
    grads = [noise(t, (9, 5)).astype(np.float32) for t in range(7)]
    options = told(number, hyperball=True)
    resumed.check(CLASSES[number].__name__, noise(8, (9, 5)).astype(np.float32), grads, options, tmp_path)


@pytest.mark.parametrize("number", OTHERS, ids=name_of)
def test_who_refuses_it(number: int) -> None:
    """By its name, where it is set."""
    with pytest.raises(DTypeError, match="hyperball"):
        CLASSES[number]([np.zeros(3)], hyperball=True)
    config = _algorithms.new_config(number)
    config.flags |= _ffi_optimizers.HYPERBALL
    with pytest.raises(ArgumentError, match=f"HYPERBALL.*{_algorithms.of(number).name}"):
        _ffi_optimizers.martlet_algorithm_slot_count(martlet._ffi.Int64(), config)


@pytest.mark.parametrize("face", [optim, martlet.torch])
@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("AdamW", {}, "weight_decay is 0.01; expected 0 with HYPERBALL"),
        ("Muon", {}, "weight_decay is 0.1; expected 0 with HYPERBALL"),
        ("AdamW", {"weight_decay": 0.0, "cautious_weight_decay": True}, "CAUTIOUS_DECAY and HYPERBALL"),
        ("SGD", {"corrected_weight_decay": True}, "CORRECTED_DECAY and HYPERBALL"),
        ("Muon", {"weight_decay": 0.0, "adjust_lr_fn": "match_rms_adamw"}, "MATCH_RMS and HYPERBALL"),
    ],
)
def test_what_does_not_stand_beside_it(face: Any, name: str, options: dict[str, Any], words: str) -> None:
    value: Any = np.ones((2, 2)) if face is optim else torch.ones(2, 2)
    with pytest.raises(ArgumentError, match=words):
        getattr(face, name)([value], lr=0.1, hyperball=True, **options)


def test_shards_do_not_say_what_they_are_of() -> None:
    p = np.ones((4, 3))
    optimizer = optim.AdamW([p], weight_decay=0.0, hyperball=True)
    optimizer.reduce_sums = lambda sums: None
    with pytest.raises(ArgumentError, match="adamw with HYPERBALL.*part of a parameter"):
        optimizer.step([np.ones((4, 3))])
    assert np.array_equal(p, np.ones((4, 3)))


def test_decay_cannot_be_set_later() -> None:
    p = np.ones((2, 2))
    optimizer = optim.AdamW([p], weight_decay=0.0, hyperball=True)
    optimizer.param_groups[0]["weight_decay"] = 0.1
    with pytest.raises(ArgumentError, match="HYPERBALL"):
        optimizer.step([np.ones((2, 2))])
    assert np.array_equal(p, np.ones((2, 2)))


def test_by_hand() -> None:
    """A radius of 5, along a gradient of (0, 1): half of it."""
    p = np.array([[3.0, 4.0]])
    state: dict[str, Any] = {}
    functional.sgd(p, np.array([[0.0, 8.0]]), state, lr=0.5, hyperball=True)
    moved = np.array([[3.0, 1.5]])
    np.testing.assert_allclose(p, 5 * moved / np.linalg.norm(moved), rtol=1e-15)
    assert state["radius"] == 5.0


@pytest.mark.parametrize("number", BALLED, ids=name_of)
def test_vectors_are_stepped_as_without_it(number: int) -> None:
    kind = _algorithms.of(number)
    if not kind.takes_vectors:
        return
    found = []
    for extra in ({"hyperball": True}, {}):
        p = np.zeros(9, np.float32)
        optimizer = CLASSES[number]([p], **told(number), **extra)
        for t in range(3):
            optimizer.step([noise(t, (9,)).astype(np.float32)])
        found.append(p)
    assert np.array_equal(*found)
    assert found[0].any()


def test_what_stays_where_it_is() -> None:
    """Zeros, which have no direction to keep; and bits without an update, at any norm."""
    zeros, still = np.zeros((3, 4), np.float32), noise(1, (3, 4)).astype(np.float32)
    before = still.copy()
    optimizer = optim.SGD([zeros, still], lr=0.1, hyperball=True)
    for _ in range(3):
        optimizer.step([noise(2, (3, 4)).astype(np.float32), np.zeros((3, 4), np.float32)])
        still *= 2
        before *= 2
    assert not zeros.any()
    assert np.array_equal(still, before)
    # What is no longer 0 has a radius from then on.
    zeros[0, 0] = 2
    optimizer.step([np.ones((3, 4), np.float32), None])
    assert np.linalg.norm(zeros) == pytest.approx(2.0, rel=1e-6)


def test_a_step_onto_the_origin_is_none() -> None:
    p = np.array([[3.0, 4.0]])
    optim.SGD([p], lr=1.0, hyperball=True).step([p.copy()])
    assert np.isfinite(p).all()


@pytest.mark.parametrize("size", [1e-200, 1e-30, 1e30, 1e200])
def test_sizes_of_gradients_do_not_matter(size: float) -> None:
    """Down to 1e-12, under which there is less and less to go by; and none are so large that nothing is left."""
    p, q = noise(3, (4, 5)), noise(3, (4, 5))
    optim.SGD([p], lr=0.1, hyperball=True).step([size * noise(4, (4, 5))])
    optim.SGD([q], lr=0.1, hyperball=True).step([noise(4, (4, 5))])
    assert np.isfinite(p).all()
    if size == 1e30:
        np.testing.assert_allclose(p, q, rtol=1e-13)
    elif size < 1:
        assert np.linalg.norm(p - noise(3, (4, 5))) < 1e-15


def test_what_is_no_number_is_not_hidden() -> None:
    p = np.ones((2, 2), np.float32)
    optimizer = optim.AdamW([p], weight_decay=0.0, hyperball=True)
    optimizer.step([np.array([[1.0, np.nan], [1.0, 1.0]], np.float32)])
    assert np.isnan(p).all()
    optimizer.step([np.ones((2, 2), np.float32)])  # and no error
    assert np.isnan(p).all()


def test_muon_leaves_adamws_parameters_their_norms() -> None:
    weight, embed = torch.randn(6, 4), torch.randn(5, 3)
    optimizer = martlet.torch.Muon({"w": weight, "embed": embed}, lr=0.1, weight_decay=0.0, hyperball=True)
    norms = weight.norm().item(), embed.norm().item()
    for tensor in (weight, embed):
        tensor.grad = torch.randn(tensor.shape)
    optimizer.step()
    assert weight.norm().item() == pytest.approx(norms[0], rel=1e-6)
    assert "radius" in optimizer.state[weight]
    assert "radius" not in optimizer.state[embed]


def test_a_models_matrices_keep_their_norms() -> None:
    """Each of them, and not its vectors."""
    model = nn.Sequential([nn.Input((3,)), nn.Dense(4), nn.Dense(2)], seed=1)
    model.compile(nn.AdamW(learning_rate=0.1, weight_decay=0.0, hyperball=True), "mse")
    before = model.get_weights()
    for _ in range(4):
        model.train_on_batch(noise(1, (5, 3)).astype(np.float32), noise(2, (5, 2)).astype(np.float32))
    for old, new in zip(before, model.get_weights(), strict=True):
        assert not np.array_equal(old, new)
        assert (np.linalg.norm(new) == pytest.approx(np.linalg.norm(old), rel=1e-6)) == (new.ndim > 1)
