"""Turns the figures of compare.py into text, Markdown and a picture. It measures and judges nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cases
import family_cases
import matrix_cases
import model_cases
from judge import is_quiet

#: The ratio that other processes hardly change.
ALONE = "on one thread, in processor time"
#: What no peer can pass.
WALLS = (cases.LIMIT, family_cases.STREAM, matrix_cases.PRODUCTS, *model_cases.PEAKS)
INK, GREY, OURS, THEIRS, WALL = "#1b2a41", "#8a94a3", "#d1495b", "#9fb3c8", "#3d5a80"


def duration(seconds: float) -> str:
    """A time in the unit that leaves three digits."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}" if seconds < 1000 * scale else f"{seconds / scale:.0f} {unit}"
    return f"{seconds * 1e6:.2g} µs"


def digits(number: float) -> str:
    """With one digit after the point, or as many as show that it is not nothing."""
    return f"{number:.1f}" if number >= 1 else f"{number:.2g}"


def comparison(row: dict[str, Any]) -> str:
    if "ratio" in row:
        return f"{row['ratio']:.2f}"
    if "slowdown" in row:
        return f"{row['slowdown']:.2f} of normal"
    return ""


def aim(row: dict[str, Any]) -> str:
    if "ceiling" in row:
        return f"at most {row['ceiling']}"
    if "most_seconds" in row:
        return f"at most {duration(row['most_seconds'])}"
    return f"at least {row['target']}" if "target" in row else ""


def spread(row: dict[str, Any]) -> str:
    return "{:.2f} to {:.2f}".format(*row["quartiles"]) if "quartiles" in row else ""


def mark(row: dict[str, Any]) -> str:
    words = [{True: "pass", False: "MISS"}[row["pass"]]] if "pass" in row else []
    return ", ".join([*words, *(["noisy"] if row.get("noisy") else [])])


def case_lines(result: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for row in result["rows"]:
        if "failure" in row:
            yield (row["peer"], "not measured", "", "", "", "", "", aim(row), row["failure"])
            continue
        alone = f"{row['alone']:.2f}" if "alone" in row else ""
        share = f"{digits(100 * row['share'])} %" if "share" in row else ""
        found = (row["peer"], duration(row["seconds"]), digits(row["speed"]), share)
        yield (*found, comparison(row), spread(row), alone, aim(row), mark(row))


def table(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """The heads and the lines, without the columns that have nothing to say."""
    head = ("", result["act"], result["unit"], result["share_of"], "times Martlet's", "quartiles", ALONE, "wanted", "")
    lines = [head, *case_lines(result)]
    empty = {3: "share", 6: "alone"}
    left_out = [place for place, key in empty.items() if not any(key in row for row in result["rows"])]
    return [tuple(cell for place, cell in enumerate(line) if place not in left_out) for line in lines]


def heading(result: dict[str, Any]) -> str:
    """The case's title, and what Martlet ran it on."""
    own = [row for row in result["rows"] if "isa" in row]
    return f"{result['title']}" + (f" ({own[0]['peer']}: {own[0]['isa']}, threads: {own[0]['threads']})" if own else "")


def others(result: dict[str, Any]) -> str:
    """What else ran, and what follows."""
    text = f"other processes took {100 * result['others']:.0f} % of the processors meanwhile"
    return text if is_quiet(result) else f"{text}: not quiet, so nothing is judged"


def case_table(result: dict[str, Any]) -> str:
    lines = table(result)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)][:-1]
    text = [heading(result), f"  {others(result)}"]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        text.append("  " + "  ".join([*cells, line[-1]]).rstrip())
    return "\n".join(text) + "\n"


def import_line(result: dict[str, Any]) -> str:
    took, ceiling = duration(result["seconds"]), duration(result["ceiling"])
    return f"import martlet adds {took} to numpy's import (wanted: at most {ceiling}): {mark(result)}\n"


def everything(results: dict[str, Any]) -> list[dict[str, Any]]:
    return [*results["cases"], *([results["denormals"]] if "denormals" in results else [])]


