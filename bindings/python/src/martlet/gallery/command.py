"""python -m martlet gallery: what is asked for is checked, run, printed and written."""

from __future__ import annotations

import os
from collections.abc import Sequence

from martlet.gallery import digits, sweeps, table
from martlet.gallery.contenders import contenders
from martlet.gallery.problems import FULL, QUICK


def run(only: Sequence[str] = (), *, quick: bool = False, output: str | None = None) -> None:
    """only: names of problems and algorithms; of which none is named, all are taken. output: a folder for pictures, the
    table and all runs, which is made if need be.

    ValueError on a name of neither, ImportError where matplotlib or scikit-learn is needed and missing: before anything
    is run. OSError where the folder cannot be written.
    """
    names = chosen(only)
    if not digits.NETWORKS.keys().isdisjoint(names[1]):
        digits.images()
    if output is not None:
        from martlet.gallery import pictures

        os.makedirs(output, exist_ok=True)
    effort = QUICK if quick else FULL
    processes = 1 if quick else sweeps.processors()
    found = sweeps.results(names, effort, processes)
    print(f"{table.text(found)}\n\n{table.LEGEND}")
    if output is not None:
        for name, content in pictures.all_of(found, sweeps.ways(found, effort, processes), effort).items():
            _write(output, f"{name}.png", content)
        _write(output, "gallery.md", f"{table.markdown(found)}\n".encode())
        _write(output, "gallery.csv", table.runs(found).encode())


def chosen(only: Sequence[str]) -> tuple[list[str], list[str]]:
    """Algorithms and problems. digits stands for both networks."""
    algorithms, problems = list(contenders()), list(sweeps.PROBLEMS)
    known = {name: [name] for name in (*algorithms, *problems)} | {"digits": list(digits.NETWORKS)}
    for name in only:
        if name not in known:
            raise ValueError(
                f"there is no {name!r}; wanted a problem ({', '.join((*problems, 'digits'))}) or an algorithm "
                f"({', '.join(algorithms)})"
            )
    named = {one for name in only for one in known[name]}
    return (
        [name for name in algorithms if name in named] or algorithms,
        [name for name in problems if name in named] or problems,
    )


def _write(folder: str, name: str, content: bytes) -> None:
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(content)
    print(f"wrote {path}")
