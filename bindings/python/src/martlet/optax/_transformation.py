"""A step of martlet.functional as optax's pair of init and update: pytrees in, pytrees out, nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np
import optax

from martlet import _groups
from martlet._algorithms import Slots
from martlet._config import defaults
from martlet._entry import Entry
from martlet._errors import ArgumentError, DTypeError, MissingError, ShapeError, UnsupportedError
from martlet.functional import take_step


def only(name: str, **given: tuple[Any, Any]) -> None:
    """Refuses arguments that the algorithm lacks. given: each with what it has to be."""
    for argument, (value, wanted) in given.items():
        if value is not wanted and value != wanted:
            raise UnsupportedError(f"{argument} of {name} is {value!r}; wanted {wanted!r}: Martlet has no other")


class State(NamedTuple):
    """What an optimizer keeps. count: the updates, an int32 of JAX; slots: by Martlet's name of a slot a pytree of the
    parameters' structure, of numpy arrays; empty ones where a parameter has no such slot."""

    count: Any
    slots: dict[str, Any]


def _as_it_is(array: Any) -> Any:
    return array


@dataclass(frozen=True)
class Rule:
    """An optimizer. numbers: hyperparameters and flags in Martlet's words; rate and decay: numbers, or schedules of the
    updates before; mask: a pytree of bools or a function of the parameters that gives it, where decay is not for all.
    name: optax's. seen: a view of an array as the algorithm is to see it."""

    name: str
    algorithm: int
    numbers: Mapping[str, Any]
    rate: Any
    decay: Any = 0.0
    mask: Any = None
    seen: Callable[[Any], Any] = _as_it_is
    # The class of its states.
    kept: ClassVar[Any] = State

    def transformation(self) -> Any:
        """The pair that optax wants."""
        self.given(0)  # says what is wrong with the numbers
        return optax.GradientTransformationExtraArgs(self.init, self.update)

    def given(self, count: int) -> dict[str, Any]:
        """The numbers of an update."""
        rate = number(self.rate, "learning_rate", count, self.name)
        decay = number(self.decay, "weight_decay", count, self.name)
        given = {**self.numbers, "lr": rate, **({"weight_decay": decay} if decay else {})}
        _groups.completed(defaults(self.algorithm), given)
        return given

    def slots(self) -> Slots:
        return _groups.completed(defaults(self.algorithm), self.given(0)).slots

    def init(self, params: Any) -> Any:
        """The state before the first update."""
        leaves, structure = _flat(params, "params", self.name)
        slots = self.slots()
        made = []
        for path, leaf in zip(_paths(params), leaves, strict=True):
            entry = Entry(f"params{path}", self.seen(np.array(leaf, order="C")), 0)
            entry.view()  # says what is wrong with it
            made.append(self.begun(entry.ready_state(slots, None), entry.value))
        return self.state(0, made, structure)

    def begun(self, state: dict[str, Any], value: Any) -> dict[str, Any]:
        """What is kept of a parameter before the first update, of what is made."""
        return state

    def held(self, state: dict[str, Any], count: int) -> dict[str, Any]:
        """What an update is given of a parameter, of what is kept."""
        return state

    def state(self, count: int, states: list[dict[str, Any]], structure: Any) -> Any:
        """The state behind so many updates."""
        trees = {
            slot: jax.tree.unflatten(structure, [state.get(slot, np.zeros(0, np.float32)) for state in states])
            for slot in self.slots().names
        }
        return State(jax.numpy.asarray(count, jax.numpy.int32), trees)

    def update(self, updates: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        """What an update adds to the parameters, and the state behind it. updates: the gradients."""
        if params is None:
            raise MissingError(f"martlet.optax.{self.name} wants the parameters: update(grads, state, params)")
        leaves, structure = _flat(params, "params", self.name)
        grads, structure_of_grads = _flat(updates, "grads", self.name)
        if structure_of_grads != structure:
            raise ShapeError(f"grads are a {structure_of_grads}, and params a {structure}; wanted the same structure")
        if not isinstance(state, self.kept):
            raise DTypeError(f"state is a {type(state).__name__}; wanted what init or update gave")
        count = int(_concrete(state.count, "state", self.name))
        arrays = [np.array(leaf, order="C") for leaf in leaves]
        views = list(map(self.seen, arrays))
        states = self._states(state, structure, views, count)
        given = self.given(count)
        is_decayed = self._decayed(params, len(leaves)) if "weight_decay" in given else [True] * len(leaves)
        for chosen in (True, False):
            places = [place for place, one in enumerate(is_decayed) if one is chosen]
            if places:
                numbers = given if chosen else {**given, "weight_decay": 0.0}
                taken = {place: states[place] for place in places}
                read = {place: _alike(np.asarray(grads[place]), arrays[place], self.seen) for place in places}
                take_step(self.algorithm, {place: views[place] for place in places}, read, taken, **numbers)
        changes = [_like(leaf, new - np.asarray(leaf)) for leaf, new in zip(leaves, arrays, strict=True)]
        return jax.tree.unflatten(structure, changes), self.state(count + 1, states, structure)

    def _states(self, state: Any, structure: Any, views: list[Any], count: int) -> list[dict[str, Any]]:
        """A copy of each parameter's own state."""
        slots = self.slots()
        if set(state.slots) != set(slots.names):
            raise ShapeError(
                f"state has {', '.join(state.slots) or 'no slots'}, and {self.name} "
                f"{', '.join(slots.names) or 'none'}: wanted what its own init gave"
            )
        by_slot: dict[str, list[Any]] = {}
        for slot, tree in state.slots.items():
            by_slot[slot], found = _flat(tree, f"state.slots[{slot!r}]", self.name)
            if found != structure:
                raise ShapeError(f"state.slots[{slot!r}] is a {found}, and params a {structure}; wanted the same")
        return [
            {
                "step": count,
                **self.held({name: np.array(by_slot[name][place]) for name in slots.of(view.shape).names}, count),
            }
            for place, view in enumerate(views)
        ]

    def _decayed(self, params: Any, count: int) -> list[bool]:
        """Which leaves have weight decay."""
        mask = self.mask(params) if callable(self.mask) else self.mask
        if mask is None or mask is True:
            return [True] * count
        whole = jax.tree.map(lambda one, part: jax.tree.map(lambda _: bool(one), part), mask, params)
        return list(jax.tree.leaves(whole))


def _alike(gradient: Any, array: Any, seen: Callable[[Any], Any]) -> Any:
    """A gradient as its parameter is seen; one of another shape as it is, for the step to refuse."""
    return seen(gradient) if gradient.shape == array.shape else gradient


def _flat(tree: Any, what: str, name: str) -> tuple[list[Any], Any]:
    """The leaves and the structure of a pytree that has values."""
    leaves, structure = jax.tree.flatten(tree)
    return [_concrete(leaf, what, name) for leaf in leaves], structure


def _concrete(leaf: Any, what: str, name: str) -> Any:
    if isinstance(leaf, jax.core.Tracer | jax.ShapeDtypeStruct):
        raise UnsupportedError(
            f"martlet.optax.{name} was given {what} without values, as inside of jit, grad, vmap, scan or cond: it "
            "steps memory, and there is none while JAX traces. Compile the gradients alone and update outside, or use "
            f"optax.{name} inside"
        )
    if not hasattr(leaf, "dtype"):
        raise DTypeError(f"{what} has a {type(leaf).__name__}; wanted jax.Array or numpy.ndarray")
    return leaf


def _paths(tree: Any) -> list[str]:
    return [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_flatten_with_path(tree)[0]]


def _like(leaf: Any, array: Any) -> Any:
    """An array of the kind that the parameter is of, where that is."""
    return jax.device_put(array, leaf.sharding) if isinstance(leaf, jax.Array) else np.asarray(array)


def number(value: Any, what: str, count: int, name: str) -> float:
    found = value(jax.numpy.asarray(count, jax.numpy.int32)) if callable(value) else value
    if isinstance(found, jax.core.Tracer):
        _concrete(found, what, name)
    try:
        return float(found)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{what} is {found!r}; wanted a number, or a schedule that gives one") from error
