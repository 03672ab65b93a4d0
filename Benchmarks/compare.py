"""Measures Martlet against its peers: ``make bench``, or ``python Benchmarks/compare.py``.

Every peer runs in a process of its own (worker.py) and keeps its model ready; a round asks each, in an order of its
own, for a burst of steps that lasts a fixed time, so that all of them see the same minutes of the machine. What is
compared is the median over the rounds of the ratios within a round (judge.py). The limits are limit.c, stream.c
and peak.c. Writes tables, JSON and plots; changes no exit status: a busy machine is not a failed build.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

import around_cases
import cases
import family_cases
import machine
import matrix_cases
import model_cases
import perceptron_cases
import programs
import readme
import report
import rows_cases
import small_cases
from judge import alone_ratios, is_quiet, judge_denormals, summary, verdict
from processes import Worker, WorkerError, close
from programs import Programs
from quiet import Watch

HERE = Path(__file__).resolve().parent
#: Bytes that a worker takes beside its arrays.
WORKER_BYTES = 600 << 20
#: How long the threads of the last peer may spin before they sleep.
SETTLE_SECONDS = 0.02
IMPORT = "import"
#: The parts, by what ``--only`` calls them.
PARTS: dict[str, tuple[cases.Case, ...]] = {
    "optimizer": (*cases.CASES, cases.DENORMAL_CASE),
    "around": around_cases.CASES,
    "small": small_cases.CASES,
    "rows": rows_cases.CASES,
    "family": family_cases.CASES,
    "matrices": matrix_cases.CASES,
    "models": model_cases.CASES,
    "sklearn": perceptron_cases.CASES,
}
CASES = [case for part in PARTS.values() for case in part]
ALL_PEERS = list(dict.fromkeys(peer for case in CASES for peer in case.peers))


def batches(case: cases.Case) -> list[list[str]]:
    """The peers in groups that fit into memory beside Martlet; each group is measured with Martlet in its rounds."""
    each = WORKER_BYTES + case.count * case.element_bytes
    room = max(1, int(machine.available_bytes() * 0.9 / each) - 1)
    return [list(case.peers[start : start + room]) for start in range(0, len(case.peers), room)]


def measure(
    case: cases.Case, peers: list[str], programs: Programs, rounds: int, seconds: float, alone: bool = False
) -> dict[str, Any]:
    """Seconds a step for Martlet and each of ``peers``, by round; a peer that fails is a line of text instead.

    others: which part of the processors other processes took meanwhile. alone: on one thread, in processor time.
    """
    part: dict[str, Any] = {"times": {}, "notes": {}, "versions": {}, "failures": {}}
    workers: dict[str, Worker] = {}

    def failed(peer: str, error: WorkerError) -> None:
        part["failures"][peer] = str(error)
        part["times"].pop(peer, None)
        close([workers.pop(peer)])

    try:
        for peer in [case.own, *peers]:
            workers[peer] = Worker(peer, programs, case, alone)
        for peer in tqdm(list(workers), desc=f"{case.name}: loading", leave=False):
            try:
                part["versions"][peer] = workers[peer].loaded()
                workers[peer].burst(seconds / 4, case.gap)
                part["times"][peer] = []
            except WorkerError as error:
                failed(peer, error)
        watch = Watch(os.sched_getaffinity(0), lambda: [worker.process.pid for worker in workers.values()])
        for turn in tqdm(range(rounds), desc=case.name, leave=False):
            # A new order in each round, so that none always comes after the same neighbour; the same in every run.
            for peer in random.Random(turn).sample(sorted(workers), len(workers)):
                time.sleep(SETTLE_SECONDS)
                try:
                    answer = workers[peer].burst(seconds, case.gap)
                except WorkerError as error:
                    failed(peer, error)
                    continue
                part["times"][peer].append(answer.pop("seconds"))
                part["notes"][peer] = answer
        part["others"] = watch.others()
    finally:
        close(workers.values())
    return part


def beside_others(
    case: cases.Case, groups: list[list[str]], programs: Programs, rounds: int, seconds: float
) -> dict[str, float]:
    """Ratios to Martlet on one thread in processor time, by peer, which a machine that is not quiet hardly changes."""
    # Peers that are programs know the wall's clock alone.
    some = [] if case.own in programs else [[peer for peer in group if peer not in programs] for group in groups]
    return alone_ratios(case, [measure(case, group, programs, rounds, seconds, alone=True) for group in some if group])


def measure_import(rounds: int) -> dict[str, Any]:
    """Seconds that ``import martlet`` takes after numpy's, each time in a fresh interpreter."""
    program = "import numpy, time; start = time.perf_counter(); import martlet; print(time.perf_counter() - start)"
    # The first one may have to compile bytecode and read the disk.
    runs = [float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(rounds + 1)]
    seconds = statistics.median(runs[1:])
    return {"seconds": seconds, "ceiling": cases.IMPORT_CEILING, "pass": seconds <= cases.IMPORT_CEILING}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure Martlet against its peers.")
    parser.add_argument("--quick", action="store_true", help="5 short rounds: the order of magnitude in a minute")
    parser.add_argument("--rounds", type=int, help="rounds of each case (15)")
    parser.add_argument("--only", choices=PARTS, help="only this part")
    parser.add_argument(
        "--case", action="append", choices=[*(case.name for case in CASES), IMPORT], help="only this one"
    )
    parser.add_argument("--peer", action="append", choices=ALL_PEERS, help="only against this one")
    parser.add_argument("--output", type=Path, default=HERE.parent / "build" / "bench", help="where the files go")
    return parser.parse_args()


