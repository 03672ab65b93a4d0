"""martlet.torch in more than one process: data-parallel training, shared memory, data loaders, import orders.

Each test runs in a process of its own, which forks the others.
"""

from __future__ import annotations

from typing import Any

import pytest

FORKED = """
import os, sys, tempfile, traceback
import torch
from torch import nn
import martlet.torch

def in_processes(count, work):
    children = []
    for rank in range(count):
        pid = os.fork()
        if pid == 0:
            try:
                work(rank)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(pid)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    assert statuses == [0] * count, statuses
"""


def test_data_parallel_training(run_python: Any) -> None:
    """Two processes that average their gradients end with the same parameters, and with torch.optim's."""
    run_python(
        FORKED
        + """
import torch.distributed as dist
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel

def train(rank, make, **options):
    torch.manual_seed(0)
    model = DistributedDataParallel(nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 3)), **options)
    optimizer = make(model.parameters())
    for step in range(20):
        x = torch.randn(8, 6, generator=torch.Generator().manual_seed(2 * step + rank))
        optimizer.zero_grad(set_to_none=step % 2 == 0)
        (model(x) - x[:, :3]).square().mean().backward()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in model.parameters()])

def plain(module):
    return lambda parameters: module.AdamW(parameters, lr=0.001)

def sharded(parameters):
    return ZeroRedundancyOptimizer(parameters, optimizer_class=martlet.torch.AdamW, lr=0.001)

def work(rank):
    dist.init_process_group("gloo", init_method="file://" + place, rank=rank, world_size=2)
    for options in ({}, {"gradient_as_bucket_view": True}):
        theirs = train(rank, plain(torch.optim), **options)
        ours = train(rank, plain(martlet.torch), **options)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=3e-8)
        both = [torch.empty_like(ours) for _ in range(2)]
        dist.all_gather(both, ours)
        assert torch.equal(*both)
        assert torch.equal(train(rank, sharded, **options), ours)
    dist.destroy_process_group()

with tempfile.TemporaryDirectory() as folder:
    place = os.path.join(folder, "store")
    in_processes(2, work)
""",
        env={"GLOO_SOCKET_IFNAME": "lo"},
    )


def test_data_parallel_training_in_bf16(run_python: Any) -> None:
    """Gradients that are bf16 altogether, or on their way alone: alike in both processes, as torch's, and with random
    rounding too."""
    run_python(
        FORKED
        + """
import torch.distributed as dist
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook
from torch.nn.parallel import DistributedDataParallel

def train(rank, make, dtype, hook):
    torch.manual_seed(0)
    model = DistributedDataParallel(nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 3)).to(dtype))
    if hook is not None:
        model.register_comm_hook(None, hook)
    optimizer = make(model.parameters(), lr=0.02)
    for step in range(20):
        x = torch.randn(8, 6, generator=torch.Generator().manual_seed(2 * step + rank)).to(dtype)
        optimizer.zero_grad()
        (model(x) - x[:, :3]).square().mean().backward()
        assert {p.grad.dtype for p in model.parameters()} == {dtype}
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in model.parameters()]).float()

def rounded(parameters, lr):
    return martlet.torch.AdamW(parameters, lr=lr, low_precision="stochastic", seed=3)

def work(rank):
    dist.init_process_group("gloo", init_method="file://" + place, rank=rank, world_size=2)
    for dtype, hook in ((torch.bfloat16, None), (torch.float32, bf16_compress_hook)):
        theirs = train(rank, torch.optim.AdamW, dtype, hook)
        for make in (martlet.torch.AdamW, *([rounded] if dtype == torch.bfloat16 else [])):
            ours = train(rank, make, dtype, hook)
            away = 1e-5 if dtype == torch.float32 else 0.1
            torch.testing.assert_close(ours, theirs, rtol=away, atol=away)
            both = [torch.empty_like(ours) for _ in range(2)]
            dist.all_gather(both, ours)
            assert torch.equal(*both)
    dist.destroy_process_group()

with tempfile.TemporaryDirectory() as folder:
    place = os.path.join(folder, "store")
    in_processes(2, work)
""",
        env={"GLOO_SOCKET_IFNAME": "lo"},
    )


