"""Parameters of which each process has a part (DTensor): FSDP2 and tensor parallelism, over gloo."""

from __future__ import annotations

from typing import Any

from many_processes import PROCESSES


def test_fsdp_trains_as_one_process(run_python: Any) -> None:
    """Rules that step each element, those that sum over parameters, and norms of all gradients; native, also where a
    process has nothing of a parameter. What each rule does is in test_torch_ways.py."""
    run_python(
        PROCESSES
        + """
CASES = [(name, {}) for name in ("AdamW", "LAMB", "Adafactor")]
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
                assert type(tensor) is type(parameter) or tensor.dim() == 0, (name, slot)
        alone = model()
        whole = getattr(martlet.torch, name)(alone.parameters(), lr=0.02, **options)
        train_whole(alone, whole, count)
        said = lambda text: f"{name} {options}: {text}"
        torch.testing.assert_close(values(net), values(alone), rtol=2e-5, atol=2e-6, msg=said)
        if "max_norm" in options:
            assert abs(optimizer.last_step.grad_norm / whole.last_step.grad_norm - 1) < 1e-6

for count in (1, 2, 4):
    in_processes(count, work)
""",
        timeout=600,
    )


def test_the_same_gradients_give_the_same_bits(run_python: Any) -> None:
    """For any number of processes and however parameters lie: also with state of 16 bits, with numbers rounded at
    random, of whose elements a process may have columns, and with algorithms that see matrices."""
    run_python(
        PROCESSES
        + """
F, B = torch.float32, torch.bfloat16
CASES = [("AdamW", F, {}), ("Adam", F, {"state_dtype": B}), ("AdamW", B, {"low_precision": "stochastic", "seed": 3}),
         ("SGD", B, {"low_precision": "kahan", "momentum": 0.9}), ("AdamW", B, {"low_precision": "split"}),
         ("LAMB", F, {}), ("AdamW", F, {"max_norm": 0.5}), ("Adam", F, {"cautious": True, "clip_norm": 0.2}),
         ("Muon", F, {}), ("Muon", F, {"normuon": True}), ("Muon", B, {"low_precision": "stochastic"}),
         ("Muon", F, {"max_norm": 0.5}), ("Muon", F, {"accumulate": 2, "cautious": True}), ("SOAP", F, {}),
         ("Shampoo", F, {}), ("Adafactor", F, {}), ("AdamMini", F, {"n_heads": 3}),
         ("AdamW", F, {"hyperball": True, "weight_decay": 0.0})]

def bits(tensor):
    return tensor.detach().reshape(-1).view(torch.uint8)

def run(net, name, options):
    optimizer = made(name, net, lr=0.01, **options)
    for step in range(4):
        gradients(net, step)
        optimizer.step()
    return optimizer

def ways(count, dtype):
    yield "uneven", 9, lambda net: sharded(net, count)
    yield "tensor", 12, lambda net: parallel(net, init_device_mesh("cpu", (count,)))
    if count == 4:
        mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "tp"))
        yield "both", 12, lambda net: sharded(parallel(net, mesh["tp"]), mesh=mesh["dp"])
        yield "copies", 9, lambda net: sharded(net, mesh=mesh)

def work(rank, count):
    for name, dtype, options in CASES:
        for way, width, spread in ways(count, dtype):
            net, alone = spread(model(width, dtype)), model(width, dtype)
            optimizer, whole = run(net, name, options), run(alone, name, options)
            case = (name, dtype, options, way)
            assert optimizer.native_share == 1, case
            assert torch.equal(values(net), values(alone)), case
            for one, other in zip(net.parameters(), alone.parameters()):
                for slot, tensor in whole.state[other].items():
                    # As bytes: a remainder may look like a NaN.
                    assert torch.equal(bits(full(optimizer.state[one][slot])), bits(tensor)), (slot, *case)
            if "max_norm" in options:
                assert abs(optimizer.last_step.grad_norm / whole.last_step.grad_norm - 1) < 1e-12, case

for count in (2, 4):
    in_processes(count, work)
""",
        timeout=600,
    )


def test_tensor_parallel(run_python: Any) -> None:
    """Parts along rows, along columns, and whole parameters in one model."""
    run_python(
        PROCESSES
        + """
def work(rank, count):
    mesh = init_device_mesh("cpu", (count,))
    ended = []
    for module in (torch.optim, martlet.torch):
        net = parallel(model(width=8), mesh)
        optimizer = module.AdamW(net.parameters(), lr=0.02)
        train(net, optimizer, 0, count)  # with the same batch everywhere
        ended.append(values(net))
    assert optimizer.native_share == 1
    torch.testing.assert_close(ended[1], ended[0], rtol=1e-5, atol=1e-6)
    alone = model(width=8)
    whole = martlet.torch.AdamW(alone.parameters(), lr=0.02)
    train_whole(alone, whole, 1)
    torch.testing.assert_close(ended[1], values(alone), rtol=1e-5, atol=1e-6)
    for options in ({"max_norm": 0.1}, {"cautious": True}):
        net, alone = parallel(model(width=8), mesh), model(width=8)
        optimizer = martlet.torch.AdamW(net.parameters(), lr=0.02, **options)
        whole = martlet.torch.AdamW(alone.parameters(), lr=0.02, **options)
        train(net, optimizer, 0, count)
        train_whole(alone, whole, 1)
        torch.testing.assert_close(values(net), values(alone), rtol=1e-5, atol=1e-6)
    net = nn.ModuleList([sharded(model(), count), model()])  # and beside those that are no DTensors
    alone = nn.ModuleList([model(), model()])
    optimizers = [martlet.torch.AdamW(one.parameters(), lr=0.02, max_norm=0.5) for one in (net, alone)]
    for step in range(3):
        for one, optimizer in zip((net, alone), optimizers):
            gradients(one, step)
            optimizer.step()
    assert torch.equal(values(net), values(alone))

in_processes(2, work)
""",
        timeout=600,
    )


def test_a_mesh_of_some_processes(run_python: Any) -> None:
    """Of two dimensions, each of which cuts parameters, in one process each a copy of some: sums and matrices go over
    the processes of the mesh, and another has no part in it."""
    run_python(
        PROCESSES
        + """
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import Replicate, Shard

def spread(tensor, mesh, placements):
    return distribute_tensor(tensor, mesh, placements, src_data_rank=None)

def work(rank, count):
    mesh = DeviceMesh("cpu", torch.arange(4).view(2, 2))
    ways = [(Shard(0), Shard(1)), (Shard(1), Shard(0)), (Replicate(), Shard(0))]
    for name, options in (("AdamW", {"max_norm": 0.5}), ("Muon", {"max_norm": 0.5}), ("LAMB", {})):
        if rank == 4:
            continue
        torch.manual_seed(0)
        alone = [nn.Parameter(torch.randn(8, 6)) for _ in ways]
        parts = [nn.Parameter(spread(one.detach(), mesh, way)) for one, way in zip(alone, ways)]
        kind = getattr(martlet.torch, name)
        optimizer, whole = kind(parts, lr=0.1, **options), kind(alone, lr=0.1, **options)
        for step in range(3):
            for mine, one, way in zip(parts, alone, ways):
                one.grad = torch.randn(8, 6)
                mine.grad = spread(one.grad, mesh, way)
            optimizer.step()
            whole.step()
        for mine, one in zip(parts, alone):
            assert torch.equal(full(mine), one), name
    dist.barrier()

in_processes(5, work)
""",
        timeout=600,
    )
