"""The peers of state in few bits take the steps that are asked for. How fast anything is, is not tested."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import cases
import small
import small_cases
from adam import torch_peer
from around_cases import BARE
from peer import Peer

SHAPES: tuple[cases.Shape, ...] = ((64, 96), (5,))


@pytest.mark.parametrize("name", [case.name for case in small_cases.CASES])
def test_peers_take_about_the_same_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = dataclasses.replace(small.CASES[name], shapes=SHAPES)
    held: list[list[torch.nn.Parameter]] = []
    made: list[torch.optim.Optimizer] = []

    def watched(make: object, given: cases.Case, half: bool = False) -> Peer:
        def noted(parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
            held.append(parameters)
            made.append(make(parameters))  # type: ignore[operator]
            return made[-1]

        return torch_peer(noted, given, half=half)

    monkeypatch.setattr(small, "torch_peer", watched)
    peers = small.martlet_peer(case), small.MAKERS[BARE](case)
    for _ in range(3):
        for peer in peers:
            peer.step()
    own, bare = (parameters[0] for parameters in held)
    assert own.dtype == (torch.bfloat16 if case.half else torch.float32)
    assert bare.dtype == torch.float32
    # Four steps of 0.001 at most; those of few bits may be off by as much now and then.
    start = (torch.manual_seed(1), torch.randn(SHAPES[0]) * 0.02)[1]
    assert float((bare.detach() - start).abs().mean()) > 2e-3
    assert float((own.detach().float() - bare.detach()).abs().mean()) < 5e-4
    bits = {str(value.dtype) for value in made[0].state[own].values() if torch.is_tensor(value) and value.dim() > 0}
    wanted = {"int8": {"torch.uint8"}, "int4": {"torch.uint8"}}
    assert bits == wanted.get(case.options.get("state_dtype", ""), {"torch.bfloat16"})
