"""State of few bits where there are several processes, or have been, as files have it: numbers, of parts in DTensors.

In memory each process has the codes of its own part, whose blocks begin where that does. A resume on as many processes
finds the same blocks, and the same codes in them; on another number of them, one among these, there are other blocks,
and a number is rounded once more: with 16 bits by 1/2048 of itself at most, with 8 by a sixteenth, with 4 by a fifth,
or to the smallest of its block.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from martlet._algorithms import Slots
from martlet._small import Small
from martlet.convert import _codes
from martlet.torch.shards import is_spread, part_of


def in_numbers(entry: Mapping[str, Any], parameter: Any, slots: Slots) -> dict[str, Any]:
    """What of a parameter's state is kept in few bits."""
    made: dict[str, Any] = {}
    part = part_of(parameter)
    for slot in slots.small.keys() & entry.keys():
        codes = entry[slot]
        if not isinstance(codes, Tensor) or codes.dtype != torch.uint8:
            continue
        small = slots.small_of(slot, codes.numel(), part.shape)
        if small is not None:
            numbers = torch.from_numpy(_codes.decoded(codes.numpy(), small, part.numel())).view(part.shape)
            made[slot] = _spread(numbers, parameter) if is_spread(parameter) else numbers
    return made


def _spread(part: Tensor, parameter: Any) -> Tensor:
    from torch.distributed.tensor import DTensor

    lies = parameter.device_mesh, parameter.placements
    made: Tensor = DTensor.from_local(part, *lies, run_check=False, shape=parameter.shape, stride=parameter.stride())
    return made


def of_whole(codes: Tensor, slot: str, parameter: Any, slots: Slots) -> Tensor | None:
    """The numbers that codes of a whole parameter stand for; None: they are of no whole one."""
    small = slots.small_of(slot, codes.numel(), parameter.shape) if codes.dim() == 1 and codes.is_cpu else None
    if small is None:
        return None
    numbers = _codes.decoded(codes.contiguous().numpy(), small, parameter.numel())
    return torch.from_numpy(numbers).view(parameter.shape)


def in_codes(value: Any, small: Small) -> Tensor:
    """This process's part of a moment, in few bits."""
    numbers = part_of(value).detach().float().contiguous().view(-1).numpy()
    return torch.from_numpy(_codes.encoded(numbers, small))
