"""Parameters of which each process has a part (DTensor): FSDP2, tensor parallelism, and files of both, over gloo."""

from __future__ import annotations

from typing import Any

import pytest

PROCESSES = """
import os, sys, tempfile, traceback, warnings
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
import martlet
import martlet.torch
warnings.simplefilter("ignore", FutureWarning)

def in_processes(count, work):
    with tempfile.TemporaryDirectory() as folder:
        children = []
        for rank in range(count):
            pid = os.fork()
            if pid == 0:
                try:
                    place = "file://" + os.path.join(folder, "store")
                    dist.init_process_group("gloo", init_method=place, rank=rank, world_size=count)
                    work(rank, count)
                    dist.destroy_process_group()
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            children.append(pid)
        statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        assert statuses == [0] * count, statuses

def model(width=9, dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, width), nn.Tanh(), nn.Linear(width, 3)).to(dtype)

def sharded(net, count):
    mesh = init_device_mesh("cpu", (count,))
    for layer in net:
        if isinstance(layer, nn.Linear):
            fully_shard(layer, mesh=mesh)
    return fully_shard(net, mesh=mesh)

def batch(step, rank):
    return torch.randn(8, 6, generator=torch.Generator().manual_seed(10 * step + rank))

def loss_of(net, step, rank):
    x = batch(step, rank).to(next(net.parameters()).dtype)
    return (net(x) - x[:, :3]).square().mean()

def train(net, optimizer, rank, count, steps=range(6)):
    for step in steps:
        optimizer.zero_grad()
        loss_of(net, step, rank).backward()
        optimizer.step()

def train_whole(net, optimizer, count, steps=range(6)):
    # One process with the batches of all.
    for step in steps:
        optimizer.zero_grad()
        for rank in range(count):
            (loss_of(net, step, rank) / count).backward()
        optimizer.step()

def full(tensor):
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor

def values(net):
    return torch.cat([full(parameter).detach().flatten() for parameter in net.parameters()])
"""


def test_fsdp_trains_as_one_process(run_python: Any) -> None:
    """Rules that step each element, those that sum over parameters, and norms of all gradients; native, also where a
    process has nothing of a parameter."""
    run_python(
        PROCESSES
        + """
CASES = [(name, {}) for name in ("SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "Rprop", "ASGD", "Adamax", "NAdam",
         "RAdam", "AdamW", "Lion", "AdaBelief", "Adan", "ADOPT", "LAMB", "LARS", "StableAdamW", "MARS", "Prodigy")]
CASES += [("AdamW", {"max_norm": 0.1}), ("AdamW", {"clip_norm": 0.05}), ("Adam", {"cautious": True}),
          ("Adam", {"skip_nonfinite": True, "measure": True}), ("SGD", {"momentum": 0.9, "ema_decay": 0.9})]

def work(rank, count):
    for name, options in CASES:
        net = sharded(model(), count)
        optimizer = getattr(martlet.torch, name)(net.parameters(), lr=0.02, **options)
        train(net, optimizer, rank, count)
        assert optimizer.native_share == 1
        for parameter in net.parameters():
            for slot, tensor in optimizer.state[parameter].items():
                assert type(tensor) is type(parameter) or tensor.numel() == 1, (name, slot)
        alone = model()
        whole = getattr(martlet.torch, name)(alone.parameters(), lr=0.02, **options)
        train_whole(alone, whole, count)
        said = lambda text: f"{name} {options}: {text}"
        torch.testing.assert_close(values(net), values(alone), rtol=2e-5, atol=2e-6, msg=said)
        if "max_norm" in options:
            assert abs(optimizer.last_step.grad_norm / whole.last_step.grad_norm - 1) < 1e-6

for count in (1, 2, 4):
    in_processes(count, work)
"""
    )


def test_the_same_gradients_give_the_same_bits(run_python: Any) -> None:
    """For any number of processes: also with state of 16 bits, and with numbers rounded at random."""
    run_python(
        PROCESSES
        + """
CASES = [("AdamW", torch.float32, {}), ("Adam", torch.float32, {"state_dtype": torch.bfloat16}),
         ("AdamW", torch.bfloat16, {"low_precision": "stochastic", "seed": 3}),
         ("SGD", torch.bfloat16, {"low_precision": "kahan", "momentum": 0.9}),
         ("AdamW", torch.bfloat16, {"low_precision": "split"})]

def gradients(net, step):
    generator = torch.Generator().manual_seed(step)
    for parameter in net.parameters():
        whole = torch.randn(parameter.shape, generator=generator).to(parameter.dtype)
        if hasattr(parameter, "device_mesh"):
            from torch.distributed.tensor import distribute_tensor
            whole = distribute_tensor(whole, parameter.device_mesh, parameter.placements)
        parameter.grad = whole

def run(net, name, options):
    optimizer = getattr(martlet.torch, name)(net.parameters(), lr=0.01, **options)
    for step in range(5):
        gradients(net, step)
        optimizer.step()
    return optimizer

def work(rank, count):
    for name, dtype, options in CASES:
        net = sharded(model(dtype=dtype), count)
        optimizer = run(net, name, options)
        alone = model(dtype=dtype)
        whole = run(alone, name, options)
        assert torch.equal(values(net), values(alone)), (name, dtype, options)
        for one, other in zip(net.parameters(), alone.parameters()):
            for slot, tensor in optimizer.state[one].items():
                assert torch.equal(full(tensor), whole.state[other][slot]), (name, slot)

for count in (2, 4):
    in_processes(count, work)
"""
    )


