"""The table of a gallery: a row for each algorithm, its best loss on each problem with the rate that gave it."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence

from martlet.gallery.surfaces import SURFACES
from martlet.gallery.sweeps import STEPS, Run, best, contenders, sweep

Results = Mapping[str, Mapping[str, Sequence[Run]]]
DOES_NOT_APPLY = "matrices only"


def results(only: Sequence[str] = ()) -> Results:
    """The runs of each algorithm on each surface. only: names of surfaces and algorithms; of which none is named, all
    are taken. ValueError on a name of neither."""
    found = contenders()
    for name in only:
        if name not in SURFACES and name not in found:
            raise ValueError(
                f"there is no {name!r}; wanted a problem ({', '.join(SURFACES)}) or an algorithm ({', '.join(found)})"
            )
    surfaces = [surface for name, surface in SURFACES.items() if name in only] or list(SURFACES.values())
    chosen = [contender for name, contender in found.items() if name in only] or list(found.values())
    return {one.name: {surface.name: sweep(one, surface) for surface in surfaces} for one in chosen}


def rows(found: Results) -> list[tuple[str, ...]]:
    """Heads, and a row for each algorithm."""
    problems = list(next(iter(found.values())))
    heads = ("algorithm", *(head for name in problems for head in (name, "at lr")))
    return [heads, *((name, *(cell for runs in of.values() for cell in _cells(runs))) for name, of in found.items())]


def _cells(runs: Sequence[Run]) -> tuple[str, str]:
    if not runs:
        return DOES_NOT_APPLY, ""
    least = best(runs)
    return f"{least.loss:.1e}", f"{least.rate:.2g}"


def text(found: Results) -> str:
    """In columns."""
    lines = rows(found)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def write(found: Results, folder: str) -> str:
    """Writes gallery.csv into a folder, which is made if need be: a line for each run. Returns the file's path."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "gallery.csv")
    with open(path, "w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(("algorithm", "problem", "steps", "lr", "loss"))
        for name, of in found.items():
            for problem, runs in of.items():
                lines.writerows((name, problem, STEPS, f"{run.rate:.6g}", f"{run.loss:.9g}") for run in runs)
    return path
