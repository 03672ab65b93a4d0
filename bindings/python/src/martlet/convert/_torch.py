"""Optimizers of torch's shape: their state_dicts in Martlet's words, and the other way."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from martlet import _algorithms, _spellings
from martlet._errors import ArgumentError, DTypeError, FormatError, MartletError, UnsupportedError
from martlet.convert import _coded, _ours
from martlet.convert._forms import Form
from martlet.convert._ours import Entry, Group, Ours
from martlet.convert._torch_forms import TORCH

# What stands in a group beside options, and goes with it.
_CARRIED = ("initial_lr", "train_mode")
# The ends of paths to parts of a list.
_PARTS = (".0", ".1")
_16_BITS = ("torch.bfloat16", "torch.float16")


def from_torch(theirs: Any, ours: Any) -> dict[str, Any]:
    """A state_dict for ours.load_state_dict.

    theirs: an optimizer of torch, schedulefree, prodigyopt, timm, pytorch_optimizer, lion-pytorch, adabelief-pytorch,
    bitsandbytes or torchao, or its state_dict, which does not tell the few options that stand in the object alone.
    ours: an optimizer of martlet.optim or martlet.torch, which is not changed. Hyperparameters are theirs.
    """
    if isinstance(theirs, Mapping):
        return dict(translated(theirs, ours))
    packed, mine = _state_dict_of(theirs), Ours(ours)
    found = _form_of(theirs, mine)
    return _converted(packed, mine, *found, vars(theirs)) if found else packed


def to_torch(ours: Any, theirs: Any) -> dict[str, Any]:
    """A state_dict for theirs.load_state_dict, with our hyperparameters under their names and all else as it is there.

    theirs: an optimizer as in from_torch, with the same groups, which is not changed.
    """
    mine = Ours(ours)
    found = _form_of(theirs, mine)
    packed = _state_dict_of(theirs)
    codes = _coded.LIBRARIES.get(found[0]) if found else None
    _check_counts(mine, packed["param_groups"], found[0] if found else "torch")
    if found is None:
        return _plain(mine, packed, theirs)
    library, form = found
    mine.check(form)
    groups, state = [], {}
    listed = codes.groups(packed["param_groups"], form) if codes else packed["param_groups"]
    attributes = codes.attributes(vars(theirs)) if codes else vars(theirs)
    for index, (own, given) in enumerate(zip(mine.groups, listed, strict=True)):
        entries = [mine.entry(place) for place in own["params"]]
        _check_base_rate(entries, attributes, index, library)
        _check_low(form, library, given, theirs.param_groups[index]["params"])
        told = _told_group(mine, own, given, entries, library, form, attributes)
        groups.append(codes.told(told, form) if codes else told)
        for place, (key, entry) in enumerate(zip(given["params"], entries, strict=True)):
            if entry:
                made = _told_entry(entry | {"step": entry["step"] + form.first}, form, mine.numbers(own))
                state[key] = codes.write(made, form, theirs, (index, place)) if codes else made
    return {"state": state, "param_groups": groups}


_MARKS = {form.marks[0] for forms in TORCH.values() for form in forms if form.marks}


def translated(packed: Any, optimizer: Any) -> Any:
    """What load_state_dict is given, in Martlet's words where its groups have keys of another library."""
    groups, state = (packed.get("param_groups"), packed.get("state")) if isinstance(packed, Mapping) else (None, None)
    if not isinstance(groups, list | tuple) or not groups or not isinstance(state, Mapping):
        return packed  # what is wrong with it says who asked
    if (library := _coded.library_of(state)) is not None:
        ours = Ours(optimizer)
        forms = TORCH[library]  # whose state_dicts do not say of which of two rules they are
        exact = [form for form in forms if form.algorithm == ours.kind.number] or forms
        return _converted(packed, ours, library, _ours.find(exact, ours.kind, library), {})
    if not all(isinstance(group, Mapping) and not _MARKS.isdisjoint(group) for group in groups):
        return packed
    ours = Ours(optimizer)
    for library, forms in TORCH.items():
        for form in forms:
            if (
                form.marks
                and all(mark in group for group in groups for mark in form.marks)
                and _ours.is_of(form, ours.kind)
            ):
                return _converted(packed, ours, library, _ours.find((form,), ours.kind, library), {})
    return packed


def _check_counts(ours: Ours, given: Sequence[Group], library: str) -> None:
    for index, group in enumerate(given):
        params = group.get("params")
        if not isinstance(params, list | tuple) or not all(isinstance(key, Hashable) for key in params):
            raise FormatError(
                f"{library}'s param_groups[{index}] has params {params!r}; wanted a list of keys of state"
            )
    mine, theirs = ([len(group["params"]) for group in groups] for groups in (ours.groups, given))
    if mine != theirs:
        raise FormatError(f"{library}'s groups have {theirs} parameters, and ours {mine}: wanted the same")


