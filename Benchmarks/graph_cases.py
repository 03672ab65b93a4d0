"""The networks that are no chains: a residual net for images, a convolutional net for texts, recurrent nets and a
language model, as sizes and as work.

residual.py, textual.py, sequential.py and generative.py have them in each library. Nothing here runs or times anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import ClassVar

from cases import Shape


@dataclass(frozen=True)
class Residual:
    """He et al.'s residual nets for small images (https://arxiv.org/abs/1512.03385), with a 1x1 convolution and a
    normalization in the way around a block that halves the image. ``blocks`` for each of ``filters``; 3 is
    ResNet-20."""

    input: Shape = (32, 32, 3)
    filters: tuple[int, ...] = (16, 32, 64)
    blocks: int = 3
    classes: int = 10
    vocabulary = 0
    #: Of the labels of a sample.
    wanted: ClassVar[Shape] = ()
    is_image = True

    def convolutions(self) -> Iterator[tuple[Shape, int]]:
        """Kernels, as Keras has them, and at how many places each is used: a block's two, then that around it."""
        height, width, channels = self.input
        yield (3, 3, channels, self.filters[0]), height * width
        channels = self.filters[0]
        for stage, filters in enumerate(self.filters):
            for block in range(self.blocks):
                halves = stage > 0 and block == 0
                if halves:
                    height, width = -(-height // 2), -(-width // 2)
                places = height * width
                yield (3, 3, channels, filters), places
                yield (3, 3, filters, filters), places
                if halves:
                    yield (1, 1, channels, filters), places
                channels = filters

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """Kernels, each with the factor and the shift of its normalization, and the last layer's."""
        found: list[Shape] = []
        for kernel, _ in self.convolutions():
            found += [kernel, kernel[-1:], kernel[-1:]]
        return (*found, (self.filters[-1], self.classes), (self.classes,))

    @property
    def step_work(self) -> int:
        """Of one sample: forward, the kernel's gradient, and but for the first layer the input's."""
        forward = [2 * prod(kernel) * places for kernel, places in self.convolutions()]
        return 3 * (sum(forward) + 2 * self.filters[-1] * self.classes) - forward[0]


@dataclass(frozen=True)
class Textual:
    """Kim's net for sentences (https://aclanthology.org/D14-1181): words are rows of a table, ``filters`` of each of
    ``widths`` pass over them, of each the largest counts, and half of these are dropped."""

    length: int = 64
    vocabulary: int = 20_000
    units: int = 128
    widths: tuple[int, ...] = (3, 4, 5)
    filters: int = 100
    classes: int = 5
    #: Whether the rows of the table that a batch names are stepped, and no others.
    steps_rows: bool = False
    wanted: ClassVar[Shape] = ()
    is_image = False

    @property
    def input(self) -> Shape:
        return (self.length,)

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """The table, kernels and biases."""
        found: list[Shape] = [(self.vocabulary, self.units)]
        for width in self.widths:
            found += [(width, self.units, self.filters), (self.filters,)]
        return (*found, (self.filters * len(self.widths), self.classes), (self.classes,))

    @property
    def step_work(self) -> int:
        """Of one sample: forward, and both gradients, which are of one place of each filter, where it was largest. The
        table's steps, which go over all of its rows, are not among it, though they are no small part of the time."""
        one = [2 * width * self.units * self.filters for width in self.widths]
        places = [self.length - width + 1 for width in self.widths]
        convolutions = sum(work * (count + 2) for work, count in zip(one, places, strict=True))
        return convolutions + 6 * self.filters * len(self.widths) * self.classes


@dataclass(frozen=True)
class Sequential:
    """A recurrent layer over sequences, whose last state is classified."""

    cell: str
    steps: int = 64
    features: int = 128
    units: int = 128
    classes: int = 10
    vocabulary = 0
    wanted: ClassVar[Shape] = ()
    is_image = False

    @property
    def input(self) -> Shape:
        return (self.steps, self.features)

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """Kernels and biases; torch has two biases of an LSTM, which are added up."""
        gates = {"LSTM": 4, "GRU": 3}[self.cell] * self.units
        bias: Shape = (2, gates) if self.cell == "GRU" else (gates,)
        return ((self.features, gates), (self.units, gates), bias, (self.units, self.classes), (self.classes,))

    @property
    def step_work(self) -> int:
        """Of one sample: forward, the kernels' gradients, and the state's, but not the input's."""
        gates = self.shapes[0][1]
        return 2 * self.steps * gates * (2 * self.features + 3 * self.units) + 6 * self.units * self.classes


@dataclass(frozen=True)
class Generative:
    """A language model of characters, of GPT-2's blocks (Radford et al., 2019): attention up to each place and a wide
    dense layer, each behind a normalization and added to what it reads."""

    length: int = 64
    vocabulary: int = 65
    units: int = 128
    heads: int = 4
    blocks: int = 4
    is_image = False

    @property
    def input(self) -> Shape:
        return (self.length,)

    @property
    def wanted(self) -> Shape:
        return self.input

    @property
    def classes(self) -> int:
        return self.vocabulary

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """Tables, then of each block what normalizes, the kernels and biases of queries, keys, values and output, what
        normalizes, and two dense layers; then what normalizes, and the last layer."""
        units = self.units
        normal: list[Shape] = [(units,), (units,)]
        dense: list[Shape] = [(units, units), (units,)]
        wide: list[Shape] = [(units, 4 * units), (4 * units,), (4 * units, units), (units,)]
        block = [*normal, *(4 * dense), *normal, *wide]
        found: list[Shape] = [(self.vocabulary, units), (self.length, units), *(self.blocks * block)]
        return (*found, *normal, (units, self.vocabulary), (self.vocabulary,))

    @property
    def step_work(self) -> int:
        """Of one sample: forward, the kernels' gradients and the inputs', and attention as if each place saw all."""
        dense = 2 * self.length * self.units * (12 * self.units * self.blocks + self.vocabulary)
        return 3 * (dense + 4 * self.length**2 * self.units * self.blocks)
