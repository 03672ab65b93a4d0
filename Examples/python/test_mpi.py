"""Runs the examples that use MPI as a user would, with 1, 2 and 4 processes, and with one process that fails.

What they compute they compare themselves with one process. Where there is no mpirun or mpi4py they are skipped.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "Tests"))
from mpirun import missing, mpirun  # noqa: E402

EXAMPLES = {
    "mpi_optimizer.py": ("whole", "shards", "bfloat16"),
    "mpi_model.py": ("dense layers", "with batch normalization"),
}
MISSING = missing("mpirun") + ([] if importlib.util.find_spec("mpi4py") else ["mpi4py"])
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no {' and no '.join(MISSING)}")


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("name", EXAMPLES)
def test_processes_end_where_one_does(name: str, count: int, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "mpi4py", str(HERE / name)]
    well, said = mpirun("-n", str(count), *program, folder=tmp_path, limit=240)
    assert well and all(f"{word}, {count} processes: " in said for word in EXAMPLES[name]), said


@pytest.mark.parametrize("name", EXAMPLES)
def test_one_that_fails_ends_all(name: str, tmp_path: Path) -> None:
    """The other waits for it in a sum."""
    program = [sys.executable, "-m", "mpi4py", str(HERE / name)]
    arguments = ["-n", "1", *program, ":", "-n", "1", *program, "--lr", "nan"]
    well, said = mpirun(*arguments, folder=tmp_path, limit=30)
    assert not well and "ArgumentError: Invalid learning rate: nan" in said, said


def test_all_are_listed() -> None:
    assert {path.name for path in HERE.glob("mpi_*.py")} == set(EXAMPLES)
