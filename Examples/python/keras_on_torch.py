"""A script of Keras on its torch backend in which one import has changed: a classifier of digits with a schedule, saved
half-way to a .keras file that ends in the same numbers, and the same training by Keras's own class beside it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from sklearn.datasets import load_digits

from martlet.keras import AdamW  # was: from keras.optimizers import AdamW

EPOCHS, BATCH, TRAIN = 8, 64, 1437
DIGITS = load_digits()
ORDER = np.random.default_rng(0).permutation(len(DIGITS.data))
IMAGES, LABELS = (DIGITS.data[ORDER] / 16).astype("float32"), DIGITS.target[ORDER]


def started(kind: Any) -> Any:
    """A compiled model, the same at each call."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10)]
    model = keras.Sequential([keras.layers.Input((64,)), *layers])
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * -(-TRAIN // BATCH))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=kind(schedule, weight_decay=0.01, global_clipnorm=1.0), loss=loss, metrics=["accuracy"])
    return model


def trained(model: Any, epochs: int) -> list[float]:
    """The losses of so many epochs more."""
    history = model.fit(IMAGES[:TRAIN], LABELS[:TRAIN], batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0)
    return list(history.history["loss"])


def main() -> None:
    model = started(AdamW)
    losses = trained(model, EPOCHS)
    for epoch, loss in enumerate(losses, 1):
        print(f"epoch {epoch}: loss {loss:.4f}")
    _, accuracy = model.evaluate(IMAGES[TRAIN:], LABELS[TRAIN:], verbose=0)
    print(f"accuracy on {len(IMAGES) - TRAIN} images that it has not seen: {100 * accuracy:.1f} %")
    assert accuracy > 0.94

    first = started(AdamW)
    half = trained(first, EPOCHS // 2)
    with tempfile.TemporaryDirectory() as folder:
        first.save(Path(folder) / "half.keras")
        second = keras.saving.load_model(Path(folder) / "half.keras")
    assert half + trained(second, EPOCHS - EPOCHS // 2) == losses
    print("saved half-way and loaded, it ends in the same numbers")

    theirs = trained(started(keras.optimizers.AdamW), EPOCHS)
    apart = float(np.max(np.abs(np.array(losses) / np.array(theirs) - 1)))
    print(f"largest relative difference from keras.optimizers.AdamW: {apart:.1e}")
    assert apart < 1e-2


if __name__ == "__main__":
    main()
