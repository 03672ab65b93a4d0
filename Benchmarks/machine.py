"""What the benchmarks run on: its processors, free memory, compiler and load, read from the system's own files.

It chooses which two processors everyone is measured on. It starts nothing but gcc, to ask for its version.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

SYSTEM = Path("/")
#: What a kernel without a cgroup limit, and nothing else to go by, is taken to have.
UNKNOWN_BYTES = 8 << 30


def processors(allowed: set[int], wanted: int, root: Path = SYSTEM) -> list[int]:
    """``wanted`` of the allowed processors, on as many cores: two threads of one core would share its units."""
    cores: dict[str, list[int]] = {}
    for number in sorted(allowed):
        siblings = root / f"sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list"
        core = siblings.read_text().strip() if siblings.is_file() else str(number)
        cores.setdefault(core, []).append(number)
    firsts = [numbers[0] for numbers in cores.values()]
    seconds = [number for numbers in cores.values() for number in numbers[1:]]
    return sorted((firsts + seconds)[:wanted])


def available_bytes(root: Path = SYSTEM) -> int:
    """Memory that can be had: the machine's, or what the limit of a container leaves."""
    lines = (root / "proc/meminfo").read_text().splitlines()
    free = [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable")]
    return min([*free, *group_bytes(root)], default=UNKNOWN_BYTES)


def group_bytes(root: Path) -> list[int]:
    """What each control group around this process leaves of its limit; the file cache can be taken back."""
    left = []
    for line in (root / "proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top = root / "sys/fs/cgroup" / controllers
        limit, usage = ("limit_in_bytes", "usage_in_bytes") if controllers else ("max", "current")
        folder = top / path.lstrip("/")
        # A container sees its own group at the top, under whatever path the host has for it.
        for place in {top, folder, *(parent for parent in folder.parents if top in parent.parents)}:
            text = read(place / f"memory.{limit}")
            if text.isdigit():
                cache = [
                    part.split()[1] for part in read(place / "memory.stat").splitlines() if "inactive_file" in part
                ]
                used = int(read(place / f"memory.{usage}") or 0) - int(cache[-1] if cache else 0)
                left.append(max(0, int(text) - used))
    return left


def read(path: Path) -> str:
    """A file's text; nothing where it is not there."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def compiler() -> str:
    """gcc's version, in its own words."""
    gcc = shutil.which("gcc")
    return subprocess.check_output([gcc, "--version"], text=True).splitlines()[0] if gcc else "none"


def load() -> list[float]:
    """How many processes wanted a processor in the last minute, five and fifteen minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def description() -> dict[str, Any]:
    model = [line for line in read(SYSTEM / "proc/cpuinfo").splitlines() if line.startswith("model name")]
    return {
        "processor": model[0].split(":")[1].strip() if model else platform.processor(),
        "cores": os.cpu_count(),
        "pinned": sorted(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "gcc": compiler(),
        "date": time.strftime("%Y-%m-%d"),
    }
