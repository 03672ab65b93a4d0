"""plot_model: a model's layers as a picture, or as text that Graphviz draws."""

from __future__ import annotations

import os
from typing import Any

from martlet import _arguments, _forks
from martlet._errors import DTypeError, FileError, OrderError
from martlet.nn.history import _write
from martlet.nn.model import Model


def plot_model(
    model: Model,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
) -> Any:
    """Draws a model's layers and what each reads; returns the figure, which needs matplotlib.

    to_file            a file in the format that its suffix says, PNG where it has none; ".dot" is text for Graphviz,
                       which needs no library, and gives None back; None: no file
    show_shapes        what each layer gives, with None for the batch
    show_layer_names   names beside classes
    rankdir            "TB", from top to bottom, or "LR", from left to right

    show_dtype is Keras's argument: all is float32. Raises OrderError before a Sequential knows its samples' shape,
    FileError where the system refuses, and ArgumentError for a suffix that matplotlib does not know.
    """
    if not isinstance(model, Model):
        raise DTypeError(f"model is {model!r}; wanted a Model or a Sequential")
    _arguments.flag(show_dtype, "show_dtype")
    names, shapes = _arguments.flag(show_layer_names, "show_layer_names"), _arguments.flag(show_shapes, "show_shapes")
    across = _arguments.one_of(rankdir, {"tb": False, "lr": True}, "rankdir")
    path = None if to_file is None else os.fsdecode(_arguments.file_name(to_file, "to_file"))
    entries, edges = _graph(model)
    labels = [_label(entry, names, shapes) for entry in entries]
    if path is not None and path.endswith(".dot"):
        _write_text(path, labels, edges, across)
        return None
    with _forks.held_off:  # matplotlib imports parts of itself while it draws
        figure = _drawn(labels, edges, across)
        if path is not None:
            _write(figure, path)
    return figure


def _graph(model: Model) -> tuple[list[Any], list[tuple[int, int]]]:
    """The entries, and from which to which one arrows lead."""
    nodes, waiting = [], [*model.outputs]  # OrderError where there is none yet
    while waiting:
        one = waiting.pop()
        if one not in nodes:
            nodes.append(one)
            waiting.extend(one.inputs)
    entries: list[Any] = []
    for one in [*model.inputs, *reversed(nodes)]:
        if one.entry not in entries:
            entries.append(one.entry)
    edges = {(entries.index(before.entry), entries.index(one.entry)) for one in nodes for before in one.inputs}
    if not entries:
        raise OrderError(f"{model!r} has no layer; add one first")
    return entries, sorted(edges)


def _label(entry: Any, has_name: bool, has_shape: bool) -> str:
    kind = type(entry).__name__
    name = f"{entry.name} ({kind})" if has_name else kind
    return f"{name}\n{entry.output_shape}" if has_shape else name


def _write_text(path: str, labels: list[str], edges: list[tuple[int, int]], across: bool) -> None:
    quoted = [label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for label in labels]
    lines = [f'  {place} [label="{label}"];' for place, label in enumerate(quoted)]
    lines += [f"  {first} -> {second};" for first, second in edges]
    head = f"digraph model {{\n  rankdir={'LR' if across else 'TB'};\n  node [shape=box];\n"
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(head + "\n".join(lines) + "\n}\n")
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from error


def _places(count: int, edges: list[tuple[int, int]]) -> list[tuple[float, int]]:
    """Of each entry its place in its row, around 0, and its row: one more than the last of what it reads."""
    rows = [0] * count
    for _ in range(count):
        for first, second in edges:
            if first != second:
                rows[second] = max(rows[second], min(rows[first] + 1, count))
    found: list[tuple[float, int]] = []
    for place in range(count):
        inside = [other for other in range(count) if rows[other] == rows[place]]
        found.append((inside.index(place) - (len(inside) - 1) / 2, rows[place]))
    return found


def _drawn(labels: list[str], edges: list[tuple[int, int]], across: bool) -> Any:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plot_model needs matplotlib: pip install matplotlib, or a to_file that ends with ".dot"'
                          ) from error  # fmt: skip
    wide = max(len(line) for label in labels for line in label.split("\n")) * 0.09 + 0.6
    high = 0.25 * max(label.count("\n") + 1 for label in labels) + 0.6
    places = [(x * wide, -y * high) if not across else (y * wide, -x * high) for x, y in _places(len(labels), edges)]
    xs, ys = [x for x, _ in places], [y for _, y in places]
    figure = Figure(figsize=(max(xs) - min(xs) + wide, max(ys) - min(ys) + high))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(min(xs) - wide / 2, max(xs) + wide / 2)
    axes.set_ylim(min(ys) - high / 2, max(ys) + high / 2)
    box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "0.4"}
    arrow = {"arrowstyle": "->", "color": "0.4", "shrinkA": 9, "shrinkB": 9}
    for first, second in edges:
        axes.annotate("", places[second], places[first], arrowprops=arrow)
    for label, (x, y) in zip(labels, places, strict=True):
        axes.text(x, y, label, ha="center", va="center", fontsize=9, bbox=box)
    return figure
