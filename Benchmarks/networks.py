"""The peers of a training step: one network, trained by each library as its users write it.

All have the same samples in memory, the same learning rate, and Adam. Martlet shuffles anew in each epoch and gathers
each batch, as ``fit`` does; the others get theirs for less: torch as slices of tensors that were shuffled before, JAX
as a list of arrays. Chains of layers are made here, other networks in residual.py, sequential.py and textual.py. It
times nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import cases
import generative
import model_cases
import residual
import sequential
import textual
from graph_cases import Generative, Residual, Sequential, Textual
from model_cases import Network, Training
from peer import Peer, threads

LEARNING_RATE = 1e-3


def samples(case: Training) -> tuple[Any, Any]:
    """Samples, channels last, or ids of words, and labels, in no order.

    Each sample is there twice, with another label: no network learns that by heart, and so gradients keep an ordinary
    size however long the measurement takes.
    """
    rng, network = np.random.default_rng(1), case.network
    half, classes = case.batch * case.batches // 2, max(2, network.classes)
    sizes = (half, *network.input)
    x: Any = rng.standard_normal(sizes, np.float32)
    if network.vocabulary:
        x = rng.integers(0, network.vocabulary, sizes, np.int32)
    labels = (half, *network.wanted)
    y = rng.integers(0, classes, labels)
    others = (y + rng.integers(1, classes, labels)) % classes
    order = rng.permutation(2 * half)
    return np.concatenate((x, x))[order], np.concatenate((y, others))[order]


def martlet_chain(network: Network) -> Any:
    from martlet import nn

    layers: list[Any] = [nn.Input(network.input)]
    layers += [nn.Conv2D(filters, 3, padding="same", activation="relu") for filters in network.filters]
    layers += [nn.Flatten()] if network.filters else []
    layers += [nn.Dense(units, activation="relu") for units in network.units[:-1]]
    return nn.Sequential([*layers, nn.Dense(network.units[-1])], seed=1)


def torch_network(network: Network) -> Any:
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


def jax_chain(network: Network) -> Any:
    """What gives logits of parameters, statistics, of which there are none, samples and a key that it does not use."""
    import jax

    def forward(params: Any, statistics: Any, x: Any, key: Any) -> Any:
        layers = list(zip(params[::2], params[1::2], strict=True))
        for index, (kernel, bias) in enumerate(layers):
            if kernel.ndim == 4:
                x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            else:
                x = x.reshape(len(x), -1) @ kernel
            x = x + bias
            x = jax.nn.relu(x) if index < len(layers) - 1 else x
        return x, statistics

    return forward, []


#: Of each kind of network: what makes it in Martlet, in torch and in JAX.
MODELS: dict[type, tuple[Callable[[Any], Any], Callable[..., Any], Callable[[Any], Any]]] = {
    Network: (martlet_chain, torch_network, jax_chain),
    Residual: (residual.martlet_model, residual.torch_model, residual.jax_model),
    Textual: (textual.martlet_model, textual.torch_model, textual.jax_model),
    Sequential: (sequential.martlet_model, sequential.torch_model, sequential.jax_model),
    Generative: (generative.martlet_model, generative.torch_model, generative.jax_model),
}


def martlet_peer(case: Training) -> Peer:
    from martlet import nn

    model = MODELS[type(case.network)][0](case.network)
    loss = "binary_crossentropy" if case.network.classes == 1 else "sparse_categorical_crossentropy"
    model.compile(nn.Adam(learning_rate=LEARNING_RATE), loss)
    x, y = samples(case)
    fit = partial(model.fit, x, y, batch_size=case.batch, epochs=case.epochs, verbose=0)
    return Peer(fit, steps=case.batches * case.epochs)


def torch_peer(
    case: Training, fused: bool | None = None, last: bool = False, compiled: bool = False, sparse: bool = False
) -> Peer:
    """``last``: images and kernels are channels-last in memory. ``compiled``: forward and backward are, and Adam is
    the fused one, which is no slower than a compiled one. ``sparse``: SparseAdam steps the table's rows."""
    import torch

    torch.set_num_threads(threads())
    torch.manual_seed(1)
    found, labels = samples(case)
    x, y = torch.from_numpy(found), torch.from_numpy(labels)
    x = x.long() if case.network.vocabulary else x
    y = y.float()[:, None] if case.network.classes == 1 else y
    model = MODELS[type(case.network)][1](case.network, **({"sparse": True} if sparse else {}))
    if case.network.is_image:
        layout = torch.channels_last if last else torch.contiguous_format
        x = x.permute(0, 3, 1, 2).contiguous(memory_format=layout)
        model = model.to(memory_format=layout)
    tables = [model.table.weight] if sparse else []
    others = [parameter for parameter in model.parameters() if not any(parameter is table for table in tables)]
    optimizers: list[torch.optim.Optimizer] = [torch.optim.Adam(others, lr=LEARNING_RATE, fused=fused)]
    optimizers += [torch.optim.SparseAdam(tables, lr=LEARNING_RATE)] if tables else []
    functional = torch.nn.functional

    def forward(images: Any, wanted: Any) -> Any:
        logits = model(images)
        if case.network.classes == 1:
            return functional.binary_cross_entropy_with_logits(logits, wanted)
        return functional.cross_entropy(logits.flatten(0, -2), wanted.flatten())

    loss_of = torch.compile(forward) if compiled else forward

    def epoch() -> None:
        for start in range(0, len(x), case.batch):
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss = loss_of(x[start : start + case.batch], y[start : start + case.batch])
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()

    epoch()
    return Peer(epoch, steps=case.batches)


