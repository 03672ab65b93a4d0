"""Muon for a model's matrices with AdamW for the rest, with Keras's arguments: which parameters go where, and what
AdamW's numbers are."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from martlet import _arguments, _ffi_models, _ffi_optimizers, _groups, _routing, _scheduled, _signatures, _spellings
from martlet._config import Hyperparameters
from martlet._errors import ArgumentError, DTypeError, MartletError, OrderError, UnsupportedError
from martlet._records import View
from martlet._routing import ADAMW, Owner, Route, Rules
from martlet.nn import _optimizer, _storage
from martlet.nn._optimizer import Optimizer, hyperparameter
from martlet.nn._storage import Storage

_OWNER = Owner("Muon", "muon")
# What both algorithms are told.
_SHARED = {key: False if key in _spellings.FLAGS else None for key in _spellings.BESIDE}


class _Parameter(NamedTuple):
    """What rules see of one."""

    name: str
    shape: tuple[int, ...]


def _of_adamw(name: str, field: str) -> Any:
    """A number of AdamW's, as an attribute."""

    def read(self: Muon) -> float:
        return float(getattr(self._others[0], field))

    def write(self: Muon, value: Any) -> None:
        self._set_other(field, _arguments.real(value, name), value)

    return property(read, write, doc=f"AdamW's {field}.")


