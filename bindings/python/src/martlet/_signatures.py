"""Classes that share arguments: each constructor states its own, and takes the shared ones as **options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from martlet._errors import DTypeError

_NO_ARGUMENTS = ("self", "params", "options", "__class__")


def show(constructor: Callable[..., Any], shared: Mapping[str, Any]) -> None:
    """Lets inspect and help show what the **options of a constructor may be: names and defaults."""
    signature = inspect.signature(constructor)
    own = {name: one for name, one in signature.parameters.items() if one.kind is not inspect.Parameter.VAR_KEYWORD}
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in shared.items()
        if name not in own
    ]
    constructor.__signature__ = signature.replace(parameters=[*own.values(), *more])  # type: ignore[attr-defined]


def arguments(given: Mapping[str, Any], allowed: Collection[str], name: str) -> dict[str, Any]:
    """What a constructor of that name was given beside params. given: its locals(), options among them."""
    stated = {name: value for name, value in given.items() if name not in _NO_ARGUMENTS}
    for option in given["options"]:
        if option not in allowed:
            known = ", ".join(dict.fromkeys([*stated, *allowed]))
            raise DTypeError(f"{name} got an unexpected argument {option!r}; it takes {known}")
    return {**stated, **given["options"]}
