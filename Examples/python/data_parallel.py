"""Scenario 1, data-parallel: two workers, each with half of every batch, DistributedDataParallel over gloo.

Gradients are averaged by torch.distributed; each worker then steps its own copy of the model with martlet.torch.Adam.
Equal gradients give equal bits, so the copies stay equal without being sent. Two processes on one machine; torchrun
starts the same worker() on several.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset, random_split
from torch.utils.data.distributed import DistributedSampler

from martlet.torch import Adam  # was: from torch.optim import Adam

WORKERS, EPOCHS, BATCH = 2, 12, 64


def worker(rank: int, meeting_place: str) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # both on this machine
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=meeting_place, rank=rank, world_size=WORKERS)
    torch.manual_seed(rank)  # DistributedDataParallel sends the first worker's parameters to all

    pixels, classes = load_digits(return_X_y=True)
    images, labels = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(classes)
    same = torch.Generator().manual_seed(1)  # the same fifth is held out by all
    train, test = random_split(TensorDataset(images, labels), [0.8, 0.2], generator=same)
    sampler: DistributedSampler[tuple[torch.Tensor, ...]] = DistributedSampler(train, WORKERS, rank, shuffle=True)
    loader = DataLoader(train, batch_size=BATCH // WORKERS, sampler=sampler)

    model = DistributedDataParallel(nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)))
    criterion = nn.CrossEntropyLoss()
    optimizer = Adam(model.parameters(), lr=3e-3)
    for epoch in range(1, EPOCHS + 1):
        sampler.set_epoch(epoch)
        running_loss = 0.0
        for batch, wanted in loader:
            optimizer.zero_grad()
            loss = criterion(model(batch), wanted)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        if rank == 0 and epoch % 4 == 0:
            print(f"epoch {epoch}: loss {running_loss / len(loader):.4f}", flush=True)

    own = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    copies = [torch.empty_like(own) for _ in range(WORKERS)]
    dist.all_gather(copies, own)
    assert all(torch.equal(own, copy) for copy in copies), "the workers' parameters differ"
    if rank == 0:
        with torch.no_grad():
            accuracy = 100 * (model(images[test.indices]).argmax(1) == labels[test.indices]).float().mean().item()
        print(f"{WORKERS} workers, the same bits in each; test accuracy {accuracy:.1f} %", flush=True)
        assert accuracy > 90, "the digits were not learned"
    dist.destroy_process_group()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = (Path(folder) / "meeting").as_uri()
        torch.multiprocessing.spawn(worker, (place,), nprocs=WORKERS)  # type: ignore[attr-defined, no-untyped-call]


if __name__ == "__main__":
    main()