def test_steps_inside_the_backward_pass_are_refused_in_data_parallel_training(run_python: Any) -> None:
    """DistributedDataParallel averages gradients once they are there. Each process says so, and nothing was stepped."""
    run_python(
        FORKED
        + """
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

def work(rank):
    dist.init_process_group("gloo", init_method="file://" + place, rank=rank, world_size=2)
    torch.manual_seed(0)
    x = torch.ones(2, 6)

    def refused(call):
        try:
            call()
        except martlet.UnsupportedError as error:
            assert "DistributedDataParallel" in str(error), error
        else:
            raise AssertionError("was not refused")

    net = nn.Linear(6, 3)
    optimizer = martlet.torch.AdamW(net.parameters(), lr=0.02)
    outer = DistributedDataParallel(net)
    refused(lambda: martlet.torch.in_backward(outer, optimizer))
    refused(lambda: martlet.torch.in_backward(nn.Sequential(outer), optimizer))
    before = net.weight.detach().clone()
    stepping = martlet.torch.in_backward(net, optimizer)
    refused(lambda: outer(x).sum().backward())
    stepping.remove()
    assert torch.equal(net.weight, before) and not optimizer.state

    first = nn.Linear(6, 3)
    inside = martlet.torch.in_backward(first, martlet.torch.AdamW(first.parameters()))
    wrapped = DistributedDataParallel(first)
    refused(lambda: wrapped(x).sum().backward())

    alone = nn.Linear(6, 3)  # which is in none
    alone_inside = martlet.torch.in_backward(alone, martlet.torch.AdamW(alone.parameters()))
    alone(x).sum().backward()
    assert alone.weight.grad is None

with tempfile.TemporaryDirectory() as folder:
    place = os.path.join(folder, "store")
    in_processes(2, work)
""",
        env={"GLOO_SOCKET_IFNAME": "lo"},
    )


def test_parameters_in_shared_memory(run_python: Any) -> None:
    """What a child's optimizer writes is seen by its parent, as with torch.optim."""
    run_python(
        FORKED
        + """
def trained(module):
    torch.manual_seed(0)
    model = nn.Linear(40, 30).share_memory()
    before = model.weight.detach().clone()

    def work(rank):
        optimizer = module.Adam(model.parameters(), lr=0.1)
        for step in range(5):
            optimizer.zero_grad()
            model(torch.ones(2, 40)).square().mean().backward()
            optimizer.step()

    in_processes(1, work)
    assert not torch.equal(model.weight, before)
    return model.weight.detach().clone()

torch.testing.assert_close(trained(martlet.torch), trained(torch.optim), rtol=1e-5, atol=1e-6)
"""
    )


@pytest.mark.parametrize("persistent", [False, True])
def test_data_loader_workers(persistent: bool, run_python: Any) -> None:
    done = run_python(
        f"""
import warnings
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
import martlet.torch
warnings.filterwarnings("ignore", "This DataLoader will create 4 worker processes")
torch.manual_seed(0)
model = nn.Linear(10, 1)
optimizer = martlet.torch.Adam(model.parameters(), lr=0.05)
class Stepping(torch.utils.data.Dataset):
    def __len__(self): return 64
    def __getitem__(self, index):
        p = nn.Parameter(torch.ones(1000)); p.grad = torch.ones(1000)
        inner = martlet.torch.Adam([p], lr=0.5); inner.step()
        assert abs(p[0].item() - 0.5) < 1e-5
        generator = torch.Generator().manual_seed(index)
        x = torch.randn(10, generator=generator)
        return x, x.sum()
loader = DataLoader(Stepping(), batch_size=8, num_workers=4, persistent_workers={persistent}, shuffle=True)
losses = []
for epoch in range(6):
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x).squeeze(1) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
assert losses[-1] < 0.2 * losses[0], losses
"""
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    "order",
    [
        ("sklearn.cluster", "torch", "martlet.torch"),
        ("torch", "martlet.torch", "sklearn.cluster"),
        ("martlet", "sklearn.cluster", "martlet.torch", "torch"),
    ],
    ids=lambda order: order[0],
)
def test_beside_sklearn_in_every_import_order(order: tuple[str, ...], run_python: Any) -> None:
    """Each brings a runtime with threads of its own; all three work after one another and in turns."""
    done = run_python(
        "import "
        + ", ".join(order)
        + """
import numpy as np
from sklearn.cluster import KMeans
martlet.set_num_threads(2)
values = np.random.default_rng(0).standard_normal((4000, 20))
parameter = torch.nn.Parameter(torch.zeros(400_000))
optimizer = martlet.torch.Adam([parameter], lr=0.1)
for step in range(3):
    KMeans(4, n_init=1, max_iter=3, random_state=0).fit(values)
    parameter.grad = torch.ones(1000, 400).mm(torch.ones(400, 400)).flatten()
    optimizer.step()
assert abs(parameter[-1].item() + 0.3) < 1e-4
"""
    )
    assert done.stderr == ""