class Muon(
    Optimizer,
    algorithm=_ffi_optimizers.MUON,
    options={"lr": None, **_SHARED, **_storage.OPTIONS},
    lr=0.001,
    weight_decay=0.004,
):  # fmt: skip
    """Muon (Jordan et al., 2024) for a model's matrices, and AdamW by Keras's convention for the rest.

    learning_rate (or lr)      of both, default 0.001; or a schedule of the steps taken since compile
    weight_decay               Muon's, decoupled, default 0.004; None for 0
    momentum, nesterov         what a step keeps of the one before, default 0.95; whether it looks ahead along it
    ns_steps                   Newton-Schulz's steps, default 5, with muon_a, muon_b and muon_c for a polynomial
    rms_rate                   0.2, and no other: a matrix's rate is learning_rate times 0.2 sqrt(max(rows, columns)),
                               whose steps have AdamW's size
    adam_beta_1, adam_beta_2, epsilon
                               AdamW's, default 0.9, 0.999, 1e-7
    adam_weight_decay          AdamW's, a part of learning_rate, default 0.004; None for 0
    adam_lr_ratio              AdamW's rate as a part of learning_rate, more than 0, default 1
    exclude_layers             regular expressions; what one of them is found in the name of, such as "dense_1/kernel",
                               goes to AdamW. One that is found nowhere is an ArgumentError at the first step
    exclude_embeddings         whether what has "embedding" in its name goes to AdamW
    rules                      before all that is below: (pattern, "muon" or "adamw") pairs, of which the first that
                               matches counts, or a function of a name and a parameter, which has a shape, that gives
                               one of the two, or None. A pattern is a glob of a name or of a layer's, whose vectors
                               "muon" leaves to AdamW: rules={"conv*": "muon", "logits": "adamw"}
    normuon, beta2, hyperball  Muon's, as in martlet.optim.Muon, default False, 0.95, False. hyperball has no
                               rms_rate, and wants a weight_decay of None

    As in Keras, matrices are stepped by Muon, the output layer's too unless it is excluded, and all else by AdamW, also
    kernels of convolutions, which a rule gives to Muon: as matrices of a row for each filter. describe() prints what
    goes where. A matrix whose gradients' average has a norm under 1e-7 stays where it is.

    What else there is is Optimizer's, for both algorithms.
    """

    def __init__(
        self,
        learning_rate: float | Callable[[int], float] | None = None,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        *,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.775,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1.0,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        rules: Any = None,
        normuon: bool = False,
        beta2: float = 0.95,
        hyperball: bool = False,
        **options: Any,
    ) -> None:
        given = _signatures.arguments(locals(), self._options, "Muon")
        if rms_rate != 0.2:
            raise UnsupportedError(
                f"rms_rate is {rms_rate!r}; wanted 0.2: other sizes of a step are those of learning_rate, beside which "
                "adam_lr_ratio sets AdamW's"
            )
        self._storage = Storage.taken(given)
        shared = {key: given[key] for key in _SHARED if key in given}
        rate = {key: given[key] for key in ("learning_rate", "lr") if key in given}
        muon = shared | rate | {"weight_decay": weight_decay or 0.0, "momentum": momentum, "nesterov": nesterov}
        muon |= {"ns_steps": ns_steps, "ns_coefficients": (muon_a, muon_b, muon_c)}
        muon |= {"normuon": normuon, "beta2": beta2, "hyperball": hyperball}
        muon["adjust_lr_fn"] = "original" if hyperball else "match_rms_adamw"
        row = _groups.completed(self._defaults, _scheduled.at(muon, 0))
        self._start(row, _scheduled.schedule_of(muon))
        self._route_by(exclude_layers, exclude_embeddings, rules)
        ratio = _arguments.real(adam_lr_ratio, "adam_lr_ratio")
        if not 0 < ratio < float("inf"):
            raise ArgumentError(f"adam_lr_ratio is {ratio}; wanted a finite number over 0")
        decay = 0.0 if adam_weight_decay is None else _arguments.real(adam_weight_decay, "adam_weight_decay")
        adamw = shared | {"lr": ratio, "beta1": adam_beta_1, "beta2": adam_beta_2, "eps": epsilon}
        # Keras's decay is a part of learning_rate; AdamW's own of AdamW's rate.
        adamw["weight_decay"] = decay / ratio
        try:
            self._others = (_groups.completed(_optimizer.ADAMW, adamw),)
        except MartletError as error:
            raise type(error)(f"for AdamW, beside Muon: {error}") from None

    def _start(self, row: Hyperparameters, schedule: Any) -> None:
        super()._start(row, schedule)
        self._why: dict[str, str] = {}
        self._route_by(None, True, None)

    def _route_by(self, exclude_layers: Any, exclude_embeddings: Any, rules: Any) -> None:
        if isinstance(exclude_layers, str):
            raise DTypeError(f"exclude_layers is {exclude_layers!r}; wanted a list of regular expressions")
        self.exclude_layers = [] if exclude_layers is None else list(exclude_layers)
        for pattern in self.exclude_layers:
            try:
                re.compile(pattern)
            except (re.error, TypeError) as error:
                raise ArgumentError(f"exclude_layers has {pattern!r}, no regular expression: {error}") from None
        self.exclude_embeddings = _arguments.flag(exclude_embeddings, "exclude_embeddings")
        self._rules = Rules(_OWNER, rules)

    rms_rate = property(lambda self: 0.2, doc="The size of a step: that of AdamW's.")
    muon_a = hyperparameter("muon_a", "ns_a")
    muon_b = hyperparameter("muon_b", "ns_b")
    muon_c = hyperparameter("muon_c", "ns_c")
    adam_beta_1 = _of_adamw("adam_beta_1", "beta1")
    adam_beta_2 = _of_adamw("adam_beta_2", "beta2")
    epsilon = _of_adamw("epsilon", "eps")
    eps = _of_adamw("eps", "eps")

    @property
    def adam_lr_ratio(self) -> float:
        """AdamW's rate as a part of learning_rate."""
        return float(self._others[0].lr)

    @property
    def adam_weight_decay(self) -> float:
        """AdamW's decay, as a part of learning_rate."""
        return float(self._others[0].weight_decay) * self.adam_lr_ratio

    @adam_weight_decay.setter
    def adam_weight_decay(self, value: Any) -> None:
        self._set_other("weight_decay", _arguments.real(value, "adam_weight_decay") / self.adam_lr_ratio, value)

    def _set_other(self, field: str, number: float, given: Any) -> None:
        row = self._others[0].changed({field: number})
        row.check(lambda: {field: given})
        self._tell(1, field, number)
        self._others = (row,)

    def __repr__(self) -> str:
        names = ("learning_rate", "momentum", "weight_decay", "adam_beta_1", "adam_beta_2", "adam_weight_decay")
        return f"<Muon {' '.join(f'{name}={getattr(self, name):g}' for name in names)}>"

    # ---- which parameters go where ----

    def _placed(self, views: Sequence[View]) -> list[int]:
        if self._places:  # as a file says
            self._why = dict.fromkeys(self._places, "its file")
            return super()._placed(views)
        named = [(view.name, _Parameter(view.name, view.sizes)) for view in views]
        for pattern in self.exclude_layers:
            if not any(re.search(pattern, name) for name, _ in named):
                names = ", ".join(name for name, _ in named[:8])
                raise ArgumentError(f"exclude_layers has {pattern!r}, which is in none of the parameters: {names}")
        routes = self._rules.routes(named, {name: self._route(parameter) for name, parameter in named})
        self._why = {name: route.why for (name, _), route in zip(named, routes, strict=True)}
        return [int(not route.is_matrix) for route in routes]

    def _route(self, parameter: _Parameter) -> Route:
        """Where Keras's Muon sends a parameter."""
        name, shape = parameter
        if len(shape) != 2:
            return Route(False, "a vector" if len(shape) < 2 else "no matrix, and no rule gives it to Muon")
        if self.exclude_embeddings and "embedding" in name.lower():
            return Route(False, "an embedding by its name")
        found = next((pattern for pattern in self.exclude_layers if re.search(pattern, name)), None)
        return Route(True, "a matrix") if found is None else Route(False, f"exclude_layers has {found!r}")

    def describe(self) -> str:
        """A table of the parameters of the model that this trains: name, shape, the algorithm that steps it, and why.
        OrderError before that model's first step."""
        model = self._trains()
        if model is None:
            raise OrderError("the optimizer trains no model yet; call describe() after the first training step")
        views = model.views(_ffi_models.BUFFER_PARAMETERS)
        names = [_OWNER.name, ADAMW]
        names += [names[place] for place in self._copied]
        return _routing.table(
            (view.name, view.sizes, names[view.group], 1, self._why.get(view.name, "its file")) for view in views
        )
