#!/usr/bin/env python3
"""One trajectory from every language, compared bit for bit, and then against a longdouble oracle.

    run.py [--library build/lib] [--header include] [--build build/equivalence] [--swift program]

Swift (two ways), C (two ways), numpy, numpy functions, PyTorch, and C with Python embedded in it must print the same
hashes of every final array, on this machine's own settings and again on the baseline instruction set with two threads,
which must be seen to work together. Then the numbers are held against oracle.py, within its bounds, beside
torch.optim's own error. And one network, trained from Swift, C and Python, must end with the same bits in each of these
settings; what it ends with may differ between instruction sets. Needs numpy, torch, gcc, a libpython of this
interpreter's version, and martlet importable; the Swift program is the product `equivalence` of the package, which is
built here unless it is given.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WARNINGS = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


# Where every program runs: what it is called, and what is added to the environment.
SETTINGS = {
    "this machine's settings": {},
    "baseline, two threads": {"MARTLET_ISA": "baseline", "MARTLET_NUM_THREADS": "2"},
}


class Failure(Exception):
    """What went wrong, in words."""


def output(command: list[str | Path], extra: dict[str, str] | None = None) -> str:
    return both_outputs(command, extra)[0]


def both_outputs(command: list[str | Path], extra: dict[str, str] | None = None) -> tuple[str, str]:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=1200,
        env={**os.environ, **(extra or {})},
    )
    if done.returncode != 0:
        raise Failure(
            f"{Path(command[0]).name} failed ({done.returncode}):\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    return done.stdout, done.stderr


def link_flags(library: Path) -> list[str]:
    return [f"-L{library}", "-lmartlet", f"-Wl,-rpath,{library}", "-lm"]


def libpython_flags() -> list[str]:
    """How to embed this interpreter's version of Python: its own shared library, or Debian's of the same version."""
    folder, name = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME")
    if sysconfig.get_config_var("Py_ENABLE_SHARED") and (Path(folder) / name).exists():
        version = sysconfig.get_config_var("LDVERSION")
        include = sysconfig.get_paths()["include"]
        return [f"-I{include}", f"-L{folder}", f"-lpython{version}", f"-Wl,-rpath,{folder}"]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    config = shutil.which(f"python{version}-config", path="/usr/bin:/usr/local/bin")
    if config is None:
        raise Failure(f"no libpython of version {version} to embed: install libpython3-dev, or use a shared Python")
    return shlex.split(output([config, "--includes"]) + output([config, "--embed", "--ldflags"]))


def swift_program() -> Path:
    output(["swift", "build", "--package-path", ROOT, "-c", "release", "--product", "equivalence"])
    folder = output(["swift", "build", "--package-path", ROOT, "-c", "release", "--show-bin-path"]).strip()
    return Path(folder) / "equivalence"


def programs(library: Path, header: Path, build: Path, swift: Path) -> Iterator[tuple[str, list[str | Path]]]:
    """Every way to compute the trajectory: what it is called, and the command."""
    yield "Swift, handles", [swift, "handles"]
    yield "Swift, memory", [swift, "memory"]
    trajectory, embedded = build / "trajectory", build / "embedded"
    output(["gcc", *WARNINGS, f"-I{header}", HERE / "trajectory.c", "-o", trajectory, *link_flags(library)])
    yield "C, handles", [trajectory, "handles"]
    yield "C, memory", [trajectory, "memory"]
    for kind in ("numpy", "functional", "torch"):
        yield f"Python, {kind}", [sys.executable, HERE / "trajectory.py", kind]
    # Python.h is not pedantic, and its headers are not ours to change.
    flags = [flag for flag in WARNINGS if flag != "-Wpedantic"]
    output(
        ["gcc", *flags, f"-I{header}", HERE / "embedded.c", "-o", embedded, *libpython_flags(), *link_flags(library)]
    )
    yield "C that embeds Python", [embedded, HERE]


def networks(library: Path, header: Path, build: Path, swift: Path) -> Iterator[tuple[str, list[str | Path]]]:
    """Every way to train the network."""
    yield "Swift", [swift, "network"]
    network = build / "network"
    output(["gcc", *WARNINGS, f"-I{header}", HERE / "network.c", "-o", network, *link_flags(library)])
    yield "C", [network]
    yield "Python", [sys.executable, HERE / "network.py"]


def threads_seen(said: str) -> int | None:
    """The most threads that worked in one step, by a program's own word; the Swift ones do not say."""
    found = re.search(r"^threads (\d+)$", said, re.MULTILINE)
    return int(found[1]) if found else None


