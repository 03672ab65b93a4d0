"""optax's states: named tuples of parameters' trees in Martlet's words, and the other way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from martlet import _algorithms
from martlet._errors import DTypeError, FormatError, UnsupportedError
from martlet.convert import _ours
from martlet.convert._forms import OPTAX, Form
from martlet.convert._ours import Entry, Ours, as_array

_LIBRARY = "optax"
_FLAGS = ("maximize", "cautious_weight_decay", "corrected_weight_decay")
# Counts the steps for a schedule of the rate, beside whatever counts them for the algorithm.
_SCHEDULED = "ScaleByScheduleState"


def from_optax(state: Any, ours: Any) -> dict[str, Any]:
    """A state_dict for ours.load_state_dict.

    state: what an optimizer of optax gave, alone or anywhere in a chain. ours: an optimizer of martlet.optim or
    martlet.torch with the same parameters, which is not changed: by name where they have names and the parameters of
    optax are in dicts ("dense/kernel" for {"dense": {"kernel": ...}}), else in the order of jax.tree.leaves.

    A state of optax says neither whose it is nor by which numbers: both are ours', and semantics is set to "optax"
    where it matters. It is taken to be that of optax's function of our algorithm with its default flags.
    """
    mine = Ours(ours)
    nodes = _nodes(state)
    form = _form_of(nodes, mine)
    mine.adopt(form, numbers=False)
    trees, numbers = _fields(nodes, form, mine)
    order = {path: _ordered(tree, mine) for path, tree in trees.items()}
    entries: list[Entry] = []
    for index, (_, group) in enumerate(mine.places):
        read = {**numbers, **{path: as_array(leaves[index]) for path, leaves in order.items()}}.get
        entry = _ours.from_paths(form, mine.row(group), read, mine.numbers(group), int(numbers.get(_SCHEDULED, 1)))
        entries.append(entry if entry["step"] else {})
    return mine.state_dict(entries)


def to_optax(ours: Any, state: Any) -> Any:
    """A state like this one, with the moments and counts of an optimizer of martlet.optim or martlet.torch.

    state: what optax's init or update gave for the same parameters, as in from_optax. It is not changed. The rule must
    be that of optax's function, and its numbers, which no state tells, the caller's care.
    """
    mine = Ours(ours)
    nodes = _nodes(state)
    form = _form_of(nodes, mine)
    mine.check(form)
    for group in mine.groups:
        mine.check_flags(form, group, lambda key: False, _LIBRARY, _FLAGS)
    entries = mine.entries()
    step = _ours.common(entries, "step", _LIBRARY) or 0
    given = [(entry, mine.numbers(group)) for entry, (_, group) in zip(entries, mine.places, strict=True) if entry]
    trees, _ = _fields(nodes, form, mine)
    new: dict[str, Any] = {f"{_SCHEDULED}.count": step}
    for slot, path in form.slots.items():
        name, sign = _ours.signed(path)
        if slot == "step":
            new[name] = step + form.first
        elif name in trees:
            new[name] = _refilled(trees[name], mine, [entry.get(slot) for entry in entries], sign, slot)
        elif given:
            new[name] = float(_ours.common(entries, slot, _LIBRARY))
    for path, formula in form.told.items():
        new[path] = formula(step, given[0][1] if given else {})
    _check_kept(form, mine, entries, trees)
    return _replaced(state, new)


def _nodes(state: Any) -> dict[str, Any]:
    """The named tuples of a state by the names of their types, each once; None in the place of those that differ."""
    found: dict[str, Any] = {}
    waiting = [state]
    while waiting:
        node = waiting.pop()
        if hasattr(node, "_fields"):
            name = type(node).__name__
            found[name] = None if name in found else node
        if isinstance(node, Mapping):
            waiting += node.values()
        elif isinstance(node, tuple | list):
            waiting += node
    return found


def _form_of(nodes: Mapping[str, Any], mine: Ours) -> Form:
    if not nodes:
        raise DTypeError("the state has none of optax's named tuples; wanted what init or update of an optimizer gave")
    forms = [form for form in OPTAX if _ours.is_of(form, mine.kind)]
    here = [form for form in forms if all(_node(path) in nodes for path in list(form.slots.values())[:1])]
    form = _ours.find(here or forms or OPTAX, mine.kind, _LIBRARY)
    for name in dict.fromkeys(map(_node, form.slots.values())):
        if name in nodes and nodes[name] is None:
            raise UnsupportedError(f"the state has several {name}: wanted that of one optimizer")
        if not here and form.name != "sgd":
            raise FormatError(
                f"the state has {_ours.listed(nodes)}, and optax's {form.name} {name}: wanted one of our algorithm"
            )
    for name in form.theirs:
        if name in nodes:
            raise UnsupportedError(
                f"the state has {name}: under a schedule optax's {form.name} weighs a step by the rate of the next, "
                "and Martlet by its own"
            )
    return form


def _node(path: str) -> str:
    return _ours.signed(path)[0].partition(".")[0]


def _fields(nodes: Mapping[str, Any], form: Form, mine: Ours) -> tuple[dict[str, Any], dict[str, float]]:
    """What stands under a form's paths: parameters' trees, and numbers; with the steps that a schedule has counted."""
    elements = _algorithms.all_slots(mine.kind.number).arrays
    trees, numbers = {}, {}
    for slot, path in form.slots.items():
        name, _ = _ours.signed(path)
        node, _, field = name.partition(".")
        if node in nodes:
            value = getattr(nodes[node], field)
            if slot in elements:
                trees[name] = value
            else:
                numbers[name] = float(as_array(value))
    if nodes.get(_SCHEDULED) is not None:
        numbers[_SCHEDULED] = float(as_array(nodes[_SCHEDULED].count))
    return trees, numbers


def _places(tree: Any, mine: Ours) -> list[int]:
    """Where each of our parameters stands among a tree's leaves."""
    import jax

    paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(tree)[0]]
    if len(paths) != len(mine.places):
        raise FormatError(f"the state is of {len(paths)} parameters, and ours has {len(mine.places)}: wanted the same")
    words = ["/".join(str(getattr(key, "key", getattr(key, "name", ""))) for key in path) for path in paths]
    if mine.names is None or not all(words):
        return list(range(len(paths)))
    wanted = [name.replace(".", "/") for name in mine.names]
    if set(wanted) != set(words):
        raise FormatError(f"optax's parameters are {', '.join(words)}, and ours {', '.join(wanted)}: wanted the same "
                          "names, or none")  # fmt: skip
    return [words.index(name) for name in wanted]


