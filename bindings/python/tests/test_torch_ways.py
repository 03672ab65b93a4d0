"""Every rule in several processes, each way that torch has of training in them, ends where one process does that has
the batches of all: DistributedDataParallel, ZeroRedundancyOptimizer, FSDP2 and tensor parallelism, over gloo.
"""

from __future__ import annotations

from typing import Any

import pytest

from by_number import CLASSES
from many_processes import PROCESSES

RULES = sorted(kind.__name__ for kind in CLASSES.values())


@pytest.mark.parametrize("count", [1, 2, 4])
def test_it_trains_as_one_process(count: int, run_python: Any) -> None:
    """In float64, where gradients that are added up in another order differ by too little to matter."""
    run_python(
        PROCESSES
        + f"""
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel
NAMES, COUNT, OWN = {RULES}, {count}, {{"AdamMini": {{"n_heads": 3}}, "Prodigy": {{"lr": 1.0}}}}
MATRICES = ("Muon", "SOAP", "Shampoo")
STEPS = range(3 if COUNT < 4 else 2)

def split(net, name):
    # Groups that say whose they are, since names do not pass through ZeroRedundancyOptimizer.
    own, rest = [], []
    for parameter in net.parameters():
        (own if name not in MATRICES or parameter.dim() > 1 else rest).append(parameter)
    return [{{"params": own}}] + ([{{"params": rest, "algorithm": "adamw", "lr": 0.01}}] if rest else [])
"""
        + """
def optimizer_of(name, net, **options):
    kind = getattr(martlet.torch, name)
    return kind(net.named_parameters() if name == "AdamMini" else split(net, name), **options)

def ddp(name, net, rank, **options):
    net = DistributedDataParallel(net)
    optimizer = optimizer_of(name, net.module, **options)
    train(net, optimizer, rank, COUNT, STEPS)
    return optimizer

def zero(name, net, rank, **options):
    if name in ("AdamMini", "Prodigy"):
        return None  # which goes by names, and whose rate is of all parameters together
    kind = getattr(martlet.torch, name)
    given = split(net, name)
    optimizer = ZeroRedundancyOptimizer(given, optimizer_class=kind, **options)
    train(DistributedDataParallel(net), optimizer, rank, COUNT, STEPS)
    return optimizer.optim

def fsdp(name, net, rank, **options):
    net = sharded(net, COUNT)
    optimizer = optimizer_of(name, net, **options)
    train(net, optimizer, rank, COUNT, STEPS)
    return optimizer

def tensors(name, net, rank, **options):
    net = parallel(net, init_device_mesh("cpu", (COUNT,)))
    optimizer = optimizer_of(name, net, **options)
    train_whole(net, optimizer, COUNT, STEPS)
    return optimizer

def work(rank, count):
    for name in NAMES:
        options = {"lr": 0.02, **OWN.get(name, {})}
        alone = model(12, torch.float64)
        train_whole(alone, optimizer_of(name, alone, **options), count, STEPS)
        for way in (ddp, zero, fsdp, tensors):
            net = model(12, torch.float64)
            optimizer = way(name, net, rank, **options)
            if optimizer is None:
                continue
            assert optimizer.native_share == 1, (name, way)
            said = lambda text: f"{name} {way}: {text}"
            torch.testing.assert_close(values(net), values(alone), rtol=1e-6, atol=1e-9, msg=said)

in_processes(COUNT, work)
""",
        timeout=600,
    )
