"""State of parameters of which processes have parts, in files: torch.distributed.checkpoint, torch's optimizers and
ours, other numbers of processes.
"""

from __future__ import annotations

from typing import Any

from many_processes import PROCESSES

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


def test_what_four_processes_save_goes_on_in_two(run_python: Any) -> None:
    """From torch's optimizer and from ours, into torch's and into ours: ours to the bit of one process that was never
    interrupted, whatever its state's shapes."""
    run_python(
        FILES
        + """
BOTH = {"AdamW": model, "Muon": matrices}
OURS = [("Muon", {}), ("Muon", {"normuon": True}), ("SOAP", {}), ("Shampoo", {}), ("Adafactor", {}),
        ("AdamMini", {"n_heads": 3}), ("AdamW", {"ema_decay": 0.9}), ("Adam", {"state_dtype": torch.bfloat16})]

def save(rank, count):
    for name, net_of in BOTH.items():
        for module in (torch.optim, martlet.torch):
            net = sharded(net_of(), count)
            optimizer = getattr(module, name)(net.parameters(), lr=0.02)
            steps(net, optimizer, range(3))
            saved(net, optimizer, f"{module.__name__} {name}")
    for place, (name, options) in enumerate(OURS):
        net = sharded(model(), count)
        optimizer = made(name, net, lr=0.02, **options)
        steps(net, optimizer, range(3))
        saved(net, optimizer, str(place))

def resume(rank, count):
    for name, net_of in BOTH.items():
        ended = []
        for source in (torch.optim, martlet.torch):
            for module in (torch.optim, martlet.torch):
                net = sharded(net_of(), count)
                optimizer = getattr(module, name)(net.parameters(), lr=0.5)
                loaded(net, optimizer, f"{source.__name__} {name}")
                assert optimizer.param_groups[0]["lr"] == 0.02
                if name == "AdamW":
                    assert {float(full(entry["step"])) for entry in optimizer.state.values()} == {3.0}
                steps(net, optimizer, range(3, 6))
                if module is martlet.torch:
                    assert optimizer.native_share == 1
                ended.append(values(net))
        # torch multiplies Muon's matrices in bfloat16.
        near = {"rtol": 1e-5, "atol": 1e-6} if name == "AdamW" else {"rtol": 0, "atol": 3e-3}
        for end in ended[1:]:
            torch.testing.assert_close(end, ended[0], **near)
    for place, (name, options) in enumerate(OURS):
        net, alone = sharded(model(), count), model()
        optimizer = made(name, net, lr=0.5, **options)
        loaded(net, optimizer, str(place))
        steps(net, optimizer, range(3, 6))
        whole = made(name, alone, lr=0.02, **options)
        steps(alone, whole, range(3))
        for group in whole.param_groups[1:]:
            group["lr"] = optimizer.param_groups[1]["lr"]
        steps(alone, whole, range(3, 6))
        assert torch.equal(values(net), values(alone)), (name, options)

with tempfile.TemporaryDirectory() as where:
    in_processes(4, save)
    in_processes(2, resume)
""",
        timeout=600,
    )


def test_whole_state_dicts(run_python: Any) -> None:
    """Of one process into several, by load_state_dict as it is; and out of several, as full_state_dict asks."""
    run_python(
        FILES
        + """
def work(rank, count):
    for name, options in (("AdamW", {}), ("Muon", {}), ("SOAP", {}), ("LAMB", {"state_dtype": "bf16"})):
        net, alone = sharded(model(), count), model()
        whole = made(name, alone, lr=0.02, **options)
        steps(alone, whole, range(3))
        packed = whole.state_dict()
        for mine, other in zip(net.parameters(), alone.parameters()):
            with torch.no_grad():
                mine.copy_(distribute_tensor(other.detach(), mine.device_mesh, mine.placements))
        optimizer = made(name, net, lr=0.5, **options)
        optimizer.load_state_dict(packed)
        for one in (net, alone):
            steps(one, optimizer if one is net else whole, range(3, 5))
        assert optimizer.native_share == 1
        assert torch.equal(values(net), values(alone)), name
        _, given = get_state_dict(net, optimizer, options=StateDictOptions(full_state_dict=True))
        if rank == 0:
            for key, parameter in alone.named_parameters():
                for slot, tensor in whole.state[parameter].items():
                    assert torch.equal(given["state"][key][slot], tensor), (name, key, slot)
    # State of a square matrix's sides has its shape, and lies otherwise.
    from torch.distributed.tensor import Shard
    torch.manual_seed(0)
    alone = nn.ParameterList([torch.randn(6, 6)])
    net = nn.ParameterList([distribute_tensor(alone[0].detach(), init_device_mesh("cpu", (count,)), [Shard(1)])])
    whole, optimizer = (martlet.torch.SOAP(one.parameters(), lr=0.02) for one in (alone, net))
    steps(alone, whole, range(2))
    with torch.no_grad():
        net[0].copy_(distribute_tensor(alone[0].detach(), net[0].device_mesh, [Shard(1)]))
    for packed in (whole.state_dict, optimizer.state_dict):
        optimizer.load_state_dict(packed())
    steps(net, optimizer, range(2, 4))
    steps(alone, whole, range(2, 4))
    assert torch.equal(values(net), values(alone))
    # What lies otherwise needs to be moved between processes.
    other = parallel(model(8), init_device_mesh("cpu", (count,)))
    theirs, net = martlet.torch.AdamW(other.parameters()), sharded(model(8), count)
    optimizer = martlet.torch.AdamW(net.parameters())
    steps(other, theirs, range(1))
    try:
        optimizer.load_state_dict(theirs.state_dict())
        raise SystemExit("it loaded")
    except martlet.FormatError as error:
        assert "load the state through torch.distributed.checkpoint" in str(error), error
    assert not optimizer.state

in_processes(2, work)
""",
        timeout=600,
    )


