"""Adam as plain functions over numpy arrays.

Arrays are updated in place; the moments are in a dict that the caller keeps. martlet.optim has objects that keep it,
and groups of hyperparameters; martlet.torch serves tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, TypeVar

import numpy as np

from martlet import _arrays, _ffi
from martlet._call import StepCall, write_configs
from martlet._config import Hyperparameters, defaults, semantics_number, spelled
from martlet._errors import ArgumentError, FormatError, ShapeError

P = TypeVar("P")
State = MutableMapping[Any, Any]


def adam(
    params: P,
    grads: Any,
    state: State | None = None,
    *,
    step: int | None = None,
    lr: float | None = None,
    betas: tuple[float, float] | None = None,
    eps: float | None = None,
    weight_decay: float | None = None,
    amsgrad: bool = False,
    maximize: bool = False,
    semantics: str = "torch",
    state_dtype: Any = None,
    flush_denormals: bool | None = None,
    copy: bool = False,
    learning_rate: float | None = None,
    beta1: float | None = None,
    beta2: float | None = None,
    epsilon: float | None = None,
) -> tuple[P, State]:
    """One step of Adam; returns (params, state).

    params   a numpy array, or a list, tuple or dict of them: float64, float32, float16 or ml_dtypes.bfloat16, of any
             layout, writable; updated in place
    grads    the same structure with arrays of the same shapes, only read. None leaves its parameter as it is
    state    what the step before returned. None or an empty dict: the first step; an empty dict is filled.
             For one array a dict with "step", "exp_avg", "exp_avg_sq" (and "max_exp_avg_sq" with amsgrad);
             for several, a dict of such dicts, under the list's indices or the dict's keys. Updated in place
    step     the number of this step, 1 at first, for the bias corrections. None: one more than state has taken
    copy     True leaves params and state as they are, and returns copies
    lr (or learning_rate) 1e-3, betas (or beta1 and beta2) (0.9, 0.999), eps (or epsilon) 1e-8, weight_decay 0
             hyperparameters and their defaults; weight_decay is added to the gradient
    amsgrad, maximize, semantics ("torch", "keras", "optax", "paper"), flush_denormals
             as in martlet.optim.Adam
    state_dtype  element type of new moments; None: each parameter's own

    Everything is checked before anything is written; what is wrong raises a MartletError that is also a ValueError or
    a TypeError.
    """
    row = spelled(
        defaults(_ffi.ADAM),
        lr=lr,
        learning_rate=learning_rate,
        betas=betas,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )._replace(amsgrad=amsgrad, maximize=maximize, semantics=semantics, flush_denormals=flush_denormals)
    return _take_step(row, params, grads, state, step, state_dtype, copy)


def adamw(
    params: P,
    grads: Any,
    state: State | None = None,
    *,
    step: int | None = None,
    lr: float | None = None,
    betas: tuple[float, float] | None = None,
    eps: float | None = None,
    weight_decay: float | None = None,
    amsgrad: bool = False,
    maximize: bool = False,
    semantics: str = "torch",
    state_dtype: Any = None,
    flush_denormals: bool | None = None,
    copy: bool = False,
    learning_rate: float | None = None,
    beta1: float | None = None,
    beta2: float | None = None,
    epsilon: float | None = None,
) -> tuple[P, State]:
    """One step of AdamW: adam with weight_decay (default 0.01) taken off the parameter, not added to the gradient."""
    row = spelled(
        defaults(_ffi.ADAMW),
        lr=lr,
        learning_rate=learning_rate,
        betas=betas,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )._replace(amsgrad=amsgrad, maximize=maximize, semantics=semantics, flush_denormals=flush_denormals)
    return _take_step(row, params, grads, state, step, state_dtype, copy)


def adam_optimizer(
    parameters: P,
    gradients: Any,
    t: int,
    learning_rate: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.9999,
    epsilon: float = 1e-8,
    *,
    state: State | None = None,
) -> P:
    """Step number t of Adam; returns the parameters, which are updated in place.

    parameters  a numpy array, or a list, tuple or dict of them
    gradients   the same structure
    t           the number of this step: 1, 2, 3, ...
    state       a dict that carries the moments from step to step: give an empty one at t = 1, which is filled, and
                the same one at every later step. Adam's second step needs the moments of its first, so from t = 2
                on a call without it is an error:

                    state = {}
                    for t in range(1, 101):
                        parameters = martlet.adam_optimizer(parameters, gradient(parameters), t, state=state)
    """
    row = spelled(defaults(_ffi.ADAM), lr=learning_rate, beta1=beta1, beta2=beta2, eps=epsilon)
    t = _step_number(t, "t")
    if t > 1 and not state:
        found = "None" if state is None else "empty"
        raise ArgumentError(
            f"t is {t}, and state is {found}: from step 2 on Adam needs the moments of the steps before. Make one dict "
            "before the loop, state = {}, and give it at every step from t = 1 on: adam_optimizer(..., t, state=state)"
        )
    return _take_step(row, parameters, gradients, state, t, None, copy=False, consecutive=True)[0]


def _take_step(
    row: Hyperparameters,
    params: P,
    grads: Any,
    state: State | None,
    step: int | None,
    dtype: Any,
    copy: bool,
    consecutive: bool = False,
) -> tuple[P, State]:
    semantics_number(row.semantics)
    values, gradients = _named(params, "params"), _named(grads, "grads")
    if list(values) != list(gradients):
        raise ShapeError(
            f"grads has {_keys(grads)}, and params has {_keys(params)}; wanted one gradient for each parameter, "
            "or None where there is none"
        )
    if copy:
        values = {key: array.copy() if isinstance(array, np.ndarray) else array for key, array in values.items()}
    state = {} if state is None else state
    single = not isinstance(params, list | tuple | Mapping)
    new = _ready_states(row, values, gradients, state, step, _arrays.state_dtype(dtype), single, copy, consecutive)
    _run(row, values, gradients, new)
    if copy:
        state = {}
    for key, entry in new.items():
        if single:
            state.update(entry)
        else:
            state[key] = entry
    return (_rebuilt(params, values) if copy else params), state


def _named(tree: Any, name: str) -> dict[Any, Any]:
    """The arrays of a structure under their keys; a lone array stands under None."""
    if isinstance(tree, Mapping):
        return dict(tree)
    if isinstance(tree, list | tuple):
        return dict(enumerate(tree))
    return {None: tree}


def _keys(tree: Any) -> str:
    if isinstance(tree, Mapping):
        return f"keys {list(tree)}"
    return f"{len(tree)} arrays" if isinstance(tree, list | tuple) else "one array"


def _rebuilt(params: Any, values: dict[Any, Any]) -> Any:
    """The arrays in a structure of the caller's kind."""
    kind = type(params)
    if isinstance(params, Mapping):
        return kind(values)
    if isinstance(params, list | tuple):
        made = list(values.values())
        return kind(*made) if hasattr(params, "_fields") else kind(made)
    return values[None]


