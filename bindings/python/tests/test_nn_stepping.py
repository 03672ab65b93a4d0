"""predict_next and generate: to the bit what predict gives for whole sequences, what is drawn, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import martlet
from graphs import NDArray, numbers
from martlet import nn

LENGTH, VOCABULARY = 24, 11


def language_model(last: str | None = None, heads: int = 2) -> nn.Model:
    ids = nn.Input((LENGTH,), dtype="int32")
    x = nn.Embedding(VOCABULARY, 16)(ids)
    x = x + nn.PositionEmbedding(LENGTH, "random_normal")(x)
    for _ in range(2):
        read = nn.LayerNormalization()(x)
        x = x + nn.MultiHeadAttention(heads, 8, value_dim=5)(read, read, use_causal_mask=True)
        x = x + nn.Dense(16)(nn.Dense(40, activation="gelu")(nn.RMSNormalization()(x)))
    model = nn.Model(ids, nn.Dense(VOCABULARY, activation=last)(x), seed=4)
    # Weights under which steps differ by what came before them.
    model.set_weights([weight + 0.3 * numbers(*weight.shape) for weight in model.get_weights()])
    return model


def words(*sizes: int) -> NDArray:
    return np.random.default_rng(7).integers(0, VOCABULARY, sizes)


@pytest.mark.parametrize("cuts", [[1] * LENGTH, [5, 1, 12, 6], [LENGTH]])
def test_steps_give_the_bits_of_whole_sequences(cuts: list[int]) -> None:
    model, x = language_model(), words(3, LENGTH)
    whole = model.predict(x)
    ends = np.cumsum(cuts)
    parts = [model.predict_next(x[:, end - cut : end], reset=end == cut) for cut, end in zip(cuts, ends, strict=True)]
    np.testing.assert_array_equal(np.concatenate(parts, 1), whole)
    assert not (whole[:, :, 0] == whole[:, :1, 0])[:, 1:].any()


def test_sums_over_steps_are_cut_as_in_whole_sequences() -> None:
    x = nn.Input((801, 6))
    model, given = nn.Model(x, nn.MultiHeadAttention(2, 5)(x, x, use_causal_mask=True), seed=2), numbers(2, 801, 6)
    whole = model.predict(given)
    for cut in (89, 801):
        parts = [model.predict_next(given[:, place : place + cut], reset=place == 0) for place in range(0, 801, cut)]
        np.testing.assert_array_equal(np.concatenate(parts, 1), whole)


LAYERS = [nn.LSTM, nn.GRU, nn.SimpleRNN]


def character_model(kind: type[nn.Layer], length: int = LENGTH, batch: int | None = None, **arguments: Any) -> nn.Model:
    model = nn.Sequential(
        [
            nn.Input(batch_shape=(batch, length), dtype="int32"),
            nn.Embedding(VOCABULARY, 10, mask_zero=arguments.pop("mask_zero", False)),
            kind(37, return_sequences=True, **arguments),
            nn.LayerNormalization(),
            kind(20, activation="relu", return_sequences=True),
            nn.Dense(VOCABULARY),
        ],
        seed=6,
    )
    model.set_weights([weight + 0.2 * numbers(*weight.shape) for weight in model.get_weights()])
    return model


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("arguments", [{}, {"mask_zero": True}, {"dropout": 0.3, "recurrent_dropout": 0.2}])
@pytest.mark.parametrize("cuts", [[1] * LENGTH, [5, 1, 12, 6], [LENGTH]])
def test_states_are_kept_from_step_to_step(kind: type[nn.Layer], arguments: dict[str, Any], cuts: list[int]) -> None:
    model, x = character_model(kind, **arguments), words(3, LENGTH)
    whole = model.predict(x)
    assert (x == 0).any() and not (whole[:, :, 0] == whole[:, :1, 0])[:, 1:].any(1).all()
    for _ in range(2):
        first, parts = True, []
        for part in np.split(x, np.cumsum(cuts)[:-1], 1):
            parts.append(model.predict_next(part, reset=first))
            first = False
        np.testing.assert_array_equal(np.concatenate(parts, 1), whole)


@pytest.mark.parametrize("kind", LAYERS)
def test_states_know_no_end(kind: type[nn.Layer]) -> None:
    model, x = character_model(kind), words(2, 5 * LENGTH)
    longer = character_model(kind, 5 * LENGTH)
    parts = [model.predict_next(part, reset=place == 0) for place, part in enumerate(np.split(x, 5, 1))]
    np.testing.assert_array_equal(np.concatenate(parts, 1), longer.predict(x))
    with pytest.raises(martlet.ShapeError, match=f"wanted 1 to {LENGTH}|expected 1 to {LENGTH} of each"):
        model.predict_next(words(2, LENGTH + 1))
    wanted = x[:1, :60].tolist()[0]
    for place in range(60, 110):
        wanted.append(int(longer.predict(np.pad([wanted], ((0, 0), (0, 5 * LENGTH - place))))[0, place - 1].argmax()))
    np.testing.assert_array_equal(model.generate(wanted[:60], 50, temperature=0), wanted)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.SimpleRNN])
def test_inputs_of_any_length(kind: type[nn.Layer]) -> None:
    """Steps of recurrent layers alone, whatever lengths were read before, to the bits of the whole."""
    x = nn.Input((None,), dtype="int32")
    model = nn.Model(x, nn.Dense(VOCABULARY)(kind(7, return_sequences=True)(nn.Embedding(VOCABULARY, 5)(x))))
    given = words(2, 90)
    for length in (3, 90):
        whole = model.predict(given[:, :length])
        found = [model.predict_next(given[:, :2], reset=True)]
        found += [model.predict_next(given[:, place : place + 1]) for place in range(2, length)]
        np.testing.assert_array_equal(np.concatenate(found, 1), whole)
        np.testing.assert_array_equal(model.predict_next(given[:, :length], reset=True), whole)
    follows = model.generate(given[:, :70], 5, temperature=0)
    for place in range(70, 75):
        np.testing.assert_array_equal(model.predict(follows[:, :place])[:, -1].argmax(1), follows[:, place])
    with pytest.raises(martlet.OrderError, match="no sequences are under way"):
        model.predict_next(given[:, :1])
    with pytest.raises(martlet.UnsupportedError, match="steps are kept of as many as the input has"):
        x = nn.Input((None, 4))
        nn.Model(x, nn.MultiHeadAttention(2, 2)(x, x, use_causal_mask=True)).predict_next(numbers(2, 1, 4))


def test_states_that_a_layer_keeps_are_left_alone() -> None:
    model, x = character_model(nn.LSTM, batch=3, stateful=True), words(3, LENGTH)
    whole = model.predict(x)
    second = model.predict(x)
    np.testing.assert_array_equal(model.predict_next(x), whole)
    np.testing.assert_array_equal(model.predict_next(x[:1], reset=True), whole[:1])
    third = model.predict(x)
    model.reset_states()
    np.testing.assert_array_equal([model.predict(x), model.predict(x), model.predict(x)], [whole, second, third])
    assert (second != whole).any() and (third != second).any()


def test_recurrence_beside_attention_ends_where_the_input_does() -> None:
    ids = nn.Input((LENGTH,), dtype="int32")
    x = nn.GRU(12, return_sequences=True)(nn.Embedding(VOCABULARY, 8)(ids))
    x = x + nn.MultiHeadAttention(2, 6)(x, x, use_causal_mask=True)
    model, given = nn.Model(ids, nn.Dense(VOCABULARY)(x), seed=1), words(2, LENGTH)
    whole = model.predict(given)
    parts = [model.predict_next(given[:, place : place + 3]) for place in range(0, LENGTH, 3)]
    np.testing.assert_array_equal(np.concatenate(parts, 1), whole)
    with pytest.raises(martlet.ShapeError, match="have been read"):
        model.predict_next(given[:, :1])


def test_numbers_several_inputs_and_outputs() -> None:
    left, right = nn.Input((9, 4)), nn.Input((9, 3))
    x = nn.Concatenate()([nn.Dense(8)(left), nn.Dropout(0.3)(right)])
    x = nn.BatchNormalization()(nn.MultiHeadAttention(1, 4)(x, x, use_causal_mask=True))
    model = nn.Model([left, right], [nn.Dense(2)(x), nn.Activation("softmax")(x)])
    given = [numbers(5, 9, 4), numbers(5, 9, 3)]
    whole = model.predict(given)
    for start in range(0, 9, 3):
        found = model.predict_next([one[:, start : start + 3] for one in given])
        for mine, other in zip(found, whole, strict=True):
            np.testing.assert_array_equal(mine, other[:, start : start + 3])


def followed(model: nn.Model, x: list[int], count: int, draw: Callable[[NDArray], int]) -> list[int]:
    """By whole passes over what the model has read."""
    found, first = list(x[-LENGTH:]), 0
    for _ in range(count):
        if len(found) - first > LENGTH:
            first = len(found) - LENGTH // 2
        window = found[first:] + [0] * (LENGTH - len(found) + first)
        found.append(draw(model.predict(np.array([window]))[0, len(found) - first - 1]))
    return list(x[:-LENGTH]) + found


@pytest.mark.parametrize("start", [1, 7, LENGTH, LENGTH + 3])
def test_the_likeliest_follow_by_whole_passes(start: int) -> None:
    model, x = language_model(), words(start).tolist()
    wanted = followed(model, x, 60, lambda logits: int(logits.argmax()))
    np.testing.assert_array_equal(model.generate(x, 60, temperature=0), wanted)
    both = model.generate(np.array([x, x[::-1]]), 60, temperature=0.0)
    np.testing.assert_array_equal(both[0], wanted)
    np.testing.assert_array_equal(model.generate(x, 60, top_k=1, seed=3), wanted)


@pytest.mark.parametrize("last", [None, "softmax"])
def test_what_is_drawn_is_as_often_as_it_is_likely(last: str | None) -> None:
    model = language_model(last)
    logits = model.predict(np.array([[3] * LENGTH]))[0, 0].astype(np.float64)
    logits = np.log(logits) if last else logits
    for temperature, top in ((1.0, None), (0.5, 4), (2.0, 100)):
        powers = np.exp((logits - logits.max()) / temperature)
        if top == 4:
            powers[np.argsort(powers)[:-4]] = 0
        powers /= powers.sum()
        drawn = model.generate(np.full((20000, 1), 3), 1, temperature, top, seed=5)[:, 1]
        share = np.bincount(drawn, minlength=VOCABULARY) / 20000
        np.testing.assert_allclose(share, powers, atol=5 * np.sqrt(0.25 / 20000))


def test_a_seed_says_what_is_drawn() -> None:
    model = language_model()
    first = model.generate([1, 2], 50, seed=8)
    assert first.dtype == np.int32 and first.shape == (52,) and (first[:2] == [1, 2]).all()
    np.testing.assert_array_equal(model.generate([1, 2], 50, seed=8), first)
    assert (model.generate([1, 2], 50, seed=9) != first).any()
    assert (model.generate([1, 2], 50) != model.generate([1, 2], 50)).any()
    np.testing.assert_array_equal(model.generate([4, 5], 0), [4, 5])


def masked() -> nn.Model:
    ids = nn.Input((6,), dtype="int32")
    x = nn.Embedding(9, 4, mask_zero=True)(ids)
    return nn.Model(ids, nn.MultiHeadAttention(1, 4)(x, x, use_causal_mask=True))


def sees_all() -> nn.Model:
    x = nn.Input((6, 4))
    return nn.Model(x, nn.MultiHeadAttention(1, 4)(x, x))


def over_steps(*layers: nn.Layer) -> nn.Model:
    return nn.Sequential([nn.Input((6, 4)), *layers])


def begins_with_states() -> nn.Model:
    x, state = nn.Input((6, 4)), nn.Input((3,))
    return nn.Model([x, state], nn.GRU(3, return_sequences=True, name="mine")(x, initial_state=state))


def gives_states() -> nn.Model:
    x = nn.Input((6, 4))
    return nn.Model(x, nn.GRU(3, return_sequences=True, return_state=True, name="mine")(x))


def beside(side: Any, steps: int | None) -> nn.Model:
    """A model of sequences, and of another input that has none."""
    x, other = nn.Input((steps, 4), name="words"), nn.Input(side, name="price")
    return nn.Model([other, x], [nn.Dense(2)(other), nn.LSTM(3, return_sequences=True)(x)])


ALONG_ALL = martlet.UnsupportedError, "looks at steps as a whole"
BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: sees_all().predict_next(numbers(2, 1, 4)), martlet.UnsupportedError, "sees steps behind a step's own"),
    (
        lambda: over_steps(nn.Conv1D(4, 3, padding="same")).predict_next(numbers(2, 1, 4)),
        martlet.UnsupportedError,
        "looks at steps as a whole",
    ),
    *(
        # Of samples that are no sequences: all numbers are one row.
        (lambda layer=layer: nn.Sequential([nn.Input((6,)), layer]).predict_next(numbers(2, 1)), *ALONG_ALL)
        for layer in (nn.Activation("softmax"), nn.LayerNormalization(center=False, scale=False))
    ),
    (
        lambda: over_steps(nn.Bidirectional(nn.LSTM(3, return_sequences=True), name="both")).predict_next(
            numbers(2, 1, 4)
        ),
        martlet.UnsupportedError,
        "both.*reads sequences from their end; expected a layer that reads them from their start",
    ),
    (
        lambda: over_steps(nn.LSTM(3, name="mine")).predict_next(numbers(2, 1, 4)),
        martlet.UnsupportedError,
        '"mine" gives its last state alone; expected one that gives those of all steps',
    ),
    (
        lambda: gives_states().predict_next(numbers(2, 1, 4)),
        martlet.UnsupportedError,
        '"mine" gives its last states behind',
    ),
    (
        lambda: begins_with_states().predict_next([numbers(2, 1, 4), numbers(2, 1)]),
        martlet.UnsupportedError,
        '"mine" begins with states that it is given',
    ),
    *(
        (
            lambda side=side, steps=steps: beside(side, steps).predict_next(
                [numbers(2, 1, *side[1:]), numbers(2, 1, 4)]
            ),
            martlet.ShapeError,
            r"samples of \(5.*\) of 'price', .* of 'words'; wanted sequences of as many steps from each",
        )
        for side in ((5,), (5, 2))
        for steps in (6, None)
    ),
    (
        lambda: beside((6, 2), 6).predict_next([numbers(2, 1, 2), numbers(2, 3, 4)]),
        martlet.ShapeError,
        "^x has 1, 3 steps; wanted 1 or more, as many of each input",
    ),
    (
        lambda: beside((5,), 6).predict_next([numbers(2, 5), numbers(2, 1, 4)]),
        martlet.ShapeError,
        r"samples of \(5,\) of 'price', \(6, 4\) of 'words'; wanted sequences of as many steps from each",
    ),
    (
        lambda: beside((6,), 6).predict_next([numbers(2, 1), numbers(2, 1, 4)]),
        martlet.UnsupportedError,
        r"over whole samples: for one step layer \"dense\" would have arrays .*; expected layers over sequences",
    ),
    (lambda: masked().predict_next([[1]]), martlet.UnsupportedError, "reads a mask"),
    (lambda: language_model().predict_next(words(2, LENGTH + 1)), martlet.ShapeError, "x has 25 steps; wanted 1 to 24"),
    (lambda: language_model().predict_next(words(2, 0)), martlet.ShapeError, "holds no samples"),
    (lambda: language_model().predict_next([[VOCABULARY]]), martlet.ArgumentError, "x holds 11"),
    (lambda: language_model().predict_next([[1]], reset=2), martlet.ArgumentError, "reset"),
    (lambda: language_model().generate([], 3), martlet.ShapeError, "x is"),
    (lambda: language_model().generate([[[1]]], 3), martlet.ShapeError, "x is"),
    (lambda: language_model().generate([[1, 2], [3]], 3), martlet.DTypeError, "x is no array"),
    (lambda: language_model().generate(None, 3), martlet.DTypeError, "x is None"),
    (lambda: language_model().generate([-1], 3), martlet.ArgumentError, "x holds -1"),
    (lambda: language_model().generate([1], -1), martlet.ArgumentError, "max_new_tokens is -1"),
    (lambda: language_model().generate([1], 3, temperature=-1), martlet.ArgumentError, "temperature is -1"),
    (lambda: language_model().generate([1], 3, temperature=float("nan")), martlet.ArgumentError, "temperature is nan"),
    (lambda: language_model().generate([1], 3, top_k=0), martlet.ArgumentError, "top_k is 0"),
    (lambda: language_model().generate([1], 3, seed=-1), martlet.ArgumentError, "seed is -1"),
    (lambda: sees_all().generate([1], 3), martlet.UnsupportedError, "reads whole numbers"),
]


@pytest.mark.parametrize("index", range(len(BAD)))
def test_what_is_refused(index: int) -> None:
    call, error, says = BAD[index]
    with pytest.raises((error, martlet.DTypeError) if error is martlet.ArgumentError else error, match=says):
        call()


def test_what_is_refused_leaves_sequences_where_they_are() -> None:
    model, x = language_model(), words(2, LENGTH)
    whole = model.predict(x)
    model.predict_next(x[:, :4])
    for bad in (x[:, :21], x[:1, :1], np.full((2, 1), VOCABULARY), words(4, 1)):
        with pytest.raises(martlet.MartletError):
            model.predict_next(bad)
    with pytest.raises(martlet.ShapeError):
        model.predict_next(words(2, LENGTH + 1), reset=True)
    np.testing.assert_array_equal(model.predict_next(x[:, 4:9]), whole[:, 4:9])
    np.testing.assert_array_equal(model.predict_next(x[:1, :2], reset=True), whole[:1, :2])


def test_weights_of_nan_are_said() -> None:
    model = language_model()
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.raises(martlet.ArgumentError, match="NaN"):
        model.generate([1], 3)
