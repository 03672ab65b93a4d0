"""martlet.h, word for word: its constants, structs and prototypes, over ctypes.

It touches ctypes, as do _ffi_optimizers.py, _ffi_schedules.py and _ffi_models.py, which are the headers that martlet.h
includes, _library.py, which loads the library, and _memory.py. A test holds all against the headers both ways. Names
are the headers', constants and types without their prefix. No arguments are checked here: a function that fails raises
the exception of its status, with the library's own text.
"""

from __future__ import annotations

import ctypes
import re
import threading
from ctypes import (
    POINTER,
    Structure,
    c_char_p,
    c_double,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any

from martlet import _library
from martlet._errors import BY_STATUS, LibraryError, MartletError

VERSION_MAJOR = 0
VERSION_MINOR = 1
VERSION_PATCH = 0
VERSION = 100
ABI = _library.ABI

OK = 0
ERROR_ARGUMENT = -1
ERROR_NULL = -2
ERROR_STRUCT = -3
ERROR_HANDLE = -4
ERROR_TYPE = -5
ERROR_SHAPE = -6
ERROR_OVERLAP = -7
ERROR_ALIGNMENT = -8
ERROR_UNSUPPORTED = -9
ERROR_MEMORY = -10
ERROR_FILE = -11
ERROR_FORMAT = -12
ERROR_BUSY = -13
ERROR_INTERRUPTED = -14
STOPPED = -15
ERROR_ORDER = -16

ISA_AUTO = 0
ISA_BASELINE = 1
ISA_AVX2 = 2
ISA_AVX512 = 3

FP64 = 1
FP32 = 2
BF16 = 3
FP16 = 4
INT8 = 5
UINT8 = 6
INT32 = 7
INT64 = 8
BOOL = 9
FLOAT8 = 10
UFLOAT8 = 11
FLOAT4 = 12
UFLOAT4 = 13
FLOAT16 = 14
UFLOAT16 = 15


class Machine(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("isa", c_int32),
        ("isa_best", c_int32),
        ("threads", c_int32),
        ("threads_default", c_int32),
        ("last_isa", c_int32),
        ("last_threads", c_int32),
        ("reserved", c_int32),
        ("chunk", c_int64),
    ]


class Array(Structure):
    _fields_ = [
        ("data", c_void_p),
        ("count", c_int64),
        ("dtype", c_int32),
        ("rank", c_int32),
        ("sizes", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("scales", c_void_p),
        ("block", c_int32),
        ("scale_dtype", c_int32),
        ("reserved", c_uint64),
    ]


class Parameter(Structure):
    _fields_ = [
        ("value", Array),
        ("grad", Array),
        ("state", POINTER(Array)),
        ("state_count", c_int64),
        ("step", POINTER(c_int64)),
        ("group", c_int32),
        ("flags", c_int32),
        ("key", c_uint64),
        ("offset", c_uint64),
        ("rows", POINTER(c_int64)),
        ("row_count", c_int64),
        ("name", c_char_p),
        ("step_shown", c_void_p),
        ("step_shown_dtype", c_int32),
        ("step_reserved", c_int32),
        ("copy", POINTER(Array)),
        ("backlog", c_void_p),
        ("reserved", c_uint64 * 3),
    ]


STATUS = c_int32
Int32 = c_int32
Int64 = c_int64
Double = c_double
UInt64 = c_uint64
Text = c_char_p

library_path = _library.find()
_library_handle = _library.load(library_path)


def error_of(status: int) -> MartletError:
    """The exception for a status that this thread's latest call returned, in the library's words but for the C function
    and the struct that they begin with."""
    text = (martlet_last_error() or martlet_status_name(status)).decode("utf-8", "replace")
    return BY_STATUS.get(status, MartletError)(re.sub(r"^martlet_\w+: (?:(?:training|loop)\.)?", "", text))


# What a Python function that the library called has raised on this thread.
_raised = threading.local()


def keep_raised(error: BaseException) -> None:
    """Keeps what a function raised that the library called, for the call that it stops to raise."""
    _raised.error = error


def failure_of(status: int) -> BaseException:
    """The same, or what a function raised that stopped the call."""
    raised: BaseException | None = _raised.__dict__.pop("error", None) if status == STOPPED else None
    return error_of(status) if raised is None else raised


def _raise_on_failure(status: int, function: Any, arguments: Any) -> int:
    if status != OK:
        raise failure_of(status)
    return status


def _plain(name: str, restype: Any, *argtypes: Any) -> Any:
    """A function that cannot fail."""
    try:
        function = getattr(_library_handle, name)
    except AttributeError:
        raise LibraryError(f"{library_path} lacks {name}: it is older than this package") from None
    function.restype = restype
    function.argtypes = list(argtypes)
    return function


def _checked(name: str, *argtypes: Any) -> Any:
    """A function that returns a status; a failure raises."""
    function = _plain(name, STATUS, *argtypes)
    function.errcheck = _raise_on_failure
    return function


martlet_version_get = _plain("martlet_version_get", c_int32)
martlet_version_name = _plain("martlet_version_name", c_char_p)

# Before the other functions, of which an older library may lack some.
if martlet_version_get() < VERSION:
    raise LibraryError(
        f"{library_path} is version {martlet_version_name().decode()}, older than this package "
        f"({VERSION_MAJOR}.{VERSION_MINOR}.{VERSION_PATCH}): install package and library together"
    )

martlet_abi_get = _plain("martlet_abi_get", c_int32)
martlet_status_name = _plain("martlet_status_name", c_char_p, STATUS)
martlet_last_error = _plain("martlet_last_error", c_char_p)

martlet_machine_get = _checked("martlet_machine_get", POINTER(Machine), c_size_t)
martlet_threads_set = _checked("martlet_threads_set", c_int32)
martlet_threads_get = _checked("martlet_threads_get", POINTER(c_int32))
martlet_isa_set = _checked("martlet_isa_set", c_int32)
martlet_chunk_set = _checked("martlet_chunk_set", c_int64)


def struct_size(structure: type[Structure]) -> int:
    """sizeof."""
    return ctypes.sizeof(structure)
