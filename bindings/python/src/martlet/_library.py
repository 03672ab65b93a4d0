"""Finds libmartlet.so.0 and loads it.

Looks, in this order, at the file that MARTLET_LIBRARY names, at the one inside an installed package, and at the one
that a source tree has built. It declares no functions; that is _ffi.py's work.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from martlet._errors import LibraryError

ABI = 0
FILE_NAME = f"libmartlet.so.{ABI}"
# Paths are plain text here: importing pathlib costs more than loading the library.
PACKAGE_FOLDER = os.path.dirname(os.path.realpath(__file__))


def candidates() -> list[str]:
    """The places where the library may be, best first. A library that the user names is the only candidate."""
    named = os.environ.get("MARTLET_LIBRARY")
    if named:
        return [named]
    places = [os.path.join(PACKAGE_FOLDER, "lib", FILE_NAME)]
    root = source_root()
    if root is not None:
        places.append(os.path.join(root, "build", "lib", FILE_NAME))
    return places


def source_root() -> str | None:
    """The top folder of a source tree, or None where this package is an installed one."""
    folder = PACKAGE_FOLDER
    for _ in range(4):
        folder = os.path.dirname(folder)
        parts = (os.path.join(folder, "Package.swift"), os.path.join(folder, "include", "martlet.h"))
        if all(map(os.path.isfile, parts)):
            return folder
    return None


def find() -> str:
    """The library's path. Raises LibraryError, which says where it was looked for and what to do."""
    places = candidates()
    for place in places:
        if os.path.isfile(place):
            return os.path.abspath(place)
    if os.environ.get("MARTLET_LIBRARY"):
        raise LibraryError(
            f"MARTLET_LIBRARY names {places[0]!r}, and there is no such file: correct it, or unset it to use the "
            "library that came with the package"
        )
    raise LibraryError(
        f"{FILE_NAME} was not found. Looked at: {', '.join(places)}. "
        "In a source tree, 'make lib' builds it; elsewhere, reinstall the package, or let MARTLET_LIBRARY name the file"
    )


def load(path: str) -> ctypes.CDLL:
    """Loads the library and compares its ABI number."""
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise LibraryError(f"{path} could not be loaded: {error}") from error
    try:
        abi = library.martlet_abi_get()
    except AttributeError as error:
        raise LibraryError(f"{path} is not a Martlet library: it has no martlet_abi_get") from error
    if abi != ABI:
        raise LibraryError(
            f"{path} has ABI {abi}, and this package needs ABI {ABI}: install package and library together"
        )
    return library


def functions(path: str, names: Iterable[str]) -> list[int] | None:
    """The addresses of functions of another library that is loaded, or of one that it needs. None: it lacks some."""
    library = ctypes.CDLL(path)
    try:
        found = [ctypes.cast(library[name], ctypes.c_void_p).value for name in names]
    except AttributeError:
        return None
    return [address for address in found if address]
