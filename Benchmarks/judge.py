"""From the times of the rounds to medians, paired ratios and verdicts. It measures nothing and prints nothing."""

from __future__ import annotations

import statistics
from typing import Any

import cases


def paired(theirs: list[float], ours: list[float]) -> dict[str, Any]:
    """The median of the ratios within each round, their quartiles, and whether these are too far apart to trust."""
    ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
    median = statistics.median(ratios)
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return {"ratio": median, "quartiles": [low, high], "noisy": high - low > cases.NOISY * median}


def summary(case: cases.Case, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The rows of one case, from its batches: Martlet's own first, then a row for each peer, measured or not."""
    rows: list[dict[str, Any]] = []
    for part in parts:
        own = part["times"].get(case.own)
        for peer, times in part["times"].items():
            if any(row["peer"] == peer for row in rows):
                continue  # Martlet's own row comes from the first batch
            row = {"peer": peer, "seconds": statistics.median(times), "rounds": times, **part["notes"][peer]}
            row["speed"] = case.work / row["seconds"] / 1e9
            if own and peer != case.own:
                row |= paired(times, own)
            rows.append(row)
        for peer, failure in part["failures"].items():
            rows.append({"peer": peer, "failure": failure})
    for row in rows:
        if row["peer"] in case.targets:
            row["target"] = case.targets[row["peer"]]
            if "ratio" in row:
                row["pass"] = row["ratio"] >= row["target"]
    judge_own(case, rows)
    versions = {peer: version for part in parts for peer, version in part["versions"].items()}
    about = {"name": case.name, "title": case.title, "elements": case.count, "unit": case.unit, "act": case.act}
    about |= {"own": case.own, "share_of": case.share_of}
    result = {**about, "rows": rows, "versions": versions, "others": max(part["others"] for part in parts)}
    forget_verdicts(result)
    return result


def is_quiet(result: dict[str, Any]) -> bool:
    """Whether others left the processors alone while this was measured."""
    return bool(result["others"] <= cases.QUIET)


def forget_verdicts(result: dict[str, Any]) -> None:
    """Judges nothing of what was measured beside others."""
    if not is_quiet(result):
        for row in result["rows"]:
            row.pop("pass", None)


def alone_ratios(case: cases.Case, parts: list[dict[str, Any]]) -> dict[str, float]:
    """The ratios of a measurement on one thread, by peer."""
    return {
        peer: paired(times, part["times"][case.own])["ratio"]
        for part in parts
        for peer, times in part["times"].items()
        if peer != case.own and case.own in part["times"]
    }


def judge_own(case: cases.Case, rows: list[dict[str, Any]]) -> None:
    """What is said beside the ratios: the share of what bounds the times, and a most that they may be."""
    bound = next((row["rounds"] for row in rows if row["peer"] == case.bound and "rounds" in row), None)
    for row in rows:
        if bound is not None and "rounds" in row:
            row["share"] = paired(bound, row["rounds"])["ratio"]
    for row in rows:
        if case.ceiling is not None and row["peer"] == case.own:
            row["most_seconds"] = case.ceiling
            if "seconds" in row:
                row["pass"] = row["seconds"] <= case.ceiling


def judge_denormals(result: dict[str, Any]) -> None:
    """Replaces the ratios to Martlet's own time by those of interest: denormal numbers against normal ones."""
    rows = {row["peer"]: row for row in result["rows"]}
    for row in rows.values():
        for key in ("ratio", "quartiles", "noisy"):
            row.pop(key, None)
    for peer, normal in cases.DENORMAL_PAIRS.items():
        if "rounds" in rows.get(peer, {}) and "rounds" in rows.get(normal, {}):
            found = paired(rows[peer]["rounds"], rows[normal]["rounds"])
            rows[peer] |= {"slowdown": found.pop("ratio"), **found}
    if cases.DENORMALS in rows:
        row = rows[cases.DENORMALS]
        row["ceiling"] = cases.DENORMAL_CEILING
        if "slowdown" in row:
            row["pass"] = row["slowdown"] <= row["ceiling"]
    forget_verdicts(result)


def verdict(results: dict[str, Any]) -> str:
    """How many of the targets that this run was to look at are met, missed, and left open."""
    tables = [*results["cases"], *([results["denormals"]] if "denormals" in results else [])]
    judged = [row for table in tables for row in table["rows"] if row.keys() & {"target", "ceiling", "most_seconds"}]
    judged += [results["import"]] if "import" in results else []
    met = sum(1 for row in judged if row.get("pass") is True)
    missed = sum(1 for row in judged if row.get("pass") is False)
    beside = sum(
        1
        for table in tables
        if not is_quiet(table)
        for row in table["rows"]
        if "seconds" in row and row.keys() & {"target", "ceiling", "most_seconds"}
    )
    text = f"targets: {met} met, {missed} missed, {len(judged) - met - missed - beside} not measured"
    return text + (f", {beside} not judged, since the machine was not quiet" if beside else "")
