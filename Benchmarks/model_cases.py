"""What is measured of models: training steps, matrix products, convolutions and a prediction, and their targets.

Each counts the multiplications and additions that it needs, so that the table can say which share of the machine's
peak a peer reaches; the optimizer's are left out, as they are few. A target against the faster of two peers is one
against each. "No slower" is a ratio of 1. Nothing here runs or times anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import ClassVar

from cases import DEFAULT, FUSED, MARTLET, Case, Shape
from graph_cases import Generative, Residual, Sequential, Textual

MARTLET_C = "martlet from C"
#: The two that compile a whole step.
COMPILED = "torch.compile"
JAX = "jax jit + optax"
#: Torch's two layouts of images.
FUSED_LAST = "torch fused, channels-last"
CONTIGUOUS = "torch contiguous"
#: Adam over the table's rows that a batch names, and over all of the rest.
SPARSE = "torch fused, SparseAdam for the table"
CHANNELS_LAST = "torch channels-last"
#: Multiply-adds in registers, and nothing else, on two threads and on one.
PEAK = "peak, two threads"
PEAK_ONE = "peak, one thread"
PEAKS = (PEAK, PEAK_ONE)


@dataclass(frozen=True, kw_only=True)
class ModelCase(Case):
    """A case whose work is arithmetic."""

    unit = "GFLOP/s"
    bound: ClassVar[str | None] = PEAK
    share_of = "of peak"

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.work, *self.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """What a C program must know to do the same."""
        return ()


@dataclass(frozen=True)
class Network:
    """3x3 convolutions of stride 1 with zeros at the border, then dense layers; ReLU after all but the last."""

    #: Of one sample: features, or height, width and channels.
    input: Shape
    filters: tuple[int, ...]
    units: tuple[int, ...]
    vocabulary = 0
    wanted: ClassVar[Shape] = ()

    @property
    def classes(self) -> int:
        """1: of two classes, by the sign of one output."""
        return self.units[-1]

    @property
    def is_image(self) -> bool:
        return bool(self.filters)

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """Kernels and biases as Keras has them: height, width, inputs, filters; inputs, units."""
        shapes: list[Shape] = []
        sizes = self.input
        for filters in self.filters:
            shapes += [(3, 3, sizes[-1], filters), (filters,)]
            sizes = (*sizes[:-1], filters)
        inputs = prod(sizes)
        for units in self.units:
            shapes += [(inputs, units), (units,)]
            inputs = units
        return tuple(shapes)

    def forward_work(self) -> list[int]:
        """Of one sample, layer by layer: two for each number of a kernel, at each of the places where it is used."""
        places = prod(self.input[:-1]) if self.filters else 1
        return [2 * prod(kernel) * (places if len(kernel) == 4 else 1) for kernel in self.shapes[::2]]

    @property
    def step_work(self) -> int:
        """Of one sample: each layer runs forward and makes its kernel's gradient; all but the first also make their
        input's."""
        forward = self.forward_work()
        return 3 * sum(forward) - forward[0]


@dataclass(frozen=True, kw_only=True)
class Training(ModelCase):
    """Steps on batches in memory, with Adam and cross-entropy."""

    is_measured_alone = True

    network: Network | Residual | Sequential | Textual | Generative
    batch: int
    #: Batches in an epoch, and epochs that one call of ``fit`` trains for.
    batches: int
    epochs: int

    @property
    def work(self) -> int:
        return self.batch * self.network.step_work


@dataclass(frozen=True, kw_only=True)
class Product(ModelCase):
    """``martlet_matmul`` of rows x inner and inner x columns."""

    rows: int
    inner: int
    columns: int
    act: str = "a product"
    peers: tuple[str, ...] = (DEFAULT, MARTLET_C, *PEAKS)

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.rows, self.inner, self.columns)

    @property
    def work(self) -> int:
        return 2 * self.rows * self.inner * self.columns


@dataclass(frozen=True, kw_only=True)
class Convolution(ModelCase):
    """A 3x3 convolution without bias, forward and backward, in a network with the mean squared error as its loss.

    ``inner``: a dense layer of one input gives the images, so that the convolution has to make their gradient too.
    """

    batch: int
    channels: int
    size: int
    filters: int
    inner: bool
    peers: tuple[str, ...] = (CONTIGUOUS, CHANNELS_LAST, *PEAKS)

    @property
    def work(self) -> int:
        once = 2 * self.batch * self.size**2 * 9 * self.channels * self.filters
        return once * (3 if self.inner else 2)


@dataclass(frozen=True, kw_only=True)
class Prediction(ModelCase):
    """The output of one sample."""

    network: Network
    act: str = "a sample"
    own: str = MARTLET_C
    peers: tuple[str, ...] = (MARTLET, DEFAULT, *PEAKS)

    @property
    def sizes(self) -> tuple[int, ...]:
        return (*self.network.input, *self.network.units)

    @property
    def work(self) -> int:
        return sum(self.network.forward_work())


PERCEPTRON = Network((784,), (), (64, 10))


def convolutional(size: int) -> Network:
    """Two convolutions of 64 filters over three channels, and two dense layers."""
    return Network((size, size, 3), (64, 64), (512, 10))


