"""The peers of what stands around a step do the same work. How fast anything is, is not tested."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import around
import around_cases
import cases
from adam import torch_peer
from peer import Peer

SHAPES: tuple[cases.Shape, ...] = ((6, 5), (5,), (4, 3, 2, 3))


@pytest.mark.parametrize("name", [case.name for case in around_cases.CASES])
def test_peers_take_the_same_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = dataclasses.replace(around.CASES[name], shapes=SHAPES)
    if "loss_scale" in case.options:
        # torch's scale is 1 there.
        case = dataclasses.replace(case, options={**case.options, "loss_scale": 1.0})
    held: list[list[torch.nn.Parameter]] = []

    def watched(make: object, given: cases.Case) -> Peer:
        def made(parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
            held.append(parameters)
            return make(parameters)  # type: ignore[operator, no-any-return]

        return torch_peer(made, given)

    monkeypatch.setattr(around, "torch_peer", watched)
    peers = around.fused_peer(case), around.martlet_peer(case, **case.options)
    for _ in range(3):
        for peer in peers:
            peer.step()
    # The first step of each, which makes the state, is taken unclipped by torch's.
    for one, other in zip(*held, strict=True):
        torch.testing.assert_close(one.detach(), other.detach(), rtol=0, atol=2e-3)
    torch.manual_seed(1)
    start = torch.randn(SHAPES[0]) * 0.02
    # Four steps of a rate of 0.001, nearly all of them as long.
    assert float((held[0][0].detach() - start).abs().min()) > 1e-3