def _ordered(tree: Any, mine: Ours) -> list[Any]:
    """A tree's leaves in the order of our parameters."""
    import jax

    leaves = jax.tree.leaves(tree)
    return [leaves[place] for place in _places(tree, mine)]


def _refilled(tree: Any, mine: Ours, values: Sequence[Any], sign: int, slot: str) -> Any:
    """A tree with these leaves, given in the order of our parameters. None: as it is."""
    import jax

    leaves, shape = jax.tree.flatten(tree)
    for place, value in zip(_places(tree, mine), values, strict=True):
        if value is not None:
            array = sign * as_array(value)
            if array.shape != leaves[place].shape:
                raise FormatError(
                    f"{slot} of ours has shape {array.shape}, and optax's {leaves[place].shape}: wanted the same "
                    "parameters in the same order"
                )
            leaves[place] = jax.numpy.asarray(array, leaves[place].dtype)
    return jax.tree.unflatten(shape, leaves)


def _check_kept(form: Form, mine: Ours, entries: Sequence[Entry], trees: Mapping[str, Any]) -> None:
    """Refuses a state of other slots than optax has."""
    elements = _algorithms.all_slots(mine.kind.number).arrays
    theirs = {slot for slot, path in form.slots.items() if _ours.signed(path)[0] in trees}
    for entry in entries:
        kept = {slot for slot in entry if slot in elements}
        if entry and kept != theirs:
            raise FormatError(
                f"ours keeps {_ours.listed(kept)}, and optax's state has {_ours.listed(theirs)} of it: wanted the same "
                "options on both sides, such as amsgrad, momentum and centered"
            )


def _replaced(node: Any, new: Mapping[str, Any]) -> Any:
    """A state with other values under these paths."""
    if hasattr(node, "_fields"):
        made = {}
        for field, value in zip(node._fields, node, strict=True):
            path = f"{type(node).__name__}.{field}"
            if path in new and hasattr(value, "dtype"):
                made[field] = _like(value, new[path])
            else:
                made[field] = new[path] if path in new else _replaced(value, new)
        return type(node)(**made)
    if isinstance(node, tuple | list):
        return type(node)(_replaced(part, new) for part in node)
    if isinstance(node, Mapping):
        made = {key: _replaced(part, new) for key, part in node.items()}
        return made if type(node) is dict else type(node)(made)  # type: ignore[call-arg]
    return node


def _like(old: Any, value: Any) -> Any:
    import jax

    return jax.numpy.asarray(value, old.dtype)
