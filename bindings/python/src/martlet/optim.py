"""Adam and AdamW as objects over numpy arrays: they keep the moments, and groups of hyperparameters.

Arrays are updated in place and never copied; moments are numpy arrays of this module's own. Parameters and gradients
are the caller's. martlet.torch has the same names over tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from martlet import _arrays, _checkpoint, _ffi
from martlet._call import Gate, Item, StepCall, write_configs
from martlet._config import Hyperparameters, check, defaults, one_of, semantics_number, spelled
from martlet._entry import Entry, memory_key, parse_state
from martlet._errors import ArgumentError, DTypeError, FormatError, OverlapError, ShapeError

NDArray = np.ndarray[Any, Any]
_SPELLINGS = ("lr", "learning_rate", "betas", "beta1", "beta2", "eps", "epsilon", "weight_decay")
_OPTIONS = ("amsgrad", "maximize", "semantics", "flush_denormals")
_HYPERPARAMETERS = ("lr", "betas", "eps", "weight_decay", *_OPTIONS)


class Adam:
    """Adam (Kingma and Ba, 2015) over numpy arrays.

    params   what to optimize: one array, a list of arrays, of (name, array) pairs or of group dicts
             {"params": [...], "lr": ...}, or a dict from names to arrays. float64, float32, float16 or
             ml_dtypes.bfloat16, of any layout, writable. None: the arrays come with apply_gradients, or with nothing
             but update. A number in this place is the learning rate, as in Keras
    lr (or learning_rate)            learning rate, 0 or more. Default 1e-3
    betas (or beta1 and beta2)       decay rates of the moments, in [0, 1). Default (0.9, 0.999)
    eps (or epsilon)                 added to the denominator, 0 or more. Default 1e-8
    weight_decay                     0 or more. Default 0; added to the gradient times the parameter
    amsgrad                          divide by the largest second moment so far (Reddi et al., 2018)
    maximize                         climb instead of descend
    semantics                        whose convention is followed where libraries differ: "torch", "keras" (epsilon
                                     beside the uncorrected root; decay is decoupled), "optax" or "paper"
    state_dtype                      element type of the moments; None: each parameter's own
    flush_denormals                  whether numbers too small for the normal range count as zero during a step.
                                     None: yes where eps is at least 1e-10
    grads                            gradient arrays for step() without arguments, which zero_grad() clears

    A parameter's gradient may be of another type and layout. None for a gradient leaves its parameter as it is.
    Wrong arguments raise a MartletError that is also a ValueError or a TypeError, before anything is written.
    One thread at a time may be inside an optimizer; a second one gets BusyError.
    """

    _algorithm = _ffi.ADAM

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        eps: float | None = None,
        weight_decay: float | None = None,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        semantics: str = "torch",
        state_dtype: Any = None,
        flush_denormals: bool | None = None,
        grads: Sequence[NDArray] | Mapping[str, NDArray] | None = None,
        learning_rate: float | None = None,
        beta1: float | None = None,
        beta2: float | None = None,
        epsilon: float | None = None,
    ) -> None:
        if isinstance(params, int | float):
            params, lr = None, one_of(params, lr, "the first argument, a number, and lr", None)
        self.defaults: dict[str, Any] = _group_options(
            spelled(
                defaults(self._algorithm),
                lr=lr,
                learning_rate=learning_rate,
                betas=betas,
                beta1=beta1,
                beta2=beta2,
                eps=eps,
                epsilon=epsilon,
                weight_decay=weight_decay,
            )._replace(amsgrad=amsgrad, maximize=maximize, semantics=semantics, flush_denormals=flush_denormals)
        )
        semantics_number(semantics)
        self._state_dtype = _arrays.state_dtype(state_dtype)
        self.param_groups: list[dict[str, Any]] = []
        self._entries: list[Entry] = []
        self._by_memory: dict[Any, Entry] = {}
        self._open = params is None
        self._delta: NDArray | None = None
        self._gate = Gate()
        self._call: tuple[list[Item], list[Hyperparameters], StepCall] | None = None
        for group in _groups_of(params):
            self.add_param_group(group)
        if self._open:
            self.param_groups.append({"params": (), **self.defaults})
        self._grads = None if grads is None else self._aligned(grads)

    # ---- stepping ----

    def step(self, grads: Any = None) -> None:
        """Updates every parameter.

        grads: the gradients in the order of the parameters, or a dict from their names, or one array where there is
        one parameter; only read. Left out: the arrays that were given to the constructor as grads.
        """
        if grads is None:
            if self._grads is None:
                raise ArgumentError(
                    "step() has no gradients: give them, step(grads), or bind them, Adam(..., grads=...)"
                )
            aligned = self._grads
        else:
            aligned = self._aligned(grads)
        self._advance(list(zip(self._entries, aligned, strict=True)))

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, NDArray]]) -> None:
        """Updates the variables of (gradient, variable) pairs, as in Keras.

        An optimizer that was made without parameters takes on each variable when it first sees it; one is known
        again by its memory, so a fresh view of the same array is the same variable.
        """
        pairs = list(grads_and_vars)
        if not any(gradient is not None for gradient, _ in pairs):
            raise ArgumentError("apply_gradients: no gradient for any variable; wanted at least one that is not None")
        found = []
        for index, (gradient, variable) in enumerate(pairs):
            name = f"grads_and_vars[{index}][1]"
            key = memory_key(_arrays.view(variable, name, written=True), variable)
            entry = self._by_memory.get(key)
            if entry is None and not self._open:
                raise ArgumentError(
                    f"{name}, of shape {variable.shape}, is none of this optimizer's parameters; add it first: "
                    "add_param_group({'params': [variable]})"
                )
            found.append((entry or Entry(f"var[{index}]", variable, 0), gradient))
        if len({id(entry.value) for entry, _ in found}) < len(found):
            raise OverlapError("apply_gradients: a variable appears twice; add its gradients up, and give it once")
        self._advance(found)
        for entry, _ in found:
            if entry not in self._entries:
                self._register(entry)
                self.param_groups[0]["params"] += (entry.value,)

    def update(self, gradient: Any) -> Any:
        """Updates the parameters by a gradient and returns them; one array for one parameter.

        An optimizer without parameters returns the change instead, to be added: p += optimizer.update(gradient).
        A plain number as gradient gives a plain number.
        """
        if self._entries:
            self.step(gradient)
            values = [entry.value for entry in self._entries]
            return values[0] if len(values) == 1 else values
        if self.param_groups[0]["weight_decay"] != 0:
            raise ArgumentError(
                "update() without parameters has nothing to decay: set weight_decay to 0, or give the parameters"
            )
        number = isinstance(gradient, int | float)
        array = np.asarray(gradient, dtype=np.float64) if number else gradient
        if self._delta is None:
            seen = _arrays.view(array, "gradient", written=False)
            self._delta = np.zeros(seen.shape, dtype=array.dtype)
            self._delta_entry = Entry("gradient", self._delta, 0)
        self._delta.fill(0)
        self._advance([(self._delta_entry, array)])
        return float(self._delta) if number else self._delta.copy()

    def zero_grad(self) -> None:
        """Sets the gradient arrays that were given to the constructor to zero. Without them there is nothing to do."""
        for gradient in self._grads or ():
            if gradient is not None:
                gradient.fill(0)

    def _advance(self, pairs: list[tuple[Entry, Any]]) -> None:
        with self._gate:
            rows = [self._row(group) for group in self.param_groups]
            items, values, states, gradients, fresh = [], [], [], [], []
            for entry, gradient in pairs:
                if gradient is None:
                    continue
                value = _arrays.view(entry.value, entry.name, written=True)
                seen = _arrays.gradient_view(gradient, f"gradient of {entry.name}", value.shape)
                state = entry.ready_state(rows[entry.group].slots, self._state_dtype)
                slots = [_arrays.view(array, f"{entry.name}.{slot}", written=True) for slot, array in state.items()]
                items.append(_arrays.item(entry.name, entry.group, value, seen, slots))
                values.append(value.pointer)
                states += [_arrays.address(entry.counter), *(slot.pointer for slot in slots)]
                gradients.append(seen.pointer)
                fresh.append((entry, state))
            if self._call is None or self._call[0] != items or self._call[1] != rows:
                self._call = items, rows, StepCall(items, *write_configs(rows))
            call = self._call[2]
            call.point(values, states, gradients)
            call.run()
            for entry, state in fresh:
                entry.state.update(state)

    # ---- groups ----

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Adds parameters with hyperparameters of their own: {"params": [...], "lr": ...}."""
        if not isinstance(group, Mapping) or "params" not in group:
            raise DTypeError(f"a parameter group is {group!r}; wanted a dict with 'params'")
        unknown = [key for key in group if key not in ("params", "param_names", *_SPELLINGS, *_OPTIONS)]
        if unknown:
            raise ArgumentError(f"a parameter group has {unknown[0]!r}, which is no hyperparameter of Adam")
        base = self._row(self.defaults)
        row = spelled(base, **{key: group[key] for key in _SPELLINGS if key in group})
        row = row._replace(**{key: group[key] for key in _OPTIONS if key in group})
        semantics_number(row.semantics)
        entries: list[tuple[Entry, Any]] = []
        for name, value in _named_arrays(group["params"], len(self._entries)):
            entry = Entry(name, value, len(self.param_groups))
            seen = _arrays.view(value, name, written=True)
            key = memory_key(seen, value)
            twin = self._by_memory.get(key) or next((other for other, other_key in entries if other_key == key), None)
            if twin is not None:
                raise OverlapError(f"{name} is the same array as {twin.name}: give each parameter once")
            if any(name == other.name for other in [*self._entries, *(other for other, _ in entries)]):
                raise ArgumentError(f"two parameters are named {name!r}: give each a name of its own")
            entries.append((entry, key))
        for entry, _ in entries:
            self._register(entry)
        self.param_groups.append({"params": tuple(entry.value for entry, _ in entries), **_group_options(row)})

    @property
    def lr(self) -> float:
        """The learning rate of the first group; setting it sets every group's."""
        return float(self.param_groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        check(value, (0.0, 0.0), 0.0, 0.0)
        for group in self.param_groups:
            group["lr"] = float(value)

    learning_rate = lr

    def _row(self, group: Mapping[str, Any]) -> Hyperparameters:
        check(group["lr"], group["betas"], group["eps"], group["weight_decay"])
        beta1, beta2 = group["betas"]
        return Hyperparameters(
            self._algorithm,
            float(group["lr"]),
            float(beta1),
            float(beta2),
            float(group["eps"]),
            float(group["weight_decay"]),
            *(group[option] for option in _OPTIONS),
        )

    def _register(self, entry: Entry) -> None:
        if entry.name.startswith("var["):
            entry.name = f"params[{len(self._entries)}]"
        self._entries.append(entry)
        self._by_memory[memory_key(_arrays.view(entry.value, entry.name, written=True), entry.value)] = entry

    def _aligned(self, grads: Any) -> list[Any]:
        """The gradients in the order of the parameters."""
        if isinstance(grads, np.ndarray):
            grads = [grads]
        if isinstance(grads, Mapping):
            names = [entry.name for entry in self._entries]
            unknown = [key for key in grads if key not in names]
            if unknown:
                raise ArgumentError(f"grads has {unknown[0]!r}, which names no parameter; the parameters are {names}")
            missing = [name for name in names if name not in grads]
            if missing:
                raise ShapeError(f"grads lacks {missing[0]!r}; give None where a parameter has no gradient")
            return [grads[name] for name in names]
        if not isinstance(grads, Sequence):
            if not isinstance(grads, Iterable):
                raise DTypeError(f"grads is a {type(grads).__name__}; wanted a list of numpy.ndarray, or one")
            grads = list(grads)
        if len(grads) != len(self._entries):
            raise ShapeError(
                f"grads has {len(grads)} arrays, and the optimizer {len(self._entries)} parameters; wanted one for "
                "each, or None where there is none"
            )
        return list(grads)

    # ---- state ----

    def state_dict(self) -> dict[str, Any]:
        """Moments, step counts and hyperparameters: copies, as numpy arrays and plain types.

        {"state": {0: {"step": 3, "exp_avg": array, "exp_avg_sq": array}, ...}, "param_groups": [{"lr": ..., "params":
        [0, ...], "param_names": [...]}]}, as in torch.
        """
        groups, first = [], 0
        for index, group in enumerate(self.param_groups):
            names = [entry.name for entry in self._entries if entry.group == index]
            packed = {key: value for key, value in group.items() if key != "params"}
            packed |= {"params": list(range(first, first + len(names))), "param_names": names}
            groups.append(packed)
            first += len(names)
        state = {place: entry.export() for place, entry in enumerate(self._in_groups()) if entry.state}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what state_dict() gave, or torch.optim's of the same parameters. Arrays are copied.

        Raises FormatError, and changes nothing, where it does not fit the parameters.
        """
        groups = state_dict["param_groups"]
        if [len(group["params"]) for group in groups] != [len(group["params"]) for group in self.param_groups]:
            raise FormatError(
                f"the loaded state has groups of {[len(group['params']) for group in groups]} parameters, and the "
                f"optimizer of {[len(group['params']) for group in self.param_groups]}"
            )
        new_options = []
        for group, own in zip(groups, self.param_groups, strict=True):
            options = {key: group.get(key, own[key]) for key in _HYPERPARAMETERS}
            self._row(options)
            semantics_number(options["semantics"])
            new_options.append(options)
        keys = [key for group in groups for key in group["params"]]
        parsed = [
            parse_state(entry, state_dict["state"][key]) if key in state_dict["state"] else (0, {})
            for key, entry in zip(keys, self._in_groups(), strict=True)
        ]
        for entry, (step, state) in zip(self._in_groups(), parsed, strict=True):
            entry.counter[()] = step
            entry.state = state
        for own, options in zip(self.param_groups, new_options, strict=True):
            own.update(options)

    def save(self, path: Any) -> None:
        """Writes moments, step counts and hyperparameters as safetensors; a kill leaves the old file or the new one.

        The parameters' values are not in it. Takes a second copy of the moments for as long as it runs.
        """
        with self._gate:
            _checkpoint.save(path, [self._row(group) for group in self.param_groups], self._entries, self._state_dtype)

    def load(self, path: Any) -> None:
        """Reads what save() wrote, into an optimizer with parameters of the same names, shapes and types."""
        with self._gate:
            rows = [self._row(group) for group in self.param_groups]
            for group, row in zip(
                self.param_groups, _checkpoint.load(path, rows, self._entries, self._state_dtype), strict=True
            ):
                group.update(_group_options(row))

    def _in_groups(self) -> list[Entry]:
        return sorted(self._entries, key=lambda entry: entry.group)

    def __getstate__(self) -> dict[str, Any]:
        left_out = ("_gate", "_call", "_by_memory")
        return {key: value for key, value in self.__dict__.items() if key not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._gate, self._call = Gate(), None
        entries, self._entries, self._by_memory = self._entries, [], {}
        for entry in entries:
            self._register(entry)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__}("]
        for index, group in enumerate(self.param_groups):
            options = ", ".join(f"{key}={group[key]!r}" for key in _HYPERPARAMETERS)
            lines.append(f"  group {index}: {len(group['params'])} parameters, {options}")
        return "\n".join([*lines, ")"])


class AdamW(Adam):
    """AdamW (Loshchilov and Hutter, 2019) over numpy arrays.

    Adam with the weight decay (default 0.01) taken off the parameter, p <- (1 - lr weight_decay) p, and not added to
    the gradient. Arguments as in Adam.
    """

    _algorithm = _ffi.ADAMW


class AdamOptimizer(Adam):
    """Adam without parameters of its own: update(gradient) returns the change, to be added.

        optimizer = AdamOptimizer(lr=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8)
        theta += optimizer.update(gradient)

    apply_gradients works too. Arguments as in Adam.
    """

    def __init__(
        self,
        lr: float | None = None,
        beta1: float | None = None,
        beta2: float | None = None,
        epsilon: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(None, lr, beta1=beta1, beta2=beta2, epsilon=epsilon, **options)


def _group_options(row: Hyperparameters) -> dict[str, Any]:
    options: dict[str, Any] = {
        "lr": row.lr,
        "betas": (row.beta1, row.beta2),
        "eps": row.eps,
        "weight_decay": row.weight_decay,
    }
    return options | {option: getattr(row, option) for option in _OPTIONS}


def _groups_of(params: Any) -> list[Mapping[str, Any]]:
    if params is None:
        return []
    if isinstance(params, Mapping) and "params" in params and not isinstance(params["params"], np.ndarray):
        return [params]
    if isinstance(params, np.ndarray | Mapping):
        return [{"params": params}]
    if not isinstance(params, Iterable):
        raise DTypeError(f"params is a {type(params).__name__}; wanted numpy.ndarray, or a list or dict of them")
    listed = list(params)
    if not listed:
        raise ArgumentError("params is empty; wanted at least one array")
    if all(isinstance(group, Mapping) for group in listed):
        return listed
    return [{"params": listed}]


def _named_arrays(params: Any, first: int) -> list[tuple[str, Any]]:
    if isinstance(params, Mapping):
        return [(str(name), value) for name, value in params.items()]
    listed = [params] if isinstance(params, np.ndarray) else list(params)
    named = []
    for index, value in enumerate(listed, first):
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
            named.append(value)
        else:
            named.append((f"params[{index}]", value))
    return named
