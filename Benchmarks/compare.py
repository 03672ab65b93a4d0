"""Measures Martlet against its peers: ``make bench``, or ``python Benchmarks/compare.py``.

Every peer runs in a process of its own (worker.py) and keeps its model ready; a round asks each in turn for a burst
of steps, so that all of them see the same minutes of the machine. What is compared is the median over the rounds of
the ratios within a round. The limit is limit.c. Writes a table, JSON and a plot; judges, but changes no exit status:
a busy machine is not a failed build.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

import cases
import report

HERE = Path(__file__).resolve().parent
#: Bytes that a worker takes beside its arrays, and what gradients, moments and temporaries make of one parameter.
WORKER_BYTES, ELEMENT_BYTES = 600 << 20, 20
#: How long the threads of the last peer may spin before they sleep.
SETTLE_SECONDS = 0.02
IMPORT = "import"
CASE_NAMES = [*(case.name for case in cases.CASES), cases.DENORMAL_CASE.name, IMPORT]


class WorkerError(Exception):
    """A peer that cannot be measured here; the text says why."""


class Worker:
    """A peer's process, and the pipe to it."""

    def __init__(self, peer: str, limit: Path) -> None:
        self.peer = peer
        command = [str(limit)] if peer == cases.LIMIT else [sys.executable, str(HERE / "worker.py"), peer]
        # Two threads for all; JAX takes as many as it has cores, so on a larger machine everyone gets two.
        environment = os.environ | {"OMP_NUM_THREADS": "2", "MARTLET_NUM_THREADS": "2", "JAX_PLATFORMS": "cpu"}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log(), text=True, env=environment
        )

    def ask(self, line: str) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer: dict[str, Any] = json.loads(self.process.stdout.readline() or '{"error": "the process ended"}')
        except BrokenPipeError:
            answer = {"error": "the process ended"}
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def load(self, case: cases.Case) -> str:
        return str(self.ask(f"load {case.name} {case.count}")["ready"])

    def burst(self, steps: int, gap: float) -> float:
        return float(self.ask(f"burst {steps} {gap}")["seconds"])

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def log() -> int:
    """What the workers print: the terminal with MARTLET_BENCH_VERBOSE set, else nowhere."""
    return sys.stderr.fileno() if os.environ.get("MARTLET_BENCH_VERBOSE") else subprocess.DEVNULL


def available_bytes() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) << 10
    return 8 << 30


def batches(case: cases.Case) -> list[list[str]]:
    """The peers in groups that fit into memory beside Martlet; each group is measured with Martlet in its rounds."""
    peers = [peer for peer in case.peers if peer != cases.MARTLET]
    each = WORKER_BYTES + case.count * ELEMENT_BYTES
    room = max(1, int(available_bytes() * 0.9 / each) - 1)
    return [peers[start : start + room] for start in range(0, len(peers), room)]


def burst_steps(worker: Worker, case: cases.Case, seconds: float) -> int:
    """Steps that take about ``seconds``, pauses included; warms the worker up on the way."""
    steps, taken = 1, 0.0
    while True:
        taken = worker.burst(steps, case.gap) + case.gap
        if taken * steps >= seconds / 4 or steps >= 1 << 16:
            return max(2, round(seconds / taken))
        steps *= 4


