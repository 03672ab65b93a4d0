"""A module as torch.export writes it down: operations, which parameters they read, and where in the source they stand.

It knows no layers.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from typing import Any

import numpy as np
import torch

from martlet._errors import DTypeError, ShapeError, UnsupportedError
from martlet.nn.modules import _keeping, _operators

_FRAME = re.compile(r'File "([^"]+)", line (\d+), in [^\n]*\n\s*([^\n]*)')
_TORCH = str(Path(torch.__file__).parent) + os.sep
_MARTLET = str(Path(__file__).parents[2]) + os.sep
_PACKING = torch.nn.utils.rnn.__file__
_MODED = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.modules.dropout._DropoutNd)
_INPUTS = (torch.float32, torch.uint8, torch.int32, torch.int64, torch.bool)


class Exported:
    """What torch.export gave: nodes, names of parameters and buffers by placeholder, and the inputs."""

    def __init__(self, module: Any, example: Any) -> None:
        if not isinstance(module, torch.nn.Module):
            raise DTypeError(f"module is {module!r}; wanted a torch.nn.Module")
        self.module, self.inputs = module, _tensors(example)
        self.parameters: dict[str, Any] = dict(module.named_parameters(remove_duplicate=False))
        for name, parameter in self.parameters.items():
            if parameter.dtype != torch.float32:
                raise UnsupportedError(f"parameter {name!r} of the module is {parameter.dtype}; wanted torch.float32, "
                                       "as module.float() makes it")  # fmt: skip
        for name, part in module.named_modules():
            if isinstance(part, torch.nn.modules.batchnorm._BatchNorm) and part.momentum is None:
                raise UnsupportedError(f"layer {name!r} of the module has a momentum of None, a mean of all batches; "
                                       "wanted a number")  # fmt: skip
            if _has_modes(part) and part.training != module.training:
                modes = [("evaluation", "training")[one] for one in (part.training, module.training)]
                raise UnsupportedError(f"layer {name!r} of the module is in {modes[0]} mode, and the module in "
                                       f"{modes[1]} mode; wanted one mode for all")  # fmt: skip
        self.buffers: dict[str, Any] = dict(module.named_buffers(remove_duplicate=False))
        program = exported(module, self.inputs, True)
        self.nodes = list(program.graph.nodes)
        signature = program.graph_signature
        self.names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        # A parameter that several parts of the module have in common goes by the first of its names.
        known = self.parameters
        firsts = dict(reversed([(id(one), name) for name, one in known.items()]))
        self.names = {key: firsts[id(known[name])] if name in known else name for key, name in self.names.items()}
        lifted = signature.inputs_to_lifted_tensor_constants
        self.lifted = {name: program.constants[target].detach().cpu() for name, target in lifted.items()}
        self.counts = self._counts()
        self.user_inputs = [name for name in signature.user_inputs if isinstance(name, str)]
        self.outputs = list(signature.user_outputs)
        first = next(node for node in self.nodes if node.name == self.user_inputs[0])
        self.batch = str(first.meta["val"].shape[0])

    def _counts(self) -> dict[Any, str]:
        """Operations that count batches, which no layer reads, and the buffers that they count in."""
        found: dict[Any, str] = {}
        for node in self.nodes:
            if node.op == "call_function" and operation(node) == "aten.add_.Tensor":
                name = found.get(node.args[0]) or self.names.get(getattr(node.args[0], "name", ""), "")
                if name.endswith("num_batches_tracked"):
                    found[node] = name
        return found

    def sizes(self, node: Any, place: int = 0) -> tuple[int, ...]:
        """Of a sample of what an operation gives. Raises where its first dimension, or that at place, is not the
        batch's."""
        value = node.meta["val"]
        shape = [*value.shape] if hasattr(value, "shape") else []
        rest = shape[:place] + shape[place + 1 :]
        if len(shape) <= place or str(shape[place]) != self.batch or not all(isinstance(size, int) for size in rest):
            raise refusal(node, f"gives {tuple(map(str, shape))}, and samples are the first dimension of all that a "
                                "model computes")  # fmt: skip
        return tuple(rest)


def _has_modes(part: Any) -> bool:
    """Whether it computes something else in training."""
    drops = isinstance(part, torch.nn.RNNBase | torch.nn.MultiheadAttention) and part.dropout
    return isinstance(part, _MODED) or bool(drops)


def operation(node: Any) -> str:
    """What an operation is called: "aten.linear.default"."""
    return str(node.target)


def arguments(node: Any) -> dict[str, Any]:
    """What an operation is called with, by the names of its schema, defaults among them."""
    schema = node.target._schema.arguments
    found = {argument.name: argument.default_value for argument in schema}
    found.update(zip((argument.name for argument in schema), node.args, strict=False))
    return {**found, **node.kwargs}


