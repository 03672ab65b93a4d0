"""A training script of PyTorch that knows nothing of Martlet: `python -m martlet run unchanged.py` trains it with
Martlet's optimizer, and `python -m martlet run --compare unchanged.py` both ways, one after the other."""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

EPOCHS, BATCH = 15, 64


def main() -> None:
    torch.manual_seed(0)
    digits = load_digits()
    images = torch.tensor(digits.data / 16, dtype=torch.float32)
    labels = torch.tensor(digits.target)
    train, test = torch.split(torch.randperm(len(images)), [1437, 360])
    model = nn.Sequential(
        *(nn.Linear(64, 256), nn.ReLU()),
        *(nn.Linear(256, 256), nn.ReLU(), nn.Dropout(0.1)),
        nn.Linear(256, 10),
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    batches = -(-len(train) // BATCH)
    scheduler = OneCycleLR(optimizer, max_lr=3e-3, total_steps=EPOCHS * batches)
    for epoch in range(EPOCHS):
        model.train()
        total = 0.0
        for some in torch.split(train[torch.randperm(len(train))], BATCH):
            optimizer.zero_grad()
            loss = criterion(model(images[some]), labels[some])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            total += loss.item()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1:2}: loss {total / batches:.4f}")
    model.eval()
    with torch.no_grad():
        accuracy = (model(images[test]).argmax(1) == labels[test]).float().mean().item()
    print(f"accuracy on {len(test)} images that it has not seen: {100 * accuracy:.1f} %")
    assert accuracy > 0.95


if __name__ == "__main__":
    main()
