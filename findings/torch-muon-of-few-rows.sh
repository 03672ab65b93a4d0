#!/usr/bin/env bash
# torch's Muon cannot step a matrix of fully_shard (FSDP2) that has fewer rows than there are processes, here 1 in 2: what
# it makes orthogonal lies whole in each process, and is not added to parts of which one is empty. One would expect what
# steps 3 rows, in parts of 2 and 1, to step 1, as AdamW does.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import os
import tempfile

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard


def step(rows, kind):
    model = torch.nn.Linear(5, rows, bias=False)
    fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
    model(torch.ones(2, 5)).sum().backward()
    kind(model.parameters()).step()


def work(rank, place):
    dist.init_process_group("gloo", init_method="file://" + place, rank=rank, world_size=2)
    step(3, torch.optim.Muon)
    step(1, torch.optim.AdamW)
    try:
        step(1, torch.optim.Muon)
        raise SystemExit("Muon stepped 1 row")
    except RuntimeError as error:
        assert "require placement changes" in str(error)
        if rank == 0:
            print(f"Muon, 3 rows: stepped; AdamW, 1 row: stepped; Muon, 1 row: RuntimeError: {str(error)[:120]}")
    dist.destroy_process_group()


with tempfile.TemporaryDirectory() as folder:
    child = os.fork()
    work(int(child == 0), os.path.join(folder, "store"))
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
PROGRAM
