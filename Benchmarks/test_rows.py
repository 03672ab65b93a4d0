"""The peers of steps by rows do the work that they are said to do. How fast anything is, is not tested."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import rows
import rows_cases


@pytest.mark.parametrize("name", [case.name for case in rows_cases.CASES])
def test_peers_step_rows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = dataclasses.replace(rows.CASES[name], shapes=((60, 4),), named=5, settling=30)
    monkeypatch.setitem(rows.CASES, name, case)
    held: list[torch.Tensor] = []
    make_table = rows.table_of

    def watched(given: rows_cases.RowsCase) -> torch.Tensor:
        held.append(make_table(given))
        return held[-1]

    monkeypatch.setattr(rows, "table_of", watched)
    for peer in (case.own, *case.peers):
        made = rows.make(peer, name)
        before = held[-1].detach().clone()
        made.step()
        moved = (held[-1].detach() != before).any(1).sum()
        assert moved == 60 if peer == rows_cases.DENSE else 1 <= moved <= 5
