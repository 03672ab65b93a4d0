"""Says at once everything that ``make test`` needs of the system and does not find, with the apt-get line for it.

    tools.py VENV

Looked for are Swift, compilers, cmake, pkg-config, and the parts of the interpreter that runs this: its headers, its
libpython, and venv where VENV is still to be made. Python packages are environment.py's, and nothing is installed here.
It needs the standard library alone.
"""

from __future__ import annotations

import importlib.util
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Commands that the suites run, and Debian's packages of them.
COMMANDS = {
    "gcc": "gcc",
    "cc": "gcc",
    "g++": "g++",
    "make": "make",
    "strip": "binutils",
    "nm": "binutils",
    "objcopy": "binutils",
    "objdump": "binutils",
    "readelf": "binutils",
    "cmake": "cmake",
    "pkg-config": "pkg-config",
}


def swift_fault() -> str | None:
    """Why the Swift that is here will not do."""
    bash = shutil.which("bash")
    if bash is None:
        return "bash was not found"
    done = subprocess.run([bash, str(ROOT / ".ci" / "swift-version")], capture_output=True, text=True)
    return None if done.returncode == 0 else (done.stderr or done.stdout).strip()


def libpython_fault() -> str | None:
    """Why Python cannot be embedded in a C program; the suite that does it knows how to find out."""
    equivalence = runpy.run_path(str(ROOT / "Tests" / "equivalence" / "run.py"))
    try:
        flags = equivalence["libpython_flags"]()
    except (equivalence["Failure"], OSError) as error:
        return str(error)
    folders = [Path(flag[2:]) for flag in flags if flag.startswith("-I")]
    if not any((folder / "Python.h").is_file() for folder in folders):
        return f"no Python.h of version {sys.version_info.major}.{sys.version_info.minor}"
    return None


def faults(venv: Path) -> tuple[list[str], list[str]]:
    """What is missing, a line each; and the Debian packages that bring it."""
    lines, packages = [], []
    for command, package in COMMANDS.items():
        if shutil.which(command) is None:
            lines.append(f"{command} was not found")
            packages.append(package)
    fault = libpython_fault()
    if fault is not None:
        lines.append(fault)
        packages += ["python3-dev", "libpython3-dev"]
    if not (venv / "bin" / "python").exists() and importlib.util.find_spec("ensurepip") is None:
        lines.append(f"{sys.executable} has no ensurepip, which venv needs")
        packages.append("python3-venv")
    fault = swift_fault()
    if fault is not None:
        lines.append(fault)
    return lines, list(dict.fromkeys(packages))


def main() -> None:
    lines, packages = faults(Path(sys.argv[1]))
    if not lines:
        return
    text = ["make test needs what is missing here:", *(f"  {line}" for line in lines)]
    if packages:
        text.append(f"On Debian and Ubuntu: apt-get install {' '.join(packages)}")
    sys.exit("\n".join(text))


if __name__ == "__main__":
    main()
