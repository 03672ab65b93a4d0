"""TextVectorization: texts as whole numbers, by a vocabulary that a model's file keeps.

    text = TextVectorization(max_tokens=20_000, output_sequence_length=64)
    text.adapt(texts)
    model.text = text
    model.fit(text(texts), labels)
    model.save("model.safetensors")
    load_model("model.safetensors").text(["some words"])

It stands before a model and not in it: the library computes with numbers. Names, arguments and meanings are Keras's,
whose own needs TensorFlow. _words.py has the way to words; hashing.py does without a vocabulary.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from martlet import _arguments
from martlet._errors import ArgumentError, DTypeError, OrderError, UnsupportedError
from martlet.nn._words import Words, as_list

NDArray = np.ndarray[Any, Any]
PADDING, UNKNOWN = "", "[UNK]"
_MODES = {mode: mode for mode in ("int", "multi_hot", "count")}
_CONFIG = ("name", "max_tokens", "standardize", "split", "ngrams", "output_mode", "output_sequence_length",
           "pad_to_max_tokens", "encoding")  # fmt: skip


class TextVectorization:
    """Numbers for the words of texts: 0 for padding, 1 for a word that the vocabulary has not, then the vocabulary's.

    max_tokens               the most that get_vocabulary returns, padding and "[UNK]" among them; None: no bound
    standardize              "lower_and_strip_punctuation", "lower", "strip_punctuation", which know ASCII's letters and
                             marks alone, None, or a function that is given an array of texts and returns as many
    split                    "whitespace", which is ASCII's, "character", None where texts are lists of words already,
                             or a function that is given a list of texts and returns a list of words for each
    ngrams                   a number n: groups of 1, 2, ..., n neighbouring words count as words, joined by blanks,
                             those of one length behind those of the one before; a tuple: those of these lengths; None:
                             words
    output_mode              "int": the numbers in their order. Without order, a float32 for each entry of the
                             vocabulary, which then has no padding: "multi_hot", whether it is in the text, or "count",
                             how often
    output_sequence_length   numbers of a text: shorter ones end in 0, longer ones are cut; None: as the longest
    pad_to_max_tokens        rows without order have max_tokens entries also where the vocabulary has fewer
    vocabulary               words from the most frequent on, with "" and "[UNK]" in front or without, or the name of a
                             file with one on each line; None: adapt or set_vocabulary gives one
    encoding                 of texts that come as bytes

    Raises DTypeError, ArgumentError or FileError for arguments that cannot be, and UnsupportedError for "tf_idf",
    idf_weights, sparse and ragged.
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: Any = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
    ) -> None:
        self.name = "text_vectorization" if name is None else _arguments.text(name, "name")
        self._way = Words.of(standardize, split, ngrams, encoding)
        self.standardize, self.split, self.encoding = self._way.standardize, self._way.split, self._way.encoding
        self.ngrams = [*ngrams] if isinstance(ngrams, tuple) else ngrams
        self.output_mode = _mode(output_mode)
        self._special = [PADDING, UNKNOWN] if self.output_mode == "int" else [UNKNOWN]
        least = 1 + len(self._special)
        self.max_tokens = None if max_tokens is None else _arguments.integer(max_tokens, "max_tokens", least, 2**31 - 1)
        self.output_sequence_length = _length(output_sequence_length, self.output_mode)
        self.pad_to_max_tokens = _arguments.flag(pad_to_max_tokens, "pad_to_max_tokens")
        if self.pad_to_max_tokens and self.max_tokens is None:
            raise ArgumentError("pad_to_max_tokens is True, and max_tokens None; wanted a number of tokens")
        for word, given in {"idf_weights": idf_weights, "sparse": sparse, "ragged": ragged}.items():
            if given is not None and given is not False:
                raise UnsupportedError(f"{word} is {given!r}, and is not served; wanted it left out")
        self._places: dict[str, int] = {}
        self._is_fixed = vocabulary is not None
        if vocabulary is not None:
            self.set_vocabulary(vocabulary)

    def __repr__(self) -> str:
        known = f"{self.vocabulary_size()} tokens" if self._places else "no vocabulary yet"
        return f"<TextVectorization {self.name!r} with {known}>"

    # ---- the vocabulary ----

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Makes the vocabulary of all words of data, the most frequent first, of those as frequent the last in order of
        code points first; max_tokens bounds it. What it had before is gone.

        data: texts, as for a call, or what gives batches of them, of which steps says how many. batch_size is taken for
        Keras's sake. Raises OrderError where it was made with a vocabulary, DTypeError for what are no texts, and
        ArgumentError where there is no word.
        """
        if self._is_fixed:
            raise OrderError(f"{self!r} was made with its vocabulary; wanted set_vocabulary, or one made without")
        count = None if steps is None else _arguments.integer(steps, "steps")
        if isinstance(data, str | bytes):
            raise DTypeError(f"data is {data!r}, one text; wanted a list of texts")
        batches: Iterable[Any] = [data]
        if as_list(data) is None and isinstance(data, Iterable):
            batches = islice(data, count)
        elif count is not None:
            raise ArgumentError(f"steps is {count}, and data are texts; wanted None, or what gives batches of them")
        found = Counter(word for batch in batches for words in self._way.rows(batch, "data")[0] for word in words)
        for special in (PADDING, UNKNOWN):
            found.pop(special, None)
        if not found:
            raise ArgumentError("data holds no word; wanted one or more")
        order = sorted(found, key=lambda word: (found[word], word), reverse=True)
        self._take(order if self.max_tokens is None else order[: self.max_tokens - len(self._special)])

    def set_vocabulary(self, vocabulary: Any) -> None:
        """Takes these words, or those of a file, as vocabulary= does. Raises DTypeError, FileError, or ArgumentError
        for a word that is there twice or is kept for padding, none, or more than max_tokens; then nothing has
        changed."""
        if isinstance(vocabulary, str | os.PathLike):
            vocabulary = self._way.lines(vocabulary, "vocabulary")
        words = as_list(vocabulary)
        if words is None:
            raise DTypeError(f"vocabulary is {vocabulary!r}; wanted a list of words, or a file's name")
        words = [self._way.text(word, f"vocabulary[{place}]") for place, word in enumerate(words)]
        words = words[len(self._special) :] if words[: len(self._special)] == self._special else words
        seen: set[str] = set()
        for word in words:
            if word in seen:
                raise ArgumentError(f"vocabulary has {word!r} twice; wanted each word once")
            if word in (PADDING, UNKNOWN):
                raise ArgumentError(f"vocabulary has {word!r} among its words, which stands for what it is not; wanted "
                                    f"it left out, or {self._special} in front")  # fmt: skip
            seen.add(word)
        size = len(words) + len(self._special)
        if not words:
            raise ArgumentError("vocabulary has no word; wanted one or more")
        if self.max_tokens is not None and size > self.max_tokens:
            raise ArgumentError(f"vocabulary has {size} tokens, {self._special} among them, and max_tokens is "
                                f"{self.max_tokens}; wanted no more")  # fmt: skip
        self._take(words)

    def _take(self, words: Sequence[str]) -> None:
        self._places = {word: place for place, word in enumerate(words, len(self._special))}

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The words, at the places of their numbers; include_special_tokens=False leaves those out that stand for
        padding and for other words."""
        with_special = _arguments.flag(include_special_tokens, "include_special_tokens")
        return [*(self._special if with_special else ()), *self._places]

    def vocabulary_size(self) -> int:
        """How many tokens get_vocabulary returns, for Embedding(text.vocabulary_size(), ...)."""
        return len(self._special) + len(self._places)

    # ---- texts ----

    def __call__(self, inputs: Any) -> NDArray:
        """The numbers of texts.

        inputs: a list of texts, an array of numpy, pandas, polars or pyarrow, (n,) or (n, 1), or one text; with
        split=None also lists of words. Gives int32 (n, output_sequence_length), or (n, the longest), without n for one
        text; where no order is wanted float32 (n, tokens). Raises OrderError before there is a vocabulary, and
        DTypeError for what are no texts.
        """
        if not self._places:
            raise OrderError(f"{self!r}; call adapt(texts) or set_vocabulary first")
        is_one = isinstance(inputs, str | bytes)
        rows, is_flat = self._way.rows([inputs] if is_one else inputs, "inputs")
        found = self._in_order(rows) if self.output_mode == "int" else self._counted(rows)
        if is_flat and self.output_mode == "int" and self.output_sequence_length is None:
            found = found[:, 0]  # a word for each, and not a row of one
        return found[0] if is_one else found

    def _in_order(self, rows: Sequence[Sequence[str]]) -> NDArray:
        length = self.output_sequence_length
        found = np.zeros((len(rows), max(map(len, rows), default=0) if length is None else length), np.int32)
        for out, words in zip(found, rows, strict=True):
            known = [self._number(word) for word in words[:length]]
            out[: len(known)] = known
        return found

    def _number(self, word: str) -> int:
        return self._places.get(word, 1 if word else 0)

    def _counted(self, rows: Sequence[Sequence[str]]) -> NDArray:
        width = self.max_tokens if self.pad_to_max_tokens and self.max_tokens is not None else self.vocabulary_size()
        found = np.zeros((len(rows), width), np.float32)
        for out, words in zip(found, rows, strict=True):
            for word, count in Counter(words).items():
                if word:
                    out[self._places.get(word, 0)] += count
        return found if self.output_mode == "count" else np.minimum(found, 1)

    # ---- files ----

    def get_config(self) -> dict[str, Any]:
        """The arguments that make another one, with its vocabulary, as JSON takes them. Raises UnsupportedError where
        one is a function."""
        for word in ("standardize", "split"):
            if callable(getattr(self, word)):
                raise UnsupportedError(f"{word} of {self!r} is a function, which no file can hold; wanted one of the "
                                       "names, or texts that went through it before")  # fmt: skip
        config = {word: getattr(self, word) for word in _CONFIG}
        return config | {"vocabulary": [*self._places] or None}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """What get_config described; raises as the class does."""
        return cls(**config)


def _mode(given: Any) -> str:
    if given in ("tf_idf", "tf-idf", "one_hot"):
        raise UnsupportedError(f'output_mode is "{given}", which is not served; wanted "int", "multi_hot" or "count"')
    return _arguments.one_of("multi_hot" if given == "binary" else given, _MODES, "output_mode")


def _length(given: Any, mode: str) -> int | None:
    if given is not None and mode != "int":
        raise ArgumentError(f'output_sequence_length is {given}, and output_mode "{mode}"; wanted None, or "int"')
    return None if given is None else _arguments.integer(given, "output_sequence_length", 1, 2**31 - 1)
