"""State of parameters of which processes have parts, in files: torch.distributed.checkpoint, torch's optimizers and
ours, other numbers of processes.
"""

from __future__ import annotations

from typing import Any

from many_processes import FILES


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


def test_state_of_another_mesh(run_python: Any) -> None:
    """Is refused where it did not come through a checkpoint, with the sizes of both."""
    run_python(
        FILES
        + """
def work(rank, count):
    four = sharded(model(), mesh=init_device_mesh("cpu", (4,)))
    two = sharded(model(), mesh=init_device_mesh("cpu", (2, 2), mesh_dim_names=("a", "b"))["b"])
    theirs = martlet.torch.AdamW(four.parameters(), lr=0.02)
    optimizer = martlet.torch.AdamW(two.parameters(), lr=0.5, strict=True)
    steps(four, theirs, range(1))
    try:
        optimizer.load_state_dict(theirs.state_dict())
        raise SystemExit("it loaded")
    except martlet.FormatError as error:
        places = (f"placed (Shard(dim=0),) on a mesh of {size} from rank {first}"
                  for size, first in ((4, 0), (2, rank // 2 * 2)))
        wanted = "exp_avg is a DTensor {}, and its parameter is {}: load the state through".format(*places)
        assert wanted in str(error), error
    assert not optimizer.state and optimizer.param_groups[0]["lr"] == 0.5
    two[0].weight.grad = four[0].weight.grad
    try:
        optimizer.step()
        raise SystemExit("it stepped")
    except martlet.MartletError as error:
        assert "on a mesh of 4 from rank 0, and its parameter is placed" in str(error), error

in_processes(4, work)
""",
        timeout=300,
    )
