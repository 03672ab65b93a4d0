"""What one process does alone, of those that step together: it is set otherwise than before, or does what needs all of
them. It raises an error, or all do, and none waits for another.
"""

from __future__ import annotations

from typing import Any

from many_processes import ALONE


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


def test_what_is_left_in_the_store(run_python: Any) -> None:
    """No more in a long run than in a short one: of steps, of failures and of calls."""
    run_python(
        ALONE
        + """
def fails(*others):
    raise ValueError

def work(rank, count):
    store = dist.distributed_c10d._get_default_store()
    net = sharded(model(), count)
    optimizer = mt.AdamW(net.parameters())
    group = optimizer.param_groups[0]
    gradients(net, 0)
    def keys():
        dist.barrier()
        found = store.num_keys()
        dist.barrier()
        return found
    assert raised(optimizer.step) is None
    kept = []
    for turn in range(3):
        for _ in range(40):
            group["max_norm"] = 1.0
            assert raised(optimizer.step) is None
            handle = optimizer.register_step_pre_hook(fails) if rank else None
            assert type(raised(optimizer.step)) is (ValueError if rank else martlet.OrderError)
            if rank:
                handle.remove()
            del group["max_norm"]
            assert raised(optimizer.step) is None
        kept.append(keys())
    assert kept[0] == kept[2], kept

in_processes(2, work)
""",
        timeout=300,
    )
