"""What is measured of Muon and SOAP: a step over the matrices of real models, and what Muon's products alone take.

torch.optim.Muon takes two dimensions alone, so that kernels of convolutions are flattened for everybody. It multiplies
in bfloat16, where Martlet multiplies in fp32: on processors whose bfloat16 is twice as fast both take about as long,
elsewhere torch takes several times as long, so that there is no target against it. The target is held against the
time that martlet_matmul needs for as many multiplications as the step's products are. SOAP's time is that of ten steps
with one refresh of its bases among them, held against pytorch_optimizer's. Nothing here runs or times anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from cases import DEFAULT, Case, Shape, resnet18_shapes
from family_cases import KOZISTR

PRODUCTS = "its products by martlet_matmul"
STEPS = 5


def sides(shape: Shape) -> tuple[int, int]:
    """The shorter one first."""
    rows, columns = shape[0], prod(shape[1:])
    return min(rows, columns), max(rows, columns)


def products(shape: Shape) -> Iterator[tuple[int, int, int]]:
    """Rows, inner size and columns of each product of a step. Of a symmetric one, half is multiplied out."""
    short, long = sides(shape)
    half = (short + 1) // 2
    if long * 4 > short * 5:  # Gram's form, which multiplies the matrix itself out in the middle and at the end
        yield from [(half, long, short), (short, short, long)] * 2
        yield from [(half, short, short)] * 14
    else:
        yield from [(half, long, short), (half, short, short), (short, short, long)] * STEPS


@dataclass(frozen=True, kw_only=True)
class MuonCase(Case):
    """One step of Muon over these matrices."""

    bound: ClassVar[str | None] = PRODUCTS
    share_of = "of its products"
    unit = "GFLOP/s"

    @property
    def work(self) -> int:
        return sum(2 * prod(sizes) for shape in self.shapes for sizes in products(shape))


@dataclass(frozen=True, kw_only=True)
class SOAPCase(Case):
    """A step of SOAP, of which every tenth refreshes the bases."""

    unit = "GFLOP/s"
    steps: ClassVar[int] = 10

    @property
    def work(self) -> int:
        """Into the bases and back, and the symmetric products of the gradient, of which half is multiplied out."""
        return sum(5 * shape[0] * shape[1] * (shape[0] + shape[1]) for shape in self.shapes)


def case(name: str, title: str, shapes: tuple[Shape, ...]) -> MuonCase:
    return MuonCase(
        name=name,
        title=f"Muon, {title}",
        shapes=shapes,
        targets={PRODUCTS: 0.8},
        peers=(PRODUCTS, DEFAULT),
        seconds=1.0,
    )


WIDTH = 768
LAYER: tuple[Shape, ...] = ((3 * WIDTH, WIDTH), (WIDTH, WIDTH), (4 * WIDTH, WIDTH), (WIDTH, 4 * WIDTH))
KERNELS = tuple((shape[0], prod(shape[1:])) for shape in resnet18_shapes() if len(shape) == 4)

CASES = (
    case("muon-gpt2-layer", "the four matrices of a layer of GPT-2 small", LAYER),
    case("muon-resnet18-kernels", "ResNet-18's kernels, flattened", KERNELS),
    SOAPCase(
        name="soap-attention",
        title="SOAP, the four square matrices of GPT-2 small's attention, a refresh in ten steps",
        shapes=((WIDTH, WIDTH),) * 4,
        targets={KOZISTR: 1.7},
        peers=(KOZISTR,),
        seconds=5.0,
        rounds=7,
    ),
    SOAPCase(
        name="soap-mlp",
        title="SOAP, 512 x 128 and 128 x 512, twice each, a refresh in ten steps",
        shapes=((512, 128), (128, 512)) * 2,
        targets={KOZISTR: 1.7},
        peers=(KOZISTR,),
        seconds=2.0,
    ),
)