def training(
    name: str,
    title: str,
    network: Network | Residual | Sequential | Textual | Generative,
    targets: dict[str, float],
    *,
    batch: int,
    batches: int,
    epochs: int = 1,
    rounds: int | None = None,
    peers: tuple[str, ...] | None = None,
) -> Training:
    """``peers``: instead of all that there are."""
    layouts = (FUSED_LAST,) if network.is_image else (SPARSE,) if network.vocabulary else ()
    return Training(
        name=name,
        title=f"training step of the {title}, batch {batch}, inside fit",
        shapes=network.shapes,
        targets=targets,
        network=network,
        batch=batch,
        batches=batches,
        epochs=epochs,
        rounds=rounds,
        peers=peers or (DEFAULT, FUSED, *layouts, COMPILED, JAX, *PEAKS),
    )


def product(rows: int, inner: int, columns: int, target: float) -> Product:
    sizes = f"{rows}x{inner}x{columns}"
    return Product(
        name=f"matmul-{sizes}",
        title=f"matrix product {sizes}, called from Python",
        shapes=((rows, inner), (inner, columns), (rows, columns)),
        targets={DEFAULT: target},
        rows=rows,
        inner=inner,
        columns=columns,
    )


def convolution(batch: int, channels: int, size: int, filters: int, target: float | None, inner: bool) -> Convolution:
    found = "both gradients" if inner else "the kernel's gradient"
    return Convolution(
        name=f"conv-{batch}x{channels}x{size}x{filters}" + ("" if inner else "-first"),
        title=f"3x3 convolution, {batch} images of {size}x{size}, {channels} channels to {filters}: forward, {found}",
        shapes=((batch, size, size, channels), (3, 3, channels, filters), (batch, size, size, filters)),
        targets={CONTIGUOUS: target, CHANNELS_LAST: target} if target else {},
        batch=batch,
        channels=channels,
        size=size,
        filters=filters,
        inner=inner,
    )


FASTEST = {COMPILED: 1.0, JAX: 1.0}

CASES: tuple[ModelCase, ...] = (
    training("train-mlp", "MLP 784-64-10", PERCEPTRON, {FUSED: 5.0, **FASTEST}, batch=32, batches=200, epochs=4),
    training(
        "train-tabular",
        "MLP 30-128-64-1",
        Network((30,), (), (128, 64, 1)),
        {FUSED: 4.0, **FASTEST},
        batch=256,
        batches=100,
        epochs=2,
    ),
    training("train-conv-8", "conv net on 8x8 images", convolutional(8), {FUSED: 1.4, **FASTEST}, batch=64, batches=16),
    training(
        "train-conv-32",
        "conv net on 32x32 images",
        convolutional(32),
        {FUSED: 1.7, **FASTEST},
        batch=64,
        batches=4,
        rounds=7,
    ),
    training(
        "train-resnet-20",
        "ResNet-20 on 32x32 images",
        Residual(),
        {FUSED: 1.5, FUSED_LAST: 1.3, **FASTEST},
        batch=64,
        batches=4,
        rounds=7,
    ),
    training(
        "train-text",
        "TextCNN, 20,000 words of 128, 100 filters of 3, 4 and 5, length 64, all rows stepped",
        Textual(),
        {FUSED: 2.0, **FASTEST},
        batch=50,
        batches=16,
    ),
    training(
        "train-text-rows",
        "TextCNN of the same sizes, rows that a batch names stepped",
        Textual(steps_rows=True),
        {SPARSE: 3.0},
        batch=50,
        batches=16,
        peers=(SPARSE, *PEAKS),
    ),
    training(
        "train-lstm",
        "LSTM of 128 units over 64 steps of 128 features",
        Sequential("LSTM"),
        {FUSED: 1.3, **FASTEST},
        batch=32,
        batches=16,
    ),
    training(
        "train-gru",
        "GRU of 128 units over 64 steps of 128 features",
        Sequential("GRU"),
        {FUSED: 1.3, **FASTEST},
        batch=32,
        batches=16,
    ),
    training(
        "train-gpt",
        "GPT of 4 layers on characters, width 128, 4 heads, context 64",
        Generative(),
        {FUSED: 1.3, **FASTEST},
        batch=12,
        batches=16,
        peers=(DEFAULT, FUSED, COMPILED, JAX, *PEAKS),
    ),
    product(2048, 2048, 2048, 0.95),
    product(64, 784, 512, 1.0),
    product(128, 512, 512, 1.0),
    product(32, 784, 64, 1.0),
    convolution(64, 64, 32, 64, 0.95, inner=True),
    convolution(64, 3, 32, 64, 1.5, inner=True),
    convolution(64, 3, 32, 64, None, inner=False),
    convolution(64, 64, 8, 64, 0.95, inner=True),
    convolution(32, 128, 16, 128, 0.85, inner=True),
    Prediction(
        name="predict",
        title="prediction of one sample by the MLP 784-64-10, from C",
        shapes=PERCEPTRON.shapes,
        targets={},
        network=PERCEPTRON,
        ceiling=10e-6,
    ),
)
