#!/usr/bin/env python3
"""The examples in the headers' comments, each compiled as C and as C++ with all warnings as errors, as what a reader
copies out of it: one function, in which the names that an example takes as given are arguments.

An example is a run of comment lines indented by five blanks that calls the library. It is not run: its data are the
reader's.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

from headers import text_of

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
STANDARDS = {
    "c": (["gcc", "clang"], ["-std=c99", "-std=c11", "-std=c17"]),
    "cpp": (["g++", "clang++"], ["-std=c++11", "-std=c++17", "-std=c++20"]),
}
# What examples speak of and do not declare.
PREAMBLE = """
#include "martlet.h"
#include <stdio.h>
void compute_gradient(const float *weight, float *grad);
"""
GIVEN = "float *images, uint8_t *digits, uint64_t seed, martlet_model *model"
LEAST = 2


def examples(header: str) -> list[str]:
    """Every example, its lines without what makes them a comment."""
    runs = re.findall(r"(?:^ \*     (?! ).*\n(?:^ \*     .*\n)*)", header, flags=re.MULTILINE)
    found = [re.sub(r"^ \*     ", "", run, flags=re.MULTILINE) for run in runs]
    return [run for run in found if re.search(r"\bmartlet_\w+\(.*\);", run)]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--library", type=Path, help="not used: nothing is linked")
    parser.add_argument("--header", type=Path, required=True)
    parser.add_argument("--build", type=Path, required=True)
    options = parser.parse_args()
    text = text_of(options.header)
    found = examples(text)
    calls = len(re.findall(r"^ \* .*\bmartlet_\w+\([^()]*&.*\);", text, flags=re.MULTILINE))
    inside = sum(len(re.findall(r"\bmartlet_\w+\([^()]*&.*\);", example)) for example in found)
    failed = [] if len(found) >= LEAST else [f"only {len(found)} examples found in the headers"]
    failed += [] if calls == inside else [f"{calls} calls stand in comments, {inside} of them in examples"]
    compiled = 0
    for number, example in enumerate(found):
        for suffix, (compilers, standards) in STANDARDS.items():
            source = options.build / f"manual-{number}.{suffix}"
            unused = "".join(f"    (void){name};\n" for name in re.findall(r"(\w+)(?:,|$)", GIVEN))
            body = "".join(f"    {line}\n" for line in example.splitlines())
            source.write_text(
                f"{PREAMBLE}void example({GIVEN});\nvoid example({GIVEN}) {{\n{unused}    {{\n{body}    }}\n}}\n"
            )
            for compiler in filter(shutil.which, compilers):
                for standard in standards:
                    command = [compiler, standard, *WARNINGS, f"-I{options.header}", "-fsyntax-only", str(source)]
                    ended = subprocess.run(command, capture_output=True, text=True)
                    compiled += 1
                    if ended.returncode != 0:
                        failed.append(f"example {number}, {compiler} {standard}:\n{ended.stderr}")
    print("\n".join(failed) or f"{len(found)} examples, compiled {compiled} times")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
