"""Tests of what `make test` and `make demo` do before anything is built: looking for tools, making the environment.

Nothing is downloaded here; pip, venv and missing tools are stood in for.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import environment
import pytest
import tools

HERE = Path(__file__).resolve().parent


def test_everything_missing_is_listed_at_once(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "tools.py"), str(tmp_path / "venv")]
    only_bash = tmp_path / "bin"
    only_bash.mkdir()
    (only_bash / "bash").symlink_to("/bin/bash")
    done = subprocess.run(command, env={"PATH": str(only_bash)}, capture_output=True, text=True)
    assert done.returncode == 1
    for name in tools.COMMANDS:
        assert f"  {name} was not found" in done.stderr
    assert "swift was not found. Martlet is written in Swift, version 6.2 or later" in done.stderr
    (line,) = (line for line in done.stderr.splitlines() if "apt-get install" in line)
    assert line.startswith("On Debian and Ubuntu: apt-get install gcc g++ make binutils cmake pkg-config")
    assert line.count("binutils") == 1
    assert "Traceback" not in done.stderr


def test_parts_of_the_interpreter_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "libpython_fault", lambda: "no libpython")
    monkeypatch.setattr(tools, "swift_fault", lambda: None)
    monkeypatch.setattr(tools, "COMMANDS", {})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    lines, packages = tools.faults(tmp_path / "venv")
    assert lines == ["no libpython", f"{sys.executable} has no ensurepip, which venv needs"]
    assert packages == ["python3-dev", "libpython3-dev", "python3-venv"]
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").touch()
    assert tools.faults(tmp_path / "venv")[1] == ["python3-dev", "libpython3-dev"]


def test_a_makefile_looks_for_tools_and_says_what_is_to_come_before_it_builds() -> None:
    done = subprocess.run(["make", "-n", "-B", "test"], cwd=HERE.parent, capture_output=True, text=True, check=True)
    steps = ("Tests/tools.py", "environment.py --ahead", "swift build", "Tests/run.sh")
    places = [done.stdout.index(text) for text in steps]
    assert places == sorted(places)
    for name in environment.AHEAD:
        done = subprocess.run(["make", "-n", "-B", name], cwd=HERE.parent, capture_output=True, text=True, check=True)
        assert done.stdout.index(f"--ahead .venv {name}") < done.stdout.index("swift build")


@pytest.mark.parametrize("has_torch", [False, True])
def test_what_is_to_come_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], has_torch: bool
) -> None:
    monkeypatch.setattr(environment, "has_torch", lambda python=None: has_torch)
    monkeypatch.setattr(sys, "argv", ["environment.py", "--ahead", str(tmp_path / "venv"), "test"])
    environment.main()
    said = capsys.readouterr().out
    assert said.startswith("make test takes about 20 minutes") and not (tmp_path / "venv").exists()
    assert ("5.5 GB" in said) == (not has_torch)
    assert (sys.executable in said) == has_torch


def test_packages_of_a_virtual_environment_are_seen_behind_the_own_ones(tmp_path: Path) -> None:
    """PyTorch is not installed a second time because PYTHON is that of a virtual environment."""
    users, ours = tmp_path / "users", tmp_path / "ours"
    venv.create(users, with_pip=False)
    site = environment.site_folder(users / "bin" / "python")
    for package in "torch", "shared":
        (site / package).mkdir()
        (site / package / "__init__.py").write_text("owner = 'the user'")
    make = "import sys, pathlib, environment; environment.make(pathlib.Path(sys.argv[1]))"
    subprocess.run([str(users / "bin" / "python"), "-c", make, str(ours)], cwd=HERE, check=True)
    python = ours / "bin" / "python"
    assert environment.has_torch(python)
    own = environment.site_folder(python) / "shared"
    own.mkdir()
    (own / "__init__.py").write_text("owner = 'the tests'")
    program = "import pip, shared, torch; print(torch.owner, shared.owner, pip.__file__, sep='; ')"
    seen = subprocess.run([str(python), "-c", program], capture_output=True, text=True, check=True).stdout
    assert seen.startswith(f"the user; the tests; {ours}")


def test_a_command_that_takes_long_is_said_to_be_at_work(tmp_path: Path) -> None:
    heartbeat = HERE.parent / ".ci" / "heartbeat"
    # Every 25 seconds is too long for a test: the same script, faster.
    faster = tmp_path / "heartbeat"
    text = heartbeat.read_text().replace("-t 25", "-t 0.2")
    assert text != heartbeat.read_text()
    faster.write_text(text)
    command = ["bash", str(faster), "waiting", "bash", "-c", "sleep 0.7; echo done; exit 3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 3
    *ticks, last = done.stdout.splitlines()
    assert last == "done" and len(ticks) >= 2 and all(tick.startswith("... waiting for ") for tick in ticks)


@pytest.mark.parametrize("error", [subprocess.CalledProcessError(1, "ensurepip"), KeyboardInterrupt()])
@pytest.mark.parametrize("existed", [False, True])
def test_half_an_environment_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, existed: bool
) -> None:
    folder = tmp_path / "venv"
    if existed:
        folder.mkdir()
        (folder / "of the user").touch()

    def create(place: Path, **options: Any) -> None:
        (place / "bin").mkdir(parents=True)
        (place / "bin" / "python").touch()
        raise error

    monkeypatch.setattr(venv, "create", create)
    with pytest.raises((SystemExit, KeyboardInterrupt)) as raised:
        environment.make(folder)
    if isinstance(error, subprocess.CalledProcessError):
        assert "apt-get install python3-venv" in str(raised.value)
    assert not (folder / "bin").exists()
    assert (folder / "of the user").exists() == existed


@pytest.mark.parametrize("has_torch", [False, True])
def test_pip_shows_its_progress_where_torch_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], has_torch: bool
) -> None:
    ran: list[tuple[str, ...]] = []
    run = subprocess.run

    def stand_in(command: list[str], **options: Any) -> Any:
        return run([sys.executable, "-c", f"raise SystemExit({int(not has_torch)})"])

    monkeypatch.setattr(environment, "make", lambda folder: Path(sys.executable))
    monkeypatch.setattr(environment, "run", lambda *command: ran.append(tuple(map(str, command))))
    monkeypatch.setattr(subprocess, "run", stand_in)
    monkeypatch.setattr(subprocess, "check_output", lambda *_, **__: f"{tmp_path}\n")
    monkeypatch.setattr(sys, "argv", ["environment.py", str(tmp_path / "venv"), "demo"])
    environment.main()
    ((*install, _),) = ran
    assert "install" in install and ("--quiet" in install) == has_torch
    assert ("5.5 GB" in capsys.readouterr().out) == (not has_torch)
    assert (tmp_path / "martlet-source.pth").read_text().strip() == str(environment.SOURCE / "src")
    assert os.sep in install[0]
