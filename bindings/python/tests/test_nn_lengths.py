"""Lengths and masks as inputs: the bits of a mask that what is read says, torch's packed sequences, files, and what is
refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import martlet
from c_files import COMPILERS
from c_files import run as run_c
from exported import alike, fill, numbers
from martlet import nn

STEPS, FEATURES, SAMPLES = 7, 3, 9
LENGTHS = np.array([0, 1, 7, 3, 5, 2, 7, 4, 6])


def hidden() -> Any:
    return np.arange(STEPS) >= LENGTHS[:, None]


def padded() -> Any:
    x = numbers((SAMPLES, STEPS, FEATURES))
    x[hidden()] = 0
    return x


def readers(x: Any) -> Any:
    """All that a mask goes through."""
    own = nn.Add()([x, nn.MultiHeadAttention(1, FEATURES)(x, x)])
    steps = nn.Bidirectional(nn.GRU(4, return_sequences=True))(nn.LayerNormalization()(own))
    return nn.Dense(2)(nn.LSTM(4, return_sequences=True)(nn.Dropout(0.3)(steps)))


def by_features(make: Callable[[Any], Any] = readers, steps: int | None = STEPS) -> Any:
    inputs = nn.Input((steps, FEATURES))
    return nn.Model(inputs, make(nn.Masking(name="hides")(inputs)), seed=3)


def by_mask(make: Callable[[Any], Any] = readers, steps: int | None = STEPS) -> Any:
    inputs, mask = nn.Input((steps, FEATURES)), nn.Input((steps,), dtype="bool")
    return nn.Model([inputs, mask], make(nn.Masking(1, name="hides")(inputs, mask=mask)), seed=3)


def by_lengths(make: Callable[[Any], Any] = readers, steps: int | None = STEPS) -> Any:
    inputs, lengths = nn.Input((steps, FEATURES)), nn.Input((1,), dtype="int64", name="lengths")
    return nn.Model([inputs, lengths], make(nn.SequenceMask(name="hides")(inputs, lengths)), seed=3)


@pytest.mark.parametrize("steps", [STEPS, None])
def test_the_bits_are_those_of_a_mask(steps: int | None) -> None:
    y = numbers((SAMPLES, STEPS, 2))
    found = []
    other = np.where(hidden()[:, :, None], np.float32(9), padded())  # what is hidden counts nothing
    for build, x in ((by_features, padded()), (by_mask, [other, hidden()]), (by_lengths, [other, LENGTHS])):
        model = build(readers, steps)
        model.compile(nn.Adam(0.01), "mse", metrics=["mae"])
        history = model.fit(x, y, batch_size=4, epochs=2, verbose=0).history
        found.append((history, model.evaluate(x, y, 4, verbose=0), model.predict(x).tobytes(), model.get_weights()))
    for history, scores, given, weights in found[1:]:
        assert (history, scores, given) == found[0][:3]
        assert all((one == right).all() for one, right in zip(weights, found[0][3], strict=True))


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_torchs_packed_sequences(kind: str) -> None:
    """Of lengths from 1 on, which is torch's least: states behind the last step, and a step of SGD."""
    pack = torch.nn.utils.rnn.pack_padded_sequence
    chosen = LENGTHS > 0
    x, y, lengths = padded()[chosen], numbers((SAMPLES, 5), 7)[chosen], LENGTHS[chosen]
    theirs = getattr(torch.nn, kind)(FEATURES, 5, batch_first=True).double()
    ours = by_lengths(getattr(nn, "SimpleRNN" if kind == "RNN" else kind)(5))
    fill(ours)
    kernel, recurrent, bias = ours.get_weights()
    order = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "RNN": (0,)}[kind]

    def turned(weight: Any) -> Any:
        parts = np.split(weight, len(order), axis=-1)
        return torch.from_numpy(np.concatenate([parts[gate] for gate in order], axis=-1).T.astype(np.float64).copy())

    biases = bias if kind == "GRU" else [bias, np.zeros_like(bias)]
    pairs = [("weight_ih_l0", turned(kernel)), ("weight_hh_l0", turned(recurrent))]
    pairs += [("bias_ih_l0", turned(biases[0])), ("bias_hh_l0", turned(biases[1]))]
    with torch.no_grad():
        for name, value in pairs:
            getattr(theirs, name).copy_(value)
    states = theirs(pack(torch.from_numpy(x).double(), lengths, batch_first=True, enforce_sorted=False))[1]
    last = (states[0] if kind == "LSTM" else states)[0]
    alike(ours.predict([x, lengths]), last.detach().numpy().astype(np.float32))
    torch.nn.functional.mse_loss(last, torch.from_numpy(y).double()).backward()
    ours.compile(nn.SGD(1.0), "mse")
    ours.fit([x, lengths], y, batch_size=SAMPLES, verbose=0)
    for place, name in enumerate(("weight_ih_l0", "weight_hh_l0")):
        wanted = pairs[place][1] - getattr(theirs, name).grad
        np.testing.assert_allclose(turned(ours.get_weights()[place]), wanted, rtol=1e-5, atol=1e-6)


