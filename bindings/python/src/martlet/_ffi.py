"""martlet.h to its section 8, word for word: its constants, structs and prototypes, over ctypes.

It touches ctypes, as do _ffi_schedules.py and _ffi_models.py, the rest of the header, _library.py, which loads the
library, and _memory.py. A test holds all against the header both ways. Names are the header's, constants and types
without their prefix. No arguments are checked here: a function that fails raises the exception of its status, with the
library's own text.
"""

from __future__ import annotations

import ctypes
import re
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_double,
    c_float,
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
DYNAMIC8 = 10
UDYNAMIC8 = 11
LINEAR4 = 12
ULINEAR4 = 13

ADAM = 1
ADAMW = 2
SGD = 3
RMSPROP = 4
ADAGRAD = 5
ADADELTA = 6
RPROP = 7
ASGD = 8
ADAMAX = 9
NADAM = 10
RADAM = 11
ADABOUND = 12
ADABELIEF = 13
ADAN = 14
LION = 15
ADEMAMIX = 16
SIMPLIFIED_ADEMAMIX = 17
ADOPT = 18
LAPROP = 19
SCHEDULE_FREE_SGD = 20
SCHEDULE_FREE_ADAMW = 21
SCHEDULE_FREE_RADAM = 22
ADAFACTOR = 23

SEMANTICS_TORCH = 0
SEMANTICS_KERAS = 1
SEMANTICS_OPTAX = 2
SEMANTICS_PAPER = 3

AMSGRAD = 1
MAXIMIZE = 2
FLUSH_DENORMALS = 4
KEEP_DENORMALS = 8
WIDE_RANGES = 16
DECOUPLED_DECAY = 32
CAUTIOUS_DECAY = 64
CORRECTED_DECAY = 128
NESTEROV = 256
CENTERED = 512
RECTIFY = 1024

LR = 1
BETA1 = 2
BETA2 = 3
BETA3 = 4
EPS = 5
WEIGHT_DECAY = 6
MOMENTUM = 7
DAMPENING = 8
ALPHA = 9
RHO = 10
LR_DECAY = 11
INITIAL_ACCUMULATOR_VALUE = 12
ETAMINUS = 13
ETAPLUS = 14
STEP_SIZE_MIN = 15
STEP_SIZE_MAX = 16
LAMBD = 17
T0 = 18
MOMENTUM_DECAY = 19
FINAL_LR = 20
GAMMA = 21
EPS_ROOT = 22
EPS2 = 23
BETA2_DECAY = 24
CLIPPING_THRESHOLD = 25
R = 26
WEIGHT_LR_POWER = 27
WARMUP_STEPS = 28
ALPHA_WARMUP = 29
BETA3_WARMUP = 30

SLOT_ELEMENTS = 0
SLOT_SCALAR = 1
SLOT_ROWS = 2
SLOT_COLUMNS = 3
SLOT_VECTOR = 4

TRAINING = 0
EVALUATION = 1


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
        ("reserved", c_uint64 * 5),
    ]


class Config(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("algorithm", c_int32),
        ("semantics", c_int32),
        ("flags", c_uint32),
        ("seed", c_uint64),
        ("lr", c_double),
        ("beta1", c_double),
        ("beta2", c_double),
        ("beta3", c_double),
        ("eps", c_double),
        ("weight_decay", c_double),
        ("momentum", c_double),
        ("dampening", c_double),
        ("alpha", c_double),
        ("rho", c_double),
        ("lr_decay", c_double),
        ("initial_accumulator_value", c_double),
        ("etaminus", c_double),
        ("etaplus", c_double),
        ("step_size_min", c_double),
        ("step_size_max", c_double),
        ("lambd", c_double),
        ("t0", c_double),
        ("momentum_decay", c_double),
        ("final_lr", c_double),
        ("gamma", c_double),
        ("eps_root", c_double),
        ("eps2", c_double),
        ("beta2_decay", c_double),
        ("clipping_threshold", c_double),
        ("r", c_double),
        ("weight_lr_power", c_double),
        ("warmup_steps", c_double),
        ("alpha_warmup", c_double),
        ("beta3_warmup", c_double),
    ]


class Slot(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("kind", c_int32),
        ("dtype", c_int32),
        ("reserved", c_uint64 * 2),
    ]


class Report(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("skipped", c_int32),
        ("grad_norm", c_double),
        ("update_norm", c_double),
        ("nonfinite_parameter", c_int64),
    ]


class Optimizer(Structure):
    """Opaque: a pointer to it is a token."""