def wanted(chosen: argparse.Namespace) -> list[cases.Case]:
    """The cases that the command line asks for."""
    found = PARTS[chosen.only] if chosen.only else CASES
    return [case for case in found if not chosen.case or case.name in chosen.case]


def main() -> None:
    chosen = arguments()
    rounds = chosen.rounds or (5 if chosen.quick else 15)
    shorter = 0.2 if chosen.quick else 1.0
    chosen.output.mkdir(parents=True, exist_ok=True)
    found = programs.compile_all(chosen.output)
    # Two threads on two processors for everyone; the workers inherit this.
    os.sched_setaffinity(0, machine.processors(os.sched_getaffinity(0), 2))

    results: dict[str, Any] = {"machine": machine.description(), "rounds": rounds, "cases": []}
    results["load"] = {"start": machine.load()}
    for case in wanted(chosen):
        groups = [[peer for peer in group if not chosen.peer or peer in chosen.peer] for group in batches(case)]
        if not any(groups):
            continue
        turns = min(rounds, case.rounds or rounds)
        parts = [measure(case, group, found, turns, case.seconds * shorter) for group in groups if group]
        result = summary(case, parts)
        if case.is_measured_alone or not is_quiet(result):
            alone = beside_others(case, groups, found, min(turns, 5), case.seconds * shorter)
            for row in result["rows"]:
                if row["peer"] in alone:
                    row["alone"] = alone[row["peer"]]
        if case is cases.DENORMAL_CASE:
            judge_denormals(result)
            results["denormals"] = result
        else:
            results["cases"].append(result)
        print(report.case_table(result), flush=True)
    if IMPORT in (chosen.case or [IMPORT]) and chosen.only in (None, "optimizer"):
        results["import"] = measure_import(rounds)
        print(report.import_line(results["import"]), flush=True)
    results["load"]["end"] = machine.load()
    results["verdict"] = verdict(results)
    (chosen.output / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (chosen.output / "results.md").write_text(report.markdown(results))
    (chosen.output / "readme.md").write_text(readme.markdown(results))
    pictures = [path.name for path in report.plots(results, chosen.output)]
    print(f"written, in {chosen.output}: {', '.join(['results.json', 'results.md', 'readme.md', *pictures])}")
    print(results["verdict"])


if __name__ == "__main__":
    main()
