"""What is measured of steps by rows: 10,000 of 1 M rows of 128, others at each step, lazily and deferred, beside the
dense step over the whole table. Nothing here runs or times anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cases import MARTLET, Case

#: Martlet's own: rows that are left behind until they are named again, and never.
DEFERRED = "martlet, deferred rows"
LAZY = "martlet, lazy rows"
#: The whole table by a dense gradient.
DENSE = MARTLET
SPARSE_ADAM = "torch SparseAdam"

ROWS, WIDTH, NAMED = 1_000_000, 128, 10_000
#: Steps before any is timed: a row is then as far behind as it will be, ROWS / NAMED steps on average.
SETTLING = 4 * ROWS // NAMED


@dataclass(frozen=True, kw_only=True)
class RowsCase(Case):
    """A table stepped by this class of martlet.torch."""

    algorithm: str
    options: dict[str, Any] = field(default_factory=dict)
    named: int = NAMED
    settling: int = SETTLING

    @property
    def work(self) -> int:
        return super().work * self.named // self.shapes[0][0]


def case(name: str, title: str, algorithm: str, own: str, targets: dict[str, float], **options: Any) -> RowsCase:
    return RowsCase(
        name=name,
        title=f"{title}, {NAMED:,} of {ROWS:,} rows of {WIDTH}",
        shapes=((ROWS, WIDTH),),
        targets=targets,
        peers=(DENSE, *((SPARSE_ADAM,) if own == LAZY and algorithm == "Adam" else ())),
        own=own,
        algorithm=algorithm,
        options=options,
        seconds=0.8,
    )


CASES = (
    case("rows-adam", "Adam, lazy", "Adam", LAZY, {DENSE: 30.0}),
    case("deferred-sgd", "SGD, deferred", "SGD", DEFERRED, {DENSE: 8.0}),
    case("deferred-adagrad", "Adagrad, deferred", "Adagrad", DEFERRED, {DENSE: 8.0}),
    # What these make of other rows is the arithmetic of the dense step, all of it.
    case("deferred-momentum", "SGD with momentum, deferred", "SGD", DEFERRED, {}, momentum=0.9),
    case("deferred-rmsprop", "RMSprop, deferred", "RMSprop", DEFERRED, {}),
    case("deferred-adam", "Adam, deferred", "Adam", DEFERRED, {}),
    case("deferred-adamw", "AdamW, deferred", "AdamW", DEFERRED, {}),
)
