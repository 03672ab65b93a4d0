#!/usr/bin/env python3
"""Builds and runs every program in this folder and every C example, against the header and the library alone.

    run.py --library build/lib --header include [-k name] [--build folder] [--list]

Each test is compiled with all warnings as errors, by gcc and, where it is there, by clang, and run with a time limit,
in an empty folder of its own; what spends its time in the library is run as gcc compiled it alone. One line a test,
then the plain line "N passed, N failed"; the exit status is 1 if any failed. It needs gcc and Python's own library; it
does not build libmartlet. CC names one compiler to use instead.
"""

import argparse
import contextlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "Examples" / "C"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
LANGUAGE = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-ffp-contract=off", "-pthread"]
CXX_LANGUAGE = ["-std=c++11", "-O1", "-g", "-pthread"]
CXX = {"gcc": "g++", "clang": "clang++"}
STANDARDS = [["-std=c99"], ["-std=c11"], ["-std=c17"], ["-x", "c++", "-std=c++11"]]
ENVIRONMENT = {"MARTLET_ISA", "MARTLET_NUM_THREADS", "OMP_NUM_THREADS", "SWIFT_ROOT", "LD_PRELOAD"}
MEMORY = Path("/dev/shm")
IN_MEMORY = "martlet-tests-"


class Failure(Exception):
    """A test did not pass; the text says why."""


