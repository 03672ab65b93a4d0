"""Keras's optimizers: their variables and numbers in Martlet's words, and the other way."""

from __future__ import annotations

import math
from typing import Any

from martlet import _spellings
from martlet._errors import ArgumentError, DTypeError, FormatError, UnsupportedError
from martlet.convert import _ours
from martlet.convert._forms import KERAS, Form
from martlet.convert._ours import Entry, Ours, as_array

_LIBRARY = "Keras"
_FLAGS = ("maximize", "cautious_weight_decay", "corrected_weight_decay")
# Options of all of its optimizers that none of ours has.
_OWN = (
    "use_ema",
    "gradient_accumulation_steps",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "loss_scale_factor",
    "_exclude_from_weight_decay_pattern",
    "_exclude_from_weight_decay_vars",
)
# What its optimizers' rules are made of.
_RULE = ("update_step", "_backend_update_step", "_apply_weight_decay")
# Its names of hyperparameters.
_NAMES = {"lr": "learning_rate", "beta1": "beta_1", "beta2": "beta_2", "eps": "epsilon"}


def from_keras(theirs: Any, ours: Any) -> dict[str, Any]:
    """A state_dict for ours.load_state_dict.

    theirs: an optimizer of Keras 3 that has been built: model.optimizer. ours: an optimizer of martlet.optim or
    martlet.torch with the same parameters, which is not changed: by name where they have the paths of Keras's variables
    as names ("dense/kernel"), else in the order of model.trainable_variables. Hyperparameters are Keras's, in each
    group, and semantics is "keras". A moving average of the parameters and gradients that are being accumulated are no
    part of it: an error where there are some.
    """
    mine, form, variables = _both(theirs, ours)
    numbers = {name: _number(theirs, form, name) for name in mine.kind.places}
    known = {name: value for name, value in numbers.items() if value is not None}
    for group in mine.groups:
        for key, parts in _spellings.lists(mine.kind).items():
            group[key] = tuple(known.get(part, group[key][place]) for place, part in enumerate(parts))
        group |= {key: value for key, value in known.items() if key in group}
        for key in _spellings.flag_keys(mine.kind.number):
            if hasattr(theirs, key):
                group[key] = bool(getattr(theirs, key))
    mine.adopt(form, numbers=True)
    step = int(as_array(theirs.iterations.value))
    entries: list[Entry] = []
    for (_, group), slots in zip(mine.places, variables, strict=True):
        read = {path: as_array(variable.value) for path, variable in slots.items()}.get
        entries.append(_ours.from_paths(form, mine.row(group), read, mine.numbers(group), step) if step else {})
    return mine.state_dict(entries)


def to_keras(ours: Any, theirs: Any) -> None:
    """Puts the state of an optimizer of martlet.optim or martlet.torch into one of Keras 3, which has been built.

    The learning rate goes with it, where Keras's is not a schedule. Other numbers must be the same on both sides, since
    Keras may have compiled its own: an ArgumentError names one that is not. Parameters as in from_keras.
    """
    mine, form, variables = _both(theirs, ours)
    mine.check(form)
    for group in mine.groups:
        mine.check_flags(form, group, lambda key: hasattr(theirs, key), _LIBRARY, _FLAGS)
        _check_options(mine, group, theirs, form)
    entries = mine.entries()
    step = _ours.common(entries, "step", _LIBRARY) or 0
    _ours.common(entries, "mu_product", _LIBRARY)
    if not all(entries) and int(as_array(theirs.iterations.value)):
        raise FormatError(
            "some parameters of ours have taken no step, and Keras's optimizer has; wanted a new one, whose variables "
            "are as at first"
        )
    told = [
        (variable, value)
        for entry, slots in zip(entries, variables, strict=True)
        for variable, value in _told(mine, form, entry, slots)
    ]
    for variable, value in told:
        variable.assign(value)
    theirs.iterations.assign(step)
    if hasattr(theirs.learning_rate, "assign"):
        theirs.learning_rate.assign(mine.numbers(mine.groups[0])["lr"])


