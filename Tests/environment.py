"""Makes a virtual environment and installs packages that bindings/python/pyproject.toml names.

    environment.py FOLDER GROUP
    environment.py --ahead FOLDER GROUP     says what is to come, and does nothing

GROUP is a dependency group there. A torch that this interpreter can already import is used: the environment then sees
all packages that the interpreter sees, behind its own, also where that is itself one of a virtual environment. The
source tree's ``martlet`` becomes importable in it; nothing is built here. It needs the standard library alone.
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
#: What the commands that need an environment take, on two cores, beside PyTorch.
AHEAD = {
    "demo": "builds the library (2 to 4 minutes), and trains twice (seconds). Disk: 0.5 GB in .build and .venv",
    "test": "takes about 20 minutes, of which 3 build. Disk: 2 GB in .build and .venv; downloads 0.4 GB from PyPI",
    "parity": "builds the library (2 to 4 minutes), and runs every row (4 minutes). Disk: 1 GB in .build and .venv",
    "learning": "builds the library (2 to 4 minutes), and trains for 10. Disk: 1 GB in .build and .venv",
    "bench": "builds the library (2 to 4 minutes), and measures for about 45. Disk: 1 GB in .build and .venv",
}
TORCH_SIZE = "PyPI's torch for x86-64 Linux brings CUDA libraries: 3 GB to download, 5.5 GB on disk, some minutes. "
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


def has_torch(python: Path | None = None) -> bool:
    """Whether an interpreter, or this one, finds torch. It is only looked for, not imported: that takes seconds."""
    if python is None:
        return importlib.util.find_spec("torch") is not None
    probe = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
    return subprocess.run([str(python), "-c", probe]).returncode == 0


def say_ahead(folder: Path, name: str) -> None:
    """What making the environment and using it will take."""
    python = folder / "bin" / "python"
    print(f"make {name} {AHEAD[name]}.", flush=True)
    if has_torch(python if python.exists() else None):
        print(f"PyTorch: the one that {python if python.exists() else sys.executable} can import.", flush=True)
    else:
        print(f"PyTorch will be installed in {folder}. {TORCH_SIZE}{TORCH_REMEDY}", flush=True)


def site_folder(python: Path) -> Path:
    """Where an environment's own packages are."""
    probe = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.check_output([str(python), "-c", probe], text=True).strip())


def make(folder: Path) -> Path:
    """The environment's interpreter; makes the environment where it does not exist."""
    python = folder / "bin" / "python"
    if python.exists():
        return python
    existed = folder.exists()
    try:
        venv.create(folder, with_pip=True)
        if has_torch():
            # In a virtual environment system_site_packages would mean those of the interpreter that it was made from.
            seen = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
            lines = [f"import site; site.addsitedir({path!r})\n" for path in seen]
            (site_folder(python) / "packages-of-python.pth").write_text("".join(lines), encoding="utf-8")
    except BaseException as error:
        # What is left has an interpreter but no pip, and would pass for an environment the next time.
        shutil.rmtree(folder if not existed else folder / "bin", ignore_errors=True)
        if isinstance(error, subprocess.CalledProcessError):
            sys.exit("the virtual environment could not be made; on Debian and Ubuntu: apt-get install python3-venv")
        raise
    return python


def main() -> None:
    *options, place, name = sys.argv[1:]
    folder = Path(place)
    if options == ["--ahead"]:
        say_ahead(folder, name)
        return
    packages = requirements(name)
    python = make(folder)
    (site_folder(python) / "martlet-source.pth").write_text(f"{SOURCE / 'src'}\n", encoding="utf-8")
    # Installing torch takes minutes: pip's progress is the sign of life.
    volume = ["--quiet"]
    if any(map(is_torch, packages)) and not has_torch(python):
        print(TORCH_SIZE + TORCH_REMEDY, flush=True)
        volume = []
    print(f"{folder}: installing what {name!r} needs, with pip", flush=True)
    run(python, "-m", "pip", "install", *volume, "--disable-pip-version-check", *packages)


if __name__ == "__main__":
    main()
