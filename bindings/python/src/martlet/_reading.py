"""What a file is that is not what was asked for, by its first bytes, and errors of reading that name the file.

Nothing of such a file is read but these bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from martlet._errors import FormatError

_KINDS = {
    b"PK\3\4": "a zip file, as torch.save, numpy.savez and Keras's .keras files are",
    b"PK\5\6": "an empty zip file",
    b"\x89HDF": "an HDF5 file, as Keras's .h5 files are",
    b"\x93NUM": "a file of numpy.save",
    b"\x1f\x8b": "compressed by gzip",
    **{bytes([0x80, protocol]): "a pickle file, which could run any code" for protocol in range(2, 6)},
}


def kind(start: bytes) -> str | None:
    """What begins with these four bytes or more, of what is often taken for something else."""
    return next((name for begin, name in _KINDS.items() if start.startswith(begin)), None)


def kind_of(path: str | bytes) -> str | None:
    """The same of a file; None too where it cannot be read, and of a safetensors file: a length of its header stands
    first, which may begin like any of the others."""
    try:
        with open(path, "rb") as file:
            start = file.read(9)
    except OSError:
        return None
    return None if start[8:] == b"{" else kind(start)


@contextmanager
def naming(path: bytes, wanted: str) -> Iterator[None]:
    """A FormatError in here names the file, and what it is where that is known."""
    try:
        yield
    except FormatError as error:
        name, found = os.fsdecode(path), kind_of(path)
        raise FormatError(f"{name} is {found}; wanted {wanted}" if found else f"{name}: {error}") from None
