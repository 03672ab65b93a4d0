"""Runs programs under Open MPI's mpirun within a time limit: for the tests of what uses MPI."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

# Open MPI's own words: for root, for more processes than cores, and for containers, where it may not read the memory of
# another process.
ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "OMP_NUM_THREADS": "1",
}
PACKAGES = {"mpirun": "openmpi-bin", "mpicc": "libopenmpi-dev"}


def missing(*tools: str) -> list[str]:
    """Those that are not here, with the packages of Debian that have them."""
    return [f"{tool} (Debian's {PACKAGES[tool]})" for tool in tools if shutil.which(tool) is None]


def mpirun(*arguments: str, folder: Path, limit: float) -> tuple[bool, str]:
    """Whether all processes ended well, and all that they said. Raises TimeoutError where one was still at work.

    mpirun of Open MPI 4.1 at times stays where it is once a process has aborted and it has ended the others: that is a
    bad end as another.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = subprocess.Popen(
            ["mpirun", *arguments], cwd=folder, env=os.environ | ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        status, working = 1, False
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            working = _has_children_at_work(process.pid)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0)
        said = output.read()
    if working:
        raise TimeoutError(f"mpirun {' '.join(arguments)} was still at work after {limit:.0f} s, and had said:\n{said}")
    return status == 0, said


def _has_children_at_work(parent: int) -> bool:
    """Whether a process has one that has not ended."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, ppid, *_ = path.read_text().rpartition(")")[2].split()
        except OSError:  # has ended meanwhile
            continue
        if int(ppid) == parent and state != "Z":
            return True
    return False
