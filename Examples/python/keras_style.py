"""Scenario 3: a Keras-style model: layers, compile, fit and evaluate are called as Keras's are.

A multi-layer perceptron learns scikit-learn's digits from three random splits. The pixels are standardised by a layer
whose statistics come from the training images, so that they are saved with the model; the loss is computed from logits,
since the last layer has no softmax, which Keras would have to be told. Standardizer, seed= of Sequential and
History.plot are Martlet's own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from martlet.data import Standardizer
from martlet.nn import Adam, Dense, History, Sequential, load_model

EPOCHS, BATCH, SEEDS = 40, 32, (0, 1, 2)


def train(seed: int, file: Path) -> tuple[float, History]:
    """Trains on four fifths of the digits; returns the accuracy on the others."""
    images, labels = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=0.2, random_state=seed, stratify=labels
    )
    model = Sequential(
        [Standardizer(axis=None).fit(x_train).layer(), Dense(64, activation="relu"), Dense(10)], seed=seed
    )
    model.compile(loss="sparse_categorical_crossentropy", optimizer=Adam(learning_rate=0.001), metrics=["accuracy"])
    history = model.fit(x_train, y_train, epochs=EPOCHS, batch_size=BATCH, verbose=0, validation_data=(x_test, y_test))
    if seed == SEEDS[0]:
        model.summary()
    loss, accuracy = model.evaluate(x_test, y_test)
    print(f"seed {seed}: test loss {loss:.4f}, test accuracy {accuracy:.4f}")

    model.save(file)
    assert (load_model(file).predict(x_test) == model.predict(x_test)).all()
    return accuracy, history


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--output", type=Path, default=Path("keras_style.png"), help="picture of the first run's curves"
    )
    output: Path = parser.parse_args().output
    found = [train(seed, output.with_suffix(".safetensors")) for seed in SEEDS]
    found[0][1].plot(output)
    worst = min(accuracy for accuracy, _ in found)
    print(f"least test accuracy {worst:.4f}; curves in {output}")
    assert worst >= 0.97, "the digits were not learned"


if __name__ == "__main__":
    main()
