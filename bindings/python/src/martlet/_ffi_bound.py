"""Native calls that are repeated with the same arguments, as steps are: functions without any."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import c_int32, c_int64, c_void_p
from functools import partial
from typing import Any

from martlet import _ffi, _ffi_optimizers

# Second declarations of functions for calls that are repeated with the same addresses: ctypes converts a ready
# c_void_p in half the time that a typed pointer takes.
_step_by_address = _ffi._library_handle["martlet_step"]
_step_by_address.restype = _ffi.STATUS
_step_by_address.argtypes = [c_void_p, c_void_p, c_int64, c_void_p, c_int64]
_sharded_by_address = _ffi._library_handle["martlet_step_sharded"]
_sharded_by_address.restype = _ffi.STATUS
_sharded_by_address.argtypes = [c_void_p, c_void_p, c_int64, c_void_p, c_int64, _ffi_optimizers.REDUCE, c_void_p]
_mode_by_address = _ffi._library_handle["martlet_mode_set"]
_mode_by_address.restype = _ffi.STATUS
_mode_by_address.argtypes = [c_void_p, c_int64, c_void_p, c_int64, c_int32]
_finish_by_address = _ffi._library_handle["martlet_finish"]
_finish_by_address.restype = _ffi.STATUS
_finish_by_address.argtypes = [c_void_p, c_int64, c_void_p, c_int64]
# The interpreter keeps its lock during this one.
_answers_by_address = ctypes.PyDLL(None, handle=_ffi._library_handle._handle)["martlet_answers_get"]
_answers_by_address.restype = _ffi.STATUS
_answers_by_address.argtypes = [c_void_p, c_void_p, c_int64, c_void_p, c_int64]


def bound_step(report: int, parameters: int, count: int, configs: int, config_count: int) -> Callable[[], int]:
    """martlet_step with its arguments fixed: returns the status and raises nothing.

    report, parameters, configs: addresses of a Report and of arrays of Parameter and Config, which the caller keeps
    alive.
    """
    groups = c_void_p(configs), c_int64(config_count)
    return partial(_step_by_address, c_void_p(report), c_void_p(parameters), c_int64(count), *groups)


def step_sharded(
    report: int, parameters: int, count: int, configs: int, config_count: int, reduce: Callable[[Any, Any, int], int]
) -> int:
    """martlet_step_sharded: returns the status and raises nothing. reduce: of a pointer to doubles, and their count."""
    function = _ffi_optimizers.REDUCE(reduce)
    status: int = _sharded_by_address(report, parameters, count, configs, config_count, function, None)
    return status


def bound_mode_set(parameters: int, count: int, configs: int, config_count: int) -> Callable[[int], int]:
    """martlet_mode_set likewise: takes the mode."""
    return partial(_mode_by_address, c_void_p(parameters), c_int64(count), c_void_p(configs), c_int64(config_count))


def finish(parameters: int, count: int, configs: int, config_count: int) -> int:
    """martlet_finish: returns the status and raises nothing."""
    status: int = _finish_by_address(parameters, count, configs, config_count)
    return status


def bound_answers(answers: int, questions: int, question_count: int, objects: int, count: int) -> Callable[[], int]:
    """martlet_answers_get with its arguments fixed, during which no other thread runs Python: returns the status and
    raises nothing.

    answers, questions, objects: addresses of the three arrays, which the caller keeps alive.
    """
    given = c_void_p(answers), c_void_p(questions), c_int64(question_count), c_void_p(objects), c_int64(count)
    return partial(_answers_by_address, *given)
