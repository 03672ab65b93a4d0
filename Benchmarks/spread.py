"""The optimizer's time of AdamW where two processes on one machine train together: Martlet's beside torch's foreach and
fused, in turns on the same parameters, over gloo.

    python Benchmarks/spread.py

FSDP2: parameters, gradients and state are DTensors, of which each process has a half. DDP: whole parameters, with
gradients in its buckets, beside the same step on parameters of a plain model. A round steps each optimizer once behind
a barrier; its time is the slower process's. What is printed are medians over rounds of times, and of ratios within a
round. Every process has one thread.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import cases
import quiet

PROCESSES = 2
#: Gradients are backward's of nothing: a step's time does not depend on them.
SHAPES: dict[str, tuple[tuple[int, ...], ...]] = {
    "perceptron 784-64-10": ((64, 784), (64,), (10, 64), (10,)),
    "62 tensors, 11.7 M": cases.resnet18_shapes(),
    "148 tensors, 124 M": cases.gpt2_shapes(),
}
#: The most that Martlet's time may be of each.
FSDP_TARGETS = {"torch foreach": 0.5, "torch fused": 1.03}
DDP_TARGETS = {"the same on a plain model": 1.03}


def optimizers(parameters: list[Any]) -> dict[str, Any]:
    import torch

    import martlet.torch

    return {
        "martlet": martlet.torch.AdamW(parameters, lr=1e-6),
        "torch foreach": torch.optim.AdamW(parameters, lr=1e-6, foreach=True),
        "torch fused": torch.optim.AdamW(parameters, lr=1e-6, fused=True),
    }


def sharded(shapes: tuple[tuple[int, ...], ...]) -> dict[str, Callable[[], Any]]:
    """Steps of FSDP2's parameters."""
    import torch
    from torch import nn
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import distribute_tensor

    model = nn.Module()
    for index, shape in enumerate(shapes):
        model.register_parameter(f"p{index}", nn.Parameter(torch.randn(shape)))
    fully_shard(model, mesh=init_device_mesh("cpu", (PROCESSES,)))
    parameters: list[Any] = list(model.parameters())
    for parameter in parameters:
        gradient = torch.randn(parameter.shape)
        parameter.grad = distribute_tensor(gradient, parameter.device_mesh, parameter.placements)
    return {name: one.step for name, one in optimizers(parameters).items()}


def replicated(shapes: tuple[tuple[int, ...], ...]) -> dict[str, Callable[[], Any]]:
    """Steps of DDP's parameters, and of a plain model's."""
    import torch
    from torch import nn
    from torch.nn.parallel import DistributedDataParallel

    import martlet.torch

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.all = nn.ParameterList(nn.Parameter(torch.randn(shape)) for shape in shapes)

        def forward(self) -> Any:
            return sum(each.sum() for each in self.all)

    found: dict[str, Callable[[], Any]] = {}
    for name, model in (
        ("martlet", DistributedDataParallel(Model(), gradient_as_bucket_view=True)),
        ("plain", Model()),
    ):
        model().backward()
        called = name if name == "martlet" else next(iter(DDP_TARGETS))
        found[called] = martlet.torch.AdamW(model.parameters(), lr=1e-6).step
    return found


def measure(steps: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each, the slower process's, round by round."""
    import torch
    from torch import distributed

    found: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 2):
        names = list(steps)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            distributed.barrier()
            started = perf_counter()
            steps[name]()
            time = torch.tensor(perf_counter() - started, dtype=torch.float64)
            distributed.all_reduce(time, distributed.ReduceOp.MAX)
            if turn > 1:
                found[name].append(float(time))
    return found


def told(title: str, found: dict[str, list[float]], targets: dict[str, float]) -> None:
    own = found["martlet"]
    print(f"{title}: Martlet {1000 * median(own):.3f} ms")
    for name, most in targets.items():
        ratio = median(mine / theirs for mine, theirs in zip(own, found[name], strict=True))
        word = "pass" if ratio <= most else "over"
        print(f"    {ratio:.2f} of {name}'s {1000 * median(found[name]):.3f} ms ({word}: at most {most})")


def work(rank: int, folder: str) -> None:
    import torch
    from torch import distributed

    torch.set_num_threads(1)
    place = Path(folder, "store").as_uri()
    distributed.init_process_group("gloo", init_method=place, rank=rank, world_size=PROCESSES)
    for title, shapes in SHAPES.items():
        rounds = 200 if sum(map(len, shapes)) < 10 else 30
        for way, make, targets in (("FSDP2", sharded, FSDP_TARGETS), ("DDP", replicated, DDP_TARGETS)):
            found = measure(make(shapes), rounds)
            if rank == 0:
                told(f"{title}, {way}", found, targets)
    distributed.destroy_process_group()


def main() -> int:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    with tempfile.TemporaryDirectory() as folder:
        children: list[int] = []
        watch = quiet.Watch(os.sched_getaffinity(0), lambda: children)
        for rank in range(PROCESSES):
            child = os.fork()
            if child == 0:
                try:
                    work(rank, folder)
                finally:
                    sys.stdout.flush()
                    os._exit(sys.exc_info()[0] is not None)
            children.append(child)
        statuses = [os.waitpid(child, 0)[1] for child in children]
    print(f"other processes took {100 * watch.others():.0f} % of the processors meanwhile")
    return int(any(statuses))


if __name__ == "__main__":
    sys.exit(main())
