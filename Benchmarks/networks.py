"""The peers of a training step: one network, trained by each library as its users write it.

All have the same samples in memory, the same learning rate, and Adam. Martlet shuffles anew in each epoch and gathers
each batch, as ``fit`` does; the others get theirs for less: torch as slices of tensors that were shuffled before, JAX
as a list of arrays. It times nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import cases
import model_cases
from model_cases import Training
from peer import Peer, threads

LEARNING_RATE = 1e-3
CLASSES = 10


def samples(case: Training) -> tuple[Any, Any]:
    """Samples, channels last, and labels, in no order.

    Each sample is there twice, with another label: no network learns that by heart, and so gradients keep an ordinary
    size however long the measurement takes.
    """
    rng = np.random.default_rng(1)
    half = case.batch * case.batches // 2
    x = rng.standard_normal((half, *case.network.input), np.float32)
    y = rng.integers(0, CLASSES, half)
    others = (y + rng.integers(1, CLASSES, half)) % CLASSES
    order = rng.permutation(2 * half)
    return np.concatenate((x, x))[order], np.concatenate((y, others))[order]


def martlet_peer(case: Training) -> Peer:
    from martlet import nn

    network = case.network
    layers: list[Any] = [nn.Input(network.input)]
    layers += [nn.Conv2D(filters, 3, padding="same", activation="relu") for filters in network.filters]
    layers += [nn.Flatten()] if network.filters else []
    layers += [nn.Dense(units, activation="relu") for units in network.units[:-1]]
    model = nn.Sequential([*layers, nn.Dense(network.units[-1])], seed=1)
    model.compile(nn.Adam(learning_rate=LEARNING_RATE), "sparse_categorical_crossentropy")
    x, y = samples(case)
    fit = partial(model.fit, x, y, batch_size=case.batch, epochs=case.epochs, verbose=0)
    return Peer(fit, steps=case.batches * case.epochs)


def torch_network(network: model_cases.Network) -> Any:
    """The same layers; images are channels first in their sizes."""
    import torch

    channels, layers = network.input[-1], []
    for filters in network.filters:
        layers += [torch.nn.Conv2d(channels, filters, 3, padding=1), torch.nn.ReLU()]
        channels = filters
    layers += [torch.nn.Flatten()] if network.filters else []
    dense = [shape for shape in network.shapes if len(shape) == 2]
    for inputs, units in dense:
        layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def torch_peer(case: Training, fused: bool | None = None, last: bool = False, compiled: bool = False) -> Peer:
    """``last``: images and kernels are channels-last in memory. ``compiled``: forward and backward are, and Adam is
    the fused one, which is no slower than a compiled one."""
    import torch

    torch.set_num_threads(threads())
    torch.manual_seed(1)
    found, labels = samples(case)
    x, y = torch.from_numpy(found), torch.from_numpy(labels)
    model = torch_network(case.network)
    if case.network.filters:
        layout = torch.channels_last if last else torch.contiguous_format
        x = x.permute(0, 3, 1, 2).contiguous(memory_format=layout)
        model = model.to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=fused)

    def forward(images: Any, wanted: Any) -> Any:
        return torch.nn.functional.cross_entropy(model(images), wanted)

    loss_of = torch.compile(forward) if compiled else forward

    def epoch() -> None:
        for start in range(0, len(x), case.batch):
            optimizer.zero_grad()
            loss = loss_of(x[start : start + case.batch], y[start : start + case.batch])
            loss.backward()
            optimizer.step()

    epoch()
    return Peer(epoch, steps=case.batches)


def jax_peer(case: Training) -> Peer:
    import jax
    import optax

    rng = np.random.default_rng(1)
    held: dict[str, Any] = {}
    # The He initialiser's deviation for kernels, zeros for biases.
    held["params"] = [
        jax.numpy.asarray(rng.standard_normal(shape, np.float32) * (2 / np.prod(shape[:-1])) ** 0.5)
        if len(shape) > 1
        else jax.numpy.zeros(shape)
        for shape in case.network.shapes
    ]
    optimizer = optax.adam(LEARNING_RATE)
    held["state"] = optimizer.init(held["params"])

    def loss_of(params: Any, x: Any, y: Any) -> Any:
        layers = list(zip(params[::2], params[1::2], strict=True))
        for index, (kernel, bias) in enumerate(layers):
            if kernel.ndim == 4:
                x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            else:
                x = x.reshape(len(x), -1) @ kernel
            x = x + bias
            x = jax.nn.relu(x) if index < len(layers) - 1 else x
        return optax.softmax_cross_entropy_with_integer_labels(x, y).mean()

    @partial(jax.jit, donate_argnums=(0, 1))
    def update(params: Any, state: Any, x: Any, y: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_of)(params, x, y)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, loss

    x, y = samples(case)
    cuts = [slice(start, start + case.batch) for start in range(0, len(x), case.batch)]
    batches = [(jax.numpy.asarray(x[cut]), jax.numpy.asarray(y[cut], np.int32)) for cut in cuts]

    def epoch() -> None:
        for batch in batches:
            held["params"], held["state"], held["loss"] = update(held["params"], held["state"], *batch)
        jax.block_until_ready(held)

    epoch()
    return Peer(epoch, steps=case.batches)


MAKERS: dict[str, Callable[[Training], Peer]] = {
    cases.MARTLET: martlet_peer,
    cases.DEFAULT: torch_peer,
    cases.FUSED: partial(torch_peer, fused=True),
    model_cases.FUSED_LAST: partial(torch_peer, fused=True, last=True),
    model_cases.COMPILED: partial(torch_peer, fused=True, compiled=True),
    model_cases.JAX: jax_peer,
}
