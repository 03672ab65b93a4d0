"""Where numbers of an exported graph come from, which torch itself is asked: what moves numbers is run on their places,
and what depends on no input is run as it is."""

from __future__ import annotations

from typing import Any

import torch

from martlet.nn.modules._exporting import Exported, operation

MOVES = {
    *(f"aten.{name}" for name in (
        "view.default", "reshape.default", "transpose.int", "permute.default", "contiguous.default", "clone.default",
        "alias.default", "split.Tensor", "split_with_sizes.default", "chunk.default", "unbind.int", "select.int",
        "slice.Tensor", "unsqueeze.default", "squeeze.dim", "squeeze.default", "flatten.using_ints", "unflatten.int",
        "expand.default", "repeat.default", "t.default", "numpy_T.default", "movedim.int", "swapaxes.default",
    )), "<built-in function getitem>",
}  # fmt: skip
"""Operations that give numbers of their first argument elsewhere, and compute nothing."""


_LIKE = {
    f"aten.{name}.default" for name in ("new_zeros", "new_ones", "new_full", "zeros_like", "ones_like", "full_like")
}
"""Operations that read no more of their first argument than its sizes and type."""


BATCHES = (3, 7)
"""Sizes of batches in which what depends on no input is worked out beside the example's."""


class ElsewhereError(Exception):
    """What is asked for depends on something else."""


def moves(node: Any) -> bool:
    return node.op == "call_function" and operation(node) in MOVES


def is_like(node: Any) -> bool:
    return node.op == "call_function" and operation(node) in _LIKE


def source(node: Any) -> Any:
    """What an operation has its numbers of."""
    while moves(node):
        node = node.args[0]
    return node


def run(node: Any, known: dict[Any, Any], batch: int | None = None) -> Any:
    """What an operation gives where others give known. batch: its samples; None: the example's. Raises ElsewhereError
    where something else is read."""
    if node in known:
        return known[node]
    value = node.meta.get("val")
    if isinstance(value, torch.SymInt):
        return _size(value, batch)
    if is_like(node):
        given = node.args[0].meta["val"]
        like = torch.empty([_size(size, batch) for size in given.shape], dtype=given.dtype)
        known = {**known, node.args[0]: like}
    if node.op != "call_function" or operation(node).startswith("martlet."):
        raise ElsewhereError
    arguments, words = torch.fx.node.map_arg((node.args, node.kwargs), lambda one: run(one, known, batch))
    # A view asks how numbers lie, which may be otherwise here.
    target = torch.ops.aten.reshape.default if operation(node) == "aten.view.default" else node.target
    known[node] = found = target(*arguments, **words)
    return found


def numbers(
    exported: Exported, node: Any, has_parameters: bool = False, known: dict[Any, Any] | None = None,
    batch: int | None = None,
) -> Any:  # fmt: skip
    """The numbers of what depends on no input but those known, in a batch as run's. Raises ElsewhereError for what
    does, or on parameters."""
    names, known = exported.names, dict(known or {})
    known |= {one: exported.lifted[one.name] for one in exported.nodes if one.name in exported.lifted}
    for one in exported.nodes:
        name = names.get(one.name)
        if name in exported.buffers:
            known[one] = exported.buffers[name].detach().cpu()
        elif name is not None and has_parameters:
            known[one] = exported.parameters[name].detach().cpu()
    with torch.no_grad():
        return run(node, known, batch)


def sizes(node: Any) -> list[int]:
    """What an operation's have in the example."""
    return [_size(size) for size in node.meta["val"].shape]


def _size(size: Any, batch: int | None = None) -> int:
    """A size in the example, or in a batch of other samples."""
    if not isinstance(size, torch.SymInt):
        return int(size)
    if batch is None:
        return int(size.node.hint)  # type: ignore[arg-type]
    return int(size.node.expr.subs(dict.fromkeys(size.node.expr.free_symbols, batch)))


def places(node: Any) -> Any:
    """A number for each of what an operation gives."""
    shape = sizes(node)
    return torch.arange(torch.Size(shape).numel()).reshape(shape)