def compare(found: dict[str, str], count: int) -> None:
    """Throws where one differs from the first, which prints so many lines, naming the first line that does."""
    (first, wanted), *others = found.items()
    lines = wanted.splitlines()
    if len(lines) != count or len(set(lines)) != count:
        raise Failure(f"{first} printed {len(lines)} lines, {len(set(lines))} different ones; {count} wanted")
    for who, text in others:
        for ours, theirs in zip(lines, text.splitlines(), strict=False):
            if ours != theirs:
                raise Failure(f"{first} and {who} differ:\n  {ours}\n  {theirs}")
        if text != wanted:
            raise Failure(f"{first} and {who} differ in length")


def accuracy() -> int:
    """Prints the errors against the oracle; how many bounds are missed."""
    import oracle
    import torch
    import trajectory

    missed = 0
    print(f"\nlargest error after {trajectory.STEPS} steps, in float32 ulps of each element's largest magnitude")
    print(f"{'':34}{'martlet':>10}{'torch.optim':>13}{'bound':>8}")
    for run, (decoupled, amsgrad) in enumerate(trajectory.RUNS):
        results: dict[str, Any] = {"martlet": trajectory.whole(trajectory.NumpyRun, run)}
        results["torch"] = trajectory.whole(lambda *how: trajectory.TorchRun(*how, library=torch.optim), run)
        errors = dict(oracle.worst(run, results))
        name = ("AdamW" if decoupled else "Adam") + (", AMSGrad" if amsgrad else "")
        for array, ours in errors["martlet"].items():
            bound, torchs = (oracle.DECOUPLED_BOUNDS if decoupled else oracle.BOUNDS)[array], errors["torch"][array]
            kept = ours <= min(bound, oracle.OF_TORCH[0] * torchs + oracle.OF_TORCH[1])
            print(f"  {name:16}{array:16}{ours:10.2f}{torchs:13.2f}{bound:8.0f}{'' if kept else '  MISSED'}")
            missed += not kept
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(os.environ["MARTLET_LIBRARY"]).parent if "MARTLET_LIBRARY" in os.environ else ROOT / "build" / "lib"
    parser.add_argument("--library", type=Path, default=default, help="folder that holds libmartlet.so.0")
    parser.add_argument("--header", type=Path, default=ROOT / "include", help="folder that holds martlet.h")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "equivalence")
    parser.add_argument("--swift", type=Path, help="the product `equivalence`, built")
    options = parser.parse_args()
    library = options.library.resolve()
    options.build.mkdir(parents=True, exist_ok=True)
    os.environ["MARTLET_LIBRARY"] = str(library / "libmartlet.so.0")
    sys.path.append(str(ROOT / "bindings" / "python" / "src"))
    # The embedded interpreter finds what this one can import.
    extra = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    found = {}
    where_all_is = (library, options.header.resolve(), options.build.resolve(), options.swift or swift_program())
    commands = dict(programs(*where_all_is))
    for where, setting in SETTINGS.items():
        for who, command in commands.items():
            name = f"{who}, {where}"
            found[name], said = both_outputs(command, extra | setting)
            threads = threads_seen(said)
            print(f"  {name}" + (f": up to {threads} threads" if threads else ""), flush=True)
            wanted = min(int(setting.get("MARTLET_NUM_THREADS", "1")), len(os.sched_getaffinity(0)))
            if threads is None and not who.startswith("Swift"):
                raise Failure(f"{name} did not say how many threads worked")
            if threads is not None and threads < wanted:
                raise Failure(f"{name}: {threads} threads worked together, {wanted} wanted")
    compare(found, 20)
    print(f"the same bits {len(found)} times: 4 runs, 5 tensors, 2 groups, 200 steps")
    commands = dict(networks(*where_all_is))
    for where, setting in SETTINGS.items():
        found = {f"{who}, {where}": output(command, extra | setting) for who, command in commands.items()}
        compare(found, 5)
        print(f"  a network from {', '.join(commands)}, {where}: the same bits")
    missed = accuracy()
    print(f"\nequivalence: {'passed' if missed == 0 else f'{missed} bounds missed'}")
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"equivalence: FAILED: {failure}")
        sys.exit(1)
