"""Martlet's side of a conversion: an optimizer's groups and state in plain words, and a state_dict made of such.

Which names another library has for them is in the tables; how its own state is read and written is elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from martlet import _algorithms, _ffi_optimizers, _groups, _spellings
from martlet._algorithms import Algorithm
from martlet._config import Hyperparameters
from martlet._entry import step_count
from martlet._errors import ArgumentError, DTypeError, FormatError, UnsupportedError
from martlet.convert import _codes
from martlet.convert._forms import Form, Where0
from martlet.convert._values import as_array as as_array
from martlet.convert._values import as_tensor as as_tensor

Group = dict[str, Any]
Entry = dict[str, Any]
# One rule, of which torch has the decay as an option.
_ADAMS = {_ffi_optimizers.ADAM, _ffi_optimizers.ADAMW}
_DECAYS = ("decoupled_weight_decay", "cautious_weight_decay", "corrected_weight_decay")


class Ours:
    """An optimizer of martlet.optim or martlet.torch. packed: its state_dict; kind: its algorithm."""

    def __init__(self, optimizer: Any) -> None:
        self.torch = getattr(optimizer, "_martlet_kind", None)
        number = getattr(optimizer, "_algorithm", None) if self.torch is None else self.torch.reader.kind.number
        if number is None:
            raise DTypeError(f"ours is {optimizer!r:.80}; wanted an optimizer of martlet.optim or martlet.torch")
        self.kind = _algorithms.of(number)
        self.packed: dict[str, Any] = optimizer.state_dict()
        self.groups: list[Group] = self.packed["param_groups"]
        for index, group in enumerate(self.groups):
            if (other := group.get("algorithm", self.kind.name)) != self.kind.name:
                raise UnsupportedError(
                    f"param_groups[{index}] is of {other}, and a conversion of one of {self.kind.name} alone: convert "
                    "an optimizer of each algorithm, and join their state_dicts"
                )
        self._counts = getattr(optimizer, "_martlet_counts", {})
        self._parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]

    @property
    def places(self) -> list[tuple[int, Group]]:
        """Each parameter's key in the state, and its group."""
        return [(place, group) for group in self.groups for place in group["params"]]

    @property
    def names(self) -> list[str] | None:
        """What the parameters are called, where the caller named them all."""
        found = [name for group in self.groups for name in group.get("param_names", ())]
        named = len(found) == len(self.places) and not any(name == f"params[{k}]" for k, name in enumerate(found))
        return found if named else None

    def row(self, group: Group) -> Hyperparameters:
        """A group's hyperparameters."""
        if self.torch is not None:
            row: Hyperparameters = self.torch.row(group)
            return row
        return _groups.check_group(self.kind.number, group, "the group")

    def numbers(self, group: Group) -> dict[str, float]:
        """The same by their names, and the rate that a scheduler began with."""
        found = dict(zip(self.kind.places, self.row(group).values, strict=True))
        return found | {key: float(group[key]) for key in ("initial_lr",) if key in group}

    def entry(self, place: int, *, coded: bool = False) -> Entry:
        """A parameter's state, with an exact "step"; empty before its first step. coded: what is kept in few bits as it
        is, and not in numbers."""
        entry = dict(self.packed["state"].get(place, {}))
        if not coded:
            entry |= _codes.in_numbers(entry, self.kind.number, tuple(self._parameters[place].shape))
        if entry:
            step = entry.pop("step_exact", entry.get("step"))
            counter = self._counts.get(self._parameters[place]) if self._counts else None
            entry["step"] = int(step) if step is not None else int(counter[0]) if counter is not None else 1
            scalars = _algorithms.all_slots(self.kind.number).scalars
            entry |= {key: float(entry[key]) for key in scalars if key in entry}
        return entry

    def entries(self) -> list[Entry]:
        """Those of all parameters."""
        return [self.entry(place) for place, _ in self.places]

    def state_dict(self, entries: Sequence[Entry]) -> dict[str, Any]:
        """For load_state_dict: these entries in our words, in the parameters' order, and the groups as they are now."""
        state = {}
        for (place, group), entry in zip(self.places, entries, strict=True):
            if entry:
                self._check_slots(entry, group, tuple(self._parameters[place].shape))
                made = self._in_our_types(entry)
                state[place] = made | _codes.in_codes(
                    made, self.row(group).slots, group.get("state_dtype"), self._parameters[place]
                )
        return {"state": state, "param_groups": self.groups}

    def _check_slots(self, entry: Entry, group: Group, shape: tuple[int, ...]) -> None:
        wanted, found = set(self.row(group).slots.of(shape).names), entry.keys() - {"step"}
        if wanted != found:
            raise FormatError(
                f"the other optimizer's state has {listed(found)}, and {self.kind.name} with these options keeps "
                f"{listed(wanted)}: wanted the same options on both sides, such as amsgrad, momentum and centered"
            )

    def _in_our_types(self, entry: Entry) -> Entry:
        elements = _algorithms.all_slots(self.kind.number).arrays
        made = {key: value for key, value in entry.items() if key != "step"}
        made |= {key: _spellings.number(value, key) for key, value in made.items() if key not in elements}
        if self.torch is None:
            made |= {key: as_array(value) for key, value in made.items() if key in elements}
        else:
            made |= {key: as_tensor(value) for key, value in made.items() if key in elements}
        if "step" in entry and not (self.torch is not None and self.kind.number in _algorithms.UNCOUNTED):
            made["step"] = int(entry["step"])
        return made

    def option(self, group: Group, key: str) -> Any:
        """What a group says, or what it is without saying it."""
        if key in group or key not in _spellings.FLAGS:
            return group.get(key, "torch" if key == "semantics" else _spellings.left_out(self.kind.number).get(key))
        return bool(_spellings.FLAGS[key] & self.kind.default_flags)

    def adopt(self, form: Form, *, numbers: bool) -> None:
        """Gives the groups the options that the library has without saying so. numbers: hyperparameters too, which
        must else be so already."""
        for group in self.groups:
            for key, wanted in self._apart(form, group).items():
                if key in self.kind.places and not numbers:
                    raise _other_rule(form, key, group[key], wanted)
                group[key] = wanted

    def check(self, form: Form) -> None:
        """Refuses to hand a state to a library that goes on with it by another rule."""
        for group in self.groups:
            for key, wanted in self._apart(form, group).items():
                raise _other_rule(form, key, self.option(group, key), wanted)

    def _apart(self, form: Form, group: Group) -> dict[str, Any]:
        """The options that are not the library's, with what they should be."""
        found = {}
        for key, wanted in form.ours.items():
            choices = wanted if isinstance(wanted, tuple) else (wanted,)
            if self.option(group, key) not in choices and not (key in _DECAYS and self._is_idle(group)):
                found[key] = choices[0]
        return found

    def _is_idle(self, group: Group) -> bool:
        """Whether how weight decay works makes no difference, or is the convention's business."""
        return not group.get("weight_decay") or self.option(group, "semantics") == "keras"

    def check_flags(
        self, form: Form, group: Group, known: Callable[[str], bool], library: str, flags: Iterable[str]
    ) -> None:
        """Refuses flags that are on, and stages, that the library does not have. known: whether it has one."""
        for key, default in self.kind.defaults.items():
            if key in _spellings.EVERYWHERE and self.option(group, key) != default and not known(key):
                raise UnsupportedError(
                    f"{library}'s {form.name} has no {key}, which is {group[key]:g} in the group of ours"
                )
        for key in flags:
            if not self.kind.flags & _spellings.FLAGS[key] or key in form.ours or known(form.options.get(key, key)):
                continue
            if key == "defer_rows":  # with which rows are stepped as the library's
                continue
            counts = key not in _DECAYS or group.get("weight_decay")
            if counts and self.option(group, key) and not self.kind.default_flags & _spellings.FLAGS[key]:
                raise UnsupportedError(f"{library}'s {form.name} has no {key}, which is on in the group of ours")


