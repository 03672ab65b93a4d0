"""State of 16, 8 and 4 bits of parameters of which processes have parts, in files: numbers, which are blocked anew."""

from __future__ import annotations

from typing import Any

from many_processes import FILES

WIDE = (
    FILES
    + """
# The largest relative rounding of a number, and the smallest number beside a block's largest.
BOUNDS = {"fp16": (1 / 2048, 2.0 ** -31), "int8": (1 / 16, 2.0 ** -15), "int4": (1 / 5, 1 / 8)}

def wide():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 1031), nn.Tanh(), nn.Linear(1031, 3))
"""
)


def test_state_of_few_bits(run_python: Any) -> None:
    """Blocked by parts: it leaves as numbers, which as many processes read back to the same codes, another number of
    them with one rounding more, and torch's optimizer as they are. Matrices that one process steps have none."""
    run_python(
        WIDE
        + """
def save(rank, count):
    for bits in BOUNDS:
        net = sharded(wide(), count)
        optimizer = martlet.torch.AdamW(net.parameters(), lr=0.01, state_dtype=bits)
        steps(net, optimizer, range(3))
        codes = optimizer.state[net[0].weight]["exp_avg"]
        assert codes.dtype == torch.uint8 and codes.numel() < 3 * net[0].weight._local_tensor.numel()
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
        assert (off == 0) if count == 4 else (off < {"fp16": 1e-4, "int8": 3e-3, "int4": 3e-2}[bits]), (bits, off)
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


def test_few_bits_to_and_from_one_process(run_python: Any) -> None:
    """By files, from and into a plain model and one that is spread over a mesh of one; and by a whole state_dict, whose
    codes are of the whole. Each number is rounded once more, and what has the same blocks is the same."""
    run_python(
        WIDE
        + """
def near(found, wanted, bits, case, same=False):
    share, least = BOUNDS[bits]
    for mine, theirs in zip(found, wanted, strict=True):
        for slot in ("exp_avg", "exp_avg_sq"):
            one, other = full(mine[slot]), full(theirs[slot])
            limit = torch.maximum(share * other.abs(), least * other.abs().max())
            assert ((one - other).abs() <= limit).all(), (case, slot)
            assert torch.equal(one, other) or not same, (case, slot)

def state_of(optimizer):
    return [optimizer.state_dict()["state"][place] for place in range(4)]

def ways(count):
    yield "mesh", sharded(wide(), count)
    if count == 1:
        yield "plain", wide()

def save(rank, count):
    for bits in BOUNDS:
        for way, net in ways(count):
            optimizer = martlet.torch.AdamW(net.parameters(), lr=0.01, state_dtype=bits)
            steps(net, optimizer, range(3))
            assert optimizer.state[net[0].weight]["exp_avg"].dtype == torch.uint8
            saved(net, optimizer, f"{bits} {way} {count}")

def resume(rank, count):
    for bits in BOUNDS:
        for source in ("mesh 1", "plain 1", "mesh 2"):
            for way, net in ways(count):
                optimizer = martlet.torch.AdamW(net.parameters(), lr=0.5, state_dtype=bits)
                state = loaded(net, optimizer, f"{bits} {source}")["state"]
                wanted = [state[name] for name, _ in net.named_parameters()]
                near(state_of(optimizer), wanted, bits, (bits, source, way), same=source[-1] == str(count))
                assert optimizer.state[net[0].weight]["exp_avg"].dtype == torch.uint8
                steps(net, optimizer, range(3, 5))
                assert optimizer.native_share == 1

def whole(rank, count):
    for bits in BOUNDS:
        alone, net = wide(), sharded(wide(), count)
        theirs = martlet.torch.AdamW(alone.parameters(), lr=0.01, state_dtype=bits)
        steps(alone, theirs, range(3))
        wanted = state_of(theirs)
        codes = {place: dict(theirs.state[one]) for place, one in enumerate(alone.parameters())}
        assert codes[0]["exp_avg"].dtype == torch.uint8
        packed = {**theirs.state_dict(), "state": codes}  # as where there is one process
        for given in (packed, theirs.state_dict()):
            optimizer = martlet.torch.AdamW(net.parameters(), lr=0.5, state_dtype=bits)
            optimizer.load_state_dict(given)
            near(state_of(optimizer), wanted, bits, (bits, "whole"))
            assert optimizer.state[net[0].weight]["exp_avg"].dtype == torch.uint8
        steps(net, optimizer, range(3, 5))
        again = martlet.torch.AdamW(alone.parameters(), lr=0.5, state_dtype=bits)
        again.load_state_dict(theirs.state_dict())
        for one in alone.parameters():
            for slot, tensor in theirs.state[one].items():
                assert torch.equal(again.state[one][slot], tensor), (bits, slot)

with tempfile.TemporaryDirectory() as where:
    in_processes(1, save)
    in_processes(2, save)
    in_processes(1, resume)
    in_processes(2, resume)
    in_processes(2, whole)
""",
        timeout=600,
    )
