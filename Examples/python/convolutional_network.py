"""Scenario 4: a convolutional network in a training script, with AdamW, a schedule and a checkpoint.

Two convolutions and two linear layers on 8x8 images of three channels. Half-way the script saves model and optimizer
with torch.save, builds both anew, loads them and goes on; the run ends with the same bits as one that never stopped.
"""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import Tensor, nn

from martlet.torch import AdamW  # was: from torch.optim import AdamW

STEPS, BATCH = 24, 64


def network() -> nn.Module:
    torch.manual_seed(4)
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(64 * 8 * 8, 512), nn.ReLU(), nn.Linear(512, 10),
    )  # fmt: skip


def batch(step: int) -> tuple[Tensor, Tensor]:
    """Noise with one brighter row, whose number is the class."""
    generator = torch.Generator().manual_seed(step)
    labels = torch.randint(0, 8, (BATCH,), generator=generator)
    images = torch.randn(BATCH, 3, 8, 8, generator=generator)
    images[torch.arange(BATCH), :, labels] += 1
    return images, labels


def build() -> tuple[nn.Module, AdamW, Any]:
    model = network()
    optimizer = AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    return model, optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)


def train(interrupted: bool) -> tuple[nn.Module, list[float]]:
    model, optimizer, schedule = build()
    criterion = nn.CrossEntropyLoss()
    losses = []
    for step in range(STEPS):
        if interrupted and step == STEPS // 2:
            file = io.BytesIO()
            torch.save([part.state_dict() for part in (model, optimizer, schedule)], file)
            file.seek(0)
            model, optimizer, schedule = build()
            for part, saved in zip((model, optimizer, schedule), torch.load(file, weights_only=True), strict=True):
                part.load_state_dict(saved)
        images, labels = batch(step)
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return model, losses


def main() -> None:
    model, losses = train(interrupted=False)
    print(f"loss {losses[0]:.3f} at first, {losses[-1]:.4f} after {STEPS} steps")
    resumed, _ = train(interrupted=True)
    pairs = zip(model.parameters(), resumed.parameters(), strict=True)
    same = all(torch.equal(a, b) for a, b in pairs)
    print(f"resumed half-way: {'the same bits' if same else 'other bits'}")
    assert same and losses[-1] < 0.1 * losses[0]


if __name__ == "__main__":
    main()
