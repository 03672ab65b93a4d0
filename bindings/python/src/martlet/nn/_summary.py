"""A model as a table: its layers, the shapes of what they give, and how many numbers each has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from martlet.nn._layer import Layer


def summary(name: str, layers: list[Layer], print_fn: Callable[[str], Any]) -> None:
    """Prints the table, a line at a time."""
    rows = [("Layer (type)", "Output shape", "Parameters")]
    trained = fixed = 0
    is_known = all(layer._built is not None for layer in layers)
    for layer in layers:
        shape = count = "?"
        if is_known:
            node = layer._described()
            shape, count = str(layer.output_shape), f"{layer.count_params():,}"
            trained, fixed = trained + node.parameter_count, fixed + node.statistics_count
        rows.append((f"{layer.name} ({type(layer).__name__})", shape, count))
    first, second, third = (max(len(row[column]) for row in rows) for column in range(3))
    print_fn(f"Model: {name}")
    for index, row in enumerate(rows):
        print_fn(f"{row[0]:{first}}  {row[1]:{second}}  {row[2]:>{third}}")
        if index == 0:
            print_fn("-" * (first + second + third + 4))
    counts = f"{trained + fixed:,}, of which training changes {trained:,}" if is_known else "?"
    print_fn(f"Parameters: {counts}")
