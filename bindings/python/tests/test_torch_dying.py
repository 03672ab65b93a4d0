"""Processes that die: the others get torch's error within a bounded time and can go on by themselves; files that stood
before are whole. Over gloo; each test runs in a process of its own, which forks the others and kills one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PROCESSES = """
import os, random, signal, sys, tempfile, time, traceback, warnings
from datetime import timedelta
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
import martlet
import martlet.torch
warnings.simplefilter("ignore", FutureWarning)
torch.set_num_threads(1)  # OpenMP's threads do not come along into a forked process, which would wait for them

FATAL, TOLD = -signal.SIGKILL, 7  # how the one that is killed ends, and those that torch tells so
TIMEOUT = timedelta(seconds=20)

def in_processes(count, work, kill=None):
    # Each is a process of a group; kill(pids) may end one of them. Their statuses, within the test's time limit.
    with tempfile.TemporaryDirectory() as folder:
        children = []
        for rank in range(count):
            pid = os.fork()
            if pid == 0:
                try:
                    place = "file://" + os.path.join(folder, "store")
                    dist.init_process_group("gloo", init_method=place, rank=rank, world_size=count, timeout=TIMEOUT)
                    work(rank, count)
                except RuntimeError as error:  # as torch says it: closed by the peer, reset, or timed out
                    words = ("onnection", "gloo", "imed out", "peer")
                    os._exit(TOLD if any(word in str(error) for word in words) else print(error) or 1)
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            children.append(pid)
        if kill is not None:
            kill(children)
        return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]

def dies():
    os.kill(os.getpid(), signal.SIGKILL)

def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 300), nn.Tanh(), nn.Linear(300, 3))

def loss_of(net, step, rank):
    x = torch.randn(8, 6, generator=torch.Generator().manual_seed(10 * step + rank))
    return (net(x) - x[:, :3]).square().mean()
"""
LOCAL = {"GLOO_SOCKET_IFNAME": "lo"}


def test_killed_between_backward_and_step(run_python: Any) -> None:
    """Those that are left end their step, have torch's error in the next backward pass, and go on alone after it."""
    run_python(
        PROCESSES
        + """
def work(rank, count):
    net = DistributedDataParallel(model())
    optimizer = martlet.torch.AdamW(net.parameters(), lr=0.02)
    for step in range(6):
        optimizer.zero_grad()
        try:
            loss_of(net, step, rank).backward()
        except RuntimeError:
            assert step > 3, step
            # The optimizer is as the last step left it, and nobody waits inside: what was learned can be kept.
            entry = optimizer.state_dict()["state"][0]
            assert entry["step"] == step and torch.isfinite(entry["exp_avg"]).all()
            for parameter in net.parameters():
                parameter.grad = torch.ones_like(parameter)
            optimizer.step()
            raise
        if step == 3 and rank == 1:
            dies()
        optimizer.step()

assert in_processes(3, work) == [TOLD, FATAL, TOLD]
""",
        env=LOCAL,
    )


def test_killed_while_others_wait_in_a_step(run_python: Any) -> None:
    """A step that sums over processes in its middle: torch's error comes out of step(), in each that is left, and the
    optimizer is free for what comes next."""
    run_python(
        PROCESSES
        + """
def work(rank, count):
    weight = nn.Parameter(torch.arange(5000 * (rank + 1), dtype=torch.float32) / 5000)
    optimizer = martlet.torch.LAMB([weight], lr=0.01, max_norm=1.0)
    optimizer.reduce_sums = dist.all_reduce
    for step in range(5):
        weight.grad = torch.ones_like(weight)
        if step == 3 and rank == 2:
            dies()
        try:
            optimizer.step()
        except RuntimeError:
            assert step == 3 and torch.isfinite(weight).all()
            optimizer.reduce_sums = None
            optimizer.step()
            assert optimizer.state_dict()["state"][0]["step"] == step + 1
            raise

assert in_processes(3, work) == [TOLD, TOLD, FATAL]
""",
        env=LOCAL,
    )


