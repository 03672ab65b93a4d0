"""The peers of the cases of what stands around a step. It times nothing."""

from __future__ import annotations

from typing import Any

import around_cases
import cases
from adam import torch_peer
from around_cases import AroundCase
from peer import Peer

CASES = {case.name: case for case in around_cases.CASES}


def martlet_peer(case: AroundCase, **options: Any) -> Peer:
    import torch

    import martlet.torch

    asked = {key: getattr(torch, value) if key == "param_copy" else value for key, value in options.items()}
    return torch_peer(lambda parameters: martlet.torch.AdamW(parameters, **asked), case)


def fused_peer(case: AroundCase) -> Peer:
    """torch's functions for each thing that is asked for, in the fastest form that its CPU has. The scale is 1, since
    gradients stay the same from step to step."""
    import torch

    made: list[Any] = []

    def make(parameters: list[Any]) -> Any:
        made.extend((torch.optim.AdamW(parameters, fused=True), parameters))
        return made[0]

    bare = torch_peer(make, case)
    optimizer, parameters = made
    averages = [parameter.detach().clone() for parameter in parameters]
    copies = [parameter.detach().bfloat16() for parameter in parameters]
    scaler = torch.amp.GradScaler("cpu", init_scale=1.0, growth_interval=1 << 30)
    scaler.scale(torch.zeros(1))  # which makes it ready
    scales = "loss_scale" in case.options

    def step() -> None:
        if scales:
            scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(parameters, case.options["max_norm"])
        if scales:
            scaler.step(optimizer)
            scaler.update()
        else:
            optimizer.step()
        with torch.no_grad():
            if "ema_decay" in case.options:
                torch._foreach_lerp_(averages, parameters, 1 - case.options["ema_decay"])
            if "param_copy" in case.options:
                torch._foreach_copy_(copies, parameters)

    return Peer(step, bare.renew)


def make(peer: str, name: str) -> Peer:
    """A peer, ready to take the steps of the case of this name."""
    case = CASES[name]
    if peer == cases.FUSED:
        return fused_peer(case)
    return martlet_peer(case, **(case.options if peer == cases.MARTLET else {}))
