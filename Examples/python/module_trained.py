"""A module of torch trained by one native call, beside torch's own loop: the same losses, and a module that is torch's
behind it. A file of it is what C loads."""

from __future__ import annotations

import copy
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import martlet.nn
import martlet.torch

EPOCHS, BATCH, TRAIN = 10, 64, 1437
DIGITS = load_digits()
ORDER = np.random.default_rng(0).permutation(len(DIGITS.data))
IMAGES = torch.from_numpy((DIGITS.data[ORDER] / 16).astype("float32").reshape(-1, 1, 8, 8))
LABELS = torch.from_numpy(DIGITS.target[ORDER])


class Residual(nn.Module):
    """A convolution, a residual block and a mean over pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 32, 3, padding=1)
        self.norm = nn.BatchNorm2d(32)
        self.second = nn.Conv2d(32, 32, 3, padding=1)
        self.last = nn.Linear(32, 10)

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.norm(self.first(x)))
        x = torch.relu(x + self.second(x))
        return self.last(x.mean((2, 3)))


def by_torch(module: Any) -> list[float]:
    """The mean loss of each epoch of torch's loop."""
    optimizer, loss, found = torch.optim.Adam(module.parameters(), lr=0.005), nn.CrossEntropyLoss(), []
    for _ in range(EPOCHS):
        total = 0.0
        for start in range(0, TRAIN, BATCH):
            rows = slice(start, min(start + BATCH, TRAIN))
            optimizer.zero_grad()
            value = loss(module(IMAGES[rows]), LABELS[rows])
            value.backward()
            optimizer.step()
            total += value.item() * len(IMAGES[rows])
        found.append(total / TRAIN)
    return found


def accuracy(module: Any) -> float:
    module.eval()
    with torch.no_grad():
        return float((module(IMAGES[TRAIN:]).argmax(1) == LABELS[TRAIN:]).float().mean())


def main() -> None:
    torch.manual_seed(0)
    theirs = Residual()
    ours = copy.deepcopy(theirs)
    start = time.perf_counter()
    wanted = by_torch(theirs)
    between = time.perf_counter()
    optimizer = torch.optim.Adam(ours.parameters(), lr=0.005)
    history = martlet.torch.train(
        ours, (IMAGES[:TRAIN], LABELS[:TRAIN]), nn.CrossEntropyLoss(), optimizer, epochs=EPOCHS, batch_size=BATCH,
        shuffle=False, verbose=0,
    )  # fmt: skip
    end = time.perf_counter()
    print("epoch  torch's loss  martlet.torch.train's")
    for epoch, (one, other) in enumerate(zip(wanted, history.history["loss"], strict=True), 1):
        print(f"{epoch:5}  {one:12.6f}  {other:12.6f}")
    np.testing.assert_allclose(history.history["loss"], wanted, rtol=0.02)
    print(f"torch's loop {between - start:.2f} s, martlet.torch.train {end - between:.2f} s, torch.export's part of it "
          f"too; test accuracy {accuracy(theirs):.4f} and {accuracy(ours):.4f}")  # fmt: skip
    assert accuracy(ours) > 0.85

    model = martlet.nn.from_torch(ours, IMAGES[:2])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.safetensors"  # for martlet_model_load in C, too
        model.save(path)
        found = martlet.nn.load_model(path).predict(IMAGES[TRAIN:].numpy())
    with torch.no_grad():
        largest = np.abs(found - ours(IMAGES[TRAIN:]).numpy()).max()
    print(f"outputs of the file and of the module differ by {largest:.1e} at most")
    assert largest < 1e-4


if __name__ == "__main__":
    main()
