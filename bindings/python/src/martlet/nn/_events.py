"""Event files as TensorBoard reads them: records, each an Event of a few numbers, as its protocol buffers have them
(tensorflow/core/util/event.proto, and core/lib/io/record_writer.h for the records)."""

from __future__ import annotations

import os
import socket
import struct
import time
from itertools import count
from typing import Any

import numpy as np

from martlet._errors import FileError
from martlet.nn._matching import NDArray

_numbers = count()


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def masked_crc(data: bytes) -> int:
    """CRC-32C of a record's part, turned and shifted as the records have it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(value: int) -> bytes:
    found = bytearray()
    value &= 2**64 - 1
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _text(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _event(step: int, *parts: bytes) -> bytes:
    return b"\x09" + struct.pack("<d", time.time()) + b"\x10" + _varint(step) + b"".join(parts)


class EventFile:
    """A file of events in a folder of its own name; it is made with the first number."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._file: Any = None

    def write(self, tag: str, value: float, step: int) -> None:
        """A number under a tag."""
        summary = _text(1, _text(1, tag.encode()) + b"\x15" + struct.pack("<f", value))
        self._record(_event(step, _text(5, summary)))

    def write_histogram(self, tag: str, values: NDArray, step: int) -> None:
        """How often numbers are in each of 30 ranges, those that are finite; of none nothing
        (tensorflow/core/framework/summary.proto, HistogramProto)."""
        found = values[np.isfinite(values)].astype(np.float64)
        if not found.size:
            return
        counts, edges = np.histogram(found, 30)
        measures = (found.min(), found.max(), found.size, found.sum(), np.square(found).sum())
        histogram = b"".join(struct.pack("<Bd", field << 3 | 1, one) for field, one in enumerate(measures, 1))
        # Each count is of what is up to its limit; of nothing up to the first.
        histogram += _text(6, edges.astype("<f8").tobytes()) + _text(7, np.array([0, *counts], "<f8").tobytes())
        summary = _text(1, _text(1, tag.encode()) + _text(5, histogram))
        self._record(_event(step, _text(5, summary)))

    def _record(self, event: bytes) -> None:
        try:
            if self._file is None:
                os.makedirs(self._folder, exist_ok=True)
                name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
                self._file = open(os.path.join(self._folder, name), "xb")  # noqa: SIM115
                self._record(_event(0, _text(3, b"brain.Event:2")))
            length = struct.pack("<Q", len(event))
            parts = (length, struct.pack("<I", masked_crc(length)), event, struct.pack("<I", masked_crc(event)))
            self._file.write(b"".join(parts))
        except OSError as error:
            raise FileError(f"log_dir {self._folder!r}: {error.strerror}") from error

    def flush(self) -> None:
        """Shows what there is to who reads meanwhile."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """A number after it opens another file."""
        if self._file is not None:
            self._file.close()
            self._file = None