def test_no_steps_give_the_state_before() -> None:
    inputs, lengths, states = nn.Input((STEPS, FEATURES)), nn.Input((1,)), [nn.Input((4,)) for _ in range(2)]
    masked = nn.SequenceMask()(inputs, lengths)
    parts = [nn.LSTM(4)(masked, initial_state=states), nn.GRU(4)(masked), nn.GRU(4)(masked, initial_state=states[1])]
    model = nn.Model([inputs, lengths, *states], parts)
    given = [numbers((3, 4)), numbers((3, 4), 8)]
    found = model.predict([numbers((3, STEPS, FEATURES)), np.zeros(3), *given])
    for one, wanted in zip(found, (given[0], np.zeros((3, 4)), given[1]), strict=True):
        np.testing.assert_array_equal(one, wanted)


BAD: list[tuple[Any, str]] = [
    (8, r"x\[1\] holds 8 at \(3, 0\); wanted 0 to 7, the lengths that layer 'hides' takes"),
    (-1, r"x\[1\] holds -1 at \(3, 0\); wanted 0 to 7, the lengths that layer 'hides' takes"),
    (2.5, r"x\[1\] holds 2.5 at \(3, 0\); wanted the lengths that layer 'hides' takes, which are whole numbers"),
    (np.nan, "NaN"),
    (2**40, "holds 1099511627776 at"),
]


@pytest.mark.parametrize("index", range(len(BAD)))
@pytest.mark.parametrize("steps", [STEPS, None])
def test_lengths_that_cannot_be(index: int, steps: int | None) -> None:
    length, says = BAD[index]
    lengths = LENGTHS.astype(np.float64 if isinstance(length, float) else np.int64)
    lengths[3] = length
    model, x, y = by_lengths(steps=steps), padded(), numbers((SAMPLES, STEPS, 2))
    model.compile("adam", "mse")
    model.fit([x, LENGTHS], y, verbose=0)
    before = [weight.tobytes() for weight in model.get_weights()]
    calls: list[Callable[[], Any]] = [
        lambda: model.predict([x, lengths]),
        lambda: model.fit([x, lengths], y, batch_size=2, shuffle=False, verbose=0),
        lambda: model.evaluate([x, lengths], y, verbose=0),
        lambda: model.train_on_batch([x, lengths], y),
    ]
    for call in calls:
        with pytest.raises((martlet.ArgumentError, martlet.DTypeError), match=says):
            call()
    assert [weight.tobytes() for weight in model.get_weights()] == before
    assert model.optimizer.iterations == 1


def test_lengths_of_shorter_sequences() -> None:
    """Where steps are open, each call's are the most."""
    model = by_lengths(nn.LSTM(3), None)
    x = padded()[:, :4]
    model.predict([padded(), LENGTHS])
    with pytest.raises(martlet.ArgumentError, match=r"holds 7 at \(2, 0\); wanted 0 to 4"):
        model.predict([x, LENGTHS])
    wanted = by_lengths(nn.LSTM(3), 4)
    wanted.set_weights(model.get_weights())
    few = np.minimum(LENGTHS, 4)
    np.testing.assert_array_equal(model.predict([x, few]), wanted.predict([x, few]))


