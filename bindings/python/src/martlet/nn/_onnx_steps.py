"""Which inputs of an ONNX file have steps of any number: those of a model in which nothing depends on how many."""

from __future__ import annotations

from collections.abc import Iterable

from martlet import _ffi_models as kinds
from martlet.nn._laid import Laid

# What keeps the steps, or makes others of them, or one of them all.
_KEEPS = {
    kinds.LAYER_DENSE, kinds.LAYER_DROPOUT, kinds.LAYER_GAUSSIAN_NOISE, kinds.LAYER_ACTIVATION, kinds.LAYER_ADD,
    kinds.LAYER_MULTIPLY, kinds.LAYER_BATCH_NORM, kinds.LAYER_NORMALIZATION, kinds.LAYER_LAYER_NORM,
    kinds.LAYER_RMS_NORM, kinds.LAYER_RESCALING, kinds.LAYER_ATTENTION, kinds.LAYER_EMBEDDING, kinds.LAYER_MASKING,
    kinds.LAYER_TIED_DENSE,
}  # fmt: skip
_CELLS = {kinds.LAYER_LSTM, kinds.LAYER_GRU, kinds.LAYER_SIMPLE_RNN}
_WINDOWS = {kinds.LAYER_CONV1D, kinds.LAYER_MAX_POOL1D, kinds.LAYER_AVERAGE_POOL1D}
_WHOLE = {kinds.LAYER_GLOBAL_AVERAGE_POOL1D, kinds.LAYER_GLOBAL_MAX_POOL1D}


def names(inputs: dict[int, tuple[int, ...]], nodes: Iterable[Laid], tables: Iterable[int]) -> dict[int, str]:
    """A name of the number of steps, by the node that gives them; none where a layer depends on it. inputs: the sizes
    of each, by its node; tables: the inputs that hold rows of tables."""
    known = {node: "steps" for node, sizes in inputs.items() if len(sizes) == 2 or (len(sizes) == 1 and node in tables)}
    if len({inputs[node][0] for node in known}) > 1:
        known = {node: f"steps of {inputs[node][0]}" for node in known}
    behind: dict[int, tuple[str, int]] = {}
    for index, node in enumerate(nodes, 1):
        read = [known.get(one) for one in node.reads]
        if not any(read):
            continue
        given = _cropped(node, behind) if node.kind == kinds.LAYER_CROPPING1D else _of(node, read)
        if given and node.kind in _CELLS and node.said["flags"] & kinds.RETURN_STATE:
            behind[index] = given, 2 if node.kind == kinds.LAYER_LSTM else 1
            given = f"{given} and states of {node.name}"
        if given is None:
            return {}
        if given:
            known[index] = given
    return known


def _cropped(node: Laid, behind: dict[int, tuple[str, int]]) -> str | None:
    """As _of, of a part of a sequence. behind: of recurrent layers that give states the name of their steps, and how
    many states there are behind these."""
    if node.reads[0] not in behind:
        return None
    steps, states = behind[node.reads[0]]
    if node.said["units"]:
        return ""
    return steps if node.said["pads"][:2] == (0, states) else None


def _of(node: Laid, read: list[str | None]) -> str | None:
    """The name of what a layer gives; "": it has no steps; None: it depends on how many there are."""
    first = read[0]
    if node.said["flags"] & kinds.LENGTHS:
        return first
    if node.kind in _WHOLE:
        return ""
    if node.kind in _CELLS:
        return first if node.said["flags"] & kinds.RETURN_SEQUENCES else ""
    if node.kind in _WINDOWS:
        if node.said["padding"] == kinds.PADDING_SAME and _stride(node) != 1:
            return None
        return first if node.said["padding"] == kinds.PADDING_SAME else f"steps of {node.name}"
    if None in read or len(node.sizes) != 2:
        return None
    if node.kind == kinds.LAYER_POSITION:
        return first if node.said["units"] else None
    if node.kind == kinds.LAYER_CONCATENATE:
        return first if node.said["axis"] % 2 == 1 and len({*read}) == 1 else None
    if node.kind == kinds.LAYER_ATTENTION:
        return first
    return first if node.kind in _KEEPS and len({*read}) == 1 else None


def _stride(node: Laid) -> int:
    window: int = node.said["stride"][0] or node.said["kernel"][0]
    return window
