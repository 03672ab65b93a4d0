"""What processes that step together do where they are not alike: each raises an error that names what differs, none
waits for another, nothing is stepped, and the next step is as ever. And where one finds a gradient that is not finite.
"""

from __future__ import annotations

from typing import Any

from many_processes import PROCESSES

ATTEMPTS = (
    PROCESSES
    + """
mt = martlet.torch

def local(net):
    return torch.cat([p.detach()._local_tensor.flatten() for p in net.parameters()])

def attempts(make, rank, before, steps=3):
    # What each step of an optimizer raises, or None; and what became of the parameters in each.
    net = sharded(model(), 2)
    optimizer = make(net)
    for step in range(steps):
        gradients(net, step)
        before(net, optimizer, step)
        kept = local(net)
        try:
            optimizer.step()
            yield None, kept, local(net), optimizer
        except martlet.MartletError as error:
            yield error, kept, local(net), optimizer

def nothing(net, optimizer, step):
    pass
"""
)


def test_options_that_differ(run_python: Any) -> None:
    """From the first step on where any step needs other processes; and later."""
    run_python(
        ATTEMPTS
        + """
def work(rank, count):
    def later(net, optimizer, step):
        if step == 1 and rank:
            optimizer.param_groups[0]["lr"] = 0.5
    def one(key, **options):
        return {key: options[key]} if rank else {}
    cases = [
        ("param_groups[0]['lr'] is 0.1 on rank 0 and 1.1 on rank 1; wanted the same", 0,
         lambda net: mt.Muon(net, lr=0.1 + rank), nothing),
        ("the algorithm of param_groups[0] is lion on rank 0 and adamw on rank 1", 0,
         lambda net: (mt.AdamW if rank else mt.Lion)(net.parameters(), max_norm=1.0), nothing),
        ("param_groups[0]['betas'] is (0.9, 0.99) on rank 0 and (0.9, 0.991) on rank 1", 0,
         lambda net: mt.AdamW(net.parameters(), betas=(0.9, 0.99 + rank * 0.001)), nothing),
        ("param_groups[0]['max_norm'] is not given on rank 0 and 1.0 on rank 1", 0,
         lambda net: mt.AdamW(net.parameters(), **one("max_norm", max_norm=1.0)), nothing),
        ("param_groups[0]['seed'] is not given on rank 0 and 7 on rank 1", 0,
         lambda net: mt.AdamW(net.parameters(), **one("seed", seed=7)), nothing),
        ("the number of parameters in param_groups[0] is 3 on rank 0 and 4 on rank 1", 0,
         lambda net: mt.AdamW(list(net.parameters())[1 - rank:]), nothing),
        ("param_groups[0]['lr'] is 0.001 on rank 0 and 0.5 on rank 1", 1,
         lambda net: mt.AdamW(net.parameters(), max_norm=1.0), later),
    ]
    for text, first, make, before in cases:
        found = list(attempts(make, rank, before, steps=2))
        for step, (error, kept, now, optimizer) in enumerate(found):
            if step < first:
                assert error is None, (text, error)
                continue
            assert type(error) is martlet.ArgumentError and str(error).startswith(text), (text, error)
            assert torch.equal(kept, now), text
            assert bool(optimizer.state) is bool(first), text

def copies(rank, count):
    # Of a mesh of two by two: other ranks have a copy of what these have parts of, and compare at the first step.
    for options in ({}, {"max_norm": 1.0}):
        net = sharded(model(), mesh=init_device_mesh("cpu", (2, 2), mesh_dim_names=("copies", "parts")))
        optimizer = mt.AdamW(net.parameters(), lr=0.1 + rank // 2, **options)
        gradients(net, 0)
        kept = local(net)
        try:
            optimizer.step()
            raise SystemExit("it stepped")
        except martlet.ArgumentError as error:
            assert "['lr'] is 0.1 on rank 0 and 1.1 on rank 2" in str(error), error
        assert torch.equal(local(net), kept)
        optimizer.param_groups[0]["lr"] = 0.1
        optimizer.step()
        optimizer.step()
        assert not torch.equal(local(net), kept)

in_processes(2, work)
in_processes(4, copies)
""",
        timeout=600,
    )


