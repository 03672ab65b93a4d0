"""The tables of speed in README.md, as compare.py has measured them: build/bench/readme.md, to be pasted as it is.

A column is a peer, a row a case; what was not measured is a dash. It measures and judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import cases
import family_cases
import model_cases
from report import WALLS, digits, duration

Rows = dict[str, dict[str, Any]]


def time(rows: Rows, own: str) -> str:
    return duration(rows[own]["seconds"])


def share(rows: Rows, own: str) -> str:
    """Of what bounds the case: what multiply-adds in registers alone reach, or the bytes' way through memory."""
    return f"{100 * rows[own]['share']:.0f} %" if "share" in rows[own] else "-"


def times(peer: str) -> Callable[[Rows, str], str]:
    """A peer's time as a multiple of Martlet's."""

    def found(rows: Rows, own: str) -> str:
        ratio = rows.get(peer, {}).get("ratio")
        return "-" if ratio is None else digits(ratio) if ratio >= 2 else f"{ratio:.2f}"

    return found


def others(rows: Rows, own: str) -> list[str]:
    """The peers that were measured, the fastest first; a limit is none of them."""
    found = [peer for peer in rows if "ratio" in rows[peer] and peer not in WALLS]
    return sorted(found, key=lambda peer: float(rows[peer]["ratio"]))


def fastest(rows: Rows, own: str) -> str:
    return next(iter(others(rows, own)), "-")


def its_time(rows: Rows, own: str) -> str:
    return times(fastest(rows, own))(rows, own)


#: Columns that are no ratio of times.
PLAIN = (time, share, fastest)


class Table(NamedTuple):
    head: str
    #: The first column's text for each case.
    rows: dict[str, str]
    columns: dict[str, Callable[[Rows, str], str]]


TABLES = (
    Table(
        "shapes",
        {
            "gpt2": "GPT-2: 148 tensors, 124 M elements",
            "resnet18": "ResNet-18: 62 tensors, 11.7 M",
            "mlp": "perceptron 784-64-10: 4 tensors, 51 thousand",
            "mlp-training": "the same, with other work between steps, as in training",
            "one": "one tensor of 1,000",
        },
        {
            "Martlet": time,
            "torch's default": times(cases.DEFAULT),
            "torch fused": times(cases.FUSED),
            "CPUAdam": times(cases.DEEPSPEED),
            "C loop": times(cases.LIMIT),
        },
    ),
    Table(
        "algorithms",
        {case.name: f"{case.algorithm.name}, {case.model}" for case in family_cases.CASES},
        {"Martlet": time, "of limit": share, "fastest other": fastest, "times Martlet's": its_time},
    ),
    Table(
        "training step, Adam inside `fit`",
        {
            "train-mlp": "perceptron 784-64-10, batch 32",
            "train-conv-8": "two convolutions, two dense layers, 8x8x3, batch 64",
            "train-conv-32": "the same network on 32x32x3",
            "train-resnet-20": "ResNet-20, 32x32x3, batch 64",
            "train-text": "TextCNN, 20,000 x 128, 100 filters of 3, 4, 5, length 64, batch 50",
            "train-tabular": "tabular 30-128-64-1, batch 256",
        },
        {
            "Martlet": time,
            "of peak": share,
            "torch's default": times(cases.DEFAULT),
            "torch fused": times(cases.FUSED),
            "channels-last": times(model_cases.FUSED_LAST),
            "torch.compile": times(model_cases.COMPILED),
            "JAX + optax": times(model_cases.JAX),
        },
    ),
    Table(
        "3x3 convolution, forward and both gradients",
        {
            "conv-64x64x32x64": "64 images of 32x32, 64 channels to 64",
            "conv-64x3x32x64": "64 images of 32x32, 3 channels to 64",
            "conv-64x64x8x64": "64 images of 8x8, 64 channels to 64",
            "conv-32x128x16x128": "32 images of 16x16, 128 channels to 128",
        },
        {
            "Martlet": time,
            "of peak": share,
            "torch contiguous": times(model_cases.CONTIGUOUS),
            "torch channels-last": times(model_cases.CHANNELS_LAST),
        },
    ),
    Table(
        "product",
        {f"matmul-{sizes}": sizes for sizes in ("2048x2048x2048", "64x784x512", "128x512x512", "32x784x64")},
        {
            "Martlet from Python": time,
            "of peak": share,
            "from C": times(model_cases.MARTLET_C),
            "torch": times(cases.DEFAULT),
        },
    ),
    Table(
        "one sample",
        {"predict": "perceptron 784-64-10"},
        {"Martlet from C": time, "from Python": times(cases.MARTLET), "torch": times(cases.DEFAULT)},
    ),
)


def measured_rows(result: dict[str, Any]) -> Rows:
    return {row["peer"]: row for row in result["rows"] if "seconds" in row}


def lines(table: Table, results: dict[str, dict[str, Any]]) -> list[str]:
    """A table in Markdown, of the cases in which Martlet was measured; nothing where there are none."""
    found_rows = {name: measured_rows(results[name]) for name in table.rows if name in results}
    measured = [name for name, rows in found_rows.items() if results[name]["own"] in rows]
    if not measured:
        return []
    found = [line([table.head, *table.columns]), "|---|" + "---:|" * len(table.columns)]
    for name in measured:
        cells = [column(found_rows[name], results[name]["own"]) for column in table.columns.values()]
        found.append(line([table.rows[name], *cells]))
    # The first ratio says what the others are.
    first = next(place for place, column in enumerate(table.columns.values()) if column not in PLAIN)
    cells = found[2].split(" | ")
    cells[first + 1] += " times that" if first + 2 < len(cells) else ""
    return [found[0], found[1], " | ".join(cells), *found[3:], ""]


def line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def markdown(results: dict[str, Any]) -> str:
    """All tables, and how quiet the machine was."""
    by_name = {result["name"]: result for result in results["cases"]}
    most = max((result["others"] for result in results["cases"]), default=0.0)
    text = [text for table in TABLES for text in lines(table, by_name)]
    text.append(f"Other processes took at most {100 * most:.0f} % of the processors during a case.")
    return "\n".join(text) + "\n"
