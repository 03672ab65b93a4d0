"""Deferred rows: sparse gradients with the meaning of dense ones, where rows that a gradient does not name catch up
later. What of them is kept, for which parameters, and how they catch up with it; how a step names rows is the work of
sparse.py.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from martlet import _backlog, _ffi_optimizers
from martlet._call import Item, RowNumbers, StepCall, write_configs
from martlet._config import Hyperparameters
from martlet._errors import ArgumentError
from martlet.torch import state as states
from martlet.torch.options import Group, Kind
from martlet.torch.tensors import check_parameter, lay_out

# By parameter, the memory of what its rows have not seen.
Backlogs = dict[Tensor, _backlog.NDArray]


def defers(rows: list[Hyperparameters]) -> list[bool]:
    """By group, whether rows without a gradient are left for later."""
    return [bool(row.flags & _ffi_optimizers.DEFER_ROWS) for row in rows]


def give(backlogs: Backlogs, parameter: Tensor) -> None:
    """Makes memory for a parameter that has none yet, or has it for other rows than now, of which none is behind."""
    backlogs[parameter] = _backlog.ready(backlogs.get(parameter), parameter.shape[0])


def with_backlog(item: Item, backlogs: Backlogs, parameter: Tensor) -> Item:
    """The item with its parameter's memory."""
    if parameter not in backlogs:
        return item
    give(backlogs, parameter)
    return item._replace(backlog=backlogs[parameter].ctypes.data)


def are_behind(backlogs: Backlogs) -> bool:
    """Whether rows of some parameter have steps to catch up with."""
    return any(map(_backlog.is_behind, backlogs.values()))


def catch_up(
    kind: Kind,
    groups: list[Group],
    state: dict[Any, Any],
    backlogs: Backlogs,
    named: tuple[Tensor, RowNumbers] | None = None,
) -> None:
    """Lets all rows catch up, or those that are named, of one parameter."""
    rows = [kind.of(group).row(group) for group in groups]
    items: list[Item] = []
    values: list[Tensor] = []
    places: list[int] = []
    held: list[Any] = []
    unread = states.counter(0)
    for index, parameter, name in _behind(groups, backlogs):
        if named is not None and parameter is not named[0]:
            continue
        check_parameter(parameter, name)
        entry = states.entry_of(state, parameter, name)
        every = rows[index].slots
        wanted = every.of(parameter.shape)
        kept = {slot: _slot(entry, slot, parameter, is_scalar=slot in wanted.scalars) for slot in wanted.names}
        states.check_slots({**entry, **kept}, wanted, parameter, name)
        item = lay_out(name, index, parameter, None, None, kept, every, None, keeps_dimensions=True)
        item = with_backlog(item, backlogs, parameter)
        if named is not None:
            item = item._replace(rows=named[1])
        items.append(item)
        values += [parameter, *kept.values()]
        places += [unread.buffer_info()[0], *(tensor.data_ptr() for tensor in kept.values())]
        held.append(kept)
    if not items:
        return
    configs, count = write_configs(rows)
    call = StepCall(items, configs, count)
    parameters = [one[1] for one in _behind(groups, backlogs) if named is None or one[1] is named[0]]
    call.point([parameter.data_ptr() for parameter in parameters], places, [0] * len(items))
    call.finish()
    torch.autograd.graph.increment_version(values)


def _behind(groups: list[Group], backlogs: Backlogs) -> Iterator[tuple[int, Tensor, str]]:
    """The parameters whose rows may be behind, with their groups and names."""
    for index, group in enumerate(groups):
        for parameter, name in states.named(group, index).items():
            if parameter in backlogs:
                yield index, parameter, name


def _slot(entry: dict[str, Any], slot: str, parameter: Tensor, *, is_scalar: bool) -> Tensor:
    """A slot of a parameter's state; one that an option has brought since, which no step has seen, as zeros."""
    found = entry.get(slot)
    if found is None:
        return torch.zeros((), dtype=torch.float64) if is_scalar else torch.zeros_like(parameter)
    return found  # type: ignore[no-any-return]


class BeforeForward:
    """A forward hook that lets the rows catch up which a module is about to read. A copy of it, in a copy of the
    module, does nothing: the optimizer is another's."""

    def __init__(self, optimizer: Any = None) -> None:
        self._optimizer = (lambda: None) if optimizer is None else weakref.ref(optimizer)

    def __reduce__(self) -> tuple[Any, ...]:
        return BeforeForward, ()

    @torch._disable_dynamo  # type: ignore[attr-defined]
    def __call__(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        optimizer = self._optimizer()
        if optimizer is not None:
            optimizer.catch_up(module.weight, args[0] if args else kwargs["input"])


class BeforeState(BeforeForward):
    """The same of all rows, before a module's values are taken or replaced."""

    def __reduce__(self) -> tuple[Any, ...]:
        return BeforeState, ()

    @torch._disable_dynamo  # type: ignore[attr-defined]
    def __call__(self, *args: Any) -> None:
        optimizer = self._optimizer()
        if optimizer is not None:
            optimizer.finish()


def hook(optimizer: Any, model: Any) -> list[Any]:
    """Hooks for the model's embeddings whose tables are the optimizer's."""
    known = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    embeddings = [
        module
        for module in model.modules()
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.weight in known
    ]
    if not embeddings:
        raise ArgumentError("model has no nn.Embedding or nn.EmbeddingBag whose weight is this optimizer's")
    before = BeforeForward(optimizer)
    handles = [module.register_forward_pre_hook(before, with_kwargs=True) for module in embeddings]
    whole = BeforeState(optimizer)
    return [*handles, model.register_state_dict_pre_hook(whole), model.register_load_state_dict_pre_hook(whole)]