def line(node: Any) -> str:
    """Where an operation stands: the innermost line that is not torch's own."""
    frames = _FRAME.findall(node.meta.get("stack_trace") or "")
    own = [frame for frame in frames if not frame[0].startswith((_TORCH, _MARTLET))] or frames
    if not own:
        path = [entry[0] for entry in (node.meta.get("nn_module_stack") or {}).values()]
        return f"in {path[-1] or 'the module'!r}" if path else "in the module"
    path, number, text = own[-1]
    stack = [entry[0] for entry in (node.meta.get("nn_module_stack") or {}).values()]
    layer = f", in layer {stack[-1]!r}" if stack and stack[-1] else ""
    return f"{Path(path).name}, line {number}, {text.strip()!r}{layer}"


def refusal(node: Any, what: str) -> UnsupportedError:
    """An error about an operation, with its line."""
    return UnsupportedError(f"{operation(node)} {what}: {line(node)}")


def _tensors(example: Any) -> list[Any]:
    given = list(example) if isinstance(example, tuple | list) else [example]
    found = [torch.from_numpy(one) if isinstance(one, np.ndarray) else one for one in given]
    if not found:
        raise DTypeError("example is empty; wanted a tensor, or several in a tuple")
    for place, one in enumerate(found):
        if not isinstance(one, torch.Tensor):
            raise DTypeError(f"example[{place}] is {type(one).__name__}; wanted a tensor or an array")
        if one.dtype not in _INPUTS:
            raise DTypeError(f"example[{place}] is {one.dtype}; wanted float32, uint8, int32, int64 or bool")
        if one.dim() < 1 or not one.numel() or one.shape[0] != found[0].shape[0]:
            raise ShapeError(f"example[{place}] has shape {tuple(one.shape)}; wanted as many samples in each, first")
    # torch takes a batch of 1 for a size that is always 1.
    found = [one.detach().cpu() for one in found]
    return found if found[0].shape[0] > 1 else [torch.cat([one, one]) for one in found]


def exported(module: Any, inputs: list[Any], is_training: bool) -> Any:
    """What torch.export makes of a module in training or evaluation mode."""
    try:
        inspect.signature(module.forward).bind(*inputs)
    except TypeError as error:
        raise DTypeError(f"forward of {type(module).__name__} is not called with {len(inputs)} tensors as example has "
                         f"them: {error}") from None  # fmt: skip
    # The arguments' own names may be those of any parameters, or *args.
    shapes: Any = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]
    batch = torch.export.Dim("batch")
    for one in inputs:
        shapes[one] = {0: batch}

    def export() -> Any:
        return torch.export.export(module, tuple(inputs), dynamic_shapes=shapes, strict=False)

    try:
        with _mode(module, is_training), _operators.as_operations(module):
            return _keeping.written_down(module, export)
    except UnsupportedError:
        raise
    except _keeping.ReadError as error:
        raise UnsupportedError(f"{error}{_raised(error)}") from None
    except Exception as error:  # torch raises many kinds, for one reason
        if _packs(module, error):
            raise UnsupportedError(f"{type(module).__name__} packs sequences, and packed sequences are not served "
                                   f"here{_raised(error)}") from error  # fmt: skip
        text = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UnsupportedError(f"{type(module).__name__} is no graph of layers for any number of samples, as "
                               f"torch.export says: {text}{_raised(error)}") from error  # fmt: skip


def _packs(module: Any, error: Exception) -> bool:
    """Whether an error was raised where sequences are packed, or in a module whose code packs them."""
    codes = [getattr(type(part).forward, "__code__", None) for part in module.modules()]
    names = {name for code in codes if code is not None for name in code.co_names}
    is_inside = any(frame.filename == _PACKING for frame in extract_tb(error.__traceback__))
    return is_inside or bool(names & {"pack_padded_sequence", "pack_sequence"})


def _raised(error: Exception) -> str:
    """The innermost line of the module's own in which an error was raised, or of which it tells."""
    frames = [(frame.filename, str(frame.lineno), frame.line or "") for frame in extract_tb(error.__traceback__)]
    found = [frame for frame in frames + _FRAME.findall(str(error)) if not frame[0].startswith((_TORCH, _MARTLET, "<"))]
    inside = [frame for frame in found if Path(frame[0]).is_file()]
    path, number, text = next(reversed(inside), ("", "", ""))
    return f": {Path(path).name}, line {number}, {text.strip()!r}" if path else ""


@contextmanager
def _mode(module: Any, is_training: bool) -> Iterator[None]:
    """Sets training or evaluation mode, and puts each part's own back."""
    modes = [(part, part.training) for part in module.modules()]
    module.train(is_training)
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