def _state_dict_of(theirs: Any) -> dict[str, Any]:
    packed: Any = theirs.state_dict() if hasattr(theirs, "state_dict") else None
    if not isinstance(packed, Mapping) or not isinstance(packed.get("param_groups"), list | tuple):
        raise DTypeError(f"theirs is {theirs!r:.80}; wanted an optimizer of torch's shape, or its state_dict")
    return dict(packed)


def _form_of(theirs: Any, ours: Ours) -> tuple[str, Form] | None:
    """None for torch's own optimizers, and Martlet's."""
    for kind in type(theirs).__mro__:
        library = kind.__module__.partition(".")[0]
        if library in TORCH:
            form = _ours.find(TORCH[library], ours.kind, library, kind.__name__)
            if _step_of(type(theirs)) is not _step_of(kind):
                raise UnsupportedError(f"{type(theirs).__name__} has a step of its own in place of {library}'s "
                                       f"{kind.__name__}'s: its rule may be another one")  # fmt: skip
            return library, form
    return None


def _step_of(kind: Any) -> Any:
    """A class's step, without the profiler's hook that torch wraps it in."""
    return inspect.unwrap(kind.step)


def _converted(
    packed: Mapping[str, Any], ours: Ours, library: str, form: Form, attributes: Mapping[str, Any]
) -> dict[str, Any]:
    codes = _coded.LIBRARIES.get(library)
    given = packed["param_groups"]
    _check_counts(ours, given, library)
    if codes:
        given, attributes = codes.groups(given, form), codes.attributes(attributes)
    keys = (*_spellings.number_keys(ours.kind.number), *_spellings.flag_keys(ours.kind.number))
    for own, group in zip(ours.groups, given, strict=True):
        _ours.check_theirs(form, library, {**attributes, **group})
        for key in keys:
            name = form.options.get(key, key)
            if name in group or name in attributes:
                own[key] = group[name] if name in group else attributes[name]
        own |= {key: group[key] for key in _CARRIED if key in group}
    ours.adopt(form, numbers=True)
    entries = []
    for index, (own, group) in enumerate(zip(ours.groups, given, strict=True)):
        numbers = ours.numbers(own)
        if (base := _base_rate(attributes, index, library)) is not None:
            numbers["initial_lr"] = base
        elif "base_lr" in form.made and "initial_lr" not in numbers and packed["state"]:
            warnings.warn(
                f"{library}'s {form.name} keeps the rate that it began with in the object alone: param_groups[{index}] "
                f"goes on as if it was lr={numbers['lr']:g}; martlet.convert.from_torch(optimizer, ours) knows it",
                stacklevel=2,
            )
        for key in group["params"]:
            entry = packed["state"].get(key)
            if entry and not isinstance(entry, Mapping):
                raise FormatError(f"{library}'s state of parameter {key!r} is a {type(entry).__name__}; wanted a dict")
            if codes and entry:
                entry = codes.read(entry, form)
            _check_low(form, library, group, (entry or {}).values())
            read = _reader(form, group, entry or {})
            made = _ours.from_paths(form, ours.row(own), read, numbers) if entry else {}
            entries.append(_ours.turned(made, form, into=True))
    return ours.state_dict(entries)


def _check_low(form: Form, library: str, group: Mapping[str, Any], tensors: Iterable[Any]) -> None:
    """Refuses an option that makes another rule for parameters of 16 bits, where there are some."""
    if form.low and group.get(form.low) and any(str(getattr(each, "dtype", "")) in _16_BITS for each in tensors):
        raise UnsupportedError(
            f"{library}'s {form.name} has {form.low}={group[form.low]!r}, which counts for parameters of 16 bits, and "
            f"Martlet's rule is that of {form.low}=False"
        )


def _reader(form: Form, group: Mapping[str, Any], entry: Mapping[str, Any]) -> Callable[[str], Any]:
    """What stands under a table's path."""

    def read(path: str) -> Any:
        if path.startswith("group."):
            return group.get(path.removeprefix("group."))
        if path[-2:] in _PARTS:
            return _part(entry.get(path[:-2]), path, form)
        value = entry.get(path)
        if path not in form.flat or value is None:
            return value
        shape = _ours.as_tensor(entry[form.slots["exp_avg_sq"]]).shape
        value = _ours.as_tensor(value)
        return value.reshape(shape) if value.dim() else value.expand(shape).clone()

    return read


def _part(given: Any, path: str, form: Form) -> Any:
    """One of a list of two, or None where that is empty."""
    if not isinstance(given, list | tuple) or len(given) != len(_PARTS):
        count = f" of {len(given)}" if isinstance(given, list | tuple) else ""
        raise UnsupportedError(
            f"{form.name}'s state has {path[:-2]} as a {type(given).__name__}{count}; wanted a list of two, as "
            "that of a parameter of two dimensions"
        )
    part = given[_PARTS.index(path[-2:])]
    return part if len(part) else None


