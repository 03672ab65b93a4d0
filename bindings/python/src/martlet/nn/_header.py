"""What a saved model says of itself: the metadata of its safetensors file, as numbers by name.

The library loads the file, and checks it. This reads again what the library has no words to tell Python: what layers
were given, the loss, the seed. Nothing here trusts the file: memory is taken for its header alone, as large as the
file at most.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any

from martlet._errors import FileError, FormatError

Line = dict[str, Any]

# The format's own bound.
_LONGEST = 100_000_000


def whole(path: bytes) -> tuple[dict[str, Any], int]:
    """The file's header, and where its arrays begin."""
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(_LONGEST, os.fstat(file.fileno()).st_size):
                raise ValueError("its header is longer than the file")
            return dict(json.loads(file.read(length))), 8 + length
    except OSError as error:
        raise FileError(f"{os.fsdecode(path)}: {error.strerror}") from error
    except (struct.error, ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        raise FormatError(f"no model that save wrote: {error}") from None


def metadata(path: bytes) -> dict[str, str]:
    """The file's __metadata__."""
    header, _ = whole(path)
    try:
        return {str(key): str(value) for key, value in header["__metadata__"].items()}
    except (LookupError, AttributeError) as error:
        raise FormatError(f"no model that save wrote: {error}") from None


def line(found: dict[str, str], key: str) -> Line:
    """One entry, "units=64 kernel=3,3 rate=0x3fe0000000000000", as numbers: several are a tuple, bits a float."""
    try:
        return dict(_field(word) for word in found[key].split(" "))
    except (LookupError, ValueError, struct.error):
        raise _no_numbers(found, key) from None


def bits(found: dict[str, str], key: str, name: str) -> int:
    """The 64 bits of a number of an entry, as the library reads them: of a whole number or, in hexadecimal, any."""
    try:
        (text, *_) = [word.removeprefix(f"{name}=") for word in found[key].split(" ") if word.startswith(f"{name}=")]
        return int(text, 16 if text.startswith("0x") else 10) % 2**64
    except (LookupError, ValueError):
        raise _no_numbers(found, key) from None


def _no_numbers(found: dict[str, str], key: str) -> FormatError:
    return FormatError(f"the file's {key} is {found.get(key, '')[:80]!r}; wanted named numbers")


def _field(word: str) -> tuple[str, Any]:
    key, text = word.split("=")
    values = [_number(number) for number in text.split(",")]
    return key, values[0] if len(values) == 1 else tuple(values)


def _number(text: str) -> int | float:
    if text.startswith("0x"):
        (value,) = struct.unpack("<d", struct.pack("<Q", int(text, 16)))
        return float(value)
    return int(text)
