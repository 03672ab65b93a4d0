"""The peers of the cases of steps by rows. It times nothing."""

from __future__ import annotations

from itertools import count
from typing import Any

import rows_cases
from peer import Peer, threads
from rows_cases import RowsCase

CASES = {case.name: case for case in rows_cases.CASES}


def gradients(case: RowsCase, *, dense: bool) -> Any:
    """A function of a step's number: its gradient, of rows by chance, made before it is asked for."""
    import torch

    size, (rows, width) = (case.named, case.shapes[0])
    values = torch.randn(size, width) * 1e-2
    if dense:
        whole = torch.randn(rows, width) * 1e-2
        return lambda step: whole
    # Without sorting: that is a part of what is measured.
    made = [torch.randint(rows, (1, size)) for _ in range(max(case.settling, 2))]
    given = [torch.sparse_coo_tensor(numbers, values, (rows, width), check_invariants=False) for numbers in made]
    return lambda step: given[step % len(given)]


def table_of(case: RowsCase) -> Any:
    """The table."""
    import torch

    torch.manual_seed(1)
    return torch.nn.Parameter(torch.randn(case.shapes[0]) * 0.02)


def peer_of(make: Any, case: RowsCase, *, dense: bool, settling: int) -> Peer:
    """A table and its optimizer, which has taken so many steps."""
    import torch

    torch.set_num_threads(threads())
    table = table_of(case)
    optimizer, gradient, steps = make([table]), gradients(case, dense=dense), count()

    def step() -> None:
        table.grad = gradient(next(steps))
        optimizer.step()

    for _ in range(settling):
        step()
    return Peer(step)


def make(peer: str, name: str) -> Peer:
    """A peer, ready to take the steps of the case of this name."""
    case = CASES[name]
    if peer == rows_cases.SPARSE_ADAM:
        import torch

        return peer_of(torch.optim.SparseAdam, case, dense=False, settling=2)
    import martlet.torch

    options, kind = case.options, getattr(martlet.torch, case.algorithm)
    if peer == rows_cases.DEFERRED:
        options, settling = {**options, "defer_rows": True}, case.settling
    else:
        settling = 2
    return peer_of(lambda tables: kind(tables, **options), case, dense=peer == rows_cases.DENSE, settling=settling)