def test_killed_while_others_wait_for_parts(run_python: Any) -> None:
    """FSDP2, whose step adds the norm of all gradients up over the mesh."""
    run_python(
        PROCESSES
        + """
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

def work(rank, count):
    net = fully_shard(model(), mesh=init_device_mesh("cpu", (count,)))
    optimizer = martlet.torch.AdamW(net.parameters(), lr=0.02, max_norm=0.1)
    for step in range(6):
        optimizer.zero_grad()
        loss_of(net, step, rank).backward()
        if step == 3 and rank == 0:
            dies()
        try:
            optimizer.step()
        except RuntimeError:
            assert step == 3
            assert all(torch.isfinite(p.to_local()).all() for p in net.parameters())
            raise
        assert step < 3

assert in_processes(2, work) == [FATAL, TOLD]
""",
        env=LOCAL,
    )


def test_killed_at_any_moment(run_python: Any) -> None:
    """Whatever the one does at that moment, steps with threads among it, the other is told and ends."""
    run_python(
        PROCESSES
        + """
def work(rank, count):
    martlet.set_num_threads(2)
    net = DistributedDataParallel(nn.Linear(600, 600))
    optimizer = martlet.torch.AdamW(net.parameters(), lr=0.02)
    x = torch.ones(2, 600)
    while True:
        optimizer.zero_grad()
        net(x).square().mean().backward()
        for _ in range(20):
            optimizer.step()

moments = random.Random(1)
for trial in range(6):
    def kill(pids):
        time.sleep(0.3 + moments.random())
        os.kill(pids[trial % 2], signal.SIGKILL)
    statuses = in_processes(2, work, kill)
    assert sorted(statuses) == [FATAL, TOLD], statuses
""",
        env=LOCAL,
    )


def test_killed_over_shared_memory(run_python: Any) -> None:
    """Two that step the same parameters, without locks, as Hogwild does: one is killed, the other never waits."""
    run_python(
        PROCESSES
        + """
moments = random.Random(2)
for trial in range(4):
    net = nn.Linear(700, 700).share_memory()
    done = torch.zeros(1).share_memory_()
    def work(rank, count):
        martlet.set_num_threads(2)
        optimizer = martlet.torch.Adam(net.parameters(), lr=1e-3)
        for parameter in net.parameters():
            parameter.grad = torch.ones_like(parameter)
        while rank == 1 or not done:
            optimizer.step()
        for _ in range(50):
            optimizer.step()
    def kill(pids):
        time.sleep(0.2 + 0.3 * moments.random())
        os.kill(pids[1], signal.SIGKILL)
        done.fill_(1)
    assert in_processes(2, work, kill) == [0, FATAL]
    assert torch.isfinite(net.weight).all()
""",
        env=LOCAL,
    )


SAVING = """
import os, random, signal, sys, time
import numpy as np
import martlet
from martlet import nn, optim
from martlet.nn import load_model

def killed_while(work, seconds):
    # Forks; what the child does is ended by SIGKILL at some moment.
    pid = os.fork()
    if pid == 0:
        try:
            while True:
                work()
        finally:
            os._exit(1)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL

moments = random.Random(3)
"""


