"""The wheel's tag against the library: what it asks of other libraries is there on every system that the tag names.

A symbol's version says since which release of glibc or libstdc++ it is there, so versions are compared. A name without
one may not be asked for, unless the library does without it. What a tag promises of libstdc++ and libgcc_s is taken
from auditwheel's policies.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from martlet import _ffi

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))
try:
    import hatch_build
finally:
    sys.path.remove(str(PROJECT))

#: By glibc: the newest versions that auditwheel allows beside it.
POLICIES = {
    (2, 27): {"GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11), "GCC": (7, 0, 0)},
    (2, 31): {"GLIBCXX": (3, 4, 28), "CXXABI": (1, 3, 12), "GCC": (7, 0, 0)},
    (2, 34): {"GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13), "GCC": (7, 0, 0)},
}
#: The newest glibc that Sources/CGlibc was seen to be enough for.
SEEN = (2, 36)


def output(*command: str | Path) -> str:
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def undefined(library: Path) -> dict[str, str]:
    """Names that a library asks for and need be somewhere, with their versions; "" where there is none."""
    found = {}
    for line in output("readelf", "--dyn-syms", "--wide", library).splitlines():
        fields = line.split()
        if len(fields) > 7 and fields[6] == "UND" and fields[4] != "WEAK":
            name, _, version = fields[7].partition("@")
            found[name] = version.lstrip("@")
    return found


def missing(library: Path, tag: str) -> list[str]:
    """What a library asks for that is not on every system of a tag."""
    glibc = numbers(".".join(re.findall(r"\d+", tag)[:2]))
    allowed = {"GLIBC": glibc, **POLICIES[max(oldest for oldest in POLICIES if oldest <= glibc)]}
    lacking = []
    for name, version in undefined(library).items():
        kind, _, number = version.partition("_")
        if kind not in allowed or not re.fullmatch(r"[\d.]+", number) or numbers(number) > allowed[kind]:
            lacking.append(f"{name}@{version}")
    return lacking


def test_everything_asked_for_is_on_the_systems_of_the_tag() -> None:
    library = Path(_ffi.library_path)
    tag = hatch_build.platform_tag(library)
    assert tag.startswith("manylinux_2_")
    assert len(undefined(library)) > 100
    assert missing(library, tag) == []
    if platform.machine() == "x86_64" and numbers(platform.libc_ver()[1]) <= SEEN:
        assert missing(library, "manylinux_2_27_x86_64") == [], "Sources/CGlibc/versions.S lacks these"
        assert tag == "manylinux_2_27_x86_64"
        # Functions that moved into libc.so.6 later are found in these there.
        needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "--dynamic", "--wide", library)))
        assert {"libpthread.so.0", "libdl.so.2"} <= needed


def test_names_without_a_version_and_newer_ones_are_found(tmp_path: Path) -> None:
    source, library = tmp_path / "a.c", tmp_path / "a.so"
    source.write_text(
        "void nobody_has_this(void); __attribute__((weak)) void nor_this(void); double exp(double);"
        "double f(double x) { nobody_has_this(); if (nor_this) nor_this(); return exp(x); }"
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-fno-builtin", str(source), "-lm", "-o", str(library)], check=True)
    assert missing(library, "manylinux_2_34_x86_64") == ["nobody_has_this@"]
    if platform.machine() == "x86_64":
        assert sorted(missing(library, "manylinux_2_28_x86_64")) == ["exp@GLIBC_2.29", "nobody_has_this@"]


@pytest.mark.parametrize(
    ("content", "start"),
    [
        (b"GLIBC_2.27 GLIBC_2.2.5 GLIBCXX_3.4.21 CXXABI_1.3.11", "manylinux_2_27_"),
        (b"GLIBC_2.17 GLIBCXX_3.4.21", "manylinux_2_27_"),
        (b"GLIBC_2.28 GLIBCXX_3.4.24", "manylinux_2_28_"),
        (b"GLIBC_2.28 GLIBCXX_3.4.25", "manylinux_2_34_"),
        (b"GLIBC_2.28 CXXABI_1.3.13", "manylinux_2_34_"),
        (b"GLIBC_2.34 GLIBC_2.2.5 GLIBCXX_3.4.29", "manylinux_2_34_"),
        (b"GLIBC_2.35 GLIBC_2.4 GLIBCXX_3.4.29", "manylinux_2_35_"),
        (b"GLIBC_2.34 GLIBCXX_3.4.31", "linux_"),
        (b"GLIBC_2.34 GCC_13.0.0", "linux_"),
        (b"nothing", "linux_"),
    ],
)
def test_tag_says_what_the_library_needs(tmp_path: Path, content: bytes, start: str) -> None:
    library = tmp_path / "library"
    library.write_bytes(content)
    assert hatch_build.platform_tag(library).startswith(start)
