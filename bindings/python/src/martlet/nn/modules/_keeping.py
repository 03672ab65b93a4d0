"""What a module keeps from call to call in attributes of its own, which torch.export warns of and leaves out."""

from __future__ import annotations

import dis
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from martlet._errors import UnsupportedError

_WARNS = re.compile(r"The tensor attributes? (.*) (?:was|were) assigned during export")


@contextmanager
def refused(module: Any) -> Iterator[None]:
    """Refuses tensors that forward keeps in an attribute and reads, while a module is written down, and puts attributes
    back, with what lists and dictionaries have held. Recurrent layers list their weights anew, and what is kept for
    others to look at changes nothing."""
    before = [(part, dict(vars(part))) for part in module.modules()]
    held: list[tuple[Any, Any]] = [
        (each, each.copy()) for _, known in before for each in known.values() if isinstance(each, list | dict)
    ]
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            yield
    finally:
        for part, attributes in before:
            for name in vars(part).keys() - attributes.keys():
                del vars(part)[name]
            vars(part).update(attributes)
        for each, entries in held:
            each.clear()
            each.extend(entries) if isinstance(each, list) else each.update(entries)
    for one in told:
        found = _WARNS.match(str(one.message))
        if found is None:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        for path in found[1].split(", ") if found else []:
            _check(module, path)


def _check(module: Any, path: str) -> None:
    """path: "self.encoder.state", or "self.states[0]"."""
    *owners, name = path.partition("[")[0].removeprefix("self.").split(".")
    for owner in owners:
        module = getattr(module, owner, None)
    if name == "_flat_weights" or module is None:
        return
    for function in _functions(type(module)):
        for code in _codes(function.__code__):
            number = _line(code, name)
            if number:
                raise UnsupportedError(f"{type(module).__name__} keeps {path} from call to call, which a model does "
                                       f"not: {Path(code.co_filename).name}, line {number}")  # fmt: skip


def _functions(kind: type) -> Iterator[FunctionType]:
    for one in kind.__mro__:
        if not one.__module__.startswith("torch."):
            yield from (found for found in vars(one).values() if isinstance(found, FunctionType))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _codes(one)


def _line(code: CodeType, name: str) -> int | None:
    """Where an attribute of a name is read; None: nowhere."""
    number = code.co_firstlineno
    for step in dis.get_instructions(code):
        number = getattr(getattr(step, "positions", None), "lineno", None) or step.starts_line or number
        if step.argval == name and step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            return int(number)
    return None
