"""Scenario 1: image classification with a residual network, from CIFAR-10's binary files.

The training loop is one that people have; the optimizer's import is the only line that Martlet changes. With a folder
as argument it reads data_batch_*.bin and test_batch.bin from there; without one it writes small files of the same
format, with coloured shapes for images, so that it runs anywhere in seconds. It is an example, not a tuned recipe.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from martlet.torch import Adam  # was: from torch.optim import Adam

RECORD = 1 + 3 * 32 * 32


def write_stand_in(folder: Path, count: int = 640) -> None:
    """Files in CIFAR-10's format: a label byte, then 3,072 bytes of red, green and blue planes. The label says which
    quarter of the picture is bright, and which colour is missing there."""
    rng = np.random.default_rng(1)
    for name in ("data_batch_1.bin", "test_batch.bin"):
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        images = rng.integers(0, 96, (count, 3, 32, 32), dtype=np.uint8)
        for label, image in zip(labels, images, strict=True):
            row, column = 16 * (label % 4 // 2), 16 * (label % 2)
            image[:, row : row + 16, column : column + 16] += 128
            image[label // 4, row : row + 16, column : column + 16] = 0
        np.concatenate([labels[:, None], images.reshape(count, -1)], axis=1).tofile(folder / name)


def read(paths: list[Path]) -> tuple[Tensor, Tensor]:
    """Images with values from 0 to 1, and labels."""
    records = np.concatenate([np.fromfile(path, dtype=np.uint8).reshape(-1, RECORD) for path in paths])
    images = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 255)
    return images, torch.from_numpy(records[:, 0].astype(np.int64))


def datasets(folder: Path) -> tuple[TensorDataset, TensorDataset]:
    """For training and for the test; both normalised by mean and deviation of each channel of the training images."""
    images, labels = read(sorted(folder.glob("data_batch_*.bin")))
    test_images, test_labels = read([folder / "test_batch.bin"])
    mean, deviation = images.mean((0, 2, 3), keepdim=True), images.std((0, 2, 3), keepdim=True)
    train = TensorDataset((images - mean) / deviation, labels)
    return train, TensorDataset((test_images - mean) / deviation, test_labels)


class Residual(nn.Module):
    """Two convolutions and the way around them."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inner, outer, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outer),
            nn.ReLU(),
            nn.Conv2d(outer, outer, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outer),
        )
        self.around = nn.Conv2d(inner, outer, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Any:
        return torch.relu(self.body(x) + self.around(x))


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), Residual(8, 8, 1), Residual(8, 16, 2), Residual(16, 32, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip


def main(folder: Path, epochs: int = 4) -> float:
    torch.manual_seed(1)
    train_set, test_set = datasets(folder)
    train, test = DataLoader(train_set, batch_size=64, shuffle=True), DataLoader(test_set, batch_size=256)
    model = network()
    criterion = nn.CrossEntropyLoss()
    optimizer = Adam(model.parameters(), lr=3e-3)

    for epoch in range(1, epochs + 1):
        running_loss = 0.0
        for images, labels in train:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        print(f"epoch {epoch}: loss {running_loss / len(train):.4f}")

    model.eval()
    with torch.no_grad():
        right = sum(int((model(images).argmax(1) == labels).sum()) for images, labels in test)
    accuracy = 100 * right / len(test_set)
    print(f"test accuracy {accuracy:.1f} %")
    return accuracy


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as name:
            write_stand_in(Path(name))
            main(Path(name))
