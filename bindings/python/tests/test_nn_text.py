"""TextVectorization, Hashing and pad_sequences, and how a model's file keeps them.

Keras's TextVectorization needs TensorFlow: here a reference of its documented rules stands in plain sight.
pad_sequences is held to Keras's own.
"""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import martlet
from martlet import _model, nn

TEXTS = [
    "The cat sat on the mat.",
    "  A dog -- a big DOG! -- barked;\tthe cat\nran_away  ",
    "Über den Straßen, ÉCOLE\u00a0été",
    "cat",
    "",
    "dog's cat's",
]
# The rules of Keras's TextVectorization, by way of TensorFlow's operations: lower case of ASCII's letters, its regular
# expression of marks, splits at ASCII's blanks.
MARKS = re.compile(r'[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']')


def words_of(text: str, standardize: str | None, split: str | None, ngrams: tuple[int, ...] | None) -> list[str]:
    if standardize in ("lower_and_strip_punctuation", "lower"):
        text = "".join(letter.lower() if letter.isascii() else letter for letter in text)
    if standardize in ("lower_and_strip_punctuation", "strip_punctuation"):
        text = MARKS.sub("", text)
    found = [text]
    if split == "whitespace":
        found = [word.decode() for word in text.encode().split()]  # of bytes: ASCII's alone
    elif split == "character":
        found = [*text]
    if ngrams is not None:
        found = [" ".join(found[k : k + width]) for width in ngrams for k in range(len(found) - width + 1)]
    return found


def vocabulary_of(rows: list[list[str]], most: int | None) -> list[str]:
    """As StringLookup's: by count, then by the word itself, and then turned round."""
    counts: dict[str, int] = {}
    for word in (word for row in rows for word in row if word):
        counts[word] = counts.get(word, 0) + 1
    order = np.lexsort(([*map(str.encode, counts)], [*counts.values()]))[::-1]
    return [[*counts][k] for k in order][:most]


@pytest.mark.parametrize("standardize", ["lower_and_strip_punctuation", "lower", "strip_punctuation", None])
@pytest.mark.parametrize("split", ["whitespace", "character"])
@pytest.mark.parametrize("ngrams", [None, 2, (3, 1)])
@pytest.mark.parametrize("most", [None, 7])
def test_numbers_are_those_of_the_rules(standardize: str | None, split: str, ngrams: Any, most: int | None) -> None:
    widths = (1, 2) if ngrams == 2 else ngrams
    rows = [words_of(text, standardize, split, widths) for text in TEXTS]
    wanted = ["", "[UNK]", *vocabulary_of(rows, None if most is None else most - 2)]
    text = nn.TextVectorization(most, standardize, split, ngrams, output_sequence_length=5)
    text.adapt(TEXTS)
    assert text.get_vocabulary() == wanted and text.vocabulary_size() == len(wanted)
    assert text.get_vocabulary(include_special_tokens=False) == wanted[2:]
    unknown = ["zebra cat zebra", *TEXTS]
    rows = [words_of("zebra cat zebra", standardize, split, widths), *rows]
    numbers = [[wanted.index(word) if word in wanted else 1 for word in row][:5] for row in rows]
    found = text(unknown)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, [row + [0] * (5 - len(row)) for row in numbers])
    for mode in ("count", "multi_hot"):
        other = nn.TextVectorization(None, standardize, split, ngrams, mode, vocabulary=wanted[2:])
        assert other.get_vocabulary() == wanted[1:]
        counts = np.zeros((len(rows), len(wanted) - 1), np.float32)
        for place, row in enumerate(rows):
            for word in row:
                counts[place, wanted.index(word) - 1 if word in wanted else 0] += 1
        np.testing.assert_array_equal(other(unknown), counts if mode == "count" else counts > 0)


