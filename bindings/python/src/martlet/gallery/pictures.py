"""A gallery's pictures: the way of each algorithm over each surface, and how fast each learns the digits, a panel for
each; and how all of them take to the rates of the grid (sensitivity.py). An algorithm has one colour in all.

They need matplotlib, which nothing else of the gallery does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from martlet.gallery import sensitivity
from martlet.gallery.canvas import Figure, Line2D, colour, drawn, headed, mark, new_figure, styled
from martlet.gallery.contenders import BASELINES
from martlet.gallery.digits import Network
from martlet.gallery.problems import Effort
from martlet.gallery.surfaces import Surface
from martlet.gallery.sweeps import PROBLEMS, Results, Run, best

COLUMNS = 6
# Few and far between: a PNG's colours are few.
_SHADES = ("#FFFFFF", "#F0F0F0", "#E1E1E1", "#D2D2D2", "#C3C3C3")
_START, _MINIMUM = mark("o", 4), mark("*", 9)

Trail = Sequence[Any]


def all_of(found: Results, ways: Mapping[str, Mapping[str, Trail]], effort: Effort) -> dict[str, bytes]:
    """PNGs: one for each problem that any algorithm was run on, by its name, and "sensitivity"."""
    with styled():
        made = {}
        for name, trails in ways.items():
            runs = {algorithm: best(found[algorithm][name]) for algorithm in trails}
            made[name] = drawn(_problem(PROBLEMS[name], runs, trails, effort))
        return {**made, "sensitivity": drawn(sensitivity.figure(found))}


def _problem(problem: Any, runs: Mapping[str, Run], trails: Mapping[str, Trail], effort: Effort) -> Figure:
    figure, panels = _panels(len(runs))
    for axes, (name, run) in zip(panels, runs.items(), strict=True):
        if isinstance(problem, Surface):
            _way(axes, problem, trails[name], colour(name))
            score = f"{run.loss:.1e}"
        else:
            _curve(axes, problem, trails, name)
            score = f"{100 * (run.accuracy or 0):.1f} %"
        axes.set_title(name, loc="left", fontsize=8.5, pad=12, color=colour(name), fontweight="bold")
        axes.text(0, 1.03, f"lr {run.shown_rate},  {score}", transform=axes.transAxes, fontsize=7, color="#444444")
    if isinstance(problem, Surface):
        headed(figure, f"{problem.title}: each algorithm's way at its best rate, and its loss at the end", [
            Line2D([], [], **_START, label="start"),
            Line2D([], [], **_MINIMUM, label="minimum"),
            Line2D([], [], **mark("o", 4, "#555555"), label=f"after {effort.steps} steps"),
        ])  # fmt: skip
    else:
        _share(panels, trails, effort)
        beside = [Line2D([], [], color=colour(name), linewidth=1.2, label=name) for name in BASELINES if name in runs]
        headed(
            figure,
            f"{problem.title}: the loss by epochs at each algorithm's best rate, and held-out images read rightly",
            [*beside, Line2D([], [], color="black", linewidth=2, label="the panel's own")],
        )
    return figure


def _panels(count: int) -> tuple[Figure, list[Any]]:
    """In rows of COLUMNS, with numbers at the left and below alone."""
    columns = min(COLUMNS, max(count, 3))
    rows = math.ceil(count / columns)
    figure = new_figure(2.1 * columns, 1.75 * rows + 0.8)
    width, height = figure.get_size_inches()
    grid = figure.add_gridspec(rows, columns, left=0.45 / width, right=1 - 0.1 / width, bottom=0.3 / height,
                               top=1 - 0.95 / height, wspace=0.08, hspace=0.32)  # fmt: skip
    panels = []
    for place in range(count):
        axes = figure.add_subplot(grid[divmod(place, columns)])
        axes.tick_params(labelleft=place % columns == 0, labelbottom=place + columns >= count, length=2, pad=1.5)
        panels.append(axes)
    return figure, panels


def _way(axes: Any, surface: Surface, trail: Trail, line: str) -> None:
    left, right, below, above = surface.window
    x, y = np.meshgrid(np.linspace(left, right, 80), np.linspace(below, above, 80))
    heights = np.log10(surface.value(x, y) + 1e-2)
    levels = np.linspace(heights.min(), heights.max(), len(_SHADES) + 1)
    axes.contourf(x, y, heights, levels=levels, colors=_SHADES, antialiased=False)
    points = np.array([surface.start, *trail])
    axes.plot(*points.T, color=line, linewidth=1, marker=".", markersize=2.5, markeredgewidth=0)
    axes.plot(*surface.minimum, **_MINIMUM)
    axes.plot(*surface.start, **_START)
    axes.plot(*points[-1], **mark("o", 4, line))
    axes.set(xlim=(left, right), ylim=(below, above))
    axes.locator_params(nbins=4)


def _curve(axes: Any, network: Network, trails: Mapping[str, Trail], name: str) -> None:
    for other in BASELINES:
        if other in trails and other != name:
            axes.plot(trails[other], color=colour(other), linewidth=0.8, alpha=0.6)
    axes.plot(trails[name], color=colour(name), linewidth=2)
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.grid(color="#E4E4E4", linewidth=0.5)


def _share(panels: Sequence[Any], trails: Mapping[str, Trail], effort: Effort) -> None:
    """The same scales in all panels."""
    losses = np.concatenate([np.asarray(trail) for trail in trails.values()])
    for axes in panels:
        axes.set(xlim=(0, effort.epochs), ylim=(0.7 * losses.min(), 4))
