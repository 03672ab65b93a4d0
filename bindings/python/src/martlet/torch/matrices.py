"""An algorithm of matrices with AdamW for the rest, in one object: what Muon and SOAP share.

Which parameters go where is _routing.py's and roles.py's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from martlet import _routing
from martlet._errors import ArgumentError, DTypeError, MartletError, UnsupportedError
from martlet._routing import ADAMW, Owner, Route, Rules
from martlet.torch import roles
from martlet.torch import state as states
from martlet.torch._optimizer import Optimizer

Named = list[tuple[str, Tensor]]

# What a pickle calls the routes.
_WHY = "_why"
# The options that are for the class's algorithm alone.
_OF_MATRICES = frozenset({"hyperball"})


class MatrixOptimizer(Optimizer):
    """Parameters with names go where rules say: to the class's algorithm, or to AdamW."""

    # Whose rules they are.
    _martlet_owner: Owner

    def __init__(self, params: Any, given: Mapping[str, Any], rules: Any, adamw: dict[str, Any]) -> None:
        """given: the options of the class's algorithm; rules: what names are routed by; adamw: the options of AdamW
        beside it."""
        options, other = given["options"], self._martlet_kind.of({"algorithm": ADAMW})
        shared = {*other.own, "maximize"} - _OF_MATRICES
        adamw |= {key: value for key, value in options.items() if key in shared}
        try:
            self._martlet_others = {ADAMW: other.defaults(adamw)}
        except MartletError as error:
            self._martlet_checked(given)  # what AdamW was to take over is wrong in the class's own words first
            raise type(error)(f"for AdamW, beside {self._martlet_owner.title}: {error}") from None
        self._martlet_why: dict[Tensor, str] = {}
        super().__init__(self._martlet_routed(params, rules), given)

    def _martlet_routed(self, params: Any, rules: Rules) -> Any:
        """Groups of what has names, or of what needs none; else what was given."""
        named, known = named_parameters(params, self._martlet_owner)
        if named is None:
            if rules:
                raise ArgumentError(
                    "rules and blocks go by names, and params has none; give the model, or model.named_parameters()"
                )
            return self._martlet_by_dimensions(known)
        routes = rules.routes(named, known)
        groups: dict[tuple[bool, int], dict[str, Any]] = {}
        for (name, parameter), route in zip(named, routes, strict=True):
            self._martlet_why[parameter] = route.why
            group = groups.setdefault((not route.is_matrix, route.blocks), {"params": []})
            group["params"].append((name, parameter))
            group["algorithm"] = self._martlet_owner.name if route.is_matrix else ADAMW
            if route.blocks > 1:
                group["blocks"] = route.blocks
        return [groups[key] for key in sorted(groups)]

    def _martlet_by_dimensions(self, params: Any) -> Any:
        """Groups of tensors without names, where dimensions say all that there is to say."""
        takes_some = isinstance(params, list) and params and all(isinstance(each, Tensor) for each in params)
        if not self._martlet_owner.takes_all or not takes_some:
            return params
        groups: dict[bool, dict[str, Any]] = {}
        for parameter in params:
            route = _routing.by_dimensions(parameter.dim())
            self._martlet_why[parameter] = route.why
            name = self._martlet_owner.name if route.is_matrix else ADAMW
            groups.setdefault(not route.is_matrix, {"params": [], "algorithm": name})["params"].append(parameter)
        return [groups[key] for key in sorted(groups)]

    def _martlet_check_parameters(self, group: dict[str, Any], index: int) -> None:
        super()._martlet_check_parameters(group, index)
        if self._martlet_kind.of(group) is not self._martlet_kind:
            return
        for parameter, name in states.named(group, index).items():
            shape = tuple(parameter.shape)
            self._martlet_check_plain(parameter, group, name)
            _routing.check_matrix(self._martlet_owner.title, name, shape)
            _routing.check_blocks(name, shape, int(group.get("blocks", 1)))
            if parameter.is_complex():
                raise UnsupportedError(
                    f"{self._martlet_owner.title} does not support complex parameters, and {name} is one"
                )

    def _martlet_check_plain(self, parameter: Tensor, group: dict[str, Any], name: str) -> None:
        """What torch's class asks of its parameters."""

    def describe(self) -> str:
        """A table of all parameters: name, shape, the algorithm that steps it, and why."""
        rows = []
        for index, group in enumerate(self.param_groups):
            algorithm, names = self._martlet_kind.of(group).name, group.get("param_names")
            for place, parameter in enumerate(group["params"]):
                name = names[place] if names else states.name_of(group, index, place)
                why = self._martlet_why.get(parameter, "its group")
                rows.append((name, tuple(parameter.shape), algorithm, int(group.get("blocks", 1)), why))
        return _routing.table(rows)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), _WHY: self._martlet_why}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        why = state.pop(_WHY, None)
        super().__setstate__(state)
        if why is not None or "_martlet_why" not in self.__dict__:
            self._martlet_why = why or {}


def named_parameters(params: Any, owner: Owner) -> tuple[Named | None, Any]:
    """The parameters by name, and what their layers say of them; None where they have no names, and then what was
    given, as a list where it is an iterable."""
    known: dict[str, Route] = {}
    named: list[Any]
    if isinstance(params, nn.Module):
        named = list(params.named_parameters())
        _refuse_lazy(named)
        known = {} if owner.takes_all else roles.of(params)
    elif isinstance(params, Mapping):
        named = list(params.items())
    elif isinstance(params, Iterable) and not isinstance(params, Tensor):
        named = list(params)
        if not named or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in named):
            return None, named
    else:
        return None, params
    for name, parameter in named:
        if not isinstance(name, str) or not isinstance(parameter, Tensor):
            raise DTypeError(f"params has {name!r}: {type(parameter).__name__}; wanted names with their tensors")
    _refuse_lazy(named)
    return named, known


def _refuse_lazy(named: Named) -> None:
    for name, parameter in named:
        if is_lazy(parameter):
            raise ArgumentError(f"{name} has no shape yet; run the model once before its optimizer is made")
