#!/usr/bin/env bash
# torch's Adafactor cannot step a matrix that fully_shard (FSDP2) has taken, with a single process too: the norm of a
# DTensor is a sum over processes that is still to be made, and is then raised to a power in place. One would expect the
# optimizer that is there to save memory to work where memory is shared out, as AdamW does.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
model = torch.nn.Linear(4, 3)
fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
model(torch.ones(2, 4)).sum().backward()
torch.optim.AdamW(model.parameters()).step()
print("AdamW: stepped")
try:
    torch.optim.Adafactor(model.parameters()).step()
    raise SystemExit("Adafactor stepped")
except RuntimeError as error:
    print(f"Adafactor: RuntimeError: {str(error)[:120]}")
    assert "require placement changes" in str(error)
dist.destroy_process_group()
PROGRAM