def test_a_process_that_cannot_step(run_python: Any) -> None:
    """Before the library is called, inside it, and where it has no gradient that others have."""
    run_python(
        ATTEMPTS
        + """
def work(rank, count):
    def freed(net, optimizer, step):
        if rank and step == 1:
            next(net.parameters()).grad._local_tensor.untyped_storage().resize_(0)
    def none(net, optimizer, step):
        if rank and step == 1:
            next(net.parameters()).grad = None
    def shared(net, optimizer, step):
        # State in one memory, of an element-wise rule beside Muon's too.
        held = optimizer.state[net[2].bias]
        if rank and step:
            keep.append(held["exp_avg_sq"]._local_tensor)
            held["exp_avg_sq"]._local_tensor = held["exp_avg"]._local_tensor if step == 1 else keep[0]
    keep = []
    ways = [("clip", lambda net: mt.AdamW(net.named_parameters(), max_norm=1.0)), ("muon", lambda net: mt.Muon(net))]
    here = {freed: "the gradient of parameter '0.weight' has a storage of 0 bytes", shared: "overlap in memory"}
    there = {freed: "rank 1 cannot take this step: the gradient of parameter '0.weight' has a storage of 0",
             shared: "cannot take this step"}
    here[none] = there[none] = "the gradient of parameter '0.weight' is a tensor on rank 0 and None on rank 1"
    for before in (freed, none, shared):
        for way, make in ways:
            keep.clear()
            found = list(attempts(make, rank, before))
            errors = [error for error, _, _, _ in found]
            assert errors[0] is None and errors[2] is None, (before, way, errors)
            assert (here if rank else there)[before] in str(errors[1]), (before, way, errors)
            _, kept, now, _ = found[1]
            if before is not shared or way == "clip":
                assert torch.equal(kept, now), (before, way)
            _, kept, now, _ = found[2]
            assert not torch.equal(kept, now), (before, way)
    # Averages that parameters are swapped for, of which one process has lost a part.
    net = sharded(model(), count)
    optimizer = mt.Muon(net, ema_decay=0.5)
    gradients(net, 0)
    optimizer.step()
    if rank:
        optimizer.state[net[0].weight]["ema_params"]._local_tensor.untyped_storage().resize_(0)
    kept = local(net)
    try:
        optimizer.swap_averages()
        raise SystemExit("it swapped")
    except martlet.MartletError as error:
        assert "ema_params of parameter '0.weight' has a storage of 0 bytes" in str(error), error
    assert torch.equal(kept, local(net))

in_processes(2, work)
""",
        timeout=600,
    )


def test_gradients_that_are_not_finite_in_one_process(run_python: Any) -> None:
    """All skip alike, or all end as torch's clip leaves them; GradScaler's word of one process is heard by all."""
    run_python(
        ATTEMPTS
        + """
def work(rank, count):
    makes = {"AdamW": lambda net, **options: mt.AdamW(net.named_parameters(), **options), "Muon": mt.Muon}
    for number in (float("nan"), float("inf")):
        def poisoned(net, optimizer, step):
            if rank and step == 1:
                next(net.parameters()).grad._local_tensor[0] = number
        for name, make in makes.items():
            found = list(attempts(lambda net: make(net, max_norm=1.0, skip_nonfinite=True), rank, poisoned))
            for step, (error, kept, now, optimizer) in enumerate(found):
                assert error is None and torch.equal(kept, now) == (step == 1), (name, number, step)
            net = sharded(model(), 2)
            optimizer = make(net, max_norm=1.0, skip_nonfinite=True)
            gradients(net, 1)
            poisoned(net, optimizer, 1)
            optimizer.step()
            assert optimizer.last_step.skipped and optimizer.last_step.nonfinite == "parameter '0.weight'"
            net, alone = sharded(model(), 2), model()
            optimizer = make(net, max_norm=1.0, **({"weight_decay": 0.0} if name == "Muon" else {}))
            gradients(net, 1)
            poisoned(net, optimizer, 1)
            gradients(alone, 1)
            alone[0].weight.grad[5] = number  # the first row of rank 1
            nn.utils.clip_grad_norm_(alone.parameters(), 1.0)
            torchs = torch.optim.AdamW(alone.parameters())
            if name == "AdamW":
                torchs.step()
                optimizer.step()
                assert torch.equal(values(net).isnan(), values(alone).isnan()), number
                torch.testing.assert_close(values(net), values(alone), equal_nan=True)
            else:  # a gradient of zeros leaves a matrix where it is, and one with a NaN leaves none of it
                optimizer.step()
                assert values(net)[:54].isnan().all(), number
                assert bool(values(net)[63:90].isnan().any()) == (number != number)
    at = 0
    def said(net, optimizer, step):
        optimizer.found_inf = torch.tensor(float(rank == 1 and step == at))
        optimizer.grad_scale = torch.tensor(2.0)
    for make in (lambda net: mt.AdamW(net.parameters(), max_norm=1.0, fused=True), mt.Muon):
        for at in (0, 1):
            for step, (error, kept, now, optimizer) in enumerate(attempts(make, rank, said)):
                assert error is None and torch.equal(kept, now) == (step == at), (at, step)
                assert optimizer.last_step.skipped == (step == at)

in_processes(2, work)
""",
        timeout=600,
    )
