#!/usr/bin/env python3
"""The library as the linker sees it, against the header: names, version, SONAME, needed libraries, size.

Exported symbols must be the header's declarations, no more and no fewer, and header.c must take each by its address.
Reads ELF through nm and readelf.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from headers import text_of

HERE = Path(__file__).resolve().parent
VERSION = "MARTLET_0"
NEEDED = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "libstdc++.so.6", "libgcc_s.so.1"}
LOADER = re.compile(r"ld-linux[\w-]*\.so\.\d")
LARGEST = 10 * 1000 * 1000


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def exported(library: Path) -> dict[str, str]:
    """Every global symbol that is defined, with its version."""
    found = {}
    for line in output("nm", "-D", "--defined-only", "--with-symbol-versions", str(library)).splitlines():
        kind, name = line.split()[-2:]
        if kind.isupper() or kind in "uvwi":
            base, _, version = name.partition("@@")
            if base != version and not (kind == "A" and base == VERSION):
                found[base] = version
    return found


def declared(folder: Path) -> set[str]:
    text = re.sub(r"/\*.*?\*/", "", text_of(folder), flags=re.DOTALL)
    return set(re.findall(r"\b(martlet_\w+)\([^()]*\)\s*;", text))


def problems(library: Path, folder: Path) -> list[str]:
    found, wanted = exported(library), declared(folder)
    said = [f"declared in martlet.h, not exported: {name}" for name in sorted(wanted - found.keys())]
    said += [f"exported, not declared in martlet.h: {name}" for name in sorted(found.keys() - wanted)]
    said += [f"{name} has version {version!r}, not {VERSION}" for name, version in found.items() if version != VERSION]
    taken = set(re.findall(r"\(any_function\)(martlet_\w+)", (HERE / "header.c").read_text()))
    said += [f"declared in martlet.h, not taken by its address in header.c: {name}" for name in sorted(wanted - taken)]
    if len(wanted) < 60:
        said.append(f"only {len(wanted)} declarations found in the header")
    dynamic = output("readelf", "-dW", str(library))
    names = re.findall(r"\(SONAME\).*\[(.*)\]", dynamic)
    if names != ["libmartlet.so.0"]:
        said.append(f"SONAME is {names}")
    for name in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic):
        if name not in NEEDED and not LOADER.fullmatch(name):
            said.append(f"needs {name}")
    for path in re.findall(r"\(R(?:UN)?PATH\).*\[(.*)\]", dynamic):
        if path != "$ORIGIN":
            said.append(f"searches for libraries in {path}")
    for word, why in (("STATIC_TLS", "static TLS"), ("TEXTREL", "relocations in code")):
        if word in dynamic:
            said.append(f"has {why} ({word})")
    if "NODELETE" not in dynamic:
        said.append("may be unloaded, which its threads would not survive (no NODELETE)")
    if re.search(r"GNU_STACK.*RWE", output("readelf", "-lW", str(library))):
        said.append("asks for an executable stack")
    size = library.stat().st_size
    if size > LARGEST:
        said.append(f"{size:,} bytes, over {LARGEST:,}")
    return said


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=Path, default=Path("build/lib"))
    parser.add_argument("--header", type=Path, default=Path("include"))
    parser.add_argument("--build", type=Path, help="not needed")
    options = parser.parse_args()
    library = (options.library / "libmartlet.so.0").resolve()
    said = problems(library, options.header)
    for line in said:
        print(line)
    count = len(exported(library))
    print(f"{count} symbols, {library.stat().st_size / 1e6:.1f} MB" + (f", {len(said)} problems" if said else ""))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
