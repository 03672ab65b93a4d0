"""What is measured of Muon: a step over the matrices of real models, and what its products alone take.

torch.optim.Muon takes two dimensions alone, so that kernels of convolutions are flattened for everybody. It multiplies
in bfloat16, where Martlet multiplies in fp32: on processors whose bfloat16 is twice as fast both take about as long,
elsewhere torch takes several times as long, so that there is no target against it. The target is held against the
time that martlet_matmul needs for as many multiplications as the step's products are. Nothing here runs or times
anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from cases import DEFAULT, Case, Shape, resnet18_shapes

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
)
