"""Small networks like those that Muon trains, and where an optimizer's rules send their parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from martlet.torch import Muon


class Residual(nn.Module):
    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.downsample = nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))


class ResNet(nn.Module):
    """ResNet-18's layers, with fewer channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(Residual(8, 8, 1), Residual(8, 8, 1))
        self.layer2 = nn.Sequential(Residual(8, 16, 2), Residual(16, 16, 1))
        self.fc = nn.Linear(16, 10)


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


class GPT(nn.Module):
    def __init__(self, tied: bool = False) -> None:
        super().__init__()
        self.wte = nn.Embedding(20, 8)
        self.pos = nn.Parameter(torch.zeros(1, 6, 8))
        self.h = nn.ModuleList([Block(8), Block(8)])
        self.ln_f = nn.LayerNorm(8)
        self.lm_head = nn.Linear(8, 20, bias=False)
        if tied:
            self.lm_head.weight = self.wte.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.wte(tokens) + self.pos
        for block in self.h:
            q, k, v = block.qkv(block.ln_1(x)).chunk(3, -1)
            x = x + block.proj(nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True))
            x = x + block.mlp(x)
        out: Tensor = self.lm_head(self.ln_f(x))
        return out


def routes(optimizer: Muon) -> dict[str, str]:
    """By parameter, the algorithm that steps it, and its blocks."""
    found: dict[str, str] = {}
    for group in optimizer.param_groups:
        for name in group["param_names"]:
            assert name not in found
            found[name] = group.get("algorithm", "muon") + str(group.get("blocks", ""))
    return found


def expected(module: nn.Module, muon: Callable[[str], Any]) -> dict[str, str]:
    return {name: muon(name) or "adamw" for name, _ in module.named_parameters()}
