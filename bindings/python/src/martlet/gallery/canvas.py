"""What a gallery's pictures have in common: matplotlib, their colours, headings, and how they become PNGs."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np

from martlet.gallery.contenders import BASELINES, contenders

try:
    import matplotlib as matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Figure
    from matplotlib.lines import Line2D as Line2D
    from PIL import Image
except ImportError as error:
    raise ImportError(
        "the gallery's pictures need matplotlib: pip install matplotlib, or leave out --output, for the table alone"
    ) from error

# Of the baselines; and of the others, in turn.
_BASELINES = ("#555555", "#E69F00", "#009E73")
_OTHERS = ("#0072B2", "#D55E00", "#B0408A", "#1F9BD1", "#6A3D9A", "#A61E1E")
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": 8, "axes.linewidth": 0.6, "axes.edgecolor": "#999999",
    "xtick.color": "#555555", "ytick.color": "#555555", "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "xtick.labelsize": 7, "ytick.labelsize": 7,
}  # fmt: skip


def styled() -> AbstractContextManager[None]:
    """Figures look alike, whatever the settings of the process are."""
    return matplotlib.rc_context({**matplotlib.rcParamsDefault, "backend": "agg", **_STYLE})


@cache
def colour(algorithm: str) -> str:
    """The same in every picture."""
    if algorithm in BASELINES:
        return _BASELINES[BASELINES.index(algorithm)]
    return _OTHERS[(contenders()[algorithm].place - len(BASELINES)) % len(_OTHERS)]


def new_figure(width: float, height: float) -> Figure:
    """In inches."""
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def mark(shape: str, size: float, face: str = "white", rim: str = "black") -> dict[str, Any]:
    """matplotlib's words for a mark of no line."""
    return {"marker": shape, "markersize": size, "markerfacecolor": face, "markeredgecolor": rim, "linestyle": ""}


def headed(figure: Figure, title: str, marks: list[Any]) -> None:
    """With a title, and a line that says what marks mean."""
    width, height = figure.get_size_inches()
    figure.text(0.15 / width, 1 - 0.2 / height, title, fontsize=11, va="center")
    figure.legend(handles=marks, loc="center left", bbox_to_anchor=(0.08 / width, 1 - 0.46 / height), ncol=len(marks),
                  frameon=False, fontsize=8.5, handletextpad=0.4, columnspacing=1.6, borderpad=0)  # fmt: skip


def drawn(figure: Figure) -> bytes:
    """A PNG of 256 colours, a third as long as one of all; no date or version in it."""
    canvas: Any = figure.canvas
    figure.set_dpi(110)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    file = io.BytesIO()
    image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file, format="png", optimize=True)
    return file.getvalue()
