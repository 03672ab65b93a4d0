"""Where numbers of an exported graph come from, which torch itself is asked: what moves numbers is run on their places,
and what depends on no input is run as it is."""

from __future__ import annotations

from collections.abc import Iterator
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
    """Whether an operation gives numbers elsewhere, and the same ones in batches of any size."""
    if node.op != "call_function" or operation(node) not in MOVES:
        return False
    return operation(node) != "aten.select.int" or isinstance(node.args[2], int)


def is_like(node: Any) -> bool:
    return node.op == "call_function" and operation(node) in _LIKE


def source(node: Any) -> Any:
    """What an operation has its numbers of."""
    while moves(node):
        node = node.args[0]
    return node


def written(node: Any) -> Any:
    """What an operation writes into; None: nothing."""
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.arguments or operation(node) == "aten.detach_.default":
        return None
    first = schema.arguments[0].alias_info
    return node.args[0] if first is not None and first.is_write else None


def base(node: Any) -> Any:
    """What an operation that writes, or gives a view, has its numbers in."""
    while moves(node) or (node.op == "call_function" and written(node) is not None):
        node = node.args[0]
    return node


def run(node: Any, known: dict[Any, Any], batch: int | None = None, writes: bool = False) -> Any:
    """What an operation gives where others give known. batch: its samples; None: the example's; writes: what is written
    into it then counts too. Raises ElsewhereError where something else is read."""
    for one in _needed(node, known, writes):
        known[one] = _ran(one, known, batch)
    return known[node]


def _needed(node: Any, known: dict[Any, Any], writes: bool) -> list[Any]:
    """The operations that make what one gives, as it is when it is read, in their order. Raises ElsewhereError where it
    is read both before and after it is written into."""
    readers = [*_readers(node)] if writes else []
    later = {one for one in _writers(base(node)) if node < one and any(one < reader for reader in readers)}
    if any(reader < one for one in later for reader in readers):
        raise ElsewhereError
    found: set[Any] = set()
    waiting = [node, *later]
    while waiting:
        one = waiting.pop()
        if one in found or one in known:
            continue
        found.add(one)
        if not isinstance(one.meta.get("val"), torch.SymInt):
            waiting += [read for read in one.all_input_nodes if not (is_like(one) and read is one.args[0])]
            waiting += [writer for writer in _writers(one) if writer < node] if writes else []
    return sorted(found)


def _writers(node: Any) -> Iterator[Any]:
    """What writes into the numbers that an operation gives, or into views of them."""
    for user in node.users:
        is_written = user.op == "call_function" and written(user) is node
        if is_written:
            yield user
        if is_written or (moves(user) and user.args[0] is node):
            yield from _writers(user)


def _readers(node: Any) -> Iterator[Any]:
    """What reads the numbers that an operation gives, or views of them."""
    for user in node.users:
        if moves(user):
            yield from _readers(user)
        elif user.op != "call_function" or written(user) is not node:
            yield user


def _ran(node: Any, known: dict[Any, Any], batch: int | None) -> Any:
    value = node.meta.get("val")
    if isinstance(value, torch.SymInt):
        return _size(value, batch)
    if node.op != "call_function" or operation(node).startswith("martlet."):
        raise ElsewhereError
    if is_like(node):
        given = node.args[0].meta["val"]
        like = torch.empty([_size(size, batch) for size in given.shape], dtype=given.dtype)
        known = {**known, node.args[0]: like}
    arguments, words = torch.fx.node.map_arg((node.args, node.kwargs), lambda one: known[one])
    # A view asks how numbers lie, which may be otherwise here.
    target = torch.ops.aten.reshape.default if operation(node) == "aten.view.default" else node.target
    return target(*arguments, **words)


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
        return run(node, known, batch, writes=True)


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