def _label(name: str, key: Any) -> str:
    return name if key is None else f"{name}[{key!r}]"


def _ready_states(
    row: Hyperparameters,
    values: dict[Any, Any],
    gradients: dict[Any, Any],
    state: State,
    step: int | None,
    dtype: np.dtype[Any] | None,
    single: bool,
    copy: bool,
    consecutive: bool,
) -> dict[Any, dict[str, Any]]:
    """Each parameter's state, checked or fresh, with "step" at the number of steps before this one."""
    ready = {}
    for key, value in values.items():
        if gradients[key] is None:
            continue
        entry = state if single else state.get(key)
        label = _label("state", key)
        if not entry:
            _arrays.view(value, _label("params", key), written=True)
            taken = 0
            arrays = {slot: _arrays.new_state(value, dtype) for slot in row.slots}
        else:
            taken, arrays = _given_state(row, entry, value, label)
            if copy:
                arrays = {slot: array.copy() for slot, array in arrays.items()}
        if step is not None:
            number = _step_number(step, "step")
            if consecutive and number != taken + 1:
                raise ArgumentError(
                    f"t is {number}, and {label} has taken {taken} steps: wanted t = {taken + 1}. t counts the calls; "
                    "to start afresh, give an empty dict and t = 1"
                )
            taken = number - 1
        ready[key] = {"step": taken, **arrays}
    return ready


def _given_state(row: Hyperparameters, entry: Any, value: Any, label: str) -> tuple[int, dict[str, Any]]:
    if not isinstance(entry, Mapping):
        raise FormatError(f"{label} is a {type(entry).__name__}; wanted the dict that the step before filled")
    missing = [slot for slot in ("step", *row.slots) if slot not in entry]
    if missing:
        raise FormatError(
            f"{label} lacks {', '.join(map(repr, missing))}; wanted the dict that the step before filled, "
            f"with the same amsgrad ({row.amsgrad})"
        )
    taken = entry["step"]
    if isinstance(taken, bool) or int(taken) != taken or not 0 <= taken < 2**62:
        raise FormatError(f"{label}['step'] is {taken!r}; wanted the number of steps taken, 0 or more")
    for slot in row.slots:
        shape = getattr(entry[slot], "shape", None)
        if shape != getattr(value, "shape", None):
            raise ShapeError(
                f"{label}[{slot!r}] has shape {shape}, and its parameter has {getattr(value, 'shape', None)}"
            )
    return int(taken), {slot: entry[slot] for slot in row.slots}


def _step_number(step: Any, name: str) -> int:
    if isinstance(step, bool) or not isinstance(step, int | np.integer) or not 1 <= step < 2**62:
        raise ArgumentError(f"{name} is {step!r}; wanted the number of this step, an integer from 1 on")
    return int(step)


def _run(
    row: Hyperparameters, values: dict[Any, Any], gradients: dict[Any, Any], states: dict[Any, dict[str, Any]]
) -> None:
    """Steps, and counts each state's "step" one up."""
    counters = np.array([entry["step"] for entry in states.values()], dtype=np.int64)
    counter = _arrays.address(counters)
    items, values_at, states_at, grads_at = [], [], [], []
    for index, (key, entry) in enumerate(states.items()):
        value = _arrays.view(values[key], _label("params", key), written=True)
        gradient = _arrays.gradient_view(gradients[key], _label("grads", key), value.shape)
        slots = [_arrays.view(entry[slot], f"{_label('state', key)}[{slot!r}]", written=True) for slot in row.slots]
        items.append(_arrays.item(_label("params", key), 0, value, gradient, slots))
        values_at.append(value.pointer)
        states_at += [counter + 8 * index, *(slot.pointer for slot in slots)]
        grads_at.append(gradient.pointer)
    call = StepCall(items, *write_configs([row]))
    call.point(values_at, states_at, grads_at)
    call.run()
    for entry, taken in zip(states.values(), counters.tolist(), strict=True):
        entry["step"] = taken
