#!/usr/bin/env python3
"""Builds the C examples that use MPI and runs them with 1 to 4 processes; then with one process that fails.

What they compute they compare themselves with one process. Where there is no mpicc or mpirun they are left out, and the
line says so.

    mpi_examples.py --library build/lib --header include --build build/tests-c
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from run import EXAMPLES, HERE, Failure, Place

sys.path.insert(0, str(HERE.parent))
from mpirun import missing, mpirun

COUNTS = (1, 2, 3, 4)


def together(place: Place, source: Path) -> None:
    """All processes end well, and say how many they were."""
    built = place.compile(source, name=f"example-{source.stem}")
    for count in COUNTS:
        well, said = mpirun("-n", str(count), str(built), folder=data_in(place, source.stem), limit=60)
        if not well or f"{count} processes" not in said:
            raise Failure(f"{source.stem} with {count} processes said:\n{said}")


def with_one_that_fails(place: Place, source: Path) -> None:
    """A process that finds no data says so and ends the other, which waits for it."""
    built = str(place.build / f"example-{source.stem}")
    arguments = ("-n", "1", built, ":", "-n", "1", built, "nowhere.csv")
    well, said = mpirun(*arguments, folder=data_in(place, source.stem), limit=20)
    if well or "process 1: digits.csv cannot be read" not in said:
        raise Failure(f"{source.stem} with a process that had no data said:\n{said}")


def data_in(place: Place, name: str) -> Path:
    """A folder to run in, with the images."""
    folder = place.folder(f"example-{name}")
    shutil.copy(EXAMPLES / "digits.csv", folder)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=Path, default=Path("build/lib"))
    parser.add_argument("--header", type=Path, default=Path("include"))
    parser.add_argument("--build", type=Path, default=Path("build/tests-c"))
    options = parser.parse_args()
    if tools := missing("mpicc", "mpirun"):
        print(f"left out: no {' and no '.join(tools)}")
        return 0
    os.environ["OMPI_CC"] = os.environ.get("CC", "gcc")
    place = Place(options.library, options.header, options.build, "mpicc")
    sources = sorted(EXAMPLES.glob("mpi_*.c"))
    for source in sources:
        together(place, source)
        with_one_that_fails(place, source)
    counts = ", ".join(map(str, COUNTS))
    print(f"{', '.join(source.stem for source in sources)} with {counts} processes, and with one that fails")
    return 0 if sources else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, TimeoutError) as failure:
        print(failure)
        sys.exit(1)
