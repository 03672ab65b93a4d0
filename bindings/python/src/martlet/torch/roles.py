"""What a module says of its parameters: which are embeddings, normalizations, output layers, kernels or fused.

Muon then needs no names. Knows torch's layers by class; what it says nothing of goes by name and shape (_routing.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from martlet import _routing
from martlet._routing import Route

_TABLES = (nn.Embedding, nn.EmbeddingBag)
_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, *((nn.RMSNorm,) if hasattr(nn, "RMSNorm") else ()))
_RECURRENT = (nn.RNNBase, nn.RNNCellBase)

Owners = dict[Any, list[tuple[str, nn.Module]]]


def of(module: nn.Module) -> dict[str, Route]:
    """The routes of those of a module's parameters of which it says more than a name and a shape do."""
    owners: Owners = {}
    for path, layer in module.named_modules():
        for parameter in layer._parameters.values():
            if parameter is not None:
                owners.setdefault(parameter, []).append((path, layer))
    heads = set(_heads(module))
    found = {}
    for name, parameter in module.named_parameters():
        if (route := _route(name, tuple(parameter.shape), owners[parameter], heads)) is not None:
            found[name] = route
    return found


def _route(
    name: str, shape: tuple[int, ...], owners: list[tuple[str, nn.Module]], heads: set[nn.Module]
) -> Route | None:
    if (route := _routing.by_shape(shape)) is not None:
        return route
    layers = [layer for _, layer in owners]
    if any(isinstance(layer, _TABLES) for layer in layers):
        others = [path for path, layer in owners if not isinstance(layer, _TABLES)]
        return Route(False, f"an embedding, tied to {others[0]}" if others else "an embedding")
    if any(isinstance(layer, _NORMS) for layer in layers):
        return Route(False, "a normalization")
    if not heads.isdisjoint(layers):
        return Route(False, "the output layer")
    layer = layers[0]
    if isinstance(layer, nn.Linear | _ConvNd):
        if owners[0][0].rpartition(".")[2] in _routing.HEADS:
            return Route(False, "an output layer by its name")
        return Route(True, "a matrix" if len(shape) == 2 else f"a kernel of {type(layer).__name__}, row by row")
    if isinstance(layer, nn.MultiheadAttention) and name.rpartition(".")[2] == "in_proj_weight":
        return Route(True, "q, k and v of MultiheadAttention", 3)
    if isinstance(layer, _RECURRENT):
        return Route(True, f"a matrix of {type(layer).__name__}")
    return None


def _heads(module: nn.Module) -> Iterator[nn.Module]:
    """The layers that give a module's outputs: those that it names itself, as models of transformers and timm do, or
    the last of its matrices, where that is a Linear's and not one of several blocks'."""
    for method in ("get_output_embeddings", "get_classifier"):
        try:
            layers = getattr(module, method)()
        except (AttributeError, TypeError):  # it has none, or one of another meaning
            continue
        several = layers if isinstance(layers, tuple | list) else (layers,)
        if found := [layer for layer in several if isinstance(layer, nn.Module)]:
            yield from found
            return
    last: tuple[str, nn.Module] | None = None
    shapes: dict[str, tuple[int, ...]] = {}
    for path, layer in module.named_modules():
        for name, parameter in layer._parameters.items():
            if parameter is not None and parameter.dim() > 1:
                last = path, layer
                shapes[f"{path}.{name}"] = tuple(parameter.shape)
    if last is not None and isinstance(last[1], nn.Linear) and not _is_repeated(f"{last[0]}.weight", shapes):
        yield last[1]


def _is_repeated(name: str, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Whether blocks of the same kind have such a layer each, as "layers.5.linear2.weight" has its like in layers.0."""
    for number in re.finditer(r"(?:(?<=\.)|^)\d+(?=\.[^.]+\.)", name):
        alike = re.compile(re.escape(name[: number.start()]) + r"\d+" + re.escape(name[number.end() :]))
        if any(other != name and alike.fullmatch(other) and shapes[other] == shapes[name] for other in shapes):
            return True
    return False
