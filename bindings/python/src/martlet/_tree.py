"""The structures that parameters and gradients come in: one array, a list or tuple, or a dict from keys to arrays.

Gradients are paired with parameters by key where they are a dict, else by position, or come in pairs as in Keras.
Nothing here looks at the arrays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from martlet._errors import ArgumentError, DTypeError, ShapeError
from martlet._rows import Rows

_NAMED_AT_MOST = 5
# Python's numbers, and what numpy's reductions give.
NUMBERS = (Real, np.generic)
_STRUCTURES = (list, np.ndarray, Rows, Mapping, *NUMBERS)


def keyed(tree: Any) -> dict[Any, Any]:
    """The arrays of a structure under their keys; a lone array stands under None."""
    if isinstance(tree, Mapping):
        return dict(tree)
    refuse_numbers(tree, "params")
    return dict(enumerate(tree)) if isinstance(tree, list | tuple) else {None: tree}


def rebuilt(tree: Any, arrays: Mapping[Any, Any]) -> Any:
    """Arrays under the keys of keyed(), in a structure of the caller's kind."""
    kind = type(tree)
    if isinstance(tree, Mapping):
        return kind(arrays)
    if isinstance(tree, list | tuple):
        made = list(arrays.values())
        return kind(*made) if hasattr(tree, "_fields") else kind(made)
    return arrays[None]


def label(name: str, key: Any) -> str:
    """What the array under a key is called in messages."""
    return name if key is None else f"{name}[{key!r}]"


def listed(grads: Any) -> Any:
    """Gradients as a structure that can be read more than once; a lone array or number stays one."""
    if isinstance(grads, _STRUCTURES):
        return grads
    return many(grads, "grads", "a list or dict of numpy.ndarray, or one")


def many(given: Any, name: str, wanted: str) -> list[Any]:
    """What can be read one by one as a list. A tensor's rows and a text's letters are not meant, though they can be."""
    if isinstance(given, str | bytes) or hasattr(given, "__array__") or not isinstance(given, Iterable):
        raise DTypeError(f"{name} is {kind(given)}; wanted {wanted}")
    return given if isinstance(given, list) else list(given)


def in_order(grads: Any, keys: Collection[Any]) -> Sequence[Any]:
    """The gradients of listed(), or of a dict, in the order of the parameters' keys."""
    if not isinstance(grads, list) and isinstance(grads, Mapping):
        if len(grads) != len(keys) or any(key not in grads for key in keys):
            raise ShapeError(_difference(grads, keys))
        return [grads[key] for key in keys]
    if not isinstance(grads, list | tuple):
        if len(keys) != 1:
            raise ShapeError(f"grads is {kind(grads)}, and there are {len(keys)} parameters; wanted a list of arrays, "
                             "one for each")  # fmt: skip
        return [grads]
    if len(grads) != len(keys):
        wanted = "one for each, or None where there is none"
        if are_numbers(grads):
            raise ShapeError(f"grads is {kind(grads)}, and there are {len(keys)} parameters; wanted a list of arrays, "
                             f"{wanted}: [numpy.array(grads)] for one parameter")  # fmt: skip
        raise ShapeError(f"grads has {len(grads)} arrays, and there are {len(keys)} parameters; wanted {wanted}")
    return grads


def paired(grads: Any, params: Any) -> Sequence[Any]:
    """The gradients in the order of keyed(params), of which they must have the structure."""
    if isinstance(params, Mapping) != isinstance(grads, Mapping) or _is_list(params) != _is_list(grads):
        hint = ": numpy.array(grads)" if are_numbers(grads) and isinstance(params, np.ndarray) else ""
        raise ShapeError(f"grads is {kind(grads)}, and params is {kind(params)}; wanted the same structure{hint}")
    if not isinstance(params, list | tuple | Mapping):
        return [grads]
    return in_order(grads, list(keyed(params)))


def gradient_pairs(grads_and_vars: Any) -> list[tuple[Any, Any]]:
    """The pairs of apply_gradients, of which one at least has a gradient."""
    wanted = "wanted pairs of (gradient, variable), such as zip(gradients, variables)"
    pairs = many(grads_and_vars, "grads_and_vars", wanted.removeprefix("wanted "))
    for index, pair in enumerate(pairs):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise DTypeError(f"grads_and_vars[{index}] is a {type(pair).__name__}; {wanted}")
    if all(gradient is None for gradient, _ in pairs):
        raise ArgumentError("apply_gradients: no gradient for any variable; wanted at least one that is not None")
    return pairs


def _is_list(tree: Any) -> bool:
    return isinstance(tree, list | tuple)


def are_numbers(given: Any) -> bool:
    """Whether it is a list of numbers where a list of arrays is meant."""
    return _is_list(given) and bool(given) and all(isinstance(item, NUMBERS) for item in given)


def refuse_numbers(given: Any, name: str) -> None:
    """Raises for a list of numbers where a list of arrays is wanted."""
    if are_numbers(given):
        raise DTypeError(f"{name} is {kind(given)}; wanted numpy.ndarray, or a list of them: numpy.array({name})")


def kind(given: Any) -> str:
    """What something is, in a message."""
    if isinstance(given, Mapping):
        return "a dict"
    if _is_list(given):
        return f"a list of {len(given)} {'numbers' if are_numbers(given) else 'arrays'}"
    if isinstance(given, np.ndarray):
        return "one array"
    if isinstance(given, NUMBERS):
        return "one number"
    if given is None or isinstance(given, str | bytes):
        return repr(given)
    name = type(given).__qualname__
    return f"a torch.{name}, as martlet.torch serves them" if type(given).__module__ == "torch" else f"a {name}"


def _difference(grads: Mapping[Any, Any], keys: Collection[Any]) -> str:
    known = set(keys)
    said = []
    if missing := [key for key in keys if key not in grads]:
        said.append(f"lacks {some(missing)} (give None where a parameter has no gradient)")
    if extra := [key for key in grads if key not in known]:
        said.append(f"has {some(extra)}, which {'names' if len(extra) == 1 else 'name'} no parameter")
    return f"grads {', and '.join(said)}"


def some(keys: Sequence[Any]) -> str:
    """Keys in a message: the first few, and how many more."""
    names = ", ".join(repr(key) for key in keys[:_NAMED_AT_MOST])
    return names if len(keys) <= _NAMED_AT_MOST else f"{names} and {len(keys) - _NAMED_AT_MOST} more"
