"""Norms of all gradients where one process steps matrices as a whole: as in one process, whatever the gradients are."""

from __future__ import annotations

from typing import Any

from many_processes import PROCESSES


def test_a_norm_that_is_not_finite_is_its_groups(run_python: Any) -> None:
    """A group that asks for no clip is stepped as ever; others are as in one process, NaN for NaN."""
    run_python(
        PROCESSES
        + """
def groups(net, one, two):
    matrices, vectors = [net[0].weight, net[2].weight], [net[0].bias, net[2].bias]
    return martlet.torch.Muon([{"params": matrices, **one},
                               {"params": vectors, "algorithm": "adamw", "lr": 0.01, **two}], lr=0.02)

def ended(net, one, two, poison, steps):
    optimizer = groups(net, one, two)
    for step in range(steps):
        gradients(net, step)
        if poison is not None:
            gradient = list(net.parameters())[poison[0]].grad
            if not hasattr(gradient, "device_mesh"):
                gradient.view(-1)[0] = poison[1]
            elif dist.get_rank() == 0:
                gradient._local_tensor.view(-1)[0] = poison[1]
        optimizer.step()
    return values(net), optimizer.last_step

def work(rank, count):
    inf, nan = float("inf"), float("nan")
    for one, two in (({"max_norm": .5}, {}), ({}, {"max_norm": .5}), ({"max_norm": .5}, {"max_norm": .2}),
                     ({"clip_norm": .3}, {"max_norm": .5}), ({"measure": True}, {"max_norm": .5})):
        for poison in (None, (0, inf), (1, inf), (1, nan)):
            steps = 1 if poison else 3
            mine, found = ended(sharded(model(), count), one, two, poison, steps)
            theirs, there = ended(model(), one, two, poison, steps)
            case = (one, two, poison)
            assert torch.equal(mine.isnan(), theirs.isnan()), case
            assert torch.equal(mine.nan_to_num(), theirs.nan_to_num()), case
            assert found.nonfinite == there.nonfinite, case
            near = {"rtol": 1e-12, "atol": 0, "equal_nan": True}
            torch.testing.assert_close(found.grad_norm, there.grad_norm, **near, msg=str(case))

in_processes(2, work)
""",
        timeout=300,
    )


def test_gradients_that_are_complex_or_of_rows(run_python: Any) -> None:
    """A complex one counts with both of its parts; rows are refused by all, as in one process."""
    run_python(
        PROCESSES
        + """
def made_of(kind, count=None):
    torch.manual_seed(0)
    layer = nn.Linear(6, 9, bias=False)
    if count:
        fully_shard(layer, mesh=init_device_mesh("cpu", (count,)))
    gradients(layer, 0)
    if kind == "complex":
        other = nn.Parameter(torch.tensor([1 + 2j, 3j, -1], dtype=torch.complex64))
        other.grad = torch.tensor([3 + 4j, 1j, 2])
    else:
        other = nn.Parameter(torch.ones(50, 4))
        other.grad = torch.sparse_coo_tensor([[1, 3]], torch.ones(2, 4), (50, 4), check_invariants=True)
    beside = {"params": [other], "algorithm": "adamw", "lr": 0.01, "max_norm": 0.5}
    return martlet.torch.Muon([{"params": [layer.weight], "max_norm": 0.5}, beside], lr=0.02), layer, other

def work(rank, count):
    ended = []
    for processes in (count, None):
        optimizer, layer, other = made_of("complex", processes)
        optimizer.step()
        ended.append((optimizer.last_step.grad_norm, full(layer.weight), other))
    assert abs(ended[0][0] / ended[1][0] - 1) < 1e-12
    assert torch.equal(ended[0][1], ended[1][1]) and torch.equal(ended[0][2], ended[1][2])
    squares = sum(float(full(one).abs().double().square().sum()) for one in (layer.weight.grad, other.grad))
    assert abs(ended[0][0] / squares ** 0.5 - 1) < 1e-6
    for processes in (count, None):
        optimizer, layer, other = made_of("sparse", processes)
        before = full(layer.weight).detach().clone()
        try:
            optimizer.step()
            raise SystemExit("it stepped")
        except martlet.UnsupportedError as error:
            assert "param_groups[1]['params'][0] is of rows, and norms are of gradients of all elements" in str(error)
        assert torch.equal(full(layer.weight), before) and not optimizer.state

in_processes(2, work)
""",
        timeout=300,
    )
