"""Finding and loading the library, the cost of an import, and what is said when something is missing."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import martlet
from martlet import _ffi, _library


def test_versions_agree() -> None:
    assert martlet.__version__ == f"{_ffi.VERSION_MAJOR}.{_ffi.VERSION_MINOR}.{_ffi.VERSION_PATCH}"
    assert _ffi.martlet_version_name().decode() == martlet.__version__
    assert _ffi.martlet_abi_get() == _library.ABI


def test_the_environment_names_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARTLET_LIBRARY", "/somewhere/else.so")
    assert _library.candidates() == ["/somewhere/else.so"]
    with pytest.raises(martlet.LibraryError, match="MARTLET_LIBRARY names '/somewhere/else.so', and there is no such"):
        _library.find()


def test_order_of_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MARTLET_LIBRARY", raising=False)
    root = tmp_path / "tree"
    package = root / "bindings" / "python" / "src" / "martlet"
    package.mkdir(parents=True)
    (root / "include").mkdir()
    (root / "include" / "martlet.h").touch()
    (root / "Package.swift").touch()
    monkeypatch.setattr(_library, "PACKAGE_FOLDER", str(package))
    places = [package / "lib" / "libmartlet.so.0", root / "build" / "lib" / "libmartlet.so.0"]
    assert _library.candidates() == list(map(str, places))
    with pytest.raises(martlet.LibraryError, match="was not found. Looked at: .*'make lib' builds it"):
        _library.find()
    monkeypatch.setattr(_library, "PACKAGE_FOLDER", str(tmp_path / "site-packages" / "martlet"))
    assert _library.candidates() == [str(tmp_path / "site-packages" / "martlet" / "lib" / "libmartlet.so.0")]


def test_a_missing_library_is_an_import_error(run_python: Any) -> None:
    done = run_python("import martlet", env={"MARTLET_LIBRARY": "/no/such/file"}, status=1)
    assert "LibraryError: MARTLET_LIBRARY names '/no/such/file'" in done.stderr
    assert issubclass(martlet.LibraryError, ImportError)


def test_a_file_that_is_no_library(run_python: Any, tmp_path: Path) -> None:
    text = tmp_path / "libmartlet.so.0"
    text.write_text("no library")
    done = run_python("import martlet", env={"MARTLET_LIBRARY": str(text)}, status=1)
    assert "could not be loaded" in done.stderr
    other = ctypes.CDLL("libm.so.6")
    path = next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libm.so.6" in line)
    done = run_python("import martlet", env={"MARTLET_LIBRARY": path}, status=1)
    assert "is not a Martlet library" in done.stderr
    assert other is not None


def test_a_library_of_another_abi_or_an_older_one(run_python: Any, tmp_path: Path) -> None:
    cases = (
        ("new", 7, 100, "has ABI 7"),
        ("old", 0, 99, "is version 0.0.99, older than this package"),
        ("part", 0, 100, "lacks martlet_"),
    )
    for name, abi, version, text in cases:
        source = tmp_path / f"{name}.c"
        source.write_text(
            f"int martlet_abi_get(void) {{ return {abi}; }} int martlet_version_get(void) {{ return {version}; }}"
            'const char *martlet_version_name(void) { return "0.0.99"; }'
        )
        library = tmp_path / f"{name}.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        done = run_python("import martlet", env={"MARTLET_LIBRARY": str(library)}, status=1)
        assert text in done.stderr


def test_numpy_is_enough(run_python: Any) -> None:
    run_python(
        """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "keras", "jax", "ml_dtypes", "tqdm"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import numpy as np, martlet
from martlet.optim import AdamW
array = np.zeros(3)
AdamW([array]).step([np.ones(3)])
martlet.adam(array, array + 1)
assert "torch" not in sys.modules
try:
    martlet.torch
except ImportError:
    pass
else:
    raise AssertionError
"""
    )


def test_import_brings_little(run_python: Any) -> None:
    done = run_python(
        """
import sys, numpy
before = set(sys.modules)
import martlet
print(len(set(sys.modules) - before), [name for name in sys.modules if name.startswith(("torch", "asyncio", "tqdm"))])
"""
    )
    count, rest = done.stdout.split(" ", 1)
    assert int(count) < 40
    assert rest.strip() == "[]"


def test_settings_from_the_environment(run_python: Any) -> None:
    code = "import martlet; m = martlet.machine(); print(m.isa, m.threads)"
    assert run_python(code, env={"MARTLET_ISA": "baseline", "MARTLET_NUM_THREADS": "3"}).stdout.split() == [
        "baseline",
        "3",
    ]
    code = """
import numpy as np, martlet
try:
    martlet.adam(np.zeros(3), np.ones(3))
except ValueError as error:
    print(error)
else:
    raise AssertionError
"""
    assert "MARTLET_ISA" in run_python(code, env={"MARTLET_ISA": "sse9"}).stdout
    assert "MARTLET_NUM_THREADS" in run_python(code, env={"MARTLET_NUM_THREADS": "many"}).stdout


def test_commands(run_python: Any, tmp_path: Path) -> None:
    def command(*arguments: str) -> str:
        return run_python(
            f"import sys; from martlet.__main__ main; sys.exit(main({list(arguments)!r}))".replace(
                "__main__ main", "__main__ import main"
            )
        ).stdout

    info = command("info")
    for wanted in (martlet.__version__, str(_ffi.library_path), "instruction set", "threads", "header"):
        assert wanted in info
    assert re.search(rf"^torch +{re.escape(metadata.version('torch'))}$", info, re.M)
    cflags, libs, both = command("config", "--cflags"), command("config", "--libs"), command("config")
    assert cflags.startswith("-I")
    assert both.split() == [*cflags.split(), *libs.split()]
    lonely = tmp_path / "a library"
    lonely.mkdir()
    shutil.copy(_ffi.library_path, lonely / "libmartlet.so.0")
    done = subprocess.run(
        [sys.executable, "-m", "martlet", "config", "--cmake"],
        env=os.environ | {"MARTLET_LIBRARY": str(lonely / "libmartlet.so.0")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"there is no {lonely}/cmake/Martlet" in done.stderr
    table = command("bench", "--seconds", "0.01")
    assert "MLP 784-64-10" in table
    assert "martlet.torch" in table
    source = tmp_path / "program.c"
    source.write_text(
        "#include <martlet.h>\n#include <stdio.h>\n"
        "int main(void) { float v[2] = {0}, g[2] = {1, 1}, s[4] = {0}; int64_t t = 0;\n"
        "  if (martlet_array_step(v, g, s, 2, &t, 0)) return 1;\n"
        '  printf("%s %ld %.4f", martlet_version_name(), (long)t, v[1]); return 0; }\n'
    )
    subprocess.run(["cc", str(source), "-o", str(tmp_path / "program"), *both.split()], check=True)
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert done.stdout == f"{martlet.__version__} 1 -0.0010"


def test_module_runs_as_a_command() -> None:
    done = subprocess.run([sys.executable, "-m", "martlet", "info"], capture_output=True, text=True, check=True)
    assert "libmartlet" in done.stdout
    done = subprocess.run([sys.executable, "-m", "martlet"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