class Place:
    """Where things are: the library, the header, and a folder for what one compiler builds."""

    def __init__(self, library: Path, header: Path, build: Path, compiler: str, *, is_first: bool = True) -> None:
        self.library = library.resolve()
        self.header = header.resolve()
        self.build = build.resolve()
        self.compiler = compiler
        self.is_first = is_first
        self.shared_object = self.library / "libmartlet.so.0"

    def compile(self, source: Path, *, name: str = "", link: bool = True, flags: tuple[str, ...] = ()) -> Path:
        """The program made of one C or C++ file."""
        program = self.build / (name or source.stem)
        is_c = source.suffix == ".c"
        command = [self.compiler if is_c else CXX.get(self.compiler, "c++"), *(LANGUAGE if is_c else CXX_LANGUAGE)]
        command += [*WARNINGS, f"-I{self.header}", f"-I{self.build}", f"-I{source.parent}"]
        command += [str(source), "-o", str(program), *flags]
        if link:
            command += [f"-L{self.library}", "-lmartlet", f"-Wl,-rpath,{self.library}"]
        check_output([*command, "-lm", "-ldl"], limit=120)
        return program

    def folder(self, name: str) -> Path:
        """An empty folder for a test to write in."""
        path = self.build / "run" / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    @contextlib.contextmanager
    def folder_in_memory(self) -> Iterator[Path]:
        """An empty folder that saving does not wait for a disk in. It goes with all that is in it, also what a process
        left that was ended in the middle."""
        with tempfile.TemporaryDirectory(prefix=IN_MEMORY, dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as path:
            yield Path(path)


def check_output(
    command: list[str], *, limit: float, cwd: Path | None = None, extra: dict[str, str] | None = None
) -> str:
    """Runs a command in a clean environment; its output, or a Failure with the end of it."""
    environment = {key: value for key, value in os.environ.items() if key not in ENVIRONMENT}
    environment |= {"SWIFT_BACKTRACE": "enable=no", "LC_ALL": "C.UTF-8"} | (extra or {})
    # A session of its own, so that whatever a test left behind ends with it.
    process = subprocess.Popen(
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        text = process.communicate(timeout=limit)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        text = process.communicate()[0].decode(errors="replace")
        raise Failure(f"{Path(command[0]).name} was still running after {limit:.0f} s\n{tail(text)}") from None
    if process.returncode != 0:
        code = process.returncode
        how = f"ended by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit status {code}"
        raise Failure(f"{Path(command[0]).name}: {how}\n{tail(text)}")
    return text


def tail(text: str, lines: int = 60) -> str:
    """The last lines of an output, indented."""
    return "\n".join("      " + line for line in text.rstrip().splitlines()[-lines:])


# A test takes a Place and returns what its line shall say; None where it is not for another than the first compiler.
Test = Callable[[Place], str | None]


def header(place: Place) -> str | None:
    """header.c under every standard and compiler, and run once under each."""
    if not place.is_first:
        return None
    done = []
    for c, cxx in CXX.items():
        if shutil.which(c) is None:
            continue
        for standard in STANDARDS:
            compiler = cxx if "c++" in standard and shutil.which(cxx) else c
            program = place.build / "header"
            command = [compiler, *standard, *WARNINGS, f"-I{place.header}", str(HERE / "header.c"), "-o", str(program)]
            check_output([*command, f"-L{place.library}", "-lmartlet", f"-Wl,-rpath,{place.library}"], limit=60)
            check_output([str(program)], limit=20)
            done.append(f"{c} {standard[-1].removeprefix('-std=')}")
    refuse_32_bits(place)
    return ", ".join(done)


def refuse_32_bits(place: Place) -> None:
    """A program of 32 bits is told so by the header, not by wrong offsets. Needs no C library of that width."""
    command = [place.compiler, "-m32", "-ffreestanding", "-fsyntax-only", f"-I{place.header}", str(HERE / "header.c")]
    said = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C.UTF-8"})
    if platform.machine() == "x86_64" and "addresses of 64 bits" not in said.stderr:
        raise Failure(f"the header was taken for 32 bits\n{tail(said.stderr)}")


def program(
    name: str,
    *,
    limit: float = 120,
    flags: tuple[str, ...] = (),
    preload: str = "",
    environment: dict[str, str] | None = None,
    lines: int = 1,
    once: bool = False,
    in_memory: bool = False,
) -> Test:
    """A test that is one C file: compiled, run, its last lines shown. `once`: only what the first compiler made is run.
    `in_memory`: its folder is there."""

    def test(place: Place) -> str:
        built = place.compile(HERE / f"{name}.c", flags=flags)
        if once and not place.is_first:
            return "compiled"
        extra = dict(environment or {})
        if preload:
            shared = place.compile(HERE / f"{preload}.c", name=f"{preload}.so", link=False, flags=("-shared", "-fPIC"))
            extra = {"LD_PRELOAD": str(shared)}
        with place.folder_in_memory() if in_memory else contextlib.nullcontext(place.folder(name)) as folder:
            output = check_output([str(built)], limit=limit, cwd=folder, extra=extra)
        return "; ".join(output.strip().splitlines()[-lines:])

    return test


def loading(place: Place) -> str:
    built = place.compile(HERE / "loading.c", link=False)
    folder = place.folder("loading")
    # As much of a Swift toolchain as makes a runtime turn its crash handlers on.
    backtracer = folder / "toolchain" / "libexec" / "swift" / "linux" / "swift-backtrace"
    backtracer.parent.mkdir(parents=True)
    backtracer.write_text("#!/bin/sh\n")
    backtracer.chmod(0o755)
    command = [str(built), str(place.shared_object), str(folder / "toolchain")]
    output = check_output(command, limit=60, cwd=folder)
    return output.strip().splitlines()[-1]


# A C library that is told to take no fused multiply-add instruction, as on the oldest machines the baseline is for.
NO_FMA = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX512F"}
# Prints where in libm's file the function lies that `fma` stands for in this process.
FMA_PLACE = """
import ctypes
address = ctypes.cast(ctypes.CDLL("libm.so.6").fma, ctypes.c_void_p).value
for line in open("/proc/self/maps"):
    first, last = (int(part, 16) for part in line.split()[0].split("-"))
    if first <= address < last:
        print(address - first + int(line.split()[2], 16), line.split()[-1])
"""


def without_fma(name: str, *, lines: int = 1) -> Test:
    """The test of a C file again, where the baseline's fma is the C library's own arithmetic."""
    test = program(name, environment=NO_FMA, lines=lines)

    def checked(place: Place) -> str | None:
        if not place.is_first:
            return None
        if platform.machine() != "x86_64":
            return "left out: the instruction is part of every such processor"
        usual, other = (check_output([sys.executable, "-c", FMA_PLACE], limit=20, extra=e) for e in ({}, NO_FMA))
        if usual == other and re.search(r"^flags\b.*\bfma\b", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            raise Failure(f"GLIBC_TUNABLES did not change which fma runs: {usual}")
        return test(place)

    return checked


def script(name: str, *, limit: float = 300) -> Test:
    """A test that is a Python file of this folder, which compiles what it needs itself."""

    def test(place: Place) -> str | None:
        if not place.is_first:
            return None
        command = [sys.executable, str(HERE / f"{name}.py"), "--library", str(place.library)]
        command += ["--header", str(place.header), "--build", str(place.build)]
        return check_output(command, limit=limit, cwd=place.folder(name)).strip().splitlines()[-1]

    return test


def example(source: Path) -> Test:
    def test(place: Place) -> str:
        built = place.compile(source, name=f"example-{source.stem}")
        folder = place.folder(f"example-{source.stem}")
        data, saved = source.with_suffix(".csv"), folder / f"{source.stem}.safetensors"
        if data.exists():
            shutil.copy(data, folder)
        said = check_output([str(built)], limit=60, cwd=folder).strip().splitlines()[-1]
        # What an example leaves behind is for a second process, which must come to the same end.
        if saved.exists():
            again = check_output([str(built), saved.name], limit=60, cwd=folder).strip().splitlines()[-1]
            if again != said:
                raise Failure(f"the second process said {again.strip()!r}, not {said.strip()!r}")
        return said

    return test


def tests() -> dict[str, Test]:
    found: dict[str, Test] = {
        "header": header,
        "manual": script("manual"),
        "symbols": script("symbols"),
        "loading": loading,
        "lifecycle": program("lifecycle"),
        "evaluation": program("evaluation"),
        "shards": program("shards"),
        "around": program("around"),
        "rows": program("rows"),
        "deferred": program("deferred"),
        "deferred_refused": program("deferred_refused"),
        "low_precision": program("low_precision"),
        "specials": program("specials"),
        "specials-without-fma": without_fma("specials"),
        "modes": program("modes"),
        "threads": program("threads", lines=6, once=True),
        "threads-without-fma": without_fma("threads", lines=6),
        "fork": program("fork", limit=240, lines=4, once=True),
        "fork_first": program("fork_first", limit=240),
        "allocation": program("allocation", preload="malloc_count", limit=240, once=True),
        "allocation_failures": program(
            "allocation_failures", preload="malloc_count", lines=3, limit=240, once=True, in_memory=True
        ),
        "family": program("family", preload="malloc_count", limit=240, once=True, in_memory=True),
        "guard": program("guard", limit=240),
        "save_kill": program("save_kill"),
        "save_paths": program("save_paths"),
        "corrupt": program("corrupt", lines=2),
        "counters": program("counters"),
        "answers": program("answers"),
        "big": program("big", limit=240, lines=2),
        "fuzz": program("fuzz", lines=2),
        "stack": program("stack"),
        "schedules": program("schedules"),
        "matmul": program("matmul", lines=2, once=True),
        "model_life": program("model_life"),
        "model_limits": program("model_limits"),
        "model_progress": program("model_progress"),
        "model_batches": program("model_batches"),
        "model_scores": program("model_scores"),
        "model_tally": program("model_tally"),
        "model_guard": program("model_guard"),
        "model_graph": program("model_graph", preload="malloc_count"),
        "model_rows": program("model_rows", preload="malloc_count"),
        "model_sequence": program("model_sequence", preload="malloc_count"),
        "model_weights": program("model_weights"),
        "model_outputs": program("model_outputs"),
        "model_lengths": program("model_lengths"),
        "model_by_hand": program("model_by_hand"),
        "model_by_hand_graphs": program("model_by_hand_graphs"),
        "model_export": program("model_export"),
        "model_own": program("model_own"),
        "model_groups": program("model_groups", preload="malloc_count"),
        "model_halves": program("model_halves"),
        "model_modes": program("model_modes"),
        "model_fuzz": program("model_fuzz", in_memory=True),
        "model_storage": program("model_storage", preload="malloc_count"),
        "model_tied": program("model_tied"),
        "model_masks": program("model_masks"),
        "model_states": program("model_states", preload="malloc_count"),
        "model_files": program("model_files", limit=240, lines=2, once=True),
        "model_threads": program("model_threads", lines=2, once=True),
        "model_reading": program("model_reading"),
        "model_readers": program("model_readers", preload="malloc_count"),
        "model_score_readers": program("model_score_readers"),
        "model_fork": program("model_fork", lines=2),
        "model_allocation": program("model_allocation", preload="malloc_count", lines=2, once=True, in_memory=True),
        "hostile": script("hostile"),
        "mpi_examples": script("mpi_examples"),
    }
    for source in sorted([*EXAMPLES.glob("*.c"), *EXAMPLES.glob("*.cpp")]):
        if not source.stem.startswith("mpi_"):
            found[f"example-{source.stem}"] = example(source)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=Path, default=Path("build/lib"), help="folder that holds libmartlet.so.0")
    parser.add_argument("--header", type=Path, default=Path("include"), help="folder that holds martlet.h")
    parser.add_argument("--build", type=Path, default=Path("build/tests-c"), help="folder for what is compiled here")
    parser.add_argument("-k", metavar="NAME", default="", help="only tests whose name contains this")
    parser.add_argument("--list", action="store_true", help="print the names and do nothing")
    options = parser.parse_args()
    chosen = {name: test for name, test in tests().items() if options.k in name}
    if options.list:
        print("\n".join(chosen))
        return 0
    if not (options.library / "libmartlet.so.0").exists():
        print(f"There is no {options.library / 'libmartlet.so.0'}: build it with `make lib`.", file=sys.stderr)
        return 1
    # Ended from outside, it still removes what lies in memory.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    passed = failed = 0
    for compiler in compilers():
        is_first = compiler == compilers()[0]
        build = options.build if is_first else options.build / compiler
        build.mkdir(parents=True, exist_ok=True)
        place = Place(options.library, options.header, build, compiler, is_first=is_first)
        for name, test in chosen.items():
            started, before = time.monotonic(), left_in_memory()
            try:
                word, text = "ok", test(place)
                if left := left_in_memory() - before:
                    raise Failure(f"left in {MEMORY}: {', '.join(sorted(left))}")
            except Failure as failure:
                word, text = "FAILED", str(failure)
            if text is None:
                continue
            passed, failed = (passed + 1, failed) if word == "ok" else (passed, failed + 1)
            title = name if is_first else f"{name}, {compiler}"
            print(f"{word:6} {title:20} {time.monotonic() - started:6.1f} s  {text}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def compilers() -> list[str]:
    """The first does all tests, the other those that are C programs."""
    if "CC" in os.environ:
        return [os.environ["CC"]]
    return ["gcc", *(["clang"] if shutil.which("clang") else [])]


def left_in_memory() -> set[str]:
    """Files of ours in memory, but for the folders that a run of this script makes and removes."""
    return {path.name for path in MEMORY.glob("martlet*") if not path.name.startswith(IN_MEMORY)}


if __name__ == "__main__":
    sys.exit(main())
