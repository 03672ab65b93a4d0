"""Modules of torch that models are made of in tests, as their users write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812


class Block(nn.Module):
    """He et al.'s, as torchvision has it."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: Any = None
        if stride != 1 or inputs != outputs:
            conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x: Any) -> Any:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet18(nn.Module):
    def __init__(self, width: int = 64, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs, stages = width, []
        for stage in range(4):
            outputs = width * 2**stage
            blocks = (Block(inputs, outputs, 1 if stage == 0 else 2), Block(outputs, outputs, 1))
            stages.append(nn.Sequential(*blocks))
            inputs = outputs
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Any) -> Any:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class TextCNN(nn.Module):
    """Kim's, with the whole length pooled in one of two ways."""

    def __init__(self, by_pool: bool = False, rate: float = 0.5) -> None:
        super().__init__()
        self.by_pool = by_pool
        self.table = nn.Embedding(500, 32)
        self.convs = nn.ModuleList(nn.Conv1d(32, 24, width) for width in (3, 4, 5))
        self.drop = nn.Dropout(rate)
        self.last = nn.Linear(72, 3)

    def forward(self, ids: Any) -> Any:
        words = self.table(ids).transpose(1, 2)
        found = [F.relu(conv(words)) for conv in self.convs]
        if self.by_pool:
            largest = [F.max_pool1d(one, one.size(2)).squeeze(2) for one in found]
        else:
            largest = [one.amax(2) for one in found]
        return self.last(self.drop(torch.cat(largest, 1)))


class Several(nn.Module):
    """Two inputs, through one layer, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(6, 5)
        self.left, self.right = nn.Linear(10, 3), nn.Linear(10, 1)

    def forward(self, a: Any, b: Any) -> Any:
        x = torch.cat([torch.tanh(self.shared(a)), self.shared(b) * 0.5], dim=-1)
        return self.left(x), torch.sigmoid(self.right(x - 1))


class Scored(nn.Module):
    """A module that returns its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))

    def forward(self, x: Any, labels: Any) -> Any:
        return F.cross_entropy(self.net(x), labels, label_smoothing=0.1)


def perceptron() -> Any:
    return nn.Sequential(nn.Flatten(), nn.Linear(144, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))


def images() -> Any:
    """Nearly all that images go through."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2, padding=1),
        nn.Conv2d(8, 8, 3, 2, groups=8, dilation=2), nn.Tanh(), nn.GroupNorm(4, 8),
        nn.ConvTranspose2d(8, 6, 3, 2, 1, 1), nn.Conv2d(6, 6, (2, 4), padding="same"), nn.ZeroPad2d((1, 2, 0, 1)),
        nn.Upsample(scale_factor=2), nn.AdaptiveAvgPool2d((1, None)), nn.Flatten(), nn.Linear(132, 7),
        nn.Softmax(1),
    )  # fmt: skip


def sequences() -> Any:
    """Nearly all that sequences go through."""
    return nn.Sequential(
        nn.Conv1d(4, 8, 5, 2, 2), nn.BatchNorm1d(8), nn.GELU(), nn.MaxPool1d(2),
        nn.Conv1d(8, 8, 3, padding="same", dilation=2), nn.LeakyReLU(0.1), nn.GroupNorm(2, 8), nn.AvgPool1d(2),
        nn.Flatten(), nn.Linear(32, 16), nn.SiLU(), nn.LayerNorm(16), nn.Linear(16, 3), nn.Softplus(), nn.Mish(),
        nn.ELU(), nn.SELU(), nn.Hardsigmoid(),
    )  # fmt: skip


class Recurrent(nn.Module):
    """A recurrent layer, and a linear one over some of what it gives. read: of all states, and those behind the last
    step."""

    def __init__(self, kind: Any, read: Callable[[Any, Any], Any], is_first: bool = True, **options: Any) -> None:
        super().__init__()
        self.layer = kind(4, 3, batch_first=is_first, **options)
        self.last = nn.Linear(6 if options.get("bidirectional") else 3, 2)
        self.read, self.is_first = read, is_first

    def forward(self, x: Any) -> Any:
        steps, states = self.layer(x if self.is_first else x.transpose(0, 1))
        return self.last(self.read(steps, states[0] if isinstance(states, tuple) else states))


class Attention(nn.Module):
    """nanoGPT's."""

    def __init__(self, width: int, heads: int, has_bias: bool) -> None:
        super().__init__()
        self.c_attn = nn.Linear(width, 3 * width, bias=has_bias)
        self.c_proj = nn.Linear(width, width, bias=has_bias)
        self.heads, self.width = heads, width

    def forward(self, x: Any) -> Any:
        B, T, C = x.size()  # noqa: N806
        q, k, v = self.c_attn(x).split(self.width, dim=2)
        k = k.view(B, T, self.heads, C // self.heads).transpose(1, 2)
        q = q.view(B, T, self.heads, C // self.heads).transpose(1, 2)
        v = v.view(B, T, self.heads, C // self.heads).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=True)
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))


class GPT(nn.Module):
    """nanoGPT's model, small."""

    def __init__(self, words: int = 20, width: int = 8, steps: int = 9, has_bias: bool = True) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(words, width), nn.Embedding(steps, width)
        self.blocks = nn.ModuleList(
            nn.ModuleDict({
                "ln_1": nn.LayerNorm(width), "attn": Attention(width, 2, has_bias), "ln_2": nn.LayerNorm(width),
                "mlp": nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)),
            })
            for _ in range(2)
        )  # fmt: skip
        self.ln_f, self.lm_head = nn.LayerNorm(width), nn.Linear(width, words, bias=False)

    def forward(self, idx: Any, targets: Any = None) -> Any:
        x = self.wte(idx) + self.wpe(torch.arange(0, idx.size(1), dtype=torch.long, device=idx.device))
        for block in self.blocks:
            x = x + block["attn"](block["ln_1"](x))
            x = x + block["mlp"](block["ln_2"](x))
        logits = self.lm_head(self.ln_f(x))
        if targets is None:
            return logits
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)
