"""Tests of the family's part of the benchmarks: what is counted, that all peers do the same work, what is judged.

How fast anything is, is not tested. What all parts share is test_benchmarks.py's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import adam
import cases
import compare
import family
import family_cases
import judge
import programs
import readme
import report
from family_cases import Algorithm, FamilyCase
from peer import Peer

SHAPES: tuple[cases.Shape, ...] = ((6, 5), (5,), (4, 3, 2, 3))


def small(algorithm: Algorithm) -> FamilyCase:
    return family_cases.case(algorithm, "small", SHAPES, 0.0)


def named(name: str) -> FamilyCase:
    return small(next(found for found in family_cases.ALGORITHMS if found.name == name))


@pytest.mark.parametrize(
    ("name", "arrays"), [("SGD", 5), ("Lion", 5), ("NAdam", 7), ("AMSGrad", 9), ("AdEMAMix", 9), ("Adan", 11)]
)
def test_a_pass_reads_the_gradient_and_moves_value_and_state_both_ways(name: str, arrays: int) -> None:
    assert named(name).work == (30 + 5 + 72) * arrays * 4


def test_adafactor_moves_the_bytes_of_three_passes() -> None:
    elements, factors = 30 + 72, (6 + 5) + (24 + 36)
    passes = (2 * elements + 2 * factors, elements + factors, 3 * elements + factors)
    assert named("Adafactor").work == 4 * (sum(passes) + 5 * 8)
    parameter = torch.nn.Parameter(torch.ones(4, 3, 2, 3))
    optimizer: torch.optim.Optimizer = torch.optim.Adafactor([parameter])
    parameter.grad = torch.ones(4, 3, 2, 3)
    optimizer.step()
    held = optimizer.state[parameter]
    assert held["row_var"].numel() + held["col_var"].numel() == 24 + 36


def test_norms_move_the_bytes_of_two_passes() -> None:
    """LAMB's first reads gradient and value and moves two slots, its second reads those and moves the value; LARS's
    first reads both, its second reads the gradient and moves value and momentum; StableAdamW's first needs no value;
    Prodigy's reads gradient, value and where that began, and moves three slots; MARS's reads the last two gradients.
    """
    for name, arrays in (
        ("LAMB", (2 + 2 * 2) + (2 + 2)),
        ("LARS", 2 + (1 + 2 * 2)),
        ("StableAdamW", (1 + 2 * 2) + (2 + 2)),
        ("Prodigy", (3 + 3 * 2) + (2 + 2)),
        ("MARS", 2 + (1 + 4 * 2)),
    ):
        assert named(name).work == (30 + 5 + 72) * arrays * 4


#: Peers that compute something else than the reference, or change the gradients, which are the same ones in each step.
OTHERWISE = {
    ("SimplifiedAdEMAMix", family_cases.KOZISTR),
    ("LAMB", family_cases.KOZISTR),
    ("LARS", family_cases.KOZISTR),
    ("AdamWScheduleFree", family_cases.KOZISTR),
    ("AdamWScheduleFree", family_cases.SCHEDULE_FREE),
}


@pytest.mark.parametrize("algorithm", family_cases.ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_all_peers_take_martlets_steps(algorithm: Algorithm, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: dict[str, list[torch.Tensor]] = {}
    for peer in (cases.MARTLET, *algorithm.targets):
        with contextlib.suppress(ImportError):
            ends[peer] = end_of(peer, algorithm, monkeypatch)
    ours = ends.pop(cases.MARTLET)
    for start, our in zip(STARTS, ours, strict=True):
        assert (our - start).abs().min() > 0
    for peer, theirs in ends.items():
        for start, our, their in zip(STARTS, ours, theirs, strict=True):
            assert (their - start).abs().min() > 0
            if (algorithm.name, peer) not in OTHERWISE:
                assert (their - our).abs().max() <= 2e-3 * (our - start).abs().max(), peer


def end_of(peer: str, algorithm: Algorithm, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """A peer's parameters after five steps, the first of them in its making; it keeps what the sweeps count."""
    held: list[torch.Tensor] = []
    optimizers: list[torch.optim.Optimizer] = []

    def keeping(make: Callable[[list[Any]], Any], case: cases.Case) -> Peer:
        def made(parameters: list[torch.Tensor]) -> Any:
            held.extend(parameters)
            optimizers.append(make(parameters))
            return optimizers[0]

        return adam.torch_peer(made, case)

    monkeypatch.setattr(family, "torch_peer", keeping)
    case = small(algorithm)
    made = family.family_peer(peer, case)
    for _ in range(4):
        made.step()
    if peer in (cases.MARTLET, cases.DEFAULT) and len(case.sweeps) == 1:
        state = optimizers[0].state[held[0]].values()
        arrays = [array for array in state if torch.is_tensor(array) and array.shape == held[0].shape]
        assert len(arrays) + 1 == case.sweeps[0].writes
    return [parameter.detach() for parameter in held]


