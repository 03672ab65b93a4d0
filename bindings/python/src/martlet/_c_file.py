"""What a model that was written as a file of C comes to: its size, and where there is a C compiler its code, its stack
and its time."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile

# A larger file would keep a compiler busy for minutes.
_MOST_BYTES = 16 << 20
_WAYS = (("-O3",), ("-O3", "-march=native"))
_LOOP = """
#include <stdio.h>
#include <time.h>
{head};
static double now(void)
{{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}}
int main(void)
{{
{arrays}
    double best = 1e30, spent = 0;
    for (int calls = 1; spent < 3e5; calls = best * calls < 1e3 ? 2 * calls : calls) {{
        const double start = now();
        for (int k = 0; k < calls; ++k) {name}({arguments});
        const double each = (now() - start) / calls;
        spent += each * calls;
        best = each < best ? each : best;
    }}
    printf("%.3g\\n", best);
    return 0;
}}
"""


def report(path: str) -> list[str]:
    """Lines that say so."""
    with open(path, encoding="ascii") as file:
        head = file.read(1 << 16).partition("\n{\n")[0].partition("static ")[0]
    constants, room = (_number(head, words) for words in (r"constants: (\d+) numbers", r"m: room for (\d+) numbers"))
    size = os.path.getsize(path)
    lines = [f"{path}: {size:,} bytes of text, {4 * constants:,} of constants, {4 * room:,} for m"]
    try:
        compiler = shlex.split(os.environ.get("CC", "cc"))
    except ValueError:  # no words of a shell's
        compiler = []
    if not compiler or not shutil.which(compiler[0]):
        return [*lines, "no C compiler was found, which would tell code, stack and time"]
    if size > _MOST_BYTES:
        return [*lines, "too large to be compiled for its code, stack and time"]
    with tempfile.TemporaryDirectory() as folder:
        for way in _WAYS:
            command = [*compiler, "-std=c99", *way]
            found = _compiled(command, os.path.abspath(path), folder, head)
            if found:
                lines.append(f"{shlex.join(command)}: {found}")
    return lines


def _number(head: str, words: str) -> int:
    found = re.search(words, head)
    return int(found[1]) if found else 0


def _compiled(command: list[str], path: str, folder: str, head: str) -> str:
    """What the compiler makes of it; nothing where it cannot."""
    with open(os.path.join(folder, "loop.c"), "w", encoding="ascii") as file:
        file.write(_loop(head))
    try:
        usage = _done([*command, "-fstack-usage", "-c", path, "-o", "model.o"], folder) is not None
        if not usage and _done([*command, "-c", path, "-o", "model.o"], folder) is None:
            return ""
        loop = [*command, "-D_POSIX_C_SOURCE=199309L", "loop.c", "model.o", "-lm", "-o", "loop"]
        time = _done(loop, folder) is not None and _done([os.path.join(folder, "loop")], folder)
        sizes = _done(["size", "model.o"], folder) if shutil.which("size") else None
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = []
    if sizes:
        text, data = sizes.splitlines()[1].split()[:2]
        words.append(f"{int(text) + int(data):,} bytes of code and constants")
    if usage and (stack := _stack(folder)) is not None:
        words.append(f"at most {stack:,} of stack beside libm's")
    if time:
        words.append(f"{float(time):.3g} us a sample")
    return ", ".join(words)


def _done(command: list[str], folder: str) -> str | None:
    """What a command prints; None where it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout if done.returncode == 0 else None


def _stack(folder: str) -> int | None:
    """The bytes of the deepest calls: the model's function, one of an operation, and one that this calls. None: the
    compiler does not tell."""
    for name in os.listdir(folder):
        if name.endswith(".su"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                rows = [line.split("\t") for line in file]
            sizes = sorted((int(row[1]) for row in rows if not row[0].endswith("_predict")), reverse=True)
            return sum(int(row[1]) for row in rows if row[0].endswith("_predict")) + sum(sizes[:2])
    return None


def _loop(head: str) -> str:
    """A program that calls the function for a third of a second."""
    signature = re.search(r"void (\w+)\((.*)\)", head)
    if signature is None:
        return ""
    arrays, names = [], []
    for argument in signature[2].split(", "):
        kind, name = re.sub(r"^const ", "", argument).split(" *")
        count = _number(head, rf" \* {name}: (?:room for )?(\d+) numbers")
        arrays.append(f"    static {kind} {name}[{max(count, 1)}];")
        if argument.startswith("const float"):
            arrays.append(f"    for (int i = 0; i < {count}; ++i) {name}[i] = (float)(i * 37 % 101) / 101;")
        names.append(name)
    whole = {"head": signature[0], "arrays": "\n".join(arrays), "name": signature[1], "arguments": ", ".join(names)}
    return _LOOP.format(**whole)
