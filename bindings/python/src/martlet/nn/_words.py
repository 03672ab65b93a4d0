"""From texts to words: what TextVectorization does before it looks words up. It knows no vocabulary."""

from __future__ import annotations

import os
import re
import string
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from martlet import _arguments
from martlet._errors import ArgumentError, DTypeError, FileError, ShapeError, UnsupportedError
from martlet.nn import node

# As TensorFlow's operations have it, and so Keras: they know ASCII's letters, marks and blanks alone.
_LOWER = dict(zip(map(ord, string.ascii_uppercase), string.ascii_lowercase, strict=True))
_STRIP: dict[int, str | None] = dict.fromkeys(map(ord, string.punctuation))
_STANDARDIZE: dict[str, dict[int, str | None]] = {
    "lower_and_strip_punctuation": {**_LOWER, **_STRIP},
    "lower": {**_LOWER},
    "strip_punctuation": _STRIP,
}
_SPLIT: dict[str, Callable[[str], list[str]]] = {
    "whitespace": re.compile(r"[^ \t\n\v\f\r]+").findall,
    "character": list,
}


class Words(NamedTuple):
    """The way from texts to words."""

    standardize: Any
    split: Any
    widths: list[int] | None
    encoding: str

    @classmethod
    def of(cls, standardize: Any, split: Any, ngrams: Any, encoding: Any) -> Words:
        """The arguments of TextVectorization, checked."""
        return cls(
            _choice(standardize, _STANDARDIZE, "standardize"), _choice(split, _SPLIT, "split"), _widths(ngrams),
            _encoding(encoding),
        )  # fmt: skip

    def rows(self, texts: Any, where: str) -> tuple[list[list[str]], bool]:
        """Words, and groups of words, of each text, and whether each text is one word as it is."""
        if node.is_symbolic(texts):
            raise UnsupportedError(f"{where} is {texts!r}, and text is no part of a model here; wanted texts, and then "
                                   "their numbers for the model's fit")  # fmt: skip
        listed = as_list(texts)
        if listed is None:
            raise DTypeError(f"{where} is {texts!r} of type {type(texts).__name__}; wanted a list of texts")
        parts = [as_list(text) for text in listed]
        rows = [
            [self.text(text, f"{where}[{row}]")] if words is None
            else [self.text(word, f"{where}[{row}][{place}]") for place, word in enumerate(words)]
            for row, (text, words) in enumerate(zip(listed, parts, strict=True))
        ]  # fmt: skip
        if self.split is not None:
            for row, words in enumerate(rows):
                if len(words) != 1:
                    raise ShapeError(
                        f"{where}[{row}] is a list of {len(words)}; wanted a text, or split=None for words"
                    )
        rows = self._split(self._standardized(rows))
        rows = rows if self.widths is None else [_groups(words, self.widths) for words in rows]
        return rows, self.split is None and all(words is None for words in parts)

    def text(self, given: Any, where: str) -> str:
        """A text that may come as bytes."""
        if not isinstance(given, bytes):
            return _arguments.text(given, where)
        try:
            return given.decode(self.encoding)
        except UnicodeDecodeError as error:
            raise ArgumentError(f"{where} is {given!r}, which is no {self.encoding}: {error}") from None

    def lines(self, path: Any, where: str) -> list[str]:
        """The lines of a file."""
        name = _arguments.file_name(path, where, "a list of words, or a file's name")
        try:
            with open(name, encoding=self.encoding, newline="\n") as file:
                return [line.rstrip("\r\n") for line in file]
        except OSError as error:
            raise FileError(f"{where} {os.fsdecode(name)}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ArgumentError(f"{where} {os.fsdecode(name)} is no {self.encoding}: {error}") from None

    def _standardized(self, rows: list[list[str]]) -> list[list[str]]:
        if self.standardize is None:
            return rows
        if not callable(self.standardize):
            table = _STANDARDIZE[self.standardize]
            return [[word.translate(table) for word in words] for words in rows]
        flat = [word for words in rows for word in words]
        found = as_list(self.standardize(np.array(flat, np.str_)))
        if found is None or len(found) != len(flat) or not all(isinstance(word, str) for word in found):
            raise DTypeError(f"standardize, {self.standardize!r}, did not return a text for each of {len(flat)}")
        after = iter(found)
        return [[next(after) for _ in words] for words in rows]

    def _split(self, rows: list[list[str]]) -> list[list[str]]:
        if self.split is None:
            return rows
        texts = [words[0] for words in rows]
        if not callable(self.split):
            return [_SPLIT[self.split](text) for text in texts]
        found = as_list(self.split(texts))
        parts = [None] if found is None else [as_list(words) for words in found]
        if len(parts) != len(texts) or not all(
            words is not None and all(isinstance(word, str) for word in words) for words in parts
        ):
            raise DTypeError(f"split, {self.split!r}, did not return a list of words for each of {len(texts)} texts")
        return [words or [] for words in parts]


def as_list(given: Any) -> list[Any] | None:
    """What a list, or an array of a library that people have, holds; None for anything else."""
    if isinstance(given, list | tuple):
        return [*given]
    for method in ("tolist", "to_list", "to_pylist"):  # numpy and pandas, polars, pyarrow
        if callable(convert := getattr(given, method, None)):
            found = convert()
            return found if isinstance(found, list) else None
    return None


def _choice(given: Any, names: Any, where: str) -> Any:
    if given is None or callable(given):
        return given
    _arguments.one_of(given, names, where)
    return given.lower()


def _widths(ngrams: Any) -> list[int] | None:
    if ngrams is None:
        return None
    if not isinstance(ngrams, tuple | list):
        return [*range(1, _arguments.integer(ngrams, "ngrams", 1, 1000) + 1)]
    return [_arguments.integer(width, f"ngrams[{place}]") for place, width in enumerate(ngrams)]


def _groups(words: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [" ".join(words[place : place + width]) for width in widths for place in range(len(words) - width + 1)]


def _encoding(given: Any) -> str:
    try:
        "a".encode(_arguments.text(given, "encoding"))
    except (LookupError, ValueError):
        raise ArgumentError(f"encoding is {given!r}, which Python does not know; wanted one such as utf-8") from None
    return str(given)
