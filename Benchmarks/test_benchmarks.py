"""Tests of the benchmarks' own machinery: what they judge, in which order they measure, and on what.

Times are made up, or looked at no further than that there are some: how fast anything is, is not tested.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

import adam
import cases
import compare
import judge
import machine
import peer
import quiet
import readme
import report
from processes import WorkerError
from programs import Programs

HERE = Path(__file__).resolve().parent
CASE = cases.Case("made up", "made up", ((4,),), {cases.FUSED: 2.0, cases.DEFAULT: 3.0, cases.DEEPSPEED: 1.0})


def part(**times: list[float]) -> dict[str, Any]:
    named = {name.replace("_", " "): found for name, found in times.items()}
    notes: dict[str, dict[str, Any]] = {name: {} for name in named}
    notes[cases.MARTLET] = {"isa": "avx2", "threads": 1}
    failures = {cases.DEEPSPEED: "ImportError: none"}
    return {"times": named, "notes": notes, "versions": {}, "failures": failures, "others": 0.01}


def test_ratios_are_paired_and_a_wide_spread_is_called_noisy() -> None:
    found = judge.paired([2.0, 20.0, 200.0], [1.0, 10.0, 100.0])
    assert found == {"ratio": 2.0, "quartiles": [2.0, 2.0], "noisy": False}
    found = judge.paired([1.0, 2.0, 3.0, 4.0, 5.0], [1.0] * 5)
    assert found == {"ratio": 3.0, "quartiles": [2.0, 4.0], "noisy": True}
    assert judge.paired([2.0], [1.0]) == {"ratio": 2.0, "quartiles": [2.0, 2.0], "noisy": False}


def test_a_peer_that_could_not_be_measured_stays_in_the_count() -> None:
    result = judge.summary(CASE, [part(martlet=[1.0, 1.0], torch_fused=[2.5, 2.5], torch=[2.9, 2.9])])
    rows = {row["peer"]: row for row in result["rows"]}
    assert rows[cases.FUSED]["pass"] is True and rows[cases.DEFAULT]["pass"] is False
    assert "pass" not in rows[cases.DEEPSPEED] and rows[cases.DEEPSPEED]["target"] == 1.0
    assert judge.verdict({"cases": [result]}) == "targets: 1 met, 1 missed, 1 not measured"
    text = report.case_table(result)
    assert "martlet: avx2, threads: 1" in text and "not measured" in text and "ImportError: none" in text


def test_nothing_is_judged_beside_others() -> None:
    beside = {**part(martlet=[1.0, 1.0], torch_fused=[1000.0, 1000.0], torch=[2.9, 2.9]), "others": 0.06}
    result = judge.summary(CASE, [beside])
    assert not any("pass" in row for row in result["rows"])
    assert judge.verdict({"cases": [result]}) == (
        "targets: 0 met, 0 missed, 1 not measured, 2 not judged, since the machine was not quiet"
    )
    alone = {**part(martlet=[1.0, 1.0, 2.0], torch_fused=[3.0, 3.0, 7.0]), "others": 0.5}
    assert judge.alone_ratios(CASE, [alone]) == {cases.FUSED: 3.0}
    result["rows"][1]["alone"] = 3.0
    text = report.case_table(result)
    assert "other processes took 6 % of the processors meanwhile: not quiet, so nothing is judged" in text
    assert report.ALONE in text and "3.00" in text and "pass" not in text
    quiet = report.case_table(judge.summary(CASE, [part(martlet=[1.0], torch=[4.0])]))
    assert "other processes took 1 % of the processors meanwhile\n" in quiet and report.ALONE not in quiet


STAT = """cpu  999999 0 0 0 0 0 0 0 0 0
cpu0 {} 10 20 100000 5000 3 2 {} 7 0
cpu1 1000 0 0 0 0 0 0 0 0 0
cpu3 {} 0 0 0 0 0 0 0 0 0
intr 1 2 3
"""


def test_others_are_what_the_processors_did_and_we_did_not(tmp_path: Path) -> None:
    def proc(user: int, steal: int, other: int, ours: int) -> None:
        (tmp_path / "proc/17").mkdir(parents=True, exist_ok=True)
        (tmp_path / "proc/stat").write_text(STAT.format(user, steal, other))
        (tmp_path / "proc/17/stat").write_text(f"17 (a) b) c) R 1 1 1 0 -1 0 0 0 0 0 {ours} 50 0 0 20 0 1 0 0\n")

    ticks = quiet.TICKS
    proc(100, 5, 40, 0)
    assert quiet.busy_seconds([0], tmp_path) == (100 + 10 + 20 + 3 + 2 + 5) / ticks
    assert quiet.busy_seconds([0, 3], tmp_path) == (140 + 40) / ticks
    assert quiet.process_seconds(17, tmp_path) == 50 / ticks and quiet.process_seconds(18, tmp_path) == 0.0
    now = [0.0]
    watch = quiet.Watch(
        [0, 3],
        lambda: [17],
        clock=lambda: now[0],
        busy=lambda processors: quiet.busy_seconds(processors, tmp_path),
        own=lambda processes: sum(quiet.process_seconds(process, tmp_path) for process in processes),
    )
    now[0] = 10.0
    # Of 20 processor seconds 8 were ours, 1 another process's, and 2 went to the host's other machines.
    proc(100 + 8 * ticks, 5 + 2 * ticks, 40 + ticks, 8 * ticks)
    assert watch.others() == pytest.approx(3 / 20)


def test_our_own_work_and_that_of_children_is_not_others(tmp_path: Path) -> None:
    before = quiet.own_seconds([])
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.2: pass"], check=True)
    assert quiet.own_seconds([]) - before >= 0.2


def test_denormals_are_held_against_the_normal_numbers_of_the_same_peer() -> None:
    names = (cases.MARTLET, cases.DENORMALS, cases.DENORMALS_KEPT, cases.FUSED, cases.FUSED_DENORMALS)
    times = dict(zip(names, ([1.0], [1.2], [30.0], [10.0], [20.0]), strict=True))
    made = {"times": times, "notes": {name: {} for name in names}, "versions": {}, "failures": {}, "others": 0}
    result = judge.summary(cases.DENORMAL_CASE, [made])
    judge.judge_denormals(result)
    slowdowns = {row["peer"]: row["slowdown"] for row in result["rows"] if "slowdown" in row}
    assert slowdowns == {cases.DENORMALS: 1.2, cases.DENORMALS_KEPT: 30.0, cases.FUSED_DENORMALS: 2.0}
    assert not any("ratio" in row for row in result["rows"])
    assert judge.verdict({"cases": [], "denormals": result}) == "targets: 1 met, 0 missed, 0 not measured"


class FakeWorker:
    """Answers without a process; notes who was asked in which order, and one of them ends half-way."""

    order: list[str] = []  # noqa: RUF012

    def __init__(self, peer: str, programs: Programs, case: cases.Case, alone: bool) -> None:
        self.peer = peer
        self.process = types.SimpleNamespace(pid=os.getpid())

    def loaded(self) -> str:
        return self.peer

    def burst(self, seconds: float, gap: float) -> dict[str, Any]:
        self.order.append(self.peer)
        if self.peer == cases.OPTAX and self.order.count(self.peer) == 9:
            raise WorkerError("the process ended")
        return {"seconds": 1.0, "threads": 2}


def test_neighbours_change_from_round_to_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "Worker", FakeWorker)
    monkeypatch.setattr(compare, "close", lambda workers: None)
    monkeypatch.setattr(FakeWorker, "order", [])
    peers = [cases.MARTLET, *cases.PEERS]
    found = compare.measure(CASE, list(cases.PEERS), {}, 15, 0.0)
    assert found["failures"] == {cases.OPTAX: "the process ended"}
    assert set(found["times"]) == {*peers} - {cases.OPTAX}
    assert all(times == [1.0] * 15 for times in found["times"].values())
    assert found["notes"][cases.MARTLET] == {"threads": 2}
    rounds = FakeWorker.order[len(peers) :]
    before: dict[str, set[str]] = {peer: set() for peer in peers}
    for first, second in pairwise(rounds):
        before[second].add(first)
    assert all(len(before[peer]) >= 4 for peer in found["times"]), before


def test_two_processors_are_two_cores(tmp_path: Path) -> None:
    for number, siblings in enumerate(("0-1", "0-1", "2-3", "2-3")):
        folder = tmp_path / f"sys/devices/system/cpu/cpu{number}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    assert machine.processors({0, 1, 2, 3}, 2, tmp_path) == [0, 2]
    assert machine.processors({1, 2, 3}, 2, tmp_path) == [1, 2]
    assert machine.processors({2, 3}, 2, tmp_path) == [2, 3]
    assert machine.processors({7, 8}, 2, tmp_path) == [7, 8]


@pytest.mark.parametrize(
    ("line", "files", "wanted"),
    [
        (
            "0::/box/inner",
            {"box/memory.max": "5000", "box/memory.current": "2000", "box/inner/memory.max": "max"},
            3000,
        ),
        ("0::/elsewhere", {"memory.max": "900", "memory.current": "700", "memory.stat": "inactive_file 100"}, 300),
        (
            "4:memory:/box",
            {"memory/box/memory.limit_in_bytes": "800", "memory/box/memory.usage_in_bytes": "100"},
            700,
        ),
        ("0::/", {}, 4096 << 10),
    ],
)
def test_memory_is_what_the_container_leaves(tmp_path: Path, line: str, files: dict[str, str], wanted: int) -> None:
    for name, text in {"proc/meminfo": "MemAvailable: 4096 kB", "proc/self/cgroup": line}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    for name, text in files.items():
        (tmp_path / "sys/fs/cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys/fs/cgroup" / name).write_text(text + "\n")
    assert machine.available_bytes(tmp_path) == wanted


def test_between_steps_gradients_are_of_another_backward_pass() -> None:
    held: list[Any] = []

    def make(parameters: list[Any]) -> torch.optim.Optimizer:
        held.extend(parameters)
        return torch.optim.SGD(parameters, lr=0.0)

    peer = adam.torch_peer(make, cases.Case("", "", ((5, 3), (2,)), {}, gap=1e-6))
    seen: list[Any] = [[parameter.grad for parameter in held]]
    for _ in range(4):
        peer.renew()
        seen.append([parameter.grad for parameter in held])
    assert len({id(gradient) for gradients in seen for gradient in gradients}) == 10
    for index in range(2):
        assert not torch.equal(seen[0][index], seen[1][index])
        assert torch.equal(seen[0][index], seen[2][index]) and torch.equal(seen[1][index], seen[3][index])


def test_gaps_are_not_timed() -> None:
    calls: list[str] = []
    made = peer.Peer(lambda: calls.append("step"), lambda: calls.append("renew"))
    # A gap of a hundredth of a second, and a step that does nothing.
    assert peer.burst_with_gaps(made, 0.0, 0.01) < 0.01
    assert calls == ["renew", "step"] * 4


def test_the_numpy_peer_takes_the_same_steps() -> None:
    case = cases.Case("", "", ((3, 4), (5,)), {})
    made: list[list[Any]] = []
    arrays = adam.arrays

    def kept(case: cases.Case) -> Any:
        made.append(arrays(case)[0])
        return made[-1], arrays(case)[1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adam, "arrays", kept)
        for peer in (adam.optim_peer(case), adam.numpy_peer(case)):
            for _ in range(5):
                peer.step()
    for ours, theirs, start in zip(*made, arrays(case)[0], strict=True):
        assert abs(ours - start).max() > 1e-3
        assert abs(ours - theirs).max() < 1e-6


def test_a_short_run_writes_all_its_files(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "compare.py"), "--quick", "--rounds", "2", "--output", str(tmp_path)]
    command += ["--case", "numpy-one", "--case", "mlp-training", "--peer", cases.NUMPY, "--peer", cases.LIMIT]
    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "targets: 0 met, 0 missed, 0 not measured" in done.stdout
    results = json.loads((tmp_path / "results.json").read_text())
    assert [case["name"] for case in results["cases"]] == ["mlp-training", "numpy-one"]
    for case in results["cases"]:
        own, other = case["rows"]
        assert own["seconds"] > 0 and own["threads"] >= 1 and len(own["rounds"]) == 2
        assert other["ratio"] > 0 and len(other["quartiles"]) == 2
    assert {"start", "end"} == set(results["load"]) and "gcc" in results["machine"]["gcc"]
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")
    assert "numpy by hand" in (tmp_path / "results.md").read_text()
    head, _, row, *_ = (tmp_path / "readme.md").read_text().splitlines()
    assert head == "| shapes | Martlet | torch's default | torch fused | CPUAdam | C loop |"
    assert row.startswith("| the same, with other work between steps") and row.count("| - ") == 3


def test_readmes_tables_are_made_from_cases_that_there_are() -> None:
    names = {case.name for case in compare.CASES}
    made = set()
    for table in readme.TABLES:
        assert set(table.rows) <= names
        made.add(f"| {' | '.join([table.head, *table.columns])} |")
    _, speed = (HERE.parent / "README.md").read_text().split("## Speed")
    lines = speed.splitlines()
    heads = {lines[place - 1] for place, line in enumerate(lines) if line.startswith("|---")}
    assert len(heads) > 4 and heads <= made
