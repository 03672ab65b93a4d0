"""An algorithm of matrices with AdamW for the rest, in one object over numpy arrays: what Muon and SOAP share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from martlet import _ffi_optimizers, _groups, _routing, _scheduled, _spellings
from martlet._config import Hyperparameters, defaults
from martlet._entry import Entry
from martlet._errors import ArgumentError, MartletError
from martlet._routing import ADAMW, Owner, Route, Rules
from martlet.optim._optimizer import Optimizer, with_schedule


class MatrixOptimizer(Optimizer):
    """Arrays go where rules say: to the class's algorithm, or to AdamW."""

    # Whose rules they are.
    _owner: Owner

    def __init__(self, params: Any, given: Mapping[str, Any], rules: Rules, adamw: dict[str, Any]) -> None:
        """given: the options of the class's algorithm; adamw: those of AdamW beside it."""
        self._why: dict[str, str] = {}
        self._start = rules
        self._adamw = adamw | {key: given["options"][key] for key in _spellings.BESIDE if key in given["options"]}
        super().__init__(params, given)
        del self._start, self._adamw

    def _take_params(self, params: Any) -> None:
        """The class's own options have been checked, so that errors are its own where AdamW's follow them."""
        self._others = {_ffi_optimizers.ADAMW: beside(self._adamw, self._owner.title)}
        groups = _groups.groups_of(params)
        if not groups or _groups.are_groups(params):
            if self._start:
                raise ArgumentError("rules and blocks go by names: give params, and no groups")
            super()._take_params(groups or None)
            if self._open:
                self._add_group(Route(False, ""))
            return
        self._open = False
        named = _groups.named_arrays(groups[0]["params"], "params")
        new = self._parameters.new(named, 0)
        unnamed = [entry for entry, (name, _) in zip(new, named, strict=True) if name is None]
        routes = self._start.routes([(entry.name, entry.value) for entry in new], _by_dimensions(unnamed))
        keys = sorted({(not route.is_matrix, route.blocks): route for route in routes}.items())
        places = {}
        for key, route in keys:
            places[key] = len(self.param_groups)
            self._add_group(route)
        for entry, route in zip(new, routes, strict=True):
            entry.group = places[not route.is_matrix, route.blocks]
            self._why[entry.name] = route.why
            if route.is_matrix and route.blocks == 1:
                _routing.check_blocks(entry.name, entry.value.shape, int(self.defaults.get("blocks", 1)))
        self._keep(new)

    def _add_group(self, route: Route) -> None:
        """A group to which parameters come later."""
        group = {"params": {}, "algorithm": self._owner.name if route.is_matrix else ADAMW}
        self.add_param_group(group | ({"blocks": route.blocks} if route.blocks > 1 else {}))

    def _place(self, new: list[Entry]) -> None:
        routes = Rules(self._owner).routes([(entry.name, entry.value) for entry in new], _by_dimensions(new))
        for entry, route in zip(new, routes, strict=True):
            entry.group = int(not route.is_matrix)
            self._why[entry.name] = route.why

    def _check_new(self, new: list[Entry], row: Hyperparameters) -> None:
        if row.algorithm == self._algorithm:
            for entry in new:
                _routing.check_matrix(self._owner.title, entry.name, entry.value.shape)
                _routing.check_blocks(entry.name, entry.value.shape, int(getattr(row, "blocks", 1)))

    def describe(self) -> str:
        """A table of all parameters: name, shape, the algorithm that steps it, and why."""
        rows = []
        for entry in self._parameters.entries:
            group = self.param_groups[entry.group]
            algorithm, why = group.get("algorithm", self._owner.name), self._why.get(entry.name, "its group")
            rows.append((entry.name, entry.value.shape, algorithm, int(group.get("blocks", 1)), why))
        return _routing.table(rows)


def _by_dimensions(unnamed: list[Entry]) -> dict[str, Route]:
    """The routes of arrays without names of their own."""
    return {entry.name: _routing.by_dimensions(entry.value.ndim) for entry in unnamed}


def beside(adamw: dict[str, Any], title: str) -> dict[str, Any]:
    """AdamW's options, as its groups have them."""
    try:
        row = _groups.completed(defaults(_ffi_optimizers.ADAMW), _scheduled.at(adamw, 0))
    except MartletError as error:
        raise type(error)(f"for AdamW, beside {title}: {error}") from None
    return with_schedule(_groups.as_group(row), _scheduled.schedule_of(adamw))