def find(forms: Sequence[Form], kind: Algorithm, library: str, name: str | None = None) -> Form:
    """The form of an algorithm. name: of the library's class, where that is known."""
    found = [form for form in forms if name is None or form.name == name]
    if not found:
        known = [form.name for form in forms if not form.differs]
        wanted = f"; wanted one of {listed(known)}" if known else ""
        raise UnsupportedError(f"{library}'s {name} is not converted{wanted}")
    same = [form for form in found if is_of(form, kind)]
    if not same:
        theirs = _algorithms.of(found[0].algorithm).name if name is not None else ""
        raise UnsupportedError(
            f"{library} has no {kind.name} by Martlet's rule" if name is None else
            f"{library}'s {name} is Martlet's {theirs}, and ours is {kind.name}; wanted the same algorithm"
        )  # fmt: skip
    if same[0].differs:
        raise UnsupportedError(f"{same[0].differs}: its state cannot go on in the other")
    return same[0]


def is_of(form: Form, kind: Algorithm) -> bool:
    """Whether a form is this algorithm's."""
    return form.algorithm == kind.number or {form.algorithm, kind.number} == _ADAMS


def check_theirs(form: Form, library: str, options: Mapping[str, Any]) -> None:
    """Refuses options of theirs that make another rule. Those that are not told are as they must be."""
    for key, wanted in form.theirs.items():
        if isinstance(wanted, Where0):
            if options.get(wanted.other):
                continue
            wanted = wanted.value
        choices = wanted if isinstance(wanted, tuple) else (wanted,)
        found = options.get(key)
        if found is not None and found not in choices:
            raise UnsupportedError(
                f"{library}'s {form.name} has {key}={found!r}, and Martlet's rule is that of {key}={choices[-1]!r}"
            )