def markdown(results: dict[str, Any]) -> str:
    machine = results["machine"]
    text = [f"{machine['processor']}, two threads, {results['rounds']} rounds, {machine['date']}.", ""]
    versions = {version for result in everything(results) for version in result["versions"].values()}
    text += ["Versions: " + ", ".join(sorted(versions)) + f", Python {machine['python']}, {machine['gcc']}.", ""]
    start, end = (", ".join(map(str, results["load"][when])) for when in ("start", "end"))
    text += [f"Load averages: {start} at the start, {end} at the end. {results['verdict']}.", ""]
    text += ["Ratios are medians of those within a round; noisy: their quartiles are over 10 % of it apart.", ""]
    for result in everything(results):
        head, *lines = table(result)
        rule = "|---|" + "---:|" * (len(head) - 2) + "---|"
        text += [f"**{heading(result)}**", "", f"{others(result)}.", "", "| " + " | ".join(head) + " |", rule]
        text += ["| " + " | ".join(line) + " |" for line in lines]
        text += [""]
    if "import" in results:
        text += [import_line(results["import"])]
    return "\n".join(text)


def bar_colour(peer: str) -> str:
    if peer.startswith(cases.MARTLET):
        return OURS
    return WALL if peer in WALLS else THEIRS


def plots(results: dict[str, Any], folder: Path) -> list[Path]:
    """A picture of each part that has something to show."""
    panels = [result for result in everything(results) if any("seconds" in row for row in result["rows"])]
    parts = {
        "results.png": ("Times of one fp32 Adam step", (*cases.CASES, cases.DENORMAL_CASE)),
        "family.png": ("Times of one fp32 step", family_cases.CASES),
        "matrices.png": ("Times of one step of Muon and of SOAP", matrix_cases.CASES),
        "models.png": ("Times of models' work", model_cases.CASES),
    }
    found = []
    for name, (title, part) in parts.items():
        names = {case.name for case in part}
        if chosen := [panel for panel in panels if panel["name"] in names]:
            found.append((folder / name, title, chosen))
    for path, title, chosen in found:
        plot(results, chosen, title, path)
    return [path for path, _, _ in found]


def plot(results: dict[str, Any], panels: list[dict[str, Any]], title: str, path: Path) -> None:
    """One panel a case: the time of a step, shortest on top, on a scale that starts at zero."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = 2 if len(panels) > 1 else 1
    lines = -(-len(panels) // columns)
    figure, axes = pyplot.subplots(lines, columns, figsize=(6.4 * columns, 2.7 * lines + 0.7), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, result in zip(axes.flat, panels, strict=False):
        rows = sorted((row for row in result["rows"] if "seconds" in row), key=lambda row: float(row["seconds"]))
        names = [row["peer"] for row in rows]
        axis.barh(names, [row["seconds"] for row in rows], color=[bar_colour(name) for name in names], height=0.72)
        longest = rows[-1]["seconds"]
        for place, row in enumerate(rows):
            text = duration(row["seconds"])
            text += f"   {row['ratio']:.1f}×" if "ratio" in row else ""
            text += f"   {row['slowdown']:.1f}× its normal" if "slowdown" in row else ""
            axis.text(row["seconds"] + longest * 0.015, place, text, va="center", fontsize=8.5, color=INK)
        axis.invert_yaxis()
        axis.set_xlim(0, longest * 1.32)
        axis.set_title(result["title"], loc="left", fontsize=10, color=INK)
        axis.tick_params(axis="y", length=0, labelsize=9, colors=INK)
        axis.xaxis.set_visible(False)
        for side in axis.spines.values():
            side.set_visible(False)
    figure.suptitle(f"{title}, and how many times Martlet's they are", x=0.01, ha="left", color=INK)
    machine = results["machine"]
    note = f"{machine['processor']}, two threads, medians of {results['rounds']} rounds, {machine['date']}"
    figure.text(0.01, 0.008, note, fontsize=8, color=GREY)
    figure.tight_layout(rect=(0, 0.02, 1, 0.985))
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
