"""Holds _ffi.py, _ffi_optimizers.py, _ffi_schedules.py and _ffi_models.py against the headers, both ways: constants,
structs with their offsets, prototypes."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

import pytest

from martlet import _ffi, _ffi_bound, _ffi_models, _ffi_optimizers, _ffi_schedules, _library

SCALARS: dict[str, Any] = {
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "double": ctypes.c_double,
    "float": ctypes.c_float,
    "martlet_status": ctypes.c_int32,
    "martlet_question": _ffi_optimizers.QUESTION,
    "martlet_reduce": _ffi_optimizers.REDUCE,
    "martlet_own_function": _ffi_models.OWN_FUNCTION,
}
STRUCTS = {
    "martlet_machine": _ffi.Machine,
    "martlet_array": _ffi.Array,
    "martlet_parameter": _ffi.Parameter,
    "martlet_config": _ffi_optimizers.Config,
    "martlet_report": _ffi_optimizers.Report,
    "martlet_slot": _ffi_optimizers.Slot,
    "martlet_rows": _ffi_optimizers.Rows,
    "martlet_optimizer": _ffi_optimizers.Optimizer,
    "martlet_schedule": _ffi_schedules.Schedule,
    "martlet_plateau": _ffi_schedules.Plateau,
    "martlet_layer": _ffi_models.Layer,
    "martlet_own_pass": _ffi_models.OwnPass,
    "martlet_training": _ffi_models.Training,
    "martlet_result": _ffi_models.Result,
    "martlet_score": _ffi_models.Score,
    "martlet_progress": _ffi_models.Progress,
    "martlet_loop": _ffi_models.Loop,
    "martlet_view": _ffi_models.View,
    "martlet_node": _ffi_models.Node,
    "martlet_model": _ffi_models.ModelToken,
}
OPAQUE = {"martlet_optimizer", "martlet_model"}
DECLARED = {**vars(_ffi), **vars(_ffi_optimizers), **vars(_ffi_schedules), **vars(_ffi_models)}


def header() -> str:
    folder = Path(_library.source_root() or _library.PACKAGE_FOLDER, "include")
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.h")))
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def constants() -> dict[str, int]:
    found = re.findall(r"^#define MARTLET_(\w+) \(?(-?\d+)\)?u?\s*$", header(), flags=re.MULTILINE)
    return {name: int(value) for name, value in found}


def structs() -> dict[str, list[tuple[str, str, int, bool]]]:
    """Struct name to fields: type, name, length (1 unless an array), whether it is a pointer."""
    found = {}
    for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\} \w+;", header(), flags=re.DOTALL):
        fields = []
        for declaration in re.findall(r"([^;]+);", body):
            if called := re.search(r"\(\*(\w+)\)", declaration):
                fields.append(("function", called[1], 1, True))
                continue
            kind, declarators = re.fullmatch(r"\s*(?:const )?(\w+)\s+(.*?)\s*", declaration, flags=re.DOTALL).groups()
            for declarator in declarators.split(","):
                told = declarator.replace("*const *", "**")
                star, field, length = re.fullmatch(r"\s*(\**)\s*(\w+)(?:\[(\w+)\])?", told).groups()
                count = constants().get((length or "1").removeprefix("MARTLET_"), length or 1)
                fields.append((kind, field, int(count), bool(star)))
        found[name] = fields
    return found


def prototypes() -> dict[str, tuple[str, list[str]]]:
    """Function name to the type of its result and those of its arguments, as written."""
    text = re.sub(r"^\s*#.*$", "", header(), flags=re.MULTILINE)
    text = re.sub(r"typedef struct \w+ \{.*?\} \w+;", "", text, flags=re.DOTALL)
    found = {}
    for result, name, arguments in re.findall(r"^([\w\s\*]+?)\b(martlet_\w+)\(([^)]*)\);", text, flags=re.MULTILINE):
        kinds = [] if arguments.strip() == "void" else [plain(part) for part in arguments.split(",")]
        found[name] = (" ".join(result.replace("const", "").split()).replace(" *", "*"), kinds)
    return found


def plain(argument: str) -> str:
    """`const martlet_config *groups` as `martlet_config*`."""
    words = argument.replace("const", "").replace("*", " * ").split()
    return words[0] + "*" * words.count("*")


def expected(kind: str) -> Any:
    if kind == "char*":
        return ctypes.c_char_p
    if kind == "void*":
        return ctypes.c_void_p
    if kind.endswith("*"):
        return ctypes.POINTER(expected(kind[:-1]))
    return SCALARS.get(kind) or STRUCTS[kind]


def test_constants_are_the_headers() -> None:
    ours = {
        name: value for name, value in DECLARED.items() if re.fullmatch(r"[A-Z][A-Z0-9_]*", name) and type(value) is int
    }
    theirs = constants()
    assert len(theirs) > 40
    assert ours == theirs


def test_every_struct_is_declared() -> None:
    declared = {value for value in DECLARED.values() if isinstance(value, type(ctypes.Structure))}
    declared.discard(ctypes.Structure)
    assert declared == set(STRUCTS.values())
    assert set(structs()) == set(STRUCTS) - OPAQUE


@pytest.mark.parametrize("name", sorted(set(STRUCTS) - OPAQUE))
def test_struct_fields_and_offsets(name: str) -> None:
    structure = STRUCTS[name]
    offset = alignment = 0
    names = []
    for kind, field, length, pointer in structs()[name]:
        if pointer:
            size = unit = 8
        else:
            unit = 8 if kind in STRUCTS else ctypes.sizeof(SCALARS[kind])
            size = ctypes.sizeof(STRUCTS[kind]) if kind in STRUCTS else unit
        offset = (offset + unit - 1) // unit * unit
        alignment = max(alignment, unit)
        descriptor = getattr(structure, field)
        assert (descriptor.offset, descriptor.size) == (offset, size * length), field
        names.append(field)
        offset += size * length
    assert [field[0] for field in structure._fields_] == names
    assert ctypes.sizeof(structure) == (offset + alignment - 1) // alignment * alignment


def test_sizes_that_are_fixed_for_good() -> None:
    assert ctypes.sizeof(_ffi.Array) == 64
    assert ctypes.sizeof(_ffi.Parameter) == 256
    assert ctypes.sizeof(_ffi_optimizers.Config) == 424
    assert ctypes.sizeof(_ffi_optimizers.Slot) == 32
    assert ctypes.sizeof(_ffi_optimizers.Rows) == 32
    assert ctypes.sizeof(_ffi_models.View) == 128
    assert ctypes.sizeof(_ffi_models.Node) == 128


def test_the_progress_function() -> None:
    (declared,) = re.findall(r"int32_t \(\*progress\)\(([^)]*)\);", header())
    assert _ffi_models.PROGRESS._restype_ is ctypes.c_int32
    assert list(_ffi_models.PROGRESS._argtypes_) == [expected(plain(part)) for part in declared.split(",")]


def test_the_question_function() -> None:
    (declared,) = re.findall(r"typedef int32_t \(\*martlet_question\)\(([^)]*)\);", header())
    assert _ffi_optimizers.QUESTION._restype_ is ctypes.c_int32
    assert list(_ffi_optimizers.QUESTION._argtypes_) == [expected(plain(part)) for part in declared.split(",")]


def test_the_reduce_function() -> None:
    (declared,) = re.findall(r"typedef int32_t \(\*martlet_reduce\)\(([^)]*)\);", header())
    assert _ffi_optimizers.REDUCE._restype_ is ctypes.c_int32
    assert list(_ffi_optimizers.REDUCE._argtypes_) == [expected(plain(part)) for part in declared.split(",")]


def test_the_function_of_a_layer() -> None:
    (declared,) = re.findall(r"typedef int32_t \(\*martlet_own_function\)\(([^)]*)\);", header())
    assert _ffi_models.OWN_FUNCTION._restype_ is ctypes.c_int32
    assert list(_ffi_models.OWN_FUNCTION._argtypes_) == [expected(plain(part)) for part in declared.split(",")]


def test_every_function_is_declared() -> None:
    ours = {name for name in DECLARED if name.startswith("martlet_")}
    theirs = set(prototypes())
    assert len(theirs) > 30
    assert ours == theirs


@pytest.mark.parametrize("name", sorted(prototypes()))
def test_prototype(name: str) -> None:
    result, arguments = prototypes()[name]
    function = DECLARED[name]
    assert function.restype is expected(result)
    assert function.argtypes == [expected(kind) for kind in arguments]
    checks = getattr(function, "errcheck", None) is _ffi._raise_on_failure
    assert checks == (result == "martlet_status")


@pytest.mark.parametrize(
    ("checked", "by_address"),
    [
        (_ffi_optimizers.martlet_step, _ffi_bound._step_by_address),
        (_ffi_optimizers.martlet_step_sharded, _ffi_bound._sharded_by_address),
        (_ffi_optimizers.martlet_answers_get, _ffi_bound._answers_by_address),
        (_ffi_models.martlet_model_train, _ffi_models._train_by_address),
        (_ffi_models.martlet_model_weighted_train, _ffi_models._weighted_by_address),
    ],
)
def test_the_call_by_address_is_the_same_function(checked: Any, by_address: Any) -> None:
    address = ctypes.cast(checked, ctypes.c_void_p).value
    assert ctypes.cast(by_address, ctypes.c_void_p).value == address
    sizes = [ctypes.sizeof(kind) for kind in checked.argtypes]
    assert [ctypes.sizeof(kind) for kind in by_address.argtypes] == sizes
    assert by_address.restype is _ffi.STATUS


def test_each_status_has_an_exception() -> None:
    statuses = {value for name, value in constants().items() if name.startswith("ERROR_") or name == "STOPPED"}
    assert statuses == set(_ffi.BY_STATUS)


def test_nothing_else_touches_ctypes() -> None:
    folder = Path(_library.PACKAGE_FOLDER)
    users = {
        path.name for path in folder.rglob("*.py") if re.search(r"^\s*(import|from) ctypes", path.read_text(), re.M)
    }
    mirrors = {f"_ffi{part}.py" for part in ("", "_bound", "_models", "_optimizers", "_schedules")}
    assert users == {*mirrors, "_library.py", "_memory.py"}
