"""Runs of every algorithm at every rate of one grid, from the same start and of the same length.

Its best rate is that of the least loss after the last step. Where that is the last of the grid on a side, the algorithm
gets further rates there, one by one, until it is not or there have been enough.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

from martlet.gallery.contenders import Contender, contenders
from martlet.gallery.digits import NETWORKS
from martlet.gallery.problems import Effort, Problem
from martlet.gallery.surfaces import SURFACES

PROBLEMS: dict[str, Problem] = {**SURFACES, **NETWORKS}


class Run(NamedTuple):
    """rate: 10^(number / 2). loss and accuracy: an Outcome's."""

    number: int
    loss: float
    accuracy: float | None = None

    @property
    def rate(self) -> float:
        return float(10.0 ** (self.number / 2))

    @property
    def shown_rate(self) -> str:
        """Of two digits."""
        return f"{float(f'{self.rate:.2g}'):g}"


Results = Mapping[str, Mapping[str, Sequence[Run]]]


def suits(contender: Contender, problem: Problem) -> bool:
    """Whether there is something for it to step."""
    return contender.takes_vectors or problem.has_matrices


def sweep(contender: Contender, problem: Problem, effort: Effort) -> list[Run]:
    """A run for each rate, from the least; none where the problem has nothing for the algorithm."""
    if not suits(contender, problem):
        return []
    runs = [_run(contender, problem, number, effort) for number in effort.grid]
    for _ in range(effort.widest):
        side = edge(runs)
        if not side:
            break
        number = runs[0].number - 1 if side < 0 else runs[-1].number + 1
        runs.insert(0 if side < 0 else len(runs), _run(contender, problem, number, effort))
    return runs


def _run(contender: Contender, problem: Problem, number: int, effort: Effort) -> Run:
    outcome = problem.run(contender, 10.0 ** (number / 2), effort)
    return Run(number, *outcome)


def best(runs: Iterable[Run]) -> Run:
    """The run of the least loss, and of those the one of the least rate."""
    return min(runs, key=lambda run: (run.loss, run.number))


def edge(runs: Sequence[Run]) -> int:
    """-1 or 1 where the best rate is the least or the largest, else 0."""
    numbers, least = [run.number for run in runs], best(runs).number
    return (least == max(numbers)) - (least == min(numbers))


def results(names: tuple[list[str], list[str]], effort: Effort, processes: int = 1) -> Results:
    """The runs of algorithms on problems, by their names in this order, the same for any number of processes."""
    algorithms, problems = names
    jobs = [(algorithm, problem, effort) for problem in problems for algorithm in algorithms]
    found = dict(zip([job[:2] for job in jobs], _all(_sweep, jobs, processes), strict=True))
    return {algorithm: {problem: found[algorithm, problem] for problem in problems} for algorithm in algorithms}


def ways(found: Results, effort: Effort, processes: int = 1) -> Mapping[str, Mapping[str, Sequence[Any]]]:
    """By problem and algorithm, what a picture shows of the way at the best rate."""
    jobs = [
        (algorithm, problem, effort, best(runs).rate)
        for algorithm, of in found.items()
        for problem, runs in of.items()
        if runs
    ]
    trails = dict(zip([job[:2] for job in jobs], _all(_way, jobs, processes), strict=True))
    problems = dict.fromkeys(problem for _, problem in trails)
    return {problem: {key[0]: trail for key, trail in trails.items() if key[1] == problem} for problem in problems}


def _all(function: Callable[[Any], Any], jobs: Sequence[Any], processes: int) -> list[Any]:
    if processes < 2:
        return list(map(function, jobs))
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        return list(pool.map(function, jobs))


def _sweep(job: tuple[str, str, Effort]) -> list[Run]:
    algorithm, problem, effort = job
    return sweep(contenders()[algorithm], PROBLEMS[problem], effort)


def _way(job: tuple[str, str, Effort, float]) -> list[Any]:
    algorithm, problem, effort, rate = job
    trail: list[Any] = []
    PROBLEMS[problem].run(contenders()[algorithm], rate, effort, trail)
    return trail


def processors() -> int:
    """Those that this process may use, but no more than jobs are worth."""
    return min(len(os.sched_getaffinity(0)), 8)
