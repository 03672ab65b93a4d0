"""The build hook of hatchling: builds the Swift library and puts it, with its headers, into the wheel; puts the Swift
package into the sdist, so that it builds in an empty folder.

MARTLET_LIBRARY names a library that is already built, and is then taken as it is. It decides nothing about the Swift
build itself: Package.swift does.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LIBRARY = "libmartlet.so.0"
# Templates in bindings/c, which `make install` fills too.
CMAKE = ("MartletConfig.cmake.in", "MartletConfigVersion.cmake.in")
SWIFT_WANTED = (
    "martlet is written in Swift, and this is its source: building it needs the Swift compiler, {needed} or later, and "
    "{found}. Install it (https://www.swift.org/install/linux/), or let MARTLET_LIBRARY name a libmartlet.so.0 that is "
    "already built."
)
# What a manylinux_2_X tag promises beside glibc 2.X: the newest versions of libstdc++ and libgcc_s there.
BESIDE_GLIBC = {
    (2, 27): {"GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11), "GCC": (7, 0, 0)},
    (2, 34): {"GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13), "GCC": (7, 0, 0)},
}


class MartletBuildHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = project_root(Path(self.root))
        if self.target_name == "sdist":
            files = {str(path): place for path, place in swift_package(root)}
            build_data["force_include"].update(files if root != Path(self.root) else {})
            if root == Path(self.root):
                tops = ("Package.swift", "Sources", "include", "Tests", "Examples", "bindings")
                self.build_config.target_config["include"] += [f"/{top}" for top in tops]
            return
        library = built_library(root)
        if version == "editable":
            folder = root / "build" / "lib"
            put(library, folder / LIBRARY)
            for place, text in cmake_package(root, "../../../../include"):
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                (folder / place).write_text(text, encoding="utf-8")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag(library)}"
        build_data["force_include"].update(
            {
                str(library): f"martlet/lib/{LIBRARY}",
                **{str(path): f"martlet/{path.relative_to(root)}" for path in (root / "include").rglob("*.h")},
            }
        )
        for place, text in cmake_package(root, "../../../include"):
            file = root / "build" / "wheel" / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            build_data["force_include"][str(file)] = f"martlet/lib/{place}"
        # hatchling itself takes a licence that lies beside pyproject.toml, as in an sdist.
        if not (Path(self.root) / "LICENSE").is_file():
            place = f"{self.build_config.builder.artifact_project_id}.dist-info/licenses/LICENSE"
            build_data["force_include"][str(root / "LICENSE")] = place


def project_root(folder: Path) -> Path:
    """Where Package.swift is: beside this file in an sdist, two folders up in a source tree."""
    for root in (folder, folder.parent.parent):
        if (root / "Package.swift").is_file() and (root / "include" / "martlet.h").is_file():
            return root
    sys.exit(
        f"{folder} has no Package.swift, nor has {folder.parent.parent}: this is not a whole source tree of martlet"
    )


def swift_package(root: Path) -> Iterator[tuple[Path, str]]:
    """The files that a build reads, with their places. Linked folders are walked into: archives drop them."""
    yield root / "Package.swift", "Package.swift"
    if (root / "LICENSE").is_file():
        yield root / "LICENSE", "LICENSE"
    for template in CMAKE:
        yield root / "bindings" / "c" / template, f"bindings/c/{template}"
    for top in ("Sources", "include", "Tests", "Examples/Swift"):
        for folder, subfolders, names in os.walk(root / top, followlinks=True):
            subfolders[:] = [name for name in subfolders if name != "__pycache__"]
            for name in names:
                path = Path(folder, name)
                place = path.relative_to(root)
                if top in ("Sources", "include") or path.suffix == ".swift":
                    yield path, str(place)


def cmake_package(root: Path, include: str) -> Iterator[tuple[str, str]]:
    """The CMake package, as places beside the library and texts. include: the header's folder, seen from there."""
    header = (root / "include" / "martlet.h").read_text(encoding="utf-8")
    number = dict(re.findall(r"^#define MARTLET_(VERSION_MAJOR|VERSION_MINOR|VERSION_PATCH|ABI) (\d+)", header, re.M))
    version = ".".join(number[f"VERSION_{part}"] for part in ("MAJOR", "MINOR", "PATCH"))
    for template in CMAKE:
        text = (root / "bindings" / "c" / template).read_text(encoding="utf-8")
        for name, value in (("ABI", number["ABI"]), ("VERSION", version), ("INCLUDE", include)):
            text = text.replace(f"@{name}@", value)
        yield f"cmake/Martlet/{template.removesuffix('.in')}", text


