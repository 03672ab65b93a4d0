"""State of few bits of parameters of which processes have parts, as files have it: numbers, in DTensors.

In memory each process has the codes of its own part, whose blocks begin where that does. A resume on as many processes
finds the same blocks, and the same codes in them; on another number of them there are other blocks, and a number is
rounded once more: with 8 bits by a sixteenth of itself at most, with 4 bits by a fifth, or to the smallest of its
block.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from martlet._algorithms import Slots
from martlet._small import Small
from martlet.convert import _codes
from martlet.torch.shards import part_of


def in_numbers(entry: Mapping[str, Any], parameter: Any, slots: Slots) -> dict[str, Any]:
    """What of a parameter's state is kept in few bits."""
    from torch.distributed.tensor import DTensor

    made: dict[str, Any] = {}
    part = part_of(parameter)
    for slot in slots.small.keys() & entry.keys():
        codes = entry[slot]
        if not isinstance(codes, Tensor) or codes.dtype != torch.uint8:
            continue
        small = slots.small_of(slot, codes.numel(), part.shape)
        if small is not None:
            numbers = torch.from_numpy(_codes.decoded(codes.numpy(), small, part.numel())).view(part.shape)
            lies = parameter.device_mesh, parameter.placements
            made[slot] = DTensor.from_local(
                numbers, *lies, run_check=False, shape=parameter.shape, stride=parameter.stride()
            )
    return made


def in_codes(value: Any, small: Small) -> Tensor:
    """This process's part of a moment, in few bits."""
    numbers = part_of(value).detach().float().contiguous().view(-1).numpy()
    return torch.from_numpy(_codes.encoded(numbers, small))