def jax_peer(case: Training) -> Peer:
    import jax
    import optax

    rng = np.random.default_rng(1)
    forward, statistics = MODELS[type(case.network)][2](case.network)
    # The He initialiser's deviation for kernels, zeros for biases.
    params = [
        jax.numpy.asarray(rng.standard_normal(shape, np.float32) * (2 / np.prod(shape[:-1])) ** 0.5)
        if len(shape) > 1
        else jax.numpy.zeros(shape)
        for shape in case.network.shapes
    ]
    optimizer = optax.adam(LEARNING_RATE)
    held: dict[str, Any] = {"now": (params, statistics, optimizer.init(params), jax.random.key(1))}

    def loss_of(params: Any, statistics: Any, x: Any, y: Any, key: Any) -> Any:
        logits, moved = forward(params, statistics, x, key)
        if case.network.classes == 1:
            return optax.sigmoid_binary_cross_entropy(logits[:, 0], y).mean(), moved
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), moved

    @partial(jax.jit, donate_argnums=0)
    def update(now: Any, x: Any, y: Any) -> Any:
        params, statistics, state, key = now
        key, drawn = jax.random.split(key)
        (loss, statistics), grads = jax.value_and_grad(loss_of, has_aux=True)(params, statistics, x, y, drawn)
        updates, state = optimizer.update(grads, state, params)
        return (optax.apply_updates(params, updates), statistics, state, key), loss

    x, y = samples(case)
    cuts = [slice(start, start + case.batch) for start in range(0, len(x), case.batch)]
    batches = [(jax.numpy.asarray(x[cut]), jax.numpy.asarray(y[cut], np.int32)) for cut in cuts]

    def epoch() -> None:
        for batch in batches:
            held["now"], held["loss"] = update(held["now"], *batch)
        jax.block_until_ready(held)

    epoch()
    return Peer(epoch, steps=case.batches)


MAKERS: dict[str, Callable[[Training], Peer]] = {
    cases.MARTLET: martlet_peer,
    cases.DEFAULT: torch_peer,
    cases.FUSED: partial(torch_peer, fused=True),
    model_cases.FUSED_LAST: partial(torch_peer, fused=True, last=True),
    model_cases.SPARSE: partial(torch_peer, fused=True, sparse=True),
    model_cases.COMPILED: partial(torch_peer, fused=True, compiled=True),
    model_cases.JAX: jax_peer,
}