def _both(theirs: Any, ours: Any) -> tuple[Ours, Form, list[dict[str, Any]]]:
    """Our side; the form; and for each of our parameters Keras's variables under the table's names."""
    mine = Ours(ours)
    kind = next((kind for kind in type(theirs).__mro__ if kind.__module__.startswith("keras.")), None)
    if kind is None or not hasattr(theirs, "variables"):
        raise DTypeError(f"theirs is {theirs!r:.80}; wanted an optimizer of keras.optimizers")
    form = _ours.find(KERAS, mine.kind, _LIBRARY, kind.__name__)
    for part in _RULE:
        own = getattr(type(theirs), part, None)
        is_ours = getattr(own, "__module__", "").startswith("martlet.keras.")
        if own is not getattr(kind, part, None) and not is_ours:
            raise UnsupportedError(f"{type(theirs).__name__} has a {part} of its own in place of Keras's "
                                   f"{kind.__name__}'s: its rule may be another one")  # fmt: skip
    if not theirs.built:
        raise FormatError("Keras's optimizer has no variables yet; wanted optimizer.build(model.trainable_variables)")
    for option in _OWN:
        if getattr(theirs, option, None):
            raise UnsupportedError(f"Keras's optimizer has {option.strip('_')}, which Martlet's have not: its training "
                                   "would go on in another way")  # fmt: skip
    _ours.check_theirs(form, _LIBRARY, vars(theirs))
    return mine, form, _by_parameter(mine, form, theirs)


def _by_parameter(mine: Ours, form: Form, theirs: Any) -> list[dict[str, Any]]:
    """Keras calls a variable by its parameter's path and its own name: dense_kernel_momentum."""
    found: dict[str, dict[str, Any]] = {}
    for path in form.slots.values():
        name, _ = _ours.signed(path)
        if name.startswith("_"):
            continue
        own = [variable for variable in theirs.variables if variable.name.endswith(f"_{name}")]
        parameters = [variable.name.removesuffix(f"_{name}") for variable in own]
        if len(set(parameters)) < len(parameters):
            parameters = [f"{place}" for place in range(len(own))]
        for parameter, variable in zip(parameters, own, strict=True):
            found.setdefault(parameter, {})[name] = variable
    shared = {path: getattr(theirs, path) for path in form.slots.values() if path.startswith("_")}
    wanted = [name.replace("/", "_").replace(".", "_") for name in mine.names or ()]
    if found and len(found) != len(mine.places):
        raise FormatError(
            f"Keras's optimizer has {len(found)} parameters, and ours {len(mine.places)}: wanted the same"
        )
    unknown = sorted(set(wanted) - set(found))
    if unknown and len(unknown) < len(wanted):
        raise FormatError(
            f"Keras's optimizer has no {', '.join(unknown)}, which ours has; wanted the same names, or none of them"
        )
    order = wanted if wanted and not unknown else list(found)
    return [found[name] | shared for name in order] if found else [{} for _ in mine.places]


def _told(mine: Ours, form: Form, entry: Entry, slots: dict[str, Any]) -> list[tuple[Any, Any]]:
    """What a parameter's variables become. Those of one that has taken no step stay as they are."""
    if not entry:
        return []
    told = []
    paths = {slot: _ours.signed(path) for slot, path in form.slots.items()}
    kept = {slot for slot in entry if slot != "step" and slot not in form.made}
    if kept != {slot for slot, (name, _) in paths.items() if name in slots}:
        raise FormatError(
            f"ours keeps {_ours.listed(kept)}, and Keras's optimizer {_ours.listed(slots)}: wanted the same options on "
            "both sides, such as amsgrad, momentum and centered"
        )
    for slot in kept:
        name, sign = paths[slot]
        value = as_array(entry[slot])
        if value.shape != tuple(slots[name].shape):
            raise FormatError(f"{slot} of ours has shape {value.shape}, and Keras's {slots[name].name} "
                              f"{tuple(slots[name].shape)}: wanted the same parameters in the same order")  # fmt: skip
        told.append((slots[name], sign * value))
    return told


def _number(theirs: Any, form: Form, name: str) -> float | None:
    """A hyperparameter; None where Keras has no such."""
    key = form.options.get(name, _NAMES.get(name, name))
    if name == "lr":
        return float(as_array(getattr(theirs.learning_rate, "value", theirs.learning_rate)))
    value = getattr(theirs, key, None)
    return 0.0 if value is None and name == "weight_decay" else value


def _check_options(mine: Ours, group: dict[str, Any], theirs: Any, form: Form) -> None:
    """Refuses other numbers and flags than ours."""
    options: dict[str, Any] = {**mine.numbers(group)}
    options |= {key: mine.option(group, key) for key in _spellings.flag_keys(mine.kind.number)}
    for name, value in options.items():
        found = _number(theirs, form, name) if name in mine.kind.places else getattr(theirs, name, None)
        if name != "lr" and found is not None and not math.isclose(float(found), float(value), rel_tol=1e-6):
            key = form.options.get(name, _NAMES.get(name, name))
            raise ArgumentError(f"Keras's optimizer has {key}={found!r}, and ours {value!r}; wanted one made with "
                                f"{key}={value!r}")  # fmt: skip