def starting_points() -> list[torch.Tensor]:
    """What the parameters are before the first step: adam.py draws a gradient after each."""
    torch.manual_seed(1)
    return [torch.randn(2, *shape)[0] for shape in SHAPES]


STARTS = starting_points()


def test_what_is_not_there_is_a_peer_that_cannot_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = Algorithm("Unknown", family_cases.one_pass(1), {})
    with pytest.raises(AttributeError, match=r"martlet\.torch.*Unknown"):
        family.family_peer(cases.MARTLET, small(unknown))
    monkeypatch.setitem(family.PEERS, family_cases.LION, ("no_such_package", {}))
    with pytest.raises(ImportError, match="no_such_package"):
        family.family_peer(family_cases.LION, named("Lion"))


def test_the_limits_program_takes_the_sweeps_of_every_algorithm(tmp_path: Path) -> None:
    stream = programs.compile_program("stream.c", tmp_path)
    for algorithm in family_cases.ALGORITHMS:
        numbers = " ".join(map(str, small(algorithm).numbers))
        lines = f"load x\nload {algorithm.name} {numbers}\nburst 0 0\n"
        done = subprocess.run([stream], input=lines, capture_output=True, text=True, check=True)
        assert [next(iter(json.loads(answer))) for answer in done.stdout.splitlines()] == ["error", "ready", "seconds"]


def test_the_fastest_other_and_the_share_of_the_limit_are_judged() -> None:
    case = family_cases.CASES[0]
    assert case.name == "sgd-resnet18"
    times = {
        cases.MARTLET: [1.0, 2.0, 1.0],
        family_cases.STREAM: [0.92, 1.84, 0.5],
        cases.DEFAULT: [1.84, 3.68, 1.84],
        cases.FUSED: [0.96, 1.92, 0.96],
    }
    part = {
        "times": times,
        "notes": {peer: {} for peer in times},
        "versions": {},
        "failures": {cases.FOREACH: "RuntimeError: none"},
        "others": 0.0,
    }
    result = judge.summary(case, [part])
    rows = {row["peer"]: row for row in result["rows"]}
    assert {peer: row.get("pass") for peer, row in rows.items()} == {
        cases.MARTLET: None,
        family_cases.STREAM: True,
        cases.DEFAULT: True,
        cases.FUSED: False,
        cases.FOREACH: None,
    }
    assert rows[cases.MARTLET]["share"] == rows[family_cases.STREAM]["ratio"] == 0.92
    assert rows[cases.DEFAULT]["share"] == 0.5
    text = report.case_table(result)
    assert "of limit" in text and "92.0 %" in text and "at least 0.97" in text and "RuntimeError: none" in text
    assert "20 bytes to move for each element" in text
    line = readme.markdown({"cases": [result]}).splitlines()[2]
    assert line == "| SGD, ResNet-18 | 1 s | 92 % | torch fused | 0.96 |"
    del times[cases.MARTLET]
    part["failures"] = {cases.MARTLET: "AttributeError: none"}
    assert "SGD" not in readme.markdown({"cases": [judge.summary(case, [part])]})


def test_each_algorithm_is_looked_for_where_its_peers_are() -> None:
    for case in family_cases.CASES:
        assert {cases.MARTLET, *case.algorithm.targets} <= family.PEERS.keys()
        assert case.peers[0] == family_cases.STREAM and case.bound == family_cases.STREAM
    names = [algorithm.name for algorithm in family_cases.ALGORITHMS]
    assert set(family_cases.LARGE) < set(names) and len(set(names)) == len(names)
    assert compare.wanted(argparse.Namespace(only="family", case=None)) == list(family_cases.CASES)
