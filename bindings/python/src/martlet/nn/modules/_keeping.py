"""What a module keeps from call to call in attributes of its own, which torch.export warns of and leaves out."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import torch

_WARNS = re.compile(r"The tensor attributes? (.*) (?:was|were) assigned during export")


class ReadError(Exception):
    """What the call before has left in an attribute is read."""


class _Left:
    """Stands in an attribute for the tensor that the call before has left there. Raises ReadError whatever it is asked
    for, and says that it is a tensor."""

    def __init__(self, what: str) -> None:
        vars(self)["what"] = what

    def _read(self, *_given: Any, **_named: Any) -> NoReturn:
        raise ReadError(vars(self)["what"])

    __getattr__ = __getitem__ = __setitem__ = __iter__ = __len__ = __bool__ = __neg__ = _read
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __matmul__ = _read
    __class__ = torch.Tensor  # type: ignore[assignment]

    @classmethod
    def __torch_function__(cls, _function: Any, _types: Any, given: Any = (), named: Any = None) -> NoReturn:
        found = [one for one in torch.utils._pytree.tree_leaves((given, named)) if type(one) is cls]
        raise ReadError(vars(found[0])["what"] if found else "what a call has left")


def written_down(module: Any, export: Callable[[], Any]) -> Any:
    """What export gives, with the module's attributes as they were, and what lists and dictionaries among them hold.
    Raises ReadError where forward reads a tensor that the call before has left: a module that leaves tensors is written
    down once more, with nothing to read there. What others are left to look at changes nothing."""
    with _put_back(module) as left:
        found = export()
    if left:
        with warnings.catch_warnings(), _put_back(module):
            warnings.simplefilter("ignore")  # they are told
            for (part, name), path in left.items():
                what = f"{type(part).__name__} keeps {path} from call to call, which a model does not"
                vars(part)[name] = _Left(what)
            export()
    return found


@contextmanager
def _put_back(module: Any) -> Iterator[dict[tuple[Any, str], str]]:
    """Gives the attributes that tensors are left in, by their part of the module, and what torch calls them."""
    before = [(part, dict(vars(part))) for part in module.modules()]
    held: list[tuple[Any, Any]] = [
        (each, each.copy()) for _, known in before for each in known.values() if isinstance(each, list | dict)
    ]
    left: dict[tuple[Any, str], str] = {}
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            yield left
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
            *owners, name = path.partition("[")[0].removeprefix("self.").split(".")
            part = module
            for owner in owners:
                part = getattr(part, owner, None)
            if part is not None and name != "_flat_weights":  # which recurrent layers list anew
                left[part, name] = path
