"""The network of network.c from Python: prints the same lines."""

from __future__ import annotations

import numpy as np
import trajectory

from martlet import nn

SAMPLES, SIDE, CHANNELS, CLASSES = 96, 16, 3, 10


def main() -> None:
    shape = (SIDE, SIDE, CHANNELS)
    x = trajectory.numbers(0, SAMPLES * SIDE * SIDE * CHANNELS).reshape(SAMPLES, *shape)
    y = np.arange(SAMPLES, dtype=np.int32) * 7 % CLASSES
    layers = [
        nn.Input(shape),
        nn.Conv2D(32, 3, padding="same", activation="relu"),
        nn.BatchNormalization(),
        nn.MaxPooling2D(),
        nn.Conv2D(24, 5, padding="same", activation="tanh"),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Dense(CLASSES),
    ]
    model = nn.Sequential(layers, seed=11)
    # The library's own defaults, which are torch's.
    adam = nn.Adam(learning_rate=0.01, epsilon=1e-8, semantics="torch")
    model.compile(adam, nn.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(x, y, epochs=4, shuffle=False, verbose=0)
    out = model.predict(x)
    print("loss", trajectory.fnv_of(np.float64(history.history["loss"][-1]).tobytes()))
    for name, array in (
        ("parameters", model.parameters()),
        ("gradients", model.gradients()),
        ("statistics", model.statistics()),
        ("predictions", out),
    ):
        print(name, trajectory.fnv(array))


if __name__ == "__main__":
    main()