@pytest.mark.parametrize("build", [by_mask, by_lengths])
def test_files_configs_and_c(build: Any, tmp_path: Path) -> None:
    model = build()
    fill(model)
    says = hidden() if build is by_mask else LENGTHS[:, None]
    x = [numbers((SAMPLES, STEPS, FEATURES)), says]
    wanted = model.predict(x)
    model.save(tmp_path / "model")
    loaded = nn.load_model(tmp_path / "model")
    again = nn.clone_model(model)
    assert [layer.get_config() for layer in loaded.layers] == [layer.get_config() for layer in model.layers]
    assert again.get_config() == model.get_config()
    again.set_weights(model.get_weights())
    for other in (loaded, again):
        np.testing.assert_array_equal(other.predict(x), wanted)
    if COMPILERS:
        model.to_c(tmp_path / "m.c")
        alike(run_c(tmp_path / "m.c", [x[0], says.astype(np.int32)], [wanted.shape[1:]])[0], wanted)


@pytest.mark.parametrize("build", [by_mask, by_lengths])
def test_files_of_c(build: Any, tmp_path: Path) -> None:
    """Without notes of Python's: the layers, and which whole numbers they read."""
    model = build(lambda x: nn.Dense(2)(nn.LSTM(4)(x)))
    x = [padded(), hidden() if build is by_mask else LENGTHS]
    model._ready().model.save(os.fsencode(tmp_path / "plain"))
    loaded = nn.load_model(tmp_path / "plain")
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in model.layers]
    if build is by_lengths:
        with pytest.raises(martlet.ArgumentError, match="wanted 0 to 7, the lengths that layer 'hides' takes"):
            loaded.predict([padded(), LENGTHS + 1])


def test_a_model_within_another() -> None:
    """Lengths go in as inputs of the whole."""
    inner = by_lengths(nn.GRU(4))
    inputs, lengths = nn.Input((STEPS, FEATURES)), nn.Input((1,))
    outer = nn.Model([inputs, lengths], nn.Dense(2)(inner([inputs, lengths])))
    found = outer.predict([padded(), LENGTHS])
    plain = by_features(nn.GRU(4))
    whole = nn.Model(one := nn.Input((STEPS, FEATURES)), nn.Dense(2)(plain(one)))
    whole.set_weights(outer.get_weights())
    np.testing.assert_array_equal(whole.predict(padded()), found)
    with pytest.raises(martlet.ArgumentError, match="wanted 0 to 7"):
        outer.predict([padded(), LENGTHS + 1])


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nn.SequenceMask()(nn.Input((7, 3))), martlet.ArgumentError, "called without lengths"),
    (
        lambda: nn.Sequential([nn.Input((7, 3)), nn.SequenceMask(name="hides"), nn.LSTM(3)]),
        martlet.ArgumentError,
        "layer 'hides' reads 1 nodes; wanted a sequence and lengths",
    ),
    (
        lambda: nn.SequenceMask(name="hides")(nn.Input((7, 3)), nn.Input((7,))),
        martlet.ShapeError,
        r"\"hides\".* is \(7\); expected \(1\), how many steps",
    ),
    (
        lambda: nn.Masking(name="hides")(nn.Input((7, 3)), mask=nn.Input((5,))),
        martlet.ShapeError,
        r"\"hides\".* is \(5\); expected \(7\), which says of each step",
    ),
    (lambda: nn.Masking()(nn.Input((7, 3)), mask=nn.Input((7, 3))), martlet.ShapeError, "expected"),
    (lambda: nn.Masking()(nn.Input((7,)), mask=nn.Input((7,))), martlet.ShapeError, "wanted sequences"),
    (
        lambda: nn.SequenceMask()(nn.Input((7, 3)), nn.Dense(1)(nn.Input((4,)))),
        martlet.ArgumentError,
        "lengths of <SequenceMask> is .*; wanted an Input",
    ),
    (lambda: nn.Masking()(nn.Input((7, 3)), mask=np.ones(7)), martlet.DTypeError, "mask of .* is ndarray"),
    (
        lambda: nn.Model(
            [one := nn.Input((7, 3)), n := nn.Input((1,))],
            nn.Add()([nn.LSTM(3)(nn.SequenceMask()(one, n)), nn.Dense(3)(n)]),
        ),
        martlet.ArgumentError,
        "reads an input of whole numbers",
    ),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(REFUSED)))
def test_what_is_refused(index: int) -> None:
    call, error, says = REFUSED[index]
    with pytest.raises(error, match=says):
        call()