@pytest.mark.parametrize("kind", ["optimizer", "model"])
def test_a_file_is_whole_whenever_its_writer_is_killed(kind: str, tmp_path: Path, run_python: Any) -> None:
    """Whatever is left is one save's: of all arrays the same step. A save beside what was left works."""
    run_python(
        SAVING
        + f"""
kind, path = {kind!r}, {str(tmp_path / "saved.safetensors")!r}
weights = [np.zeros((300, 400), np.float32), np.zeros(5000, np.float32)]
optimizer = optim.Adam(weights, lr=0.5)
network = nn.Sequential([nn.Dense(400, input_shape=(300,)), nn.Dense(20)], seed=1)
network.compile(nn.SGD(learning_rate=1.0), "mse")
network.parameters()[:] = 0

def go_on():
    if kind == "optimizer":
        optimizer.step([np.ones_like(weight) for weight in weights])
        optimizer.save(path)
    else:
        network.step(-np.ones_like(network.parameters()))
        network.save(path)

def step_found():
    if kind == "optimizer":
        fresh = optim.Adam([np.zeros_like(weight) for weight in weights], lr=0.5)
        fresh.load(path)
        state = fresh.state_dict()["state"]
        steps = {{int(entry["step"]) for entry in state.values()}}
        # The first moment of a gradient of ones is 1 - 0.9^step.
        for entry in state.values():
            assert np.allclose(entry["exp_avg"], 1 - 0.9 ** int(entry["step"]), rtol=1e-4), steps
    else:
        loaded = load_model(path)
        steps = set(loaded.parameters().tolist()) | {{loaded.optimizer.iterations}}
    assert len(steps) == 1, steps
    return steps.pop()

go_on()
first = found = step_found()
advanced = 0
for trial in range(25):
    killed_while(go_on, 0.02 + 0.1 * moments.random())
    assert (now := step_found()) >= 1
    advanced += now > first
assert advanced > 5, "no save was ever reached"
go_on()
assert step_found() == 2
""",
    )


def test_a_checkpoint_of_torch_is_whole_when_a_process_dies_in_the_next(tmp_path: Path, run_python: Any) -> None:
    """torch's own saving, each step into a folder of its own: the last one that was finished loads, to the bit; one
    that was not has no metadata, is refused by torch, and leaves the optimizer as it was."""
    run_python(
        PROCESSES
        + f"""
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
place = {str(tmp_path)!r}

def made(count):
    net = fully_shard(model(), mesh=init_device_mesh("cpu", (count,)))
    return net, martlet.torch.AdamW(net.parameters(), lr=0.02)

def train(net, optimizer, rank, steps):
    for step in steps:
        optimizer.zero_grad()
        loss_of(net, step, rank).backward()
        optimizer.step()

def saved(net, optimizer):
    return {{"model": net.state_dict(), "optimizer": get_optimizer_state_dict(net, optimizer)}}

class Dying(dcp.FileSystemWriter):
    def write_data(self, plan, planner):
        if dist.get_rank() == 1:
            dies()
        return super().write_data(plan, planner)

def first(rank, count):
    net, optimizer = made(count)
    train(net, optimizer, rank, range(3))
    dcp.save(saved(net, optimizer), checkpoint_id=place + "/1")
    torch.save([p.to_local() for p in net.parameters()], f"{{place}}/values{{rank}}")
    train(net, optimizer, rank, range(3, 5))
    dcp.save(saved(net, optimizer), storage_writer=Dying(place + "/2"))

def second(rank, count):
    net, optimizer = made(count)
    train(net, optimizer, rank, range(1))
    before = optimizer.state_dict()
    state = saved(net, optimizer)
    try:
        dcp.load(state, checkpoint_id=place + "/2")
    except dcp.api.CheckpointException:
        pass
    else:
        raise AssertionError("half a checkpoint was loaded")
    for key, entry in optimizer.state_dict()["state"].items():
        for name, tensor in entry.items():
            was = before["state"][key][name]
            assert torch.equal(*(t.to_local() if hasattr(t, "to_local") else t for t in (tensor, was)))
    dcp.load(state, checkpoint_id=place + "/1")
    net.load_state_dict(state["model"])
    set_optimizer_state_dict(net, optimizer, state["optimizer"])
    for parameter, was in zip(net.parameters(), torch.load(f"{{place}}/values{{rank}}"), strict=True):
        assert torch.equal(parameter.to_local(), was)
    assert {{float(entry["step"]) for entry in optimizer.state.values()}} == {{3.0}}
    train(net, optimizer, rank, range(3, 4))

statuses = in_processes(2, first)
assert statuses[1] == FATAL and statuses[0] != 0, statuses
assert os.path.exists(place + "/1/.metadata") and not os.path.exists(place + "/2/.metadata")
assert in_processes(2, second) == [0, 0]
""",
        env=LOCAL,
        timeout=240,
    )
