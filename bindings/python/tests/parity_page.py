"""docs/parity.md: its words, its two tables, and how they are read again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from parity_rows import Row
from parity_rows.options import COLUMNS
from peers import PEERS

#: Wherever the tests lie in the repository; elsewhere there is no table.
PATH = Path(__file__).resolve().parents[3] / "docs" / "parity.md"


class Errors(NamedTuple):
    largest: float
    rms: float


def shown(value: float) -> str:
    return f"{value:.1e}"


class Line(NamedTuple):
    """A row with what was measured, what both sides' float64 is away from the oracle, and Martlet's largest error over
    torch's; None: by one draw.
    """

    row: Row
    peer: Errors | None
    ours: Errors | None
    wide_peer: Errors | None = None
    wide: Errors | None = None
    ratio: float | None = None

    def text(self) -> str:
        peers = [shown(value) for value in self.peer] if self.peer else ["not installed" * bool(self.row.peer), ""]
        ours = [shown(value) for value in self.ours] if self.ours else ["", ""]
        note = f"differs: {self.row.differs}" if self.row.differs else self.row.note
        return f"| {' | '.join([*self.row.place, self.row.peer or 'none', *peers, *ours, note])} |"

    def cell(self) -> str:
        """In the table of options."""
        ours = shown(self.ours.largest) if self.ours else ""
        return f"{ours} ({self.row.peer} {shown(self.peer.largest)})" if self.peer else ours


HEAD = """# Parity

Each row runs one algorithm for {steps} steps in float32, in another library and in Martlet (`martlet.torch`), beside an
oracle in numpy's longdouble that is written from the reference named in its
[source](../bindings/python/tests/oracles). An error is that of a parameter after a step, relative to the largest
magnitude that the element had on its way: the largest over all elements and steps, and the root of the mean of squares.
Half a unit in the last place of float32 is 6e-8.

All get the same: {elements} elements in a matrix and a vector, gradients from 1e-9 to 1e4 in size, sparse ones,
denormal ones and zeros, and learning rates that fall, rise and fall again; "kernels" are those of convolutions in their
place. Rules of matrices get no vector, and those with eigenvectors a square and ordinary noise. Options that are not
named are those of torch, or of the rule's reference, for everybody. "differs" says that the library computes something
else than the reference: its error is then how far that leads within {steps} steps, and Martlet's is that against the
reference. With `semantics` the oracle and Martlet follow the library named there. No library: nobody else has the
option.

`make parity` writes this page, and fails where Martlet's error grew, or where its rms or its largest is more than
{rms} of torch's. Chance decides which of two equally exact programs has the larger largest error: where Martlet's is
larger by that much, the median ratio over {draws} draws of the numbers counts. `make test` runs a short form. Columns
are empty where Martlet does not have the algorithm or the option.

Versions: {versions}.

"""
ABOVE_ROWS = """## Algorithms

| algorithm | options | library | its error: largest | rms | Martlet's: largest | rms | |
|---|---|---|---|---|---|---|---|
"""
ABOVE_OPTIONS = """## Options

Martlet's largest error with each option that all rules may have, held as above; in brackets the error of a library that
has it. Empty: the rule does not read it, and refuses it. SGD and RMSprop have a momentum of 0.9.

- weight decay of 0.1, in the gradient or as the rule's own equation has it; decoupled where that is a choice
- cautious decay: `cautious_weight_decay`; corrected decay: `corrected_weight_decay`, with a rate that falls
- cautious: the mask of updates; hyperball: the norm of the matrix kept, without decay
- all: everything else that the rule reads, at once, where that is three things or more

A sign decides what the cautious ones do, and what Lion and Rprop do: these get no denormal gradients.

"""


def page(head: str, lines: Iterable[Line]) -> str:
    """All of it."""
    rows, options = "", {}
    for line in lines:
        if line.row.column:
            options.setdefault(line.row.algorithm, dict.fromkeys(COLUMNS, ""))[line.row.column] = line.cell()
        else:
            rows += line.text() + "\n"
    titles = f"| algorithm | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}\n"
    return head + ABOVE_ROWS + rows + "\n" + ABOVE_OPTIONS + titles + "".join(
        f"| {' | '.join([algorithm, *found.values()])} |\n" for algorithm, found in options.items()
    )  # fmt: skip


def versions() -> str:
    found = {peer.package: peer.version() or "not installed" for peer in PEERS.values()}
    return ", ".join(f"{name} {number}" for name, number in found.items())


def cells(text: str, title: str = "Algorithms") -> list[list[str]]:
    """The rows of the table under a title, without its two lines of headings."""
    part = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in part.splitlines() if line.startswith("|")][2:]


def option_cells(text: str) -> dict[tuple[str, str], str]:
    """What the table of options says, by algorithm and column."""
    found = {}
    for algorithm, *row in cells(text, "Options"):
        found |= {(algorithm, column): cell for column, cell in zip(COLUMNS, row, strict=True) if cell}
    return found


def bounds(text: str) -> dict[tuple[str, str], float]:
    """Martlet's largest error at each place: no step, so no fewer steps, may have a larger one."""
    found = {(row[0], row[1]): float(row[5]) for row in cells(text) if row[5]}
    options = option_cells(text).items()
    return found | {place: float(number[0]) for place, cell in options if (number := re.match(r"[^ (]+", cell))}
