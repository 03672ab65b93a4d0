"""What tests of several processes share: the beginning of their programs, which fork, join over gloo and train."""

PROCESSES = """
import os, sys, tempfile, traceback, warnings
from datetime import timedelta
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
import martlet
import martlet.torch
warnings.simplefilter("ignore", FutureWarning)
os.environ["GLOO_SOCKET_IFNAME"] = "lo"

def in_processes(count, work):
    with tempfile.TemporaryDirectory() as folder:
        children = []
        for rank in range(count):
            pid = os.fork()
            if pid == 0:
                try:
                    place = "file://" + os.path.join(folder, "store")
                    given = {"rank": rank, "world_size": count, "timeout": timedelta(minutes=2)}
                    dist.init_process_group("gloo", init_method=place, **given)
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

def sharded(net, count=None, mesh=None):
    mesh = init_device_mesh("cpu", (count,)) if mesh is None else mesh
    for layer in net:
        if isinstance(layer, nn.Linear):
            fully_shard(layer, mesh=mesh)
    return fully_shard(net, mesh=mesh)

def parallel(net, mesh):
    return parallelize_module(net, mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})

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

def gradients(net, step):
    # The same whole gradients however parameters lie.
    generator = torch.Generator().manual_seed(step)
    for parameter in net.parameters():
        whole = torch.randn(parameter.shape, generator=generator).to(parameter.dtype)
        if hasattr(parameter, "device_mesh"):
            whole = distribute_tensor(whole, parameter.device_mesh, parameter.placements)
        parameter.grad = whole

def full(tensor):
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor

def values(net):
    return torch.cat([full(parameter).detach().flatten() for parameter in net.parameters()])

def made(name, net, **options):
    # Those that go by names are given them.
    given = {"AdamMini": net.named_parameters(), "Muon": net, "SOAP": net, "Shampoo": net}.get(name)
    return getattr(martlet.torch, name)(net.parameters() if given is None else given, **options)
"""

# The same for what is saved and loaded, in the folder "where".
FILES = (
    PROCESSES
    + """
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict

def matrices():
    torch.manual_seed(0)
    # Of at least a row for each process: of others torch's Muon steps none.
    return nn.Sequential(nn.Linear(6, 8, bias=False), nn.Tanh(), nn.Linear(8, 4, bias=False))

def steps(net, optimizer, places):
    for step in places:
        gradients(net, step)
        optimizer.step()

def saved(net, optimizer, name):
    weights, state = get_state_dict(net, optimizer)
    dcp.save({"model": weights, "optimizer": state}, checkpoint_id=os.path.join(where, name))

def loaded(net, optimizer, name):
    weights, state = get_state_dict(net, optimizer)
    dcp.load({"model": weights, "optimizer": state}, checkpoint_id=os.path.join(where, name))
    set_state_dict(net, optimizer, model_state_dict=weights, optim_state_dict=state)
    return state
"""
)

# The same for what one of them does alone, and what the others hear of it.
ALONE = (
    PROCESSES
    + """
from martlet import _call
from martlet.torch import rooms
mt = martlet.torch

def raised(call):
    try:
        call()
    except BaseException as error:
        return error

def stepped(net, optimizer, step):
    gradients(net, step)
    return raised(optimizer.step)

def state(net, optimizer):
    return [full(t).clone() for p in net.parameters() for t in (p.detach(), *optimizer._martlet_states[p].values())]

def same(one, other):
    return len(one) == len(other) and all(map(torch.equal, one, other))

def heard(error, rank, kind, text):
    # What rank 1 raises, and what rank 0 hears of it.
    if rank:
        assert type(error) is kind and text in str(error), repr(error)
    else:
        assert type(error) is martlet.OrderError, repr(error)
        assert str(error).startswith("rank 1 cannot take this step: ") and text in str(error), error
"""
)
