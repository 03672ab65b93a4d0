"""docs/parity.md by a short form of it: the oracles against torch, Martlet against both and against its own figures."""

from __future__ import annotations

import numpy as np
import pytest

import oracles
import parity
from parity_rows import ROWS, Row

STEPS = 40
TEXT = parity.TABLE.read_text(encoding="utf-8")
BOUNDS = parity.bounds(TEXT)
TORCH = [row for row in ROWS if row.peer == "torch"]
OURS = {row.case: row for row in ROWS if row.case in BOUNDS or parity.martlets(row) is not None}


def name(row: Row) -> str:
    return ", ".join(row.case)


@pytest.mark.parametrize("row", TORCH, ids=name)
def test_an_oracle_is_torchs_rule(row: Row) -> None:
    assert parity.of_peer(row, STEPS, np.float64).largest <= row.exact


@pytest.mark.parametrize("row", [row for row in TORCH if row.case in OURS], ids=name)
def test_martlet_is_as_exact_as_torch(row: Row) -> None:
    line = parity.Line(row, parity.of_peer(row, STEPS), parity.of_martlet(row, STEPS))
    assert parity.faults(line, {}, parity.OF_TORCH_SHORT) == []


@pytest.mark.parametrize("row", OURS.values(), ids=name)
def test_a_row_is_the_rule_and_no_worse_than_in_the_table(row: Row) -> None:
    wide = parity.of_martlet(row, STEPS, np.float64)
    assert parity.faults(parity.Line(row, None, parity.of_martlet(row, STEPS), wide=wide), BOUNDS) == []


def test_the_table_has_these_rows() -> None:
    found = [row[:3] for row in parity.cells(TEXT) if row[2] != "none"]
    assert found == [[*row.case, row.peer] for row in ROWS if row.peer], "make parity writes the table anew"


def test_what_is_above_the_table_is_what_holds_it() -> None:
    assert TEXT.startswith(parity.head().partition("Versions:")[0])


def test_an_option_that_martlet_does_not_have_is_seen() -> None:
    """No row goes without its figures because of a word that is wrong."""
    with pytest.raises(TypeError, match="unexpected argument 'epss'"):
        parity.martlets(Row("Adam", "torch", {"epss": 1e-3}))


def test_cautious_decay_by_hand() -> None:
    """No library has it. Of four parameters of size 1, those that the step makes smaller lose 0.5 * 0.1 as well."""
    p, g = np.array([1.0, 1.0, -1.0, -1.0]), np.array([1.0, -1.0, 1.0, -1.0])
    options = {"lr": 0.5, "weight_decay": 0.1, "decoupled_weight_decay": True, "cautious_weight_decay": True}
    found = oracles.step(oracles.sgd, p, g, oracles.State(p.shape), 1, **options)
    np.testing.assert_allclose(found, [0.45, 1.5, -1.5, -0.45], rtol=1e-15)


def test_what_is_found_fault_with() -> None:
    """A larger error than the table's, a rule that is gone, and far more than torch's."""
    row = next(row for row in TORCH if row.algorithm == "Adam")
    torchs, ours, more = (parity.Errors(largest, 2e-7) for largest in (1.23e-6, 1.24e-6, 1.9e-6))
    before = parity.bounds("\n".join(["| heading |", "|---|", parity.Line(row, torchs, ours).text()]))
    assert before == {row.case: 1.2e-6}
    assert parity.faults(parity.Line(row, torchs, ours), before) == []
    worse, behind = parity.faults(parity.Line(row, torchs, more), before)
    assert worse.endswith("is 1.9e-06; the table has 1.2e-06") and behind.endswith(
        "is 1.9e-06, torch's 1.23e-06, 1.545 of it"
    )
    chance = parity.Line(row, torchs, more, ratio=1.04)
    assert parity.faults(chance, {}) == []
    assert len(parity.faults(chance._replace(ratio=1.06), {})) == 1
    assert len(parity.faults(parity.Line(row, torchs, None), before)) == 1
    assert len(parity.faults(parity.Line(row, torchs, parity.Errors(float("nan"), float("nan"))), {})) == 2


def test_another_rule_is_seen() -> None:
    """What the table says differs is far outside of what is allowed, also in the short form."""
    row = next(row for row in ROWS if row.peer == "Keras" and row.algorithm == "Adam" and row.differs)
    assert parity.of_peer(row, STEPS).largest > 1e-2
