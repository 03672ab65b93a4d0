"""The C programs among the peers: from what they are compiled, and as what they run. What they do stands in each."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cases
import family_cases
import model_cases

HERE = Path(__file__).resolve().parent
#: How a peer is started: the program and its arguments.
Programs = dict[str, list[str]]


def library() -> Path:
    """The library that the Python package loads, for a program to load the same."""
    from martlet import _library

    return Path(_library.find()).resolve()


def compile_program(source: str, folder: Path, *options: str) -> Path:
    compiler = shutil.which("gcc") or sys.exit("the benchmarks need gcc for the limits: apt-get install gcc")
    program = folder / Path(source).stem
    command = [compiler, "-O3", "-march=native", "-fno-math-errno", "-pthread", str(HERE / source), *options, "-lm"]
    subprocess.run([*command, "-o", str(program)], check=True)
    return program


def compile_all(folder: Path) -> Programs:
    """Every peer that is a program, compiled into the folder."""
    limit, stream, peak = (compile_program(source, folder) for source in ("limit.c", "stream.c", "peak.c"))
    found = library()
    linked = [f"-I{HERE.parent / 'include'}", str(found), f"-Wl,-rpath,{found.parent}"]
    calls = compile_program("calls.c", folder, *linked)
    return {
        cases.LIMIT: [str(limit)],
        family_cases.STREAM: [str(stream)],
        model_cases.PEAK: [str(peak), "2"],
        model_cases.PEAK_ONE: [str(peak), "1"],
        model_cases.MARTLET_C: [str(calls)],
    }