def test_texts_of_any_kind() -> None:
    text = nn.TextVectorization(vocabulary=["cat", "dog"])
    wanted = [[2, 3, 0], [1, 2, 2]]
    given = ["cat dog", "a cat cat"]
    for texts in (
        given, tuple(given), np.array(given), np.array(given, object), np.array(given).reshape(-1, 1),
        [[one] for one in given], [one.encode() for one in given], np.array(given, "S"), pandas.Series(given),
        polars.Series(given), pyarrow.array(given),
    ):  # fmt: skip
        np.testing.assert_array_equal(text(texts), wanted)
    np.testing.assert_array_equal(text("a cat cat"), wanted[1])
    assert text([]).shape == (0, 0) and text(["", " "]).shape == (2, 0)
    latin = nn.TextVectorization(vocabulary=["été"], encoding="latin-1")
    np.testing.assert_array_equal(latin(["été".encode("latin-1")]), [[2]])


def test_words_that_are_split_already() -> None:
    text = nn.TextVectorization(split=None, vocabulary=["cat", "dog"])
    np.testing.assert_array_equal(text([["Cat", "dog", ""], ["a b"]]), [[2, 3, 0], [1, 0, 0]])
    np.testing.assert_array_equal(text(["cat", "a cat", ""]), [2, 1, 0])
    assert text("dog") == 3


def test_functions_of_ones_own() -> None:
    text = nn.TextVectorization(
        standardize=lambda texts: np.char.replace(texts, "-", " "),
        split=lambda texts: [one.split("|") for one in texts],
    )
    text.adapt(["a-b|c", "c|c"])
    assert text.get_vocabulary() == ["", "[UNK]", "c", "a b"]
    np.testing.assert_array_equal(text(["a-b|d|c"]), [[3, 1, 2]])
    model = model_of(4)
    with pytest.raises(martlet.UnsupportedError, match="standardize of .* is a function, which no file can hold"):
        model.text = text
    assert model.text is None


def test_adapt_takes_batches_and_forgets_what_was() -> None:
    text = nn.TextVectorization()
    text.adapt(["old words"])
    text.adapt((batch for batch in (["b a"], np.array(["b"]), ["never"])), steps=2)
    assert text.get_vocabulary() == ["", "[UNK]", "b", "a"]
    text.adapt(["x [UNK] [UNK]"], batch_size=3)
    assert text.get_vocabulary() == ["", "[UNK]", "unk", "x"]


def test_a_vocabulary_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("[UNK]\r\nété\ncat".encode())
    text = nn.TextVectorization(output_mode="count", max_tokens=5, pad_to_max_tokens=True, vocabulary=path)
    np.testing.assert_array_equal(text(["cat x cat"]), [[1, 0, 2, 0, 0]])
    text.set_vocabulary(["x"])
    np.testing.assert_array_equal(text(["cat x cat"]), [[2, 1, 0, 0, 0]])
    with pytest.raises(martlet.FileError, match="none"):
        text.set_vocabulary(str(tmp_path / "none"))
    assert text.get_vocabulary() == ["[UNK]", "x"]


def model_of(words: int) -> nn.Sequential:
    layers = [nn.Embedding(words, 3, input_shape=(4,)), nn.GlobalMaxPooling1D(), nn.Dense(2)]
    return nn.Sequential(layers, seed=1)


def test_a_models_file_keeps_its_vocabulary(tmp_path: Path) -> None:
    words = [f"w{k}" for k in range(20_000)] + ["été", "\U0001f41d", "\ud800", 'quo"te\\', "zero\0"]
    text = nn.TextVectorization(standardize=None, output_sequence_length=4, ngrams=(1,), vocabulary=words)
    model = model_of(text.vocabulary_size())
    model.text = text
    model.compile("adam", "sparse_categorical_crossentropy")
    given = ["w7 été \U0001f41d \ud800", 'quo"te\\ zero\0 unknown']
    model.fit(text(given), [0, 1], epochs=2, verbose=0)
    for _ in range(2):  # what was loaded is saved as well
        model.save(tmp_path / "model")
        other = nn.load_model(tmp_path / "model")
        assert other.text.get_config() == text.get_config()
        np.testing.assert_array_equal(other.text(given), text(given))
        assert (other.predict(other.text(given)) == model.predict(text(given))).all()
        model = other
    native = _model.Model.load(os.fsencode(tmp_path / "model"))  # as C does
    assert [native.node(k).name for k in range(native.node_count())] == [
        "input", "embedding", "global_max_pooling1d", "dense",
    ]  # fmt: skip
    model.text = None
    model.save(tmp_path / "model")
    assert nn.load_model(tmp_path / "model").text is None


