"""Scenario 1's object: an image classifier in plain numpy, with AdamOptimizer(lr, beta1, beta2, epsilon).

Softmax regression on scikit-learn's digits, in shuffled batches of 64. The optimizer knows no parameters: update()
takes a gradient and returns the change, to be added to whatever it belongs to. No framework is involved.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from martlet.optim import AdamOptimizer

NDArray = np.ndarray[Any, np.dtype[np.float64]]
EPOCHS, BATCH, SEED = 20, 64, 5


def with_bias(images: NDArray) -> NDArray:
    """Pixels from 0 to 1, and a column of ones, whose weights are the bias."""
    return np.hstack([images / 16, np.ones((len(images), 1))])


def loss_and_gradient(theta: NDArray, images: NDArray, labels: NDArray) -> tuple[float, NDArray]:
    """Cross-entropy of softmax(images @ theta), the mean over the batch."""
    scores = images @ theta
    scores -= scores.max(axis=1, keepdims=True)
    chances = np.exp(scores)
    chances /= chances.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -np.log(chances[rows, labels]).mean()
    chances[rows, labels] -= 1
    return float(loss), images.T @ chances / len(labels)


def main() -> None:
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(with_bias(images), labels, test_size=0.2, random_state=SEED, stratify=labels)
    train_images, test_images, train_labels, test_labels = parts

    rng = np.random.default_rng(SEED)
    theta = np.zeros((train_images.shape[1], 10))
    optimizer = AdamOptimizer(lr=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8)

    for epoch in range(1, EPOCHS + 1):
        order = rng.permutation(len(train_images))
        running_loss = 0.0
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            loss, gradient = loss_and_gradient(theta, train_images[batch], train_labels[batch])
            theta += optimizer.update(gradient)
            running_loss += loss * len(batch)
        if epoch % 5 == 0:
            print(f"epoch {epoch}: loss {running_loss / len(order):.4f}")

    accuracy = 100 * np.mean((test_images @ theta).argmax(axis=1) == test_labels)
    print(f"test accuracy {accuracy:.1f} %")
    assert accuracy > 93, "the digits were not learned"


if __name__ == "__main__":
    main()
