"""A sample's prediction is the same to the bit by itself and in any batch, however long layers' sums are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import martlet
from martlet import nn

Stack = tuple[tuple[int, ...], list[nn.Layer]]

# Each with an inner size where sums are long enough to be cut, or a layer that looks over whole images.
STACKS: dict[str, Callable[[], Stack]] = {
    "dense, long sums, few units": lambda: ((2048,), [nn.Dense(10, activation="softmax")]),
    "dense, very long sums": lambda: ((9000,), [nn.Dense(40, activation="relu"), nn.Dense(1, activation="sigmoid")]),
    "dense, long sums, many units": lambda: ((3000,), [nn.Dense(1040, activation="gelu"), nn.Dense(5)]),
    "dense over the last axis": lambda: ((3, 2100), [nn.Dense(17, activation="tanh")]),
    "pointwise convolution": lambda: ((3, 2, 2304), [nn.Conv2D(24, 1), nn.GlobalAveragePooling2D(), nn.Softmax()]),
    "convolutions": lambda: (
        (9, 8, 3),
        [
            nn.Conv2D(16, 3, padding="same", activation="relu"), nn.BatchNormalization(), nn.MaxPooling2D(),
            nn.Conv2D(40, (3, 2), strides=2), nn.AveragePooling2D((1, 2)), nn.Flatten(), nn.Dense(4),
        ],
    ),
    "convolution of many channels": lambda: ((5, 5, 600), [nn.Conv2D(8, 3), nn.Permute((3, 1, 2)), nn.Flatten()]),
    "grouped convolution": lambda: ((6, 6, 256), [nn.Conv2D(32, 3, groups=4, padding="same"), nn.Flatten()]),
}  # fmt: skip


@pytest.mark.parametrize("name", STACKS)
def test_a_prediction_is_its_samples_own(name: str) -> None:
    shape, layers = STACKS[name]()
    model = nn.Sequential([nn.Input(shape), *layers], seed=3)
    x = np.random.default_rng(4).standard_normal((40, *shape)).astype(np.float32)
    for layer in model.layers:
        if isinstance(layer, nn.BatchNormalization):
            layer.set_weights([w + np.linspace(0.1, 0.7, w.size) for w in layer.get_weights()])
    threads = martlet.get_num_threads()
    try:
        martlet.set_num_threads(1)
        alone = np.concatenate([model.predict(x[i : i + 1]) for i in range(len(x))])
        for count in (1, 2, 5):
            martlet.set_num_threads(count)
            for batch in (1, 2, 3, 12, 13, 32, 40):
                np.testing.assert_array_equal(model.predict(x, batch_size=batch), alone)
    finally:
        martlet.set_num_threads(threads)
