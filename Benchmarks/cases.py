"""What is measured of the optimizer: the cases, their shapes, and the targets that the project holds itself to.

A case is a list of tensor shapes, the pause between two steps, how long a burst lasts, and for each peer the least
ratio of its time to Martlet's that counts as a pass. "No slower" is 0.97, which leaves room for the spread of fifteen
rounds. A case without targets is printed for information. The cases of the family are in family_cases.py, those of
models in model_cases.py. Nothing here runs or times anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

Shape = tuple[int, ...]

MARTLET = "martlet"
DEFAULT = "torch"
FOREACH = "torch foreach"
FUSED = "torch fused"
DEEPSPEED = "DeepSpeed CPUAdam"
OPTAX = "optax jit"
LIMIT = "limit"
NUMPY_MARTLET = "martlet.optim"
NUMPY = "numpy by hand"

PEERS = (DEFAULT, FOREACH, FUSED, DEEPSPEED, OPTAX, LIMIT)

#: Parameter, gradient and two moments are read, all but the gradient are written back: seven floats.
BYTES_PER_ELEMENT = 28


@dataclass(frozen=True)
class Case:
    """One row group of the table."""

    name: str
    title: str
    shapes: tuple[Shape, ...]
    targets: dict[str, float]
    gap: float = 0.0
    peers: tuple[str, ...] = PEERS
    #: Which worker is Martlet, against which the others are held.
    own: str = MARTLET
    #: Seconds of one burst: long enough for two steps of the largest case, and for the clock in the smallest.
    seconds: float = 0.25
    #: No more rounds than these, where a step takes long.
    rounds: int | None = None
    #: The most seconds that Martlet's own step may take, where that is the target.
    ceiling: float | None = None
    #: What a time is the time of.
    act: str = "a step"

    @property
    def count(self) -> int:
        return sum(prod(shape) for shape in self.shapes)

    @property
    def numbers(self) -> tuple[int, ...]:
        """What a peer written in C is told of the case."""
        return (self.count,)

    @property
    def element_bytes(self) -> int:
        """What gradients, state and temporaries take of memory for one element."""
        return 20

    #: What a step's speed is counted in, billions of it.
    unit = "GB/s"
    #: Whether ratios on one thread, in processor time, are measured also where the machine was quiet.
    is_measured_alone: ClassVar[bool] = False
    #: The peer that nobody can pass, where a table says which share of it each peer reaches, and how it says that.
    bound: ClassVar[str | None] = None
    share_of = ""

    @property
    def work(self) -> int:
        """How much of that a step does."""
        return self.count * BYTES_PER_ELEMENT


def gpt2_shapes() -> tuple[Shape, ...]:
    """GPT-2 small: 148 tensors, 124 M elements."""
    width = 768
    block: list[Shape] = [(width,), (width,), (width, 3 * width), (3 * width,), (width, width), (width,)]
    block += [(width,), (width,), (width, 4 * width), (4 * width,), (4 * width, width), (width,)]
    return ((50257, width), (1024, width), *(block * 12), (width,), (width,))


def resnet18_shapes() -> tuple[Shape, ...]:
    """ResNet-18 for ImageNet: 62 tensors, 11.7 M elements."""
    shapes: list[Shape] = [(64, 3, 7, 7), (64,), (64,)]
    inner = 64
    for outer in (64, 128, 256, 512):
        for place in range(2):
            shapes += [(outer, inner, 3, 3), (outer,), (outer,), (outer, outer, 3, 3), (outer,), (outer,)]
            if place == 0 and inner != outer:
                shapes += [(outer, inner, 1, 1), (outer,), (outer,)]
            inner = outer
    return (*shapes, (1000, 512), (1000,))


MLP: tuple[Shape, ...] = ((64, 784), (64,), (10, 64), (10,))

CASES = (
    Case(
        "gpt2",
        "GPT-2 shapes: 148 tensors, 124 M",
        gpt2_shapes(),
        {DEFAULT: 4.0, FUSED: 0.97, DEEPSPEED: 0.97, LIMIT: 0.95},
        seconds=0.6,
    ),
    Case(
        "resnet18",
        "ResNet-18 shapes: 62 tensors, 11.7 M",
        resnet18_shapes(),
        {DEFAULT: 6.0, FUSED: 1.2, DEEPSPEED: 0.97},
    ),
    Case(
        "mlp",
        "MLP 784-64-10: 4 tensors, 50,890",
        MLP,
        {DEFAULT: 8.0, FUSED: 3.5, DEEPSPEED: 1.3},
    ),
    Case(
        "mlp-training",
        "the same, 500 µs of other work between steps",
        MLP,
        {DEFAULT: 5.0, FUSED: 2.0},
        gap=500e-6,
    ),
    Case("one", "one tensor of 1,000", ((1000,),), {FUSED: 5.0}),
    Case("numpy-mlp", "numpy arrays, MLP shapes", MLP, {}, peers=(NUMPY,), own=NUMPY_MARTLET),
    Case("numpy-one", "one numpy array of 1,000", ((1000,),), {}, peers=(NUMPY,), own=NUMPY_MARTLET),
)

#: Denormal gradients and moments against normal ones: the workers and what each of them holds.
DENORMALS = "martlet, denormals"
DENORMALS_KEPT = "martlet, denormals kept"
FUSED_DENORMALS = "torch fused, denormals"
DENORMAL_PEERS = (DENORMALS, DENORMALS_KEPT, FUSED, FUSED_DENORMALS)
DENORMAL_CASE = Case("denormals", "denormal gradients and moments, MLP shapes", MLP, {}, peers=DENORMAL_PEERS)
#: Which of its workers is compared with which.
DENORMAL_PAIRS = {DENORMALS: MARTLET, DENORMALS_KEPT: MARTLET, FUSED_DENORMALS: FUSED}
#: Denormals with the flag on may cost this many times what normal numbers cost.
DENORMAL_CEILING = 1.3
#: Where others take more than this part of the processors while a case runs, nothing is judged.
QUIET = 0.05
#: A row whose ratios have quartiles farther apart than this part of their median is called noisy.
NOISY = 0.1
#: ``import martlet`` may add this much to numpy's import.
IMPORT_CEILING = 0.060