def test_state_of_few_bits(run_python: Any) -> None:
    """Blocked by parts: it leaves as numbers, which as many processes read back to the same codes, another number of
    them with one rounding more, and torch's optimizer as they are. Matrices that one process steps have none."""
    run_python(
        FILES
        + """
# The largest relative rounding of a number, and the smallest number beside a block's largest.
BOUNDS = {"int8": (1 / 16, 2.0 ** -15), "int4": (1 / 5, 1 / 8)}

def wide():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 1031), nn.Tanh(), nn.Linear(1031, 3))

def save(rank, count):
    for bits in BOUNDS:
        net = sharded(wide(), count)
        optimizer = martlet.torch.AdamW(net.parameters(), lr=0.01, state_dtype=bits)
        steps(net, optimizer, range(3))
        codes = optimizer.state[net[0].weight]["exp_avg"]
        assert codes.dtype == torch.uint8 and codes.numel() < 2 * net[0].weight._local_tensor.numel()
        saved(net, optimizer, bits)
        again = martlet.torch.AdamW(net.parameters(), lr=0.01, state_dtype=bits)
        again.load_state_dict(optimizer.state_dict())
        for parameter in net.parameters():
            for slot, tensor in optimizer.state[parameter].items():
                assert torch.equal(full(again.state[parameter][slot]), full(tensor)), (bits, slot)
        steps(net, optimizer, range(3, 6))
        torch.save(values(net), os.path.join(where, f"{bits} {rank}.pt"))

def resume(rank, count):
    for bits, (share, least) in BOUNDS.items():
        net = sharded(wide(), count)
        optimizer = martlet.torch.AdamW(net.parameters(), lr=0.01, state_dtype=bits)
        state = loaded(net, optimizer, bits)["state"]
        found = optimizer.state_dict()["state"]
        for place, name in enumerate(dict(net.named_parameters())):
            for slot in ("exp_avg", "exp_avg_sq"):
                mine, theirs = full(found[place][slot]), full(state[name][slot])
                limit = torch.maximum(share * theirs.abs(), least * theirs.abs().max())
                assert ((mine - theirs).abs() <= limit).all(), (bits, name, slot)
                is_same = torch.equal(mine, theirs)
                assert is_same == (count == 4 or found[place][slot].numel() < 4096), (bits, name, slot)
        steps(net, optimizer, range(3, 6))
        assert optimizer.native_share == 1
        end = torch.load(os.path.join(where, f"{bits} 0.pt"))
        off = (values(net) - end).abs().max()
        assert (off == 0) if count == 4 else (off < {"int8": 3e-3, "int4": 3e-2}[bits]), (bits, off)
        theirs = torch.optim.AdamW(net.parameters(), lr=0.01)
        theirs.load_state_dict(optimizer.state_dict())
        steps(net, theirs, range(6, 7))
    net = sharded(wide(), count)
    optimizer = martlet.torch.Muon(net, lr=0.01, state_dtype="int8")
    steps(net, optimizer, range(2))
    assert optimizer.state[net[0].weight]["momentum_buffer"].dtype == torch.float32
    assert optimizer.native_share == 1

with tempfile.TemporaryDirectory() as where:
    in_processes(4, save)
    in_processes(2, resume)
    in_processes(4, resume)
""",
        timeout=600,
    )