def test_checkpoints_of_four_processes_go_on_in_two(run_python: Any) -> None:
    """torch.distributed.checkpoint: from torch's optimizer and from ours, into torch's and into ours."""
    run_python(
        PROCESSES
        + """
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

def save(rank, count):
    for module in (torch.optim, martlet.torch):
        net = sharded(model(), count)
        optimizer = module.AdamW(net.parameters(), lr=0.02)
        train(net, optimizer, rank, count, range(3))
        weights, state = get_state_dict(net, optimizer)
        dcp.save({"model": weights, "optimizer": state}, checkpoint_id=os.path.join(where, module.__name__))

def resume(rank, count):
    ended = []
    for source in (torch.optim, martlet.torch):
        for module in (torch.optim, martlet.torch):
            net = sharded(model(), count)
            optimizer = module.AdamW(net.parameters(), lr=0.5)
            weights, state = get_state_dict(net, optimizer)
            dcp.load({"model": weights, "optimizer": state}, checkpoint_id=os.path.join(where, source.__name__))
            set_state_dict(net, optimizer, model_state_dict=weights, optim_state_dict=state)
            assert optimizer.param_groups[0]["lr"] == 0.02
            assert {float(full(entry["step"])) for entry in optimizer.state.values()} == {3.0}
            train(net, optimizer, rank, count, range(3, 6))
            if module is martlet.torch:
                assert optimizer.native_share == 1
            ended.append(values(net))
    for end in ended[1:]:
        torch.testing.assert_close(end, ended[0], rtol=1e-5, atol=1e-6)

with tempfile.TemporaryDirectory() as where:
    in_processes(4, save)
    in_processes(2, resume)
"""
    )


def test_tensor_parallel(run_python: Any) -> None:
    """Parts along rows, along columns, and whole parameters in one model."""
    run_python(
        PROCESSES
        + """
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

def work(rank, count):
    mesh = init_device_mesh("cpu", (count,))
    ended = []
    for module in (torch.optim, martlet.torch):
        net = parallelize_module(model(width=8), mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})
        optimizer = module.AdamW(net.parameters(), lr=0.02)
        train(net, optimizer, 0, count)  # with the same batch everywhere
        ended.append(values(net))
    assert optimizer.native_share == 1
    torch.testing.assert_close(ended[1], ended[0], rtol=1e-5, atol=1e-6)
    alone = model(width=8)
    whole = martlet.torch.AdamW(alone.parameters(), lr=0.02)
    train_whole(alone, whole, 1)
    torch.testing.assert_close(ended[1], values(alone), rtol=1e-5, atol=1e-6)
    net = parallelize_module(model(width=8), mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})
    optimizer = martlet.torch.AdamW(net.named_parameters(), lr=0.02, max_norm=1.0)
    before = values(net)
    try:
        train(net, optimizer, 0, count)
        raise SystemExit("sums over parts that lie in two ways")
    except martlet.UnsupportedError as error:
        assert "a step sums over parameter '0.weight' and parameter '2.bias', of which processes" in str(error), error
    assert torch.equal(values(net), before)
    ways = {"0": ColwiseParallel(), "2": RowwiseParallel()}
    net = parallelize_module(model(width=8, dtype=torch.bfloat16), mesh, ways)
    optimizer = martlet.torch.AdamW(net.named_parameters(), low_precision="stochastic")
    try:
        train(net, optimizer, 0, count)
        raise SystemExit("numbers at random for parts of rows")
    except martlet.UnsupportedError as error:
        assert "'2.weight' is placed (Shard(dim=1),), and is rounded at random" in str(error), error

in_processes(2, work)
"""
    )


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            "martlet.torch.AdamW(net.named_parameters(), state_dtype='int8')",
            "a DTensor, whose state is kept in no few bits",
        ),
        (
            "martlet.torch.SOAP(net, rules=[('*', 'soap')])",
            "a DTensor of which this process has a part, and its algorithm",
        ),
    ],
    ids=["few bits", "matrices"],
)
def test_what_parts_cannot_have(make: str, text: str, run_python: Any) -> None:
    run_python(
        PROCESSES
        + f"""
def work(rank, count):
    torch.manual_seed(0)
    net = sharded(nn.Sequential(nn.Linear(128, 256, bias=False)), count)
    optimizer = {make}
    before = values(net)
    try:
        net(torch.ones(2, 128)).sum().backward()
        optimizer.step()
        raise SystemExit("it stepped")
    except martlet.UnsupportedError as error:
        assert {text!r} in str(error), error
    assert torch.equal(values(net), before)
    assert not optimizer.state

in_processes(2, work)
"""
    )