def test_a_graphs_file_keeps_it_too(tmp_path: Path) -> None:
    ids = nn.Input((4,), dtype="int32")
    model = nn.Model(ids, nn.Dense(2)(nn.GlobalMaxPooling1D()(nn.Embedding(8, 3)(ids))))
    model.text = nn.Hashing(8, mask_value="", salt=(3, -4))
    model.save(tmp_path / "model")
    other = nn.load_model(tmp_path / "model")
    given = [["a", "b", "", "c"]]
    np.testing.assert_array_equal(other.text(given), model.text(given))
    assert (other.predict(other.text(given)) == model.predict(model.text(given))).all()


HOSTILE: list[Any] = [
    3,
    {},
    {"class_name": "Dense", "config": {}},
    {"class_name": "Hashing", "config": {}},
    {"class_name": "Hashing", "config": {"num_bins": -1}},
    {"class_name": "Hashing", "config": 3},
    {"class_name": "TextVectorization", "config": {"vocabulary": ["a", "a"]}},
    {"class_name": "TextVectorization", "config": {"vocabulary": [3]}},
    {"class_name": "TextVectorization", "config": {"vocabulary": "/etc/hostname"}},
    {"class_name": "TextVectorization", "config": {"split": {"name": "eval"}}},
    {"class_name": ["TextVectorization"], "config": {}},
]


@pytest.mark.parametrize("index", range(len(HOSTILE)))
def test_text_that_cannot_be(index: int, tmp_path: Path) -> None:
    path = tmp_path / "model"
    model_of(4).save(path)
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    notes = json.loads(header["__metadata__"]["note.python"])
    header["__metadata__"]["note.python"] = json.dumps(notes | {"text": HOSTILE[index]})
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    with pytest.raises(martlet.FormatError, match="the file's text"):
        nn.load_model(path)


def test_hashes_are_those_that_anyone_computes() -> None:
    # The hashes that the draft of the IETF lists for FNV-1a of 32 bits.
    for word, wanted in {"": 0x811C9DC5, "a": 0xE40C292C, "foobar": 0xBF9CF968}.items():
        for bins in (2**31 - 1, 1000, 1):
            assert nn.Hashing(bins)(word) == wanted % bins

    def fnv(data: bytes) -> int:
        found = 2166136261
        for byte in data:
            found = (found ^ byte) * 16777619 % 2**32
        return found

    words = [["rain", "été"], ["", "rain"]]
    plain, masked, salted = nn.Hashing(512), nn.Hashing(512, mask_value=""), nn.Hashing(512, salt=(1, -2))
    hashes = np.array([[fnv(word.encode()) for word in row] for row in words])
    assert plain(words).dtype == np.int32
    np.testing.assert_array_equal(plain(words), hashes % 512)
    np.testing.assert_array_equal(masked(np.array(words)), np.where(np.array(words) == "", 0, 1 + hashes % 511))
    salt = struct.pack("<qq", 1, -2)
    np.testing.assert_array_equal(salted(words), [[fnv(salt + word.encode()) % 512 for word in row] for row in words])
    np.testing.assert_array_equal(nn.Hashing(512, salt=5)(words), nn.Hashing(512, salt=[5, 5])(words))
    np.testing.assert_array_equal(plain(np.array([12, -3], np.int8)), plain(["12", "-3"]))
    np.testing.assert_array_equal(nn.Hashing(5, mask_value=7)([7, 8]), [0, 1 + fnv(b"8") % 4])


