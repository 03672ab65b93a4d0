"""Wheel and sdist: what is in them, that they install and build in an empty folder, and what is said without Swift.

The wheel of the source tree takes the library under test; the sdist compiles Swift, which takes some minutes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import martlet
from martlet import _ffi

PROJECT = Path(__file__).resolve().parent.parent
ROOT = PROJECT.parent.parent
STEP = (
    "import numpy, martlet; from martlet import _ffi; p = numpy.zeros(3); martlet.adam(p, p + 1, lr=0.5); "
    "assert abs(p + 0.5).max() < 1e-6; print(_ffi.library_path)"
)


def build(
    target: str, folder: Path, output: Path, library: Path | None, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "MARTLET_LIBRARY"}
    if library is not None:
        environment["MARTLET_LIBRARY"] = str(library)
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(output)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def built(target: str, folder: Path, output: Path, library: Path | None = None) -> Path:
    done = build(target, folder, output, library)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = output.iterdir()
    return made


def installed(wheel: Path, folder: Path) -> Path:
    """Installs a wheel without its dependencies, and steps with it in a process that sees no other martlet."""
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(folder), str(wheel)],
        check=True,
    )  # fmt: skip
    environment = {key: value for key, value in os.environ.items() if key not in ("MARTLET_LIBRARY", "PYTHONPATH")}
    environment["PYTHONPATH"] = str(folder)
    done = subprocess.run(
        [sys.executable, "-c", STEP], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == folder / "martlet" / "lib" / "libmartlet.so.0"
    serves_c_programs(folder, environment)
    return folder


def serves_c_programs(folder: Path, environment: dict[str, str]) -> None:
    """Builds a program with what `config` says of an installed wheel: through a shell, which undoes its quotes, and
    through cmake where that is to be had."""
    config = f"'{sys.executable}' -m martlet config"
    source = ROOT / "Tests" / "install"
    script = f"""
        eval cc "'{source}/program.c'" $({config} --cflags --libs) -o program && ./program
        command -v cmake >/dev/null || exit 0
        cmake -S '{source}' -B built -DMartlet_DIR="$({config} --cmake)" >log && cmake --build built >>log || exit 1
        ./built/program
    """
    done = subprocess.run(
        ["bash", "-uc", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(done.stdout.splitlines()) == {f"martlet {martlet.__version__}, weight 0.990000"}


def test_wheel_of_the_source_tree(tmp_path: Path) -> None:
    wheel = built("wheel", PROJECT, tmp_path / "wheel", _ffi.library_path)
    assert re.fullmatch(rf"martlet-{martlet.__version__}-py3-none-manylinux_2_\d\d_\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        information = f"martlet-{martlet.__version__}.dist-info"
        metadata = archive.read(f"{information}/METADATA").decode()
        assert archive.read(f"{information}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert f"{information}/licenses/LICENSE,sha256=" in archive.read(f"{information}/RECORD").decode()
    for wanted in (
        "martlet/lib/libmartlet.so.0",
        "martlet/lib/cmake/Martlet/MartletConfig.cmake",
        "martlet/lib/cmake/Martlet/MartletConfigVersion.cmake",
        "martlet/include/martlet.h",
        *(
            f"martlet/include/martlet/{part}.h"
            for part in ("algorithms", "optimizers", "schedules", "layers", "models")
        ),
        "martlet/py.typed",
        "martlet/torch/adam.py",
    ):
        assert wanted in names
    assert not [name for name in names if "test" in name or name.endswith(".swift")]
    assert re.findall(r"^Requires-Dist: (\w+)[^;]*$", metadata, re.M) == ["numpy"]
    assert "Requires-Python: >=3.10" in metadata
    installed(wheel, tmp_path / "a site")


def test_editable_install_takes_the_library_that_was_built(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("Package.swift", "include", "bindings/c", "bindings/python/src", "bindings/python/pyproject.toml",
                 "bindings/python/hatch_build.py", "bindings/python/README.md"):  # fmt: skip
        place = tree / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile)(ROOT / name, place)
    lib = tree / "build" / "lib"
    lib.mkdir(parents=True)
    stale = lib / "libmartlet.so.0.1.0"
    stale.write_bytes(b"stale")
    (lib / "libmartlet.so.0").symlink_to(stale.name)
    with stale.open("rb") as loaded:
        built("wheel:editable", tree / "bindings" / "python", tmp_path / "wheel", _ffi.library_path)
        assert loaded.read() == b"stale", "what a program has loaded was written to"
    assert (lib / "libmartlet.so.0").is_symlink()
    assert stale.read_bytes() == Path(_ffi.library_path).read_bytes()
    before = stale.stat()
    built("wheel:editable", tree / "bindings" / "python", tmp_path / "again", lib / "libmartlet.so.0")
    assert stale.stat().st_ino == before.st_ino
    assert sorted(path.name for path in lib.iterdir()) == ["cmake", "libmartlet.so.0", stale.name]
    package = lib / "cmake" / "Martlet"
    (include,) = re.findall(r'"\$\{martlet_here\}/([./]+/include)"', (package / "MartletConfig.cmake").read_text())
    assert (package / include / "martlet.h").samefile(tree / "include" / "martlet.h")


def test_sdist_builds_in_an_empty_folder(tmp_path: Path) -> None:
    archive = built("sdist", PROJECT, tmp_path / "sdist")
    empty = tmp_path / "empty"
    with tarfile.open(archive) as packed:
        assert not [member.name for member in packed if member.issym() or member.islnk()]
        packed.extractall(empty, filter="data")
    (folder,) = empty.iterdir()
    for wanted in ("Package.swift", "include/martlet.h", "include/module.modulemap", "Sources/Martlet/exports.map",
                   "Sources/CGlibc/versions.S", "bindings/c/MartletConfig.cmake.in"):  # fmt: skip
        assert (folder / wanted).is_file()
    for room in ("Kernels", "Rules"):
        for twin in (room, f"{room}AVX2", f"{room}AVX512"):
            for linked in ("", "Lanes"):
                names = {path.name for path in (folder / "Sources" / twin / linked).iterdir()}
                assert names == {path.name for path in (ROOT / "Sources" / room / linked).iterdir()}
    assert not list(folder.rglob("*.so*"))
    again = built("sdist", folder, tmp_path / "again")
    with tarfile.open(archive) as first, tarfile.open(again) as second:
        assert sorted(first.getnames()) == sorted(second.getnames())
    wheel = built("wheel", folder, tmp_path / "wheel")
    with zipfile.ZipFile(wheel) as packed_wheel:
        assert [name for name in packed_wheel.namelist() if name.endswith("/licenses/LICENSE")]
        assert len(set(packed_wheel.namelist())) == len(packed_wheel.namelist())
    shutil.rmtree(folder / ".build")
    installed(wheel, tmp_path / "site")


def test_without_swift(tmp_path: Path) -> None:
    done = build("wheel", PROJECT, tmp_path / "wheel", None, path=str(tmp_path))
    assert done.returncode != 0
    assert "'swift' was not found. Install it (https://www.swift.org/install/linux/)" in done.stderr
    assert "Traceback" not in done.stderr
    swift = tmp_path / "swift"
    swift.write_text("#!/bin/sh\necho 'Swift version 5.10.1 (swift-5.10.1-RELEASE)'\n")
    swift.chmod(0o755)
    done = build("wheel", PROJECT, tmp_path / "wheel", None, path=str(tmp_path))
    assert done.returncode != 0
    assert f"6.2 or later, and {swift} is version 5.10.1. Install it" in done.stderr
    assert "Traceback" not in done.stderr
    done = build("wheel", PROJECT, tmp_path / "wheel", tmp_path / "no such library")
    assert done.returncode != 0
    assert "there is no such file" in done.stderr