def common(entries: Sequence[Entry], key: str, library: str) -> Any:
    """A number that a library keeps once for several parameters; None where none of them has taken a step."""
    found = {entry[key] for entry in entries if key in entry}
    if len(found) > 1:
        raise ArgumentError(
            f"{library} keeps {key} once for all parameters, and those of ours have {listed(sorted(found))}"
        )
    return found.pop() if found else None


def turned(entry: Entry, form: Form, *, into: bool) -> Entry:
    """An entry with its momentum turned into its bases, or out of them, where the library has it in none."""
    if not entry or not form.bases:
        return entry
    made = as_tensor(entry["exp_avg"])
    left, right = (as_tensor(entry[slot]) if slot in entry else None for slot in form.bases)
    if left is not None:
        made = (left.T if into else left) @ made
    if right is not None:
        made = made @ (right if into else right.T)
    return entry | {"exp_avg": made}


def _other_rule(form: Form, key: str, found: Any, wanted: Any) -> ArgumentError:
    return ArgumentError(
        f"{key} is {found!r} in the group of ours, and {form.name} there is the rule of {key}={wanted!r}: its state "
        f"would go on otherwise; wanted an optimizer with {key}={wanted!r}"
    )


def listed(names: Any) -> str:
    return ", ".join(map(str, sorted(names))) or "nothing"


def signed(path: str) -> tuple[str, int]:
    """A name in a table, and whether what it holds has the other sign."""
    return path.lstrip("-"), -1 if path.startswith("-") else 1


def from_paths(
    form: Form,
    row: Hyperparameters,
    read: Callable[[str], Any],
    numbers: Mapping[str, float],
    step: int | None = None,
) -> Entry:
    """An entry in our words: the slots that these options keep, and those beside that the library has an array for.

    read: what stands under a path, or None. step: where the library has no count.
    """
    entry: Entry = {}
    count = read(form.slots["step"]) if "step" in form.slots else None
    if count is not None:
        step = step_count(count, "the other optimizer's state") - form.first
    if step is not None:
        entry["step"] = step
    elements = set(_algorithms.all_slots(row.algorithm).arrays)
    for slot, path in form.slots.items():
        if slot == "step" or (slot not in elements and slot not in row.slots.scalars):
            continue
        name, sign = signed(path)
        value = read(name)
        if value is not None:
            entry[slot] = -value if sign < 0 else value
    for slot, formula in form.made.items():
        if slot in row.slots.names:
            entry[slot] = formula(step or 0, numbers)
    return entry