def put(library: Path, place: Path) -> None:
    """Makes ``place`` the library, whatever was there: under another name first, since programs may have it loaded.
    Where ``place`` is a link, what it leads to is replaced."""
    place.parent.mkdir(parents=True, exist_ok=True)
    target = place.resolve()
    if target == library.resolve():
        return
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copyfile(library, fresh)
    fresh.replace(target)


def swift_compiler(root: Path) -> str:
    """Where swift is, if it is as new as Package.swift asks for in its first line."""
    first = (root / "Package.swift").read_text(encoding="utf-8").splitlines()[0]
    needed = first.rpartition(":")[2].strip()
    swift = shutil.which("swift")
    if swift is None:
        sys.exit(SWIFT_WANTED.format(needed=needed, found="'swift' was not found"))
    said = subprocess.run([swift, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"Swift version (\d+(?:\.\d+)+)", said)
    # One that does not say its version is left to speak for itself.
    if found and numbers(found[1]) < numbers(needed):
        sys.exit(SWIFT_WANTED.format(needed=needed, found=f"{swift} is version {found[1]}"))
    return swift


def numbers(version: str | bytes) -> tuple[int, ...]:
    text = version.decode() if isinstance(version, bytes) else version
    return tuple(map(int, text.split(".")))


def built_library(root: Path) -> Path:
    """The library, stripped. Builds it with SwiftPM unless MARTLET_LIBRARY names one."""
    named = os.environ.get("MARTLET_LIBRARY")
    if named:
        if not Path(named).is_file():
            sys.exit(f"MARTLET_LIBRARY names {named!r}, and there is no such file")
        return Path(named).resolve()
    if sys.platform != "linux":
        sys.exit(f"martlet's Python package is built on Linux; this is {sys.platform}")
    swift = swift_compiler(root)
    print("building libmartlet with SwiftPM: some minutes", file=sys.stderr, flush=True)
    result = subprocess.run([swift, "build", "-c", "release", "--product", "martlet"], cwd=root)
    if result.returncode != 0:
        sys.exit(f"'swift build' failed with status {result.returncode}; its messages are above")
    built = root / ".build" / "release" / "libmartlet.so"
    stripped = root / "build" / "wheel" / LIBRARY
    stripped.parent.mkdir(parents=True, exist_ok=True)
    strip = shutil.which("strip")
    if strip is None or subprocess.run([strip, "--strip-unneeded", "-o", str(stripped), str(built)]).returncode != 0:
        shutil.copyfile(built, stripped)
    return stripped


def platform_tag(library: Path) -> str:
    """manylinux_2_X with the oldest glibc that has what the library asks for; where that says too little, the plain
    platform, which is for this machine alone."""
    content = library.read_bytes()
    glibc, machine = newest(content, "GLIBC"), platform.machine()
    for oldest, beside in BESIDE_GLIBC.items():
        if glibc and all(newest(content, name) <= version for name, version in beside.items()):
            return "manylinux_{}_{}_".format(*max(glibc, oldest)) + machine
    return f"linux_{machine}"


def newest(content: bytes, name: str) -> tuple[int, ...]:
    """The newest version of a library's symbols that is named."""
    return max(map(numbers, re.findall(rf"\b{name}_(\d+(?:\.\d+)+)".encode(), content)), default=())