SEQUENCES: list[Any] = [
    [[1], [2, 3], [], [4, 5, 6]],
    [np.array([[1.5, 2]]), np.zeros((0, 2)), np.ones((3, 2))],
    [(1, 2, 3)],
]


@pytest.mark.parametrize("index", range(len(SEQUENCES)))
@pytest.mark.parametrize("maxlen", [None, 2, 5])
@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
@pytest.mark.parametrize("dtype, value", [("int32", 0.0), ("float32", -1.5)])
def test_padding_is_kerass(index: int, maxlen: Any, padding: str, truncating: str, dtype: str, value: float) -> None:
    given = SEQUENCES[index]
    found = nn.pad_sequences(given, maxlen, dtype, padding, truncating, value)
    wanted = keras.utils.pad_sequences(given, maxlen, dtype, padding, truncating, value)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


TEXT = nn.TextVectorization(vocabulary=["a"])
BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nn.TextVectorization(2), martlet.ArgumentError, "max_tokens is 2; wanted 3 or more"),
    (lambda: nn.TextVectorization(2.5), martlet.DTypeError, "max_tokens is 2.5"),
    (lambda: nn.TextVectorization(standardize="upper"), martlet.ArgumentError, "standardize is 'upper'; wanted one of"),
    (lambda: nn.TextVectorization(split=3), martlet.DTypeError, "split is 3"),
    (lambda: nn.TextVectorization(ngrams=0), martlet.ArgumentError, "ngrams is 0"),
    (lambda: nn.TextVectorization(ngrams=(1, 2.0)), martlet.DTypeError, r"ngrams\[1\] is 2.0"),
    (lambda: nn.TextVectorization(output_mode="tf_idf"), martlet.UnsupportedError, "tf_idf"),
    (lambda: nn.TextVectorization(output_mode="text"), martlet.ArgumentError, "output_mode is 'text'"),
    (lambda: nn.TextVectorization(output_mode="count", output_sequence_length=3), martlet.ArgumentError, "is 3, and"),
    (lambda: nn.TextVectorization(output_sequence_length=0), martlet.ArgumentError, "output_sequence_length is 0"),
    (lambda: nn.TextVectorization(pad_to_max_tokens=True), martlet.ArgumentError, "max_tokens None"),
    (lambda: nn.TextVectorization(ragged=True), martlet.UnsupportedError, "ragged is True"),
    (lambda: nn.TextVectorization(encoding="klingon"), martlet.ArgumentError, "encoding is 'klingon'"),
    (lambda: nn.TextVectorization(encoding="a\0b"), martlet.ArgumentError, "encoding is"),
    (lambda: nn.TextVectorization(vocabulary=["a", "b", "a"]), martlet.ArgumentError, "vocabulary has 'a' twice"),
    (lambda: nn.TextVectorization(vocabulary=["a", ""]), martlet.ArgumentError, "vocabulary has ''"),
    (lambda: nn.TextVectorization(vocabulary=[]), martlet.ArgumentError, "vocabulary has no word"),
    (lambda: nn.TextVectorization(vocabulary=[1]), martlet.DTypeError, r"vocabulary\[0\] is 1"),
    (lambda: nn.TextVectorization(vocabulary=3), martlet.DTypeError, "vocabulary is 3"),
    (lambda: nn.TextVectorization(3, vocabulary=["a", "b"]), martlet.ArgumentError, "4 tokens, .*max_tokens is 3"),
    (lambda: nn.TextVectorization()(["a"]), martlet.OrderError, r"no vocabulary yet>; call adapt"),
    (lambda: TEXT.adapt(["b"]), martlet.OrderError, "was made with its vocabulary"),
    (lambda: nn.TextVectorization().adapt("one text"), martlet.DTypeError, "data is 'one text'"),
    (lambda: nn.TextVectorization().adapt([" "]), martlet.ArgumentError, "data holds no word"),
    (lambda: nn.TextVectorization().adapt(["a"], steps=2), martlet.ArgumentError, "steps is 2"),
    (lambda: TEXT([3]), martlet.DTypeError, r"inputs\[0\] is 3 of type int; wanted text"),
    (lambda: TEXT(["a", None]), martlet.DTypeError, r"inputs\[1\] is None"),
    (lambda: TEXT(7), martlet.DTypeError, "inputs is 7 of type int; wanted a list of texts"),
    (lambda: TEXT([["a", "b"]]), martlet.ShapeError, r"inputs\[0\] is a list of 2"),
    (lambda: TEXT([b"\xff"]), martlet.ArgumentError, "which is no utf-8"),
    (lambda: TEXT(nn.Input((3,))), martlet.UnsupportedError, "text is no part of a model"),
    (lambda: nn.Sequential([TEXT]), martlet.UnsupportedError, r"layers\[0\] is .*text is no part of a model"),
    (lambda: setattr(model_of(3), "text", str.split), martlet.DTypeError, "wanted a TextVectorization, a Hashing or"),
    (
        lambda: nn.TextVectorization(split=lambda texts: [["a"]], vocabulary=["a"])(["b", "c"]),
        martlet.DTypeError,
        "split, .* did not return a list of words for each of 2 texts",
    ),
    (
        lambda: nn.TextVectorization(standardize=lambda texts: "b", vocabulary=["a"])(["b", "c"]),
        martlet.DTypeError,
        "standardize, .* did not return a text for each of 2",
    ),
    (lambda: nn.Hashing(0), martlet.ArgumentError, "num_bins is 0"),
    (lambda: nn.Hashing(3, mask_value=1.5), martlet.DTypeError, "mask_value is 1.5"),
    (lambda: nn.Hashing(3, salt=(1, 2, 3)), martlet.ArgumentError, r"salt is \(1, 2, 3\)"),
    (lambda: nn.Hashing(3, salt="a"), martlet.DTypeError, "salt is 'a'"),
    (lambda: nn.Hashing(3, output_mode="count"), martlet.UnsupportedError, "output_mode is 'count'"),
    (lambda: nn.Hashing(3)([1.5]), martlet.DTypeError, "inputs, number 0, is 1.5"),
    (lambda: nn.Hashing(3)([1, True]), martlet.DTypeError, "inputs, number 1, is True"),
    (lambda: nn.Hashing(3)([["a"], ["b", "c"]]), martlet.DTypeError, "inputs, number 0, is .* of type list"),
    (lambda: nn.Hashing(3)(["\ud800"]), martlet.ArgumentError, "has no UTF-8"),
    (lambda: nn.pad_sequences([]), martlet.ShapeError, "sequences has 0"),
    (lambda: nn.pad_sequences([[], []]), martlet.ShapeError, "sequences has 2, none with a number in it"),
    (lambda: nn.pad_sequences([3]), martlet.DTypeError, r"sequences\[0\] is 3"),
    (lambda: nn.pad_sequences("abc"), martlet.DTypeError, "sequences is 'abc'"),
    (lambda: nn.pad_sequences(["abc"]), martlet.DTypeError, r"sequences\[0\] is 'abc'"),
    (lambda: nn.pad_sequences([[1]], 0), martlet.ArgumentError, "maxlen is 0"),
    (lambda: nn.pad_sequences([[1]], padding="left"), martlet.ArgumentError, "padding is 'left'"),
    (lambda: nn.pad_sequences([[2**40]]), martlet.DTypeError, r"sequences\[0\] is .*, which is no int32"),
    (lambda: nn.pad_sequences([["a"]]), martlet.DTypeError, r"sequences\[0\] is .*, which is no int32"),
    (lambda: nn.pad_sequences([[1]], value="a"), martlet.DTypeError, "value is .*, which is no int32"),
    (lambda: nn.pad_sequences([[1], [[2, 3]]]), martlet.ShapeError, r"sequences\[1\] holds items of shape \(2,\)"),
]


@pytest.mark.parametrize("index", range(len(BAD)))
def test_bad_input(index: int) -> None:
    call, error, says = BAD[index]
    with pytest.raises(error, match=says):
        call()
