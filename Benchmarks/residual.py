"""A residual net in each library, as its users write it. The loops over batches are networks.py's."""

from __future__ import annotations

from typing import Any

from graph_cases import Residual


def martlet_model(network: Residual) -> Any:
    from martlet import nn

    def convolution(x: Any, filters: int, size: int, stride: int) -> Any:
        x = nn.Conv2D(filters, size, strides=stride, padding=size // 2, use_bias=False)(x)
        return nn.BatchNormalization()(x)

    start = nn.Input(network.input)
    x = nn.ReLU()(convolution(start, network.filters[0], 3, 1))
    for stage, filters in enumerate(network.filters):
        for block in range(network.blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            inner = nn.ReLU()(convolution(x, filters, 3, stride))
            inner = convolution(inner, filters, 3, 1)
            around = convolution(x, filters, 1, stride) if stride > 1 else x
            x = nn.ReLU()(nn.Add()([inner, around]))
    return nn.Model(start, nn.Dense(network.classes)(nn.GlobalAveragePooling2D()(x)), seed=1)


def torch_model(network: Residual) -> Any:
    import torch
    from torch import nn

    def convolution(inner: int, outer: int, size: int, stride: int) -> Any:
        kernel = nn.Conv2d(inner, outer, size, stride, size // 2, bias=False)
        return nn.Sequential(kernel, nn.BatchNorm2d(outer))

    class Block(nn.Module):
        def __init__(self, inner: int, outer: int, stride: int) -> None:
            super().__init__()
            self.first, self.second = convolution(inner, outer, 3, stride), convolution(outer, outer, 3, 1)
            self.around = convolution(inner, outer, 1, stride) if stride > 1 else nn.Identity()

        def forward(self, x: Any) -> Any:
            return torch.relu(self.second(torch.relu(self.first(x))) + self.around(x))

    channels = network.filters[0]
    layers: list[Any] = [convolution(network.input[-1], channels, 3, 1), nn.ReLU()]
    for stage, filters in enumerate(network.filters):
        for block in range(network.blocks):
            layers.append(Block(channels, filters, 2 if stage > 0 and block == 0 else 1))
            channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, network.classes))


def jax_model(network: Residual) -> Any:
    """What gives logits and moved statistics of parameters, in the order of shapes, statistics, images and a key; and
    the statistics' beginning."""
    import jax
    from jax import numpy as jnp

    def forward(params: Any, statistics: Any, x: Any, key: Any) -> Any:
        values, moved, old = iter(params), [], iter(statistics)

        def convolution(x: Any, stride: int) -> Any:
            kernel, factor, shift = next(values), next(values), next(values)
            pads = [(kernel.shape[0] // 2,) * 2] * 2
            layout = ("NHWC", "HWIO", "NHWC")
            x = jax.lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=layout)
            mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
            moved.append((next(old) * 0.99 + 0.01 * mean, next(old) * 0.99 + 0.01 * variance))
            return (x - mean) * (jax.lax.rsqrt(variance + 1e-3) * (1 + factor)) + shift

        x = jax.nn.relu(convolution(x, 1))
        for stage, _ in enumerate(network.filters):
            for block in range(network.blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                inner = convolution(jax.nn.relu(convolution(x, stride)), 1)
                x = jax.nn.relu(inner + (convolution(x, stride) if stride > 1 else x))
        kernel, bias = next(values), next(values)
        return x.mean((1, 2)) @ kernel + bias, [one for pair in moved for one in pair]

    start = [value for kernel, _ in network.convolutions() for value in (jnp.zeros(kernel[-1]), jnp.ones(kernel[-1]))]
    return forward, start
