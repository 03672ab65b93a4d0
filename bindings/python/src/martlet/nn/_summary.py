"""A model as a table: its layers, the shapes of what they give, how many numbers each has, and of a graph what they
read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from martlet.nn._layer import Layer


def summary(name: str, entries: list[Any], reads: dict[Any, list[str]], print_fn: Callable[[str], Any]) -> None:
    """Prints the table, a line at a time. reads: what each entry is connected to, where that is to be shown."""
    rows = [("Layer (type)", "Output shape", "Parameters", "Connected to")]
    leaves = [layer for entry in entries for layer in entry._leaves()]
    is_known = all(layer._built is not None or layer._is_input for layer in leaves)
    for entry in entries:
        shape = count = "?"
        if is_known:
            shape, count = str(entry.output_shape), f"{entry.count_params():,}"
        rows.append((f"{entry.name} ({type(entry).__name__})", shape, count, ", ".join(reads.get(entry, []))))
    if not reads:
        rows = [(*row[:3], "") for row in rows]
    first, second, third, fourth = (max(len(row[column]) for row in rows) for column in range(4))
    print_fn(f"Model: {name}")
    for index, row in enumerate(rows):
        print_fn(f"{row[0]:{first}}  {row[1]:{second}}  {row[2]:>{third}}  {row[3]}".rstrip() if reads else
                 f"{row[0]:{first}}  {row[1]:{second}}  {row[2]:>{third}}")  # fmt: skip
        if index == 0:
            print_fn("-" * (first + second + third + 4 + (fourth + 2 if reads else 0)))
    print_fn(f"Parameters: {_counts(leaves) if is_known else '?'}")


def _counts(leaves: list[Layer]) -> str:
    trained = fixed = 0
    for layer in leaves:
        for node, is_trained in zip(layer._described(), layer._trained(), strict=True):
            trained += node.parameter_count if is_trained else 0
            fixed += node.statistics_count + (0 if is_trained else node.parameter_count)
    return f"{trained + fixed:,}, of which training changes {trained:,}"
