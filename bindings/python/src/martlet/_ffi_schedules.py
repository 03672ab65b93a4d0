"""Section 9 of the header, word for word: constants, structs and prototypes, over ctypes. _ffi.py says what holds for
all."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import POINTER, Structure, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint32
from typing import Any

from martlet._ffi import _checked, _plain

SCHEDULE_CONSTANT = 1
SCHEDULE_STEP = 2
SCHEDULE_EXPONENTIAL = 3
SCHEDULE_INVERSE_TIME = 4
SCHEDULE_INVERSE_SQRT = 5
SCHEDULE_LINEAR = 6
SCHEDULE_POLYNOMIAL = 7
SCHEDULE_COSINE = 8
SCHEDULE_COSINE_RESTARTS = 9
SCHEDULE_ONE_MINUS_SQRT = 10
SCHEDULE_ONE_CYCLE = 11

STAIRCASE = 1
CYCLE = 2
STRAIGHT = 4
THREE_PHASES = 8

CLIMB = 1
RELATIVE = 2


class Schedule(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("kind", c_int32),
        ("flags", c_uint32),
        ("reserved", c_int32),
        ("begin", c_int64),
        ("end", c_int64),
        ("steps", c_double),
        ("rate", c_double),
        ("start_rate", c_double),
        ("end_rate", c_double),
        ("factor", c_double),
        ("power", c_double),
        ("cycle_factor", c_double),
        ("warmup", c_double),
    ]


class Plateau(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("semantics", c_int32),
        ("flags", c_uint32),
        ("reserved", c_int32),
        ("rate", c_double),
        ("factor", c_double),
        ("min_rate", c_double),
        ("threshold", c_double),
        ("eps", c_double),
        ("patience", c_int64),
        ("cooldown", c_int64),
        ("best", c_double),
        ("bad", c_int64),
        ("cooling", c_int64),
    ]


martlet_schedule_init = _checked("martlet_schedule_init", POINTER(Schedule), c_size_t, c_int32)
martlet_schedule_name = _plain("martlet_schedule_name", c_char_p, c_int32)
martlet_schedule_get = _checked("martlet_schedule_get", POINTER(c_double), POINTER(Schedule), c_int64, c_int64)
martlet_plateau_init = _checked("martlet_plateau_init", POINTER(Plateau), c_size_t, c_int32)
martlet_plateau_step = _checked("martlet_plateau_step", POINTER(Plateau), c_double)


def schedule_array(schedules: Sequence[Schedule]) -> Any:
    """Copies of structs, one after another."""
    return (Schedule * len(schedules))(*schedules)


def copy_plateau(plateau: Plateau) -> Plateau:
    return read_plateau(bytes(plateau))


def read_plateau(content: bytes) -> Plateau:
    """A plateau whose bytes these are."""
    return Plateau.from_buffer_copy(content)