STATUS = c_int32
Int32 = c_int32
Int64 = c_int64
Double = c_double
HANDLE = POINTER(Optimizer)
QUESTION = CFUNCTYPE(c_int32, c_void_p, c_void_p)

library_path = _library.find()
_library_handle = _library.load(library_path)


def error_of(status: int) -> MartletError:
    """The exception for a status that this thread's latest call returned, in the library's words but for the C function
    and the struct that they begin with."""
    text = (martlet_last_error() or martlet_status_name(status)).decode("utf-8", "replace")
    return BY_STATUS.get(status, MartletError)(re.sub(r"^martlet_\w+: (?:(?:training|loop)\.)?", "", text))


def _raise_on_failure(status: int, function: Any, arguments: Any) -> int:
    if status != OK:
        raise error_of(status)
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

martlet_config_init = _checked("martlet_config_init", POINTER(Config), c_size_t, c_int32)
martlet_algorithm_name = _plain("martlet_algorithm_name", c_char_p, c_int32)
martlet_algorithm_slot_count = _checked("martlet_algorithm_slot_count", POINTER(c_int64), POINTER(Config))
martlet_algorithm_flags = _plain("martlet_algorithm_flags", c_uint32, c_int32)
martlet_hyperparameter_name = _plain("martlet_hyperparameter_name", c_char_p, c_int32)
martlet_slot_get = _checked("martlet_slot_get", POINTER(Slot), POINTER(Config), c_int32)

martlet_report_init = _checked("martlet_report_init", POINTER(Report), c_size_t)
martlet_step = _checked("martlet_step", POINTER(Report), POINTER(Parameter), c_int64, POINTER(Config), c_int64)
martlet_array_step = _checked(
    "martlet_array_step",
    POINTER(c_float),
    POINTER(c_float),
    POINTER(c_float),
    c_int64,
    POINTER(c_int64),
    POINTER(Config),
)
martlet_answers_get = _checked(
    "martlet_answers_get", POINTER(c_int64), POINTER(QUESTION), c_int64, POINTER(c_void_p), c_int64
)

martlet_optimizer_create = _checked("martlet_optimizer_create", POINTER(HANDLE), POINTER(Config))
martlet_optimizer_destroy = _checked("martlet_optimizer_destroy", HANDLE)
martlet_optimizer_clone = _checked("martlet_optimizer_clone", HANDLE, POINTER(HANDLE))
martlet_optimizer_reset = _checked("martlet_optimizer_reset", HANDLE)
martlet_optimizer_group_add = _checked("martlet_optimizer_group_add", HANDLE, POINTER(c_int32), POINTER(Config))
martlet_optimizer_add = _checked("martlet_optimizer_add", HANDLE, POINTER(c_int64), POINTER(Parameter))
martlet_optimizer_step = _checked("martlet_optimizer_step", HANDLE, POINTER(Report), POINTER(Array), c_int64)
martlet_optimizer_mode_set = _checked("martlet_optimizer_mode_set", HANDLE, c_int32)
martlet_optimizer_set = _checked("martlet_optimizer_set", HANDLE, c_int32, c_int32, c_double)
martlet_optimizer_get = _checked("martlet_optimizer_get", HANDLE, POINTER(c_double), c_int32, c_int32)
martlet_optimizer_mode_set = _checked("martlet_optimizer_mode_set", HANDLE, c_int32)
martlet_optimizer_count = _checked("martlet_optimizer_count", HANDLE, POINTER(c_int64))
martlet_optimizer_group_count = _checked("martlet_optimizer_group_count", HANDLE, POINTER(c_int64))
martlet_optimizer_size = _checked("martlet_optimizer_size", HANDLE, POINTER(c_int64))
martlet_optimizer_state_get = _checked("martlet_optimizer_state_get", HANDLE, POINTER(Array), c_int64, c_int32)
martlet_optimizer_state_set = _checked("martlet_optimizer_state_set", HANDLE, c_int64, c_int32, POINTER(Array))
martlet_optimizer_step_get = _checked("martlet_optimizer_step_get", HANDLE, POINTER(c_int64), c_int64)
martlet_optimizer_step_set = _checked("martlet_optimizer_step_set", HANDLE, c_int64, c_int64)
martlet_optimizer_save = _checked("martlet_optimizer_save", HANDLE, c_char_p)
martlet_optimizer_load = _checked("martlet_optimizer_load", HANDLE, c_char_p)


def struct_size(structure: type[Structure]) -> int:
    """sizeof."""
    return ctypes.sizeof(structure)
