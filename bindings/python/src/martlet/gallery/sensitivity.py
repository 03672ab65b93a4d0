"""The picture of how algorithms take to learning rates: for each problem a map, a row an algorithm, a column a rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from martlet.gallery.canvas import Figure, Line2D, colour, headed, mark, matplotlib, new_figure
from martlet.gallery.problems import Problem
from martlet.gallery.sweeps import PROBLEMS, Results, Run, best

# Under this, losses on surfaces have one colour.
_LEAST = 1e-8
_WORSE, _NOT_RUN = "#ECE7E4", "white"


def figure(found: Results) -> Figure:
    """Of all problems, side by side."""
    problems = list(next(iter(found.values())))
    numbers = sorted({run.number for of in found.values() for runs in of.values() for run in runs})
    made = new_figure(1.8 + 2.2 * len(problems), 0.2 * len(found) + 1.85)
    width, height = made.get_size_inches()
    grid = made.add_gridspec(1, len(problems), left=1.5 / width, right=1 - 0.15 / width, bottom=0.9 / height,
                             top=1 - 0.95 / height, wspace=0.06)  # fmt: skip
    for place, problem in enumerate(problems):
        axes = made.add_subplot(grid[0, place])
        box = axes.get_position()
        key = made.add_axes((box.x0 + 0.1 * box.width, 0.42 / height, 0.8 * box.width, 0.1 / height))
        swept = {name: of[problem] for name, of in found.items()}
        made.colorbar(_map(axes, PROBLEMS[problem], swept, numbers), cax=key, orientation="horizontal")
        key.tick_params(length=2, pad=1)
        key.minorticks_off()
        key.set_xlabel("loss", fontsize=7, labelpad=1)
        axes.tick_params(labelleft=place == 0)
    headed(made, "The loss at each learning rate: the same rates for all, and more where the last was best", [
        Line2D([], [], **mark("o", 4), label="best rate"),
        Line2D([], [], **mark("s", 8, _WORSE, "#BBBBBB"), label="no better than the start"),
        Line2D([], [], **mark("s", 8, _NOT_RUN, "#BBBBBB"), label="not run"),
    ])  # fmt: skip
    return made


def _map(axes: Any, problem: Problem, swept: Mapping[str, Sequence[Run]], numbers: Sequence[int]) -> Any:
    """Colours go from the least loss of any algorithm to that at the start."""
    losses = np.full((len(swept), numbers[-1] - numbers[0] + 1), np.nan)
    for row, runs in enumerate(swept.values()):
        for run in runs:
            losses[row, run.number - numbers[0]] = min(max(run.loss, _LEAST), 2 * problem.first_loss)
        if runs:
            axes.plot(best(runs).number - numbers[0], row, **mark("o", 4))
    colours = matplotlib.colormaps["YlGnBu_r"].with_extremes(over=_WORSE, bad=_NOT_RUN)
    least = np.nanmin(losses, initial=0.5 * problem.first_loss)
    scale = matplotlib.colors.LogNorm(least, problem.first_loss)
    decades = [number for number in range(numbers[0], numbers[-1] + 1) if number % 4 == 0]
    axes.set_xticks([number - numbers[0] for number in decades], [f"$10^{{{number // 2}}}$" for number in decades])
    axes.set_yticks(range(len(swept)), list(swept))
    for label, name in zip(axes.get_yticklabels(), swept, strict=True):
        label.set(color=colour(name), fontweight="bold")
    axes.set_xticks(np.arange(losses.shape[1]) - 0.5, minor=True)
    axes.set_yticks(np.arange(losses.shape[0]) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=0.7)
    axes.tick_params(which="both", length=0)
    axes.set_title(problem.name, fontsize=9, pad=4)
    return axes.imshow(losses, cmap=colours, norm=scale, aspect="auto", interpolation="nearest")
