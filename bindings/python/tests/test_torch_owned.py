"""Parameters in parts that one process steps as a whole: who does, what stands around such a step, and what it
refuses."""

from __future__ import annotations

from typing import Any

from many_processes import PROCESSES


def test_owners_share_the_work(run_python: Any) -> None:
    """By sizes, the largest first; and no process holds a matrix of another's."""
    run_python(
        PROCESSES
        + """
from martlet.torch import gathered

stepped = []
class Noting(gathered.Whole):
    def __init__(self, *args):
        super().__init__(*args)
        whole, _, _ = self.wholes() if self.is_owner else (None, None, None)
        stepped.append((self.name, self.is_owner, whole is not None))
        assert self.is_owner or self.value.whole is None
gathered.Whole = Noting

def work(rank, count):
    torch.manual_seed(0)
    net = nn.Sequential(*(nn.Linear(8, size, bias=False) for size in (20, 6, 12, 9, 5)))
    net = sharded(net, count)
    optimizer = martlet.torch.Muon([*net.named_parameters()], rules=[("*", "muon")])
    gradients(net, 0)
    optimizer.step()
    # By products with the smaller side: 1280 to the first process; 768 and 576 to the second, 288 to the first, 200
    # again to the second.
    owned = {name for name, is_owner, _ in stepped if is_owner}
    names = lambda *places: {f"parameter '{place}.weight'" for place in places}
    assert len(stepped) == 5
    assert owned == (names(0, 1) if rank == 0 else names(2, 3, 4)), owned

in_processes(2, work)
""",
        timeout=600,
    )


def test_what_stands_around_a_step(run_python: Any) -> None:
    """Copies, gradients that are zeroed, averages that parameters are swapped for, other modes, loss scales, and steps
    without some gradients: as in one process."""
    run_python(
        PROCESSES
        + """
def both(name, spread, width=9, dtype=torch.float32, **options):
    net, alone = spread(model(width, dtype)), model(width, dtype)
    return (net, made(name, net, lr=0.02, **options)), (alone, made(name, alone, lr=0.02, **options))

def same(net, alone, what):
    assert torch.equal(values(net), values(alone)), what

def work(rank, count):
    mesh = init_device_mesh("cpu", (count,))
    fsdp = lambda net: sharded(net, count)
    (net, ours), (alone, whole) = both("Muon", fsdp, param_copy=torch.bfloat16, zero_grads=True, ema_decay=0.5)
    for step in range(3):
        for one, optimizer in ((net, ours), (alone, whole)):
            gradients(one, step)
            optimizer.step()
    for mine, other in zip(net.parameters(), alone.parameters()):
        assert torch.equal(full(ours.param_copies[mine]), whole.param_copies[other])
        assert not full(mine.grad).any()
    same(net, alone, "steps")
    for one, optimizer in ((net, ours), (alone, whole)):
        optimizer.zero_grad()
        optimizer.swap_averages()
    same(net, alone, "averages")
    for optimizer in (ours, whole):
        optimizer.swap_averages()
    same(net, alone, "and back")
    tensors = lambda net: parallel(net, mesh)
    (net, ours), (alone, whole) = both(
        "AdamWScheduleFree", tensors, 8, torch.bfloat16, low_precision="stochastic", loss_scale=4.0
    )
    for turn in range(2):
        for one, optimizer in ((net, ours), (alone, whole)):
            optimizer.train()
            gradients(one, turn)
            optimizer.step()
            optimizer.eval()
        same(net, alone, "modes")
    (net, ours), (alone, whole) = both("Muon", fsdp, max_norm=0.5)
    for step in range(4):
        for one, optimizer in ((net, ours), (alone, whole)):
            gradients(one, step)
            if step % 2:
                one[0].weight.grad = None
                one[2].bias.grad = None
            optimizer.step()
        same(net, alone, step)
        assert abs(ours.last_step.grad_norm / whole.last_step.grad_norm - 1) < 1e-12

in_processes(2, work)
""",
        timeout=600,
    )


def test_what_is_refused(run_python: Any) -> None:
    """By all processes, before anything is changed, with the remedy."""
    run_python(
        PROCESSES
        + """
from martlet.torch import company

def work(rank, count):
    cases = [
        ("measure_update is of all parameters", lambda net: martlet.torch.Muon(net, measure_update=True)),
        ("accumulate in .grad", lambda net: martlet.torch.Muon(net, accumulate=2, max_norm=1.0)),
        ("wanted an optimizer for each", lambda net: martlet.torch.LAMB(
            [{"params": [net[0].weight]}, {"params": [net[2].weight], "algorithm": "prodigy"},
             {"params": [net[0].bias], "algorithm": "adafactor"}])),
    ]
    for text, make in cases:
        net = sharded(model(), count)
        optimizer = make(net)
        gradients(net, 0)
        before = values(net)
        try:
            optimizer.step()
            raise SystemExit(f"it stepped: {text}")
        except martlet.UnsupportedError as error:
            assert text in str(error), error
        assert torch.equal(values(net), before)
        assert not optimizer.state
    net = sharded(model(), count)
    optimizer = martlet.torch.Muon(net)
    optimizer.reduce_sums = dist.all_reduce
    gradients(net, 0)
    try:
        optimizer.step()
        raise SystemExit("it stepped with reduce_sums")
    except martlet.UnsupportedError as error:
        assert "leave it None for DTensors" in str(error), error
    company.can_talk = lambda: False  # as on a mesh of GPUs whose parameters are offloaded
    for options, text in (({}, None), ({"max_norm": 1.0}, "give init_process_group one, as in 'cpu:gloo,cuda:nccl'")):
        net = sharded(model(), count)
        gradients(net, 0)
        optimizer = martlet.torch.AdamW(net.parameters(), **options)
        try:
            optimizer.step()
            assert text is None
        except martlet.UnsupportedError as error:
            assert text and text in str(error), error

in_processes(2, work)
""",
        timeout=600,
    )


def test_gradients_that_are_to_be_added_up(run_python: Any) -> None:
    """torch steps by those, as by none of our words; also where the steps before had others, of the same shapes."""
    run_python(
        PROCESSES
        + """
from torch.distributed.tensor import DTensor, Partial, Replicate

def work(rank, count):
    mesh = init_device_mesh("cpu", (count,))
    ended = []
    for module, others in ((torch.optim, 0), (martlet.torch, 0), (martlet.torch, 1)):
        parameter = nn.Parameter(distribute_tensor(torch.ones(4, 3), mesh, [Replicate()]))
        beside = [nn.Parameter(torch.ones(2)) for _ in range(others)]
        for one in beside:
            one.grad = torch.ones(2)
        optimizer = module.AdamW([parameter, *beside], lr=0.1)
        for step in range(4):
            part = torch.full((4, 3), 1.0 + step + rank)
            placement = Partial() if step % 2 else Replicate()
            parameter.grad = DTensor.from_local(torch.ones(4, 3) if step % 2 == 0 else part, mesh, [placement])
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                optimizer.step()
            if module is martlet.torch:
                native = (12 * ((step + 1) % 2) + 2 * others) / (12 + 2 * others)
                assert optimizer.native_share == native, step
        ended.append(values(nn.ParameterList([parameter])))
    for end in ended[1:]:
        torch.testing.assert_close(end, ended[0])

in_processes(2, work)
""",
        timeout=600,
    )
