"""What one process does alone, of those that step together: it fails where others wait for it, skips a step, or is set
otherwise than before. It raises an error, those that wait raise one that names it, and the next step is as ever.
"""

from __future__ import annotations

from typing import Any

from many_processes import PROCESSES

ALONE = (
    PROCESSES
    + """
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
    return [full(t).clone() for p in net.parameters() for t in (p.detach(), *optimizer._states[p].values())]

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


def test_options_that_one_changes_later(run_python: Any) -> None:
    """Who begins to need others calls them, and gives up; who ceases to need them is heard. All together may."""
    run_python(
        ALONE
        + """
def work(rank, count):
    rooms.PATIENCE = 0.5
    net = sharded(model(), count)
    optimizer = mt.AdamW(net.parameters())
    group = optimizer.param_groups[0]
    assert stepped(net, optimizer, 0) is None
    gradients(net, 1)
    if rank:
        before = state(nn.ParameterList(), optimizer), [p.detach()._local_tensor.clone() for p in net.parameters()]
        group["max_norm"] = 0.5
        error = raised(optimizer.step)
        assert type(error) is martlet.OrderError, repr(error)
        assert "ranks [0] have not come to a step that needs all of [0, 1], within 0.5 s" in str(error), error
        assert all(torch.equal(p._local_tensor, kept) for p, kept in zip(net.parameters(), before[1]))
    else:
        assert raised(optimizer.step) is None
    dist.barrier()
    group["max_norm"] = 0.5
    rooms.PATIENCE = 60.0
    for step in range(2, 4):
        assert stepped(net, optimizer, step) is None
        assert optimizer.last_step.grad_norm > 0.5
    if rank:
        del group["max_norm"]
    for step in range(2):
        error = stepped(net, optimizer, 4)
        assert type(error) is martlet.ArgumentError, repr(error)
        assert "['max_norm'] is 0.5 on rank 0 and not given on rank 1" in str(error), error
    group.pop("max_norm", None)
    assert stepped(net, optimizer, 5) is None  # where all see that none needs another
    before = rooms.room_of((0, 1))._count
    assert stepped(net, optimizer, 6) is None
    assert rooms.room_of((0, 1))._count == before

in_processes(2, work)
""",
        timeout=300,
    )


def test_groups_that_one_adds(run_python: Any) -> None:
    """Beside steps that need others, and beside steps that do not; and parameters in parts where there were none."""
    run_python(
        ALONE
        + """
def work(rank, count):
    for options in ({}, {"max_norm": 1.0}, None):
        rooms.PATIENCE = 0.5
        net = sharded(model(), count)
        first, second = list(net.parameters())[:2], list(net.parameters())[2:]
        plain = [nn.Parameter(torch.ones(3))]
        plain[0].grad = torch.ones(3)
        optimizer = mt.AdamW(plain if options is None else first, **(options or {}))
        assert stepped(net, optimizer, 0) is None
        if rank:
            optimizer.add_param_group({"params": second})
        error = stepped(net, optimizer, 1)
        if options:
            assert type(error) is martlet.ArgumentError, repr(error)
            assert "the number of param_groups is 1 on rank 0 and 2 on rank 1" in str(error), error
        elif rank:
            assert type(error) is martlet.OrderError and "ranks [0] have not come" in str(error), repr(error)
        else:
            assert error is None
        dist.barrier()
        rooms.PATIENCE = 60.0
        if not rank:
            optimizer.add_param_group({"params": second, "lr": 0.5})
        error = stepped(net, optimizer, 2)
        assert "['lr'] is 0.5 on rank 0 and 0.001 on rank 1" in str(error), repr(error)
        optimizer.param_groups[1]["lr"] = 0.1
        assert stepped(net, optimizer, 3) is None

in_processes(2, work)
""",
        timeout=300,
    )


def test_what_is_raised_before_a_step(run_python: Any) -> None:
    """By a closure, by a hook, by Ctrl-C in it, since parameters are averages or at the trained point: nobody waits,
    and who raises it does not either."""
    run_python(
        ALONE
        + """
def closure():
    raise ValueError("no loss")

def interrupted(optimizer, args, kwargs):
    raise KeyboardInterrupt

def work(rank, count):
    def attempt(make, kind, text, before, call=lambda optimizer: optimizer.step(), after=None, first=1):
        net = sharded(model(), count)
        optimizer = make(net)
        for step in range(first):
            assert stepped(net, optimizer, step) is None, text
        gradients(net, first)
        held = before(optimizer) if rank else None
        kept = state(net, optimizer)
        gradients(net, first)
        heard(raised(lambda: call(optimizer) if rank else optimizer.step()), rank, kind, text)
        assert same(state(net, optimizer), kept), text
        if rank:
            held.remove() if held is not None else after and after(optimizer)
        for step in range(first, first + 2):
            assert stepped(net, optimizer, step) is None, text
        assert not same(state(net, optimizer), kept), text

    clip = lambda net: mt.AdamW(net.parameters(), max_norm=1.0, ema_decay=0.5)
    free = lambda net: mt.AdamWScheduleFree(net.parameters(), max_norm=1.0)
    swap = lambda optimizer: optimizer.swap_averages()
    hook = lambda optimizer: optimizer.register_step_pre_hook(interrupted)
    closed = lambda optimizer: optimizer.step(closure)
    for make in (clip, mt.Muon):
        for first in (0, 1):
            attempt(make, ValueError, "no loss", lambda optimizer: None, closed, first=first)
            attempt(make, KeyboardInterrupt, "KeyboardInterrupt" if not rank else "", hook, first=first)
    attempt(clip, martlet.OrderError, "the parameters are their averages", swap, after=swap)
    attempt(free, martlet.OrderError, "call train() before step()", lambda o: o.eval(), after=lambda o: o.train())

in_processes(2, work)
""",
        timeout=300,
    )


def test_what_is_raised_within_a_step(run_python: Any) -> None:
    """By the library, where a step may ask for no sums; and by Python, as want of memory: nothing has then changed."""
    run_python(
        ALONE
        + """
from martlet import _call

def work(rank, count):
    def overlap(optimizer, net):
        held = optimizer.state[net[2].bias]
        keep = held["exp_avg_sq"]._local_tensor
        held["exp_avg_sq"]._local_tensor = held["exp_avg"]._local_tensor
        def undo():
            held["exp_avg_sq"]._local_tensor = keep
        return undo
    def exhausted(optimizer, net):
        run = _call.StepCall.run
        def fails(self, *others):
            raise MemoryError("none is left")
        _call.StepCall.run = fails
        optimizer._plan = None
        def undo():
            _call.StepCall.run = run
        return undo
    ways = [(overlap, martlet.OverlapError, "overlap in memory"), (exhausted, MemoryError, "none is left")]
    # By each, the parameters that cannot have changed in any process: of others some have been stepped, or added to.
    adamw = lambda net, **options: mt.AdamW(net.parameters(), **options)
    makes = [(lambda net: adamw(net, max_norm=1.0, accumulate=2), ()), (mt.Muon, (0,)),
             (lambda net: mt.SOAP(net, lr=0.01), (0, 2)), (lambda net: adamw(net, clip_norm=1.0), (0, 1, 2, 3))]
    for make, places in makes:
        for break_it, kind, text in ways:
            for at in (2, 3):
                net, alone = sharded(model(), count), model()
                optimizer, whole = make(net), make(alone)
                for step in range(at):
                    assert stepped(net, optimizer, step) is None
                    assert stepped(alone, whole, step) is None
                undo = break_it(optimizer, net) if rank else None
                heard(stepped(net, optimizer, at), rank, kind, text)
                if rank:
                    undo()
                for step in range(at, at + 2):
                    assert stepped(net, optimizer, step) is None
                    assert stepped(alone, whole, step) is None
                for place in places:
                    mine, other = list(net.parameters())[place], list(alone.parameters())[place]
                    assert torch.equal(full(mine), other), (text, at, place)
                    for slot, tensor in whole.state[other].items():
                        assert torch.equal(full(optimizer.state[mine][slot]), tensor), (text, at, place, slot)

in_processes(2, work)
""",
        timeout=300,
    )


def test_averages_that_one_asks_for(run_python: Any) -> None:
    """Where matrices have owners, all exchange them for their averages, or none; where not, one may alone."""
    run_python(
        ALONE
        + """
def work(rank, count):
    net = sharded(model(), count)
    optimizer = mt.Muon(net, ema_decay=0.5)
    assert stepped(net, optimizer, 0) is None
    kept = values(net)
    gradients(net, 1)
    error = raised(optimizer.swap_averages if rank else optimizer.step)
    text = "the call is step() on rank 0 and what exchanges averages, or changes modes on rank 1"
    assert type(error) is martlet.ArgumentError and str(error).startswith(text), repr(error)
    assert torch.equal(values(net), kept)
    optimizer.swap_averages()
    optimizer.swap_averages()
    assert torch.equal(values(net), kept)
    for make in (mt.Muon, lambda net, **options: mt.AdamW(net.parameters(), max_norm=1.0, **options)):
        net = sharded(model(), count)
        optimizer = make(net, ema_decay=0.5)
        assert stepped(net, optimizer, 0) is None
        if rank:
            lost = optimizer.state[net[0].weight]["ema_params"]._local_tensor.untyped_storage()
            lost.resize_(0)
        error = raised(optimizer.swap_averages)
        if make is mt.Muon:
            heard(error, rank, martlet.ShapeError, "ema_params of parameter '0.weight' has a storage of 0 bytes")
        else:
            assert (type(error) is martlet.ShapeError) if rank else error is None, repr(error)
    net = sharded(model(), count)
    optimizer = mt.AdamW(net.parameters(), max_norm=1.0, ema_decay=0.5)
    assert stepped(net, optimizer, 0) is None
    if rank:
        optimizer.swap_averages()
        optimizer.swap_averages()
    assert stepped(net, optimizer, 1) is None

in_processes(2, work)
""",
        timeout=300,
    )
