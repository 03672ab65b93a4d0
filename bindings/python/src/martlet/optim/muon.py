"""Muon for matrices with AdamW for the rest, in one object over numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from martlet import _algorithms, _ffi_optimizers, _groups, _routing, _scheduled
from martlet._config import Hyperparameters, defaults
from martlet._entry import Entry
from martlet._errors import ArgumentError, MartletError
from martlet._routing import ADAMW, MUON, Route, Rules
from martlet._spellings import OMITTED
from martlet.optim._optimizer import Optimizer, with_schedule

_SHARED = ("maximize", "flush_denormals", "cautious_weight_decay", "corrected_weight_decay")


class Muon(Optimizer, algorithm=_ffi_optimizers.MUON):
    """Muon (Jordan et al., 2024) for matrices, and AdamW for the rest, over numpy arrays.

    params                 each array goes to Muon or to AdamW by the rules below, which describe() prints. Groups go
                           where they say: {"params": [...], "algorithm": "adamw"} or "muon", as one that does not say
    lr (or learning_rate)  learning rate, 0 or more. Default 1e-3; Jordan's is 0.02
    weight_decay           0 or more, decoupled. Default 0.1
    momentum               what a step keeps of the one before, in [0, 1). Default 0.95
    nesterov               look ahead along the momentum
    ns_coefficients        (a, b, c) of Newton-Schulz's polynomial, or "simple", which are the defaults, "quintic" or
                           "polar_express", which have others at each step
    eps (or epsilon)       a norm under which a matrix stays where it is. Default 1e-7. Matrices are made orthogonal in
                           float32, and float64 gradients past its range become NaN
    ns_steps               Newton-Schulz's steps. Default 5
    adjust_lr_fn           how the rate follows from a matrix's sizes: "original", as None, sqrt(max(1, rows /
                           columns)); "match_rms_adamw", 0.2 sqrt(max(rows, columns)), whose steps have AdamW's size;
                           "spectral", sqrt(rows / columns)
    rules                  the caller's rules, before those below: (pattern, "muon" or "adamw") pairs, of which the
                           first that matches counts, or a function of a name and an array that gives one of the two,
                           or None. A pattern is a glob of an array's name, or of what stands before a dot in it;
                           "muon" leaves vectors under it to AdamW
    blocks                 how many matrices lie one above the other in fused projections: {"*.qkv": 3}, by such
                           patterns; a number is for all
    adamw_lr               AdamW's learning rate. None: lr with "match_rms_adamw", else 3e-4
    adamw_betas, adamw_eps AdamW's. Default (0.9, 0.95), 1e-8
    adamw_weight_decay     AdamW's; None: weight_decay

    An array is stepped by AdamW if it is a vector, a single row or column, or by its name an embedding ("embed" in it,
    wte, wpe), an output layer (lm_head, head, classifier) or a bias; all others, of which all dimensions but the first
    are a row, by Muon. Without names the number of dimensions decides. A pattern that matches nothing is an error.
    The first dimension is to be the outputs', as in torch: scales of arrays that lie as Keras's do, inputs first, are
    those of their transposes, but for "match_rms_adamw".

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        weight_decay: float = OMITTED,
        momentum: float | None = None,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] | str | None = None,
        eps: float | None = None,
        ns_steps: int | None = None,
        adjust_lr_fn: str | None = None,
        *,
        rules: Any = None,
        blocks: Mapping[str, int] | float | None = None,
        adamw_lr: float | None = None,
        adamw_betas: tuple[float, float] = (0.9, 0.95),
        adamw_eps: float = 1e-8,
        adamw_weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        given = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
            "options": options,
        }
        if adamw_lr is None:
            rate = next((rate for rate in (lr, options.get("learning_rate")) if rate is not None), 1e-3)
            adamw_lr = _routing.adamw_rate(rate, adjust_lr_fn)
        if adamw_weight_decay is None:
            usual = _algorithms.of(self._algorithm).defaults["weight_decay"]
            adamw_weight_decay = usual if weight_decay is OMITTED else weight_decay
        adamw = {"lr": adamw_lr, "betas": adamw_betas, "eps": adamw_eps, "weight_decay": adamw_weight_decay}
        adamw |= {key: options[key] for key in _SHARED if key in options}
        self._others = {_ffi_optimizers.ADAMW: _options(adamw)}
        self._why: dict[str, str] = {}
        if isinstance(blocks, Real):
            given["blocks"], blocks = blocks, None
        self._start = Rules(rules, blocks)
        super().__init__(params, given)
        del self._start

    def _take_params(self, params: Any) -> None:
        groups = _groups.groups_of(params)
        if not groups or _groups.are_groups(params):
            if self._start:
                raise ArgumentError("rules and blocks go by names: give params, and no groups")
            super()._take_params(groups or None)
            if self._open:
                self._add_group(Route(ADAMW, ""))
            return
        self._open = False
        named = _groups.named_arrays(groups[0]["params"], "params")
        new = self._parameters.new(named, 0)
        unnamed = [entry for entry, (name, _) in zip(new, named, strict=True) if name is None]
        routes = self._start.routes([(entry.name, entry.value) for entry in new], _by_dimensions(unnamed))
        keys = sorted({(route.algorithm == ADAMW, route.blocks): route for route in routes}.items())
        places = {}
        for key, route in keys:
            places[key] = len(self.param_groups)
            self._add_group(route)
        for entry, route in zip(new, routes, strict=True):
            entry.group = places[route.algorithm == ADAMW, route.blocks]
            self._why[entry.name] = route.why
            if route.algorithm == MUON and route.blocks == 1:
                _routing.check_blocks(entry.name, entry.value.shape, int(self.defaults["blocks"]))
        self._keep(new)

    def _add_group(self, route: Route) -> None:
        """A group to which parameters come later."""
        group = {"params": {}, "algorithm": route.algorithm}
        self.add_param_group(group | ({"blocks": route.blocks} if route.blocks > 1 else {}))

    def _place(self, new: list[Entry]) -> None:
        routes = Rules(None, None).routes([(entry.name, entry.value) for entry in new], _by_dimensions(new))
        for entry, route in zip(new, routes, strict=True):
            entry.group = int(route.algorithm == ADAMW)
            self._why[entry.name] = route.why

    def _check_new(self, new: list[Entry], row: Hyperparameters) -> None:
        if row.algorithm == self._algorithm:
            for entry in new:
                _routing.check_matrix(entry.name, entry.value.shape)
                _routing.check_blocks(entry.name, entry.value.shape, int(row.blocks))

    def describe(self) -> str:
        """A table of all parameters: name, shape, the algorithm that steps it, and why."""
        rows = []
        for entry in self._parameters.entries:
            group = self.param_groups[entry.group]
            algorithm, why = group.get("algorithm", MUON), self._why.get(entry.name, "its group")
            rows.append((entry.name, entry.value.shape, algorithm, int(group.get("blocks", 1)), why))
        return _routing.table(rows)


def _by_dimensions(unnamed: list[Entry]) -> dict[str, Route]:
    """The routes of arrays without names of their own."""
    return {
        entry.name: Route(MUON, "a matrix") if entry.value.ndim > 1 else Route(ADAMW, "a vector") for entry in unnamed
    }


def _options(adamw: dict[str, Any]) -> dict[str, Any]:
    """AdamW's options, as its groups have them."""
    try:
        row = _groups.completed(defaults(_ffi_optimizers.ADAMW), _scheduled.at(adamw, 0))
    except MartletError as error:
        raise type(error)(f"for AdamW, beside Muon: {error}") from None
    return with_schedule(_groups.as_group(row), _scheduled.schedule_of(adamw))