def _told_group(
    ours: Ours, own: Group, given: Group, entries: Sequence[Entry], library: str, form: Form, attributes: Group
) -> Group:
    """Their group with our options, and the numbers that they keep there."""
    flags = _spellings.flag_keys(ours.kind.number)
    ours.check_flags(form, own, lambda key: key in given or key in attributes, library, flags)
    made = dict(given)
    for key in (*_spellings.number_keys(ours.kind.number), *flags):
        name, value = form.options.get(key, key), ours.option(own, key)
        if name in given:
            made[name] = value
        elif name in attributes and attributes[name] != value:
            raise ArgumentError(f"{library}'s optimizer has {name}={attributes[name]!r}, and ours {key}={value!r}; "
                                f"wanted one made with {name}={value!r}")  # fmt: skip
    _ours.check_theirs(form, library, {**attributes, **made})
    made |= {key: own[key] for key in _CARRIED if key in own}
    numbers = ours.numbers(own)
    for slot, path in form.slots.items():
        if path.startswith("group.") and (value := _ours.common(entries, slot, library)) is not None:
            told = int(value) + form.first if slot == "step" else float(value)
            made[path.removeprefix("group.")] = _ours.as_tensor([told]) if path in form.wrapped else told
    for path, formula in form.told.items():
        if path.startswith("group."):
            made[path.removeprefix("group.")] = formula(0, numbers)
    return made


def _base_rate(attributes: Mapping[str, Any], index: int, library: str) -> float | None:
    """The rate that a group began with, where the object has it."""
    if (rates := attributes.get("base_lrs")) is None:
        return None
    try:
        return _spellings.number(rates[index], "base_lrs")
    except (LookupError, TypeError, MartletError):
        raise FormatError(
            f"{library}'s optimizer has base_lrs {rates!r}; wanted a rate for each of its groups, and none is for "
            f"param_groups[{index}]"
        ) from None


def _check_base_rate(entries: Sequence[Entry], attributes: Mapping[str, Any], index: int, library: str) -> None:
    """Refuses another rate than the one that training began with, where the object alone has it."""
    base, theirs = _ours.common(entries, "base_lr", library), _base_rate(attributes, index, library)
    if base is not None and theirs is not None and not math.isclose(base, theirs, rel_tol=1e-6):
        raise ArgumentError(
            f"{library}'s optimizer began with lr={theirs!r}, and ours with {base:.6g}, which bounds its steps; "
            f"wanted one made with lr={base:.6g}"
        )


def _told_entry(entry: Entry, form: Form, numbers: Mapping[str, float]) -> Entry:
    """A parameter's state in their words. Where they want a tensor for a number, they make it as they load."""
    made: Entry = {}
    made |= {path[:-2]: [[], []] for path in form.slots.values() if path[-2:] in _PARTS}
    for slot, value in _ours.turned(entry, form, into=False).items():
        name, sign = _ours.signed(form.slots.get(slot, "group."))
        if name[-2:] in _PARTS:
            made[name[:-2]][_PARTS.index(name[-2:])] = _ours.as_tensor(value)
        elif not name.startswith("group."):
            made[name] = value if np.ndim(value) == 0 and not hasattr(value, "dim") else sign * _ours.as_tensor(value)
            made |= {name: made[name].flatten()} if name in form.flat else {}
    return made | {
        path: formula(entry["step"], numbers) for path, formula in form.told.items() if not path.startswith("group.")
    }


def _plain(ours: Ours, packed: Mapping[str, Any], theirs: Any) -> dict[str, Any]:
    """For torch's own classes, and those of martlet.torch, which have all our options."""
    kind = getattr(theirs, "_martlet_kind", None)
    form = Form(
        type(theirs).__name__,
        ours.kind.number,
        {name: name for name in ("step", *_algorithms.all_slots(ours.kind.number).names)},
    )
    if ours.kind.number in _algorithms.UNCOUNTED:
        form = form._replace(slots={name: path for name, path in form.slots.items() if name != "step"})
    groups, state = [], {}
    for own, given in zip(ours.groups, packed["param_groups"], strict=True):
        made = {key: own.get(key, value) if key != "params" else value for key, value in given.items()}
        if kind is None:
            ours.check_flags(form, own, given.__contains__, "torch", _spellings.flag_keys(ours.kind.number))
        else:
            made |= {key: own[key] for key, usual in kind.own.items() if key in own and own[key] != usual}
        groups.append(made)
        for key, place in zip(given["params"], own["params"], strict=True):
            if entry := ours.entry(place, coded=kind is not None):
                state[key] = _told_entry(entry, form, {})
    return {"state": state, "param_groups": groups}
