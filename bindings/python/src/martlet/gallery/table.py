"""The table of a gallery: a row for each algorithm, its best loss on each problem with the rate that gave it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

from martlet.gallery.sweeps import Results, Run, best, edge

DOES_NOT_APPLY = "matrices only"
DIVERGES = "diverges"
LEGEND = (
    "Each cell: the loss after the last step at the algorithm's best rate, for the digits the share of held-out images "
    "read rightly, then the rate. A rate with * is the least or the largest that was tried."
)


def rows(found: Results) -> list[tuple[str, ...]]:
    """Heads, and a row for each algorithm."""
    heads: tuple[str, ...] = ("algorithm",)
    for problem in next(iter(found.values())):
        is_read = any(run.accuracy is not None for of in found.values() for run in of[problem])
        heads += (problem, "held out", "lr") if is_read else (problem, "lr")
    return [heads, *((name, *(cell for runs in of.values() for cell in _cells(runs))) for name, of in found.items())]


def _cells(runs: Sequence[Run]) -> tuple[str, ...]:
    if not runs:
        return DOES_NOT_APPLY, ""
    least = best(runs)
    rate = f"{least.shown_rate}{'*' if edge(runs) else ''}"
    read = () if least.accuracy is None else (f"{100 * least.accuracy:.1f} %",)
    return (f"{least.loss:.1e}", *read, rate) if math.isfinite(least.loss) else (DIVERGES, *("" for _ in read), "")


def text(found: Results) -> str:
    """In columns."""
    lines = rows(found)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def markdown(found: Results) -> str:
    """As a page has it."""
    heads, *others = rows(found)
    lines = [heads, ("---",) * len(heads), *others]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def runs(found: Results) -> str:
    """A line of CSV for each run."""
    file = io.StringIO()
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(("algorithm", "problem", "lr", "loss", "accuracy"))
    for name, of in found.items():
        for problem, swept in of.items():
            for run in swept:
                accuracy = "" if run.accuracy is None else f"{run.accuracy:.6g}"
                lines.writerow((name, problem, f"{run.rate:.6g}", f"{run.loss:.9g}", accuracy))
    return file.getvalue()