def measure(case: cases.Case, peers: list[str], limit: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """Seconds a step for Martlet and each of ``peers``, by round; a peer that fails is a line of text instead."""
    times: dict[str, list[float]] = {}
    versions: dict[str, str] = {}
    failures: dict[str, str] = {}
    workers: list[Worker] = []
    steps: dict[str, int] = {}
    try:
        for peer in [cases.MARTLET, *peers]:
            worker = Worker(peer, limit)
            workers.append(worker)
            try:
                versions[peer] = worker.load(case)
                steps[peer] = burst_steps(worker, case, seconds)
                times[peer] = []
            except WorkerError as error:
                failures[peer] = str(error)
                worker.close()
                workers.remove(worker)
        for turn in tqdm(range(rounds), desc=case.name, leave=False):
            # Every round starts with another worker, so that none is always the one after the same neighbour.
            first = turn % max(1, len(workers))
            for worker in workers[first:] + workers[:first]:
                time.sleep(SETTLE_SECONDS)
                times[worker.peer].append(worker.burst(steps[worker.peer], case.gap))
    finally:
        for worker in workers:
            worker.close()
    return {"times": times, "versions": versions, "failures": failures}


def summary(case: cases.Case, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians, paired ratios and verdicts of one case, from its batches."""
    rows = []
    for part in parts:
        own = part["times"].get(cases.MARTLET)
        for peer, failure in part["failures"].items():
            rows.append({"peer": peer, "failure": failure})
        for peer, times in part["times"].items():
            if any(row["peer"] == peer for row in rows):
                continue  # Martlet's own row comes from the first batch
            row = {"peer": peer, "seconds": statistics.median(times), "rounds": times}
            row["gigabytes_per_second"] = case.count * cases.BYTES_PER_ELEMENT / row["seconds"] / 1e9
            if own and peer != cases.MARTLET:
                row["ratio"] = statistics.median(theirs / ours for theirs, ours in zip(times, own, strict=True))
                if peer in case.targets:
                    row["target"] = case.targets[peer]
                    row["pass"] = row["ratio"] >= row["target"]
            rows.append(row)
    versions = {peer: version for part in parts for peer, version in part["versions"].items()}
    return {"name": case.name, "title": case.title, "elements": case.count, "rows": rows, "versions": versions}


def judge_denormals(result: dict[str, Any]) -> None:
    """Replaces the ratios to Martlet's own time by those of interest: denormal numbers against normal ones."""
    rows = {row["peer"]: row for row in result["rows"] if "seconds" in row}
    against = {
        cases.DENORMALS: cases.MARTLET,
        cases.DENORMALS_KEPT: cases.MARTLET,
        cases.FUSED_DENORMALS: cases.FUSED,
    }
    for row in rows.values():
        row.pop("ratio", None)
    for peer, normal in against.items():
        if peer in rows and normal in rows:
            pairs = zip(rows[peer]["rounds"], rows[normal]["rounds"], strict=True)
            rows[peer]["slowdown"] = statistics.median(theirs / ours for theirs, ours in pairs)
    if cases.DENORMALS in rows:
        row = rows[cases.DENORMALS]
        row["ceiling"] = cases.DENORMAL_CEILING
        row["pass"] = row["slowdown"] <= row["ceiling"]


def measure_import(rounds: int) -> dict[str, Any]:
    """Seconds that ``import martlet`` takes after numpy's, each time in a fresh interpreter."""
    program = "import numpy, time; start = time.perf_counter(); import martlet; print(time.perf_counter() - start)"
    # The first one may have to compile bytecode and read the disk.
    runs = [float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(rounds + 1)]
    seconds = statistics.median(runs[1:])
    return {"seconds": seconds, "ceiling": cases.IMPORT_CEILING, "pass": seconds <= cases.IMPORT_CEILING}


def compile_limit(folder: Path) -> Path:
    program = folder / "limit"
    compiler = shutil.which("gcc") or sys.exit("the benchmarks need gcc for the limit: apt-get install gcc")
    flags = ["-O3", "-march=native", "-fno-math-errno", "-pthread"]
    subprocess.run([compiler, *flags, str(HERE / "limit.c"), "-lm", "-o", str(program)], check=True)
    return program


def machine() -> dict[str, Any]:
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": model[0].split(":")[1].strip() if model else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure Martlet against its peers.")
    parser.add_argument("--quick", action="store_true", help="5 short rounds: the order of magnitude in a minute")
    parser.add_argument("--rounds", type=int, help="rounds of each case (15)")
    parser.add_argument("--case", action="append", choices=CASE_NAMES, help="only this one")
    parser.add_argument("--peer", action="append", choices=cases.PEERS, help="only against this one")
    parser.add_argument("--output", type=Path, default=HERE.parent / "build" / "bench", help="where the files go")
    return parser.parse_args()


def main() -> None:
    chosen = arguments()
    rounds = chosen.rounds or (5 if chosen.quick else 15)
    seconds = 0.05 if chosen.quick else 0.3
    chosen.output.mkdir(parents=True, exist_ok=True)
    limit = compile_limit(chosen.output)
    # Two threads on two processors for everyone; the workers inherit this.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])

    results: dict[str, Any] = {"machine": machine(), "rounds": rounds, "cases": []}
    wanted = chosen.case or CASE_NAMES
    for case in cases.CASES:
        if case.name not in wanted:
            continue
        groups = [[peer for peer in group if not chosen.peer or peer in chosen.peer] for group in batches(case)]
        parts = [measure(case, group, limit, rounds, seconds) for group in groups]
        results["cases"].append(summary(case, parts))
        print(report.case_table(results["cases"][-1]), flush=True)
    if cases.DENORMAL_CASE.name in wanted:
        part = measure(cases.DENORMAL_CASE, list(cases.DENORMAL_WORKERS[1:]), limit, rounds, seconds)
        results["denormals"] = summary(cases.DENORMAL_CASE, [part])
        judge_denormals(results["denormals"])
        print(report.case_table(results["denormals"]), flush=True)
    if IMPORT in wanted:
        results["import"] = measure_import(rounds)
        print(report.import_line(results["import"]), flush=True)
    (chosen.output / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (chosen.output / "results.md").write_text(report.markdown(results))
    report.plot(results, chosen.output / "results.png")
    print(f"written: {chosen.output}/results.json, results.md, results.png")
    print(report.verdict(results))


if __name__ == "__main__":
    main()
