"""Makes a virtual environment and installs packages that bindings/python/pyproject.toml names.

    environment.py FOLDER GROUP

GROUP is a dependency group there. A torch that this interpreter can already import is used: the
environment then sees the interpreter's own packages. The source tree's ``martlet`` becomes importable in it; nothing
is built here. It needs the standard library alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "bindings" / "python"
TORCH_SIZE = "PyPI's torch for x86-64 Linux brings CUDA libraries: about 5.5 GB on disk, some minutes to install. "
TORCH_REMEDY = "To use another build, install it first where PYTHON can import it."


def read_toml(path: Path) -> dict[str, Any]:
    # Python 3.10 has none of its own, but the one in pip.
    name = "tomllib" if sys.version_info >= (3, 11) else "pip._vendor.tomli"
    content: dict[str, Any] = importlib.import_module(name).loads(path.read_text(encoding="utf-8"))
    return content


def requirements(name: str) -> list[str]:
    """The packages of a dependency group, with the groups and the extras of ``martlet`` that it includes."""
    content = read_toml(SOURCE / "pyproject.toml")
    groups, extras = content["dependency-groups"], content["project"]["optional-dependencies"]
    if name not in groups:
        sys.exit(f"pyproject.toml has no dependency group {name!r}, only {', '.join(sorted(groups))}")

    def expanded(entries: list[Any]) -> Iterator[str]:
        for entry in entries:
            if isinstance(entry, dict):
                yield from expanded(groups[entry["include-group"]])
            elif entry.startswith("martlet["):
                for extra in entry[len("martlet[") : entry.index("]")].split(","):
                    yield from expanded(extras[extra.strip()])
            else:
                yield entry

    return sorted({*content["project"]["dependencies"], *expanded(groups[name])})


def is_torch(requirement: str) -> bool:
    return requirement == "torch" or requirement.startswith(("torch>", "torch=", "torch ", "torch<", "torch~"))


def run(*command: str | Path) -> None:
    result = subprocess.run([str(part) for part in command])
    if result.returncode != 0:
        sys.exit(f"failed with status {result.returncode}: {' '.join(str(part) for part in command)}")


def make(folder: Path) -> Path:
    """The environment's interpreter; makes the environment where it does not exist."""
    python = folder / "bin" / "python"
    if python.exists():
        return python
    existed = folder.exists()
    try:
        # torch is only looked for, not imported: that takes seconds.
        shared = importlib.util.find_spec("torch") is not None
        venv.create(folder, with_pip=True, system_site_packages=shared)
    except BaseException as error:
        # What is left has an interpreter but no pip, and would pass for an environment the next time.
        shutil.rmtree(folder if not existed else folder / "bin", ignore_errors=True)
        if isinstance(error, subprocess.CalledProcessError):
            sys.exit("the virtual environment could not be made; on Debian and Ubuntu: apt-get install python3-venv")
        raise
    return python


def main() -> None:
    folder, name = Path(sys.argv[1]), sys.argv[2]
    packages = requirements(name)
    python = make(folder)
    site = subprocess.check_output(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    ).strip()
    (Path(site) / "martlet-source.pth").write_text(f"{SOURCE / 'src'}\n", encoding="utf-8")
    probe = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
    # Installing torch takes minutes: pip's progress is the sign of life.
    volume = ["--quiet"]
    if any(map(is_torch, packages)) and subprocess.run([str(python), "-c", probe]).returncode != 0:
        print(TORCH_SIZE + TORCH_REMEDY, flush=True)
        volume = []
    print(f"{folder}: installing what {name!r} needs, with pip", flush=True)
    run(python, "-m", "pip", "install", *volume, "--disable-pip-version-check", *packages)


if __name__ == "__main__":
    main()
