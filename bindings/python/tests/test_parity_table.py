"""docs/parity.md by a short form of it: the oracles against torch, Martlet against both and against its own figures."""

from __future__ import annotations

import re

import numpy as np
import pytest

import oracles
import parity
import parity_page
from martlet import _choices, _spellings, optim
from parity_rows import OPTIONS, ROWS, Row
from parity_rows.options import FLAGS
from parity_rules import ALGORITHMS

# Peers on JAX compute in float64 where they are asked to.
IN_FLOAT64 = True

STEPS = 40
TEXT = parity_page.PATH.read_text(encoding="utf-8")
BOUNDS = parity_page.bounds(TEXT)
ALL = [*ROWS, *OPTIONS]
TORCH = [row for row in ALL if row.peer == "torch"]
OURS = {row.place: row for row in ALL if row.place in BOUNDS or parity.martlets(row) is not None}


def name(row: Row) -> str:
    return ", ".join(row.place)


@pytest.mark.parametrize("row", TORCH, ids=name)
def test_an_oracle_is_torchs_rule(row: Row) -> None:
    assert parity.of_peer(row, STEPS, np.float64).largest <= row.exact


@pytest.mark.parametrize("row", [row for row in TORCH if row.place in OURS], ids=name)
def test_martlet_is_as_exact_as_torch(row: Row) -> None:
    line = parity_page.Line(row, parity.of_peer(row, STEPS), parity.of_martlet(row, STEPS))
    assert parity.faults(line, {}, parity.OF_TORCH_SHORT) == []


@pytest.mark.parametrize("row", OURS.values(), ids=name)
def test_a_row_is_the_rule_and_no_worse_than_in_the_table(row: Row) -> None:
    wide = parity.of_martlet(row, STEPS, np.float64)
    assert parity.faults(parity_page.Line(row, None, parity.of_martlet(row, STEPS), wide=wide), BOUNDS) == []


def test_the_table_has_these_rows() -> None:
    found = [row[:3] for row in parity_page.cells(TEXT) if row[2] != "none"]
    assert found == [[*row.place, row.peer] for row in ROWS if row.peer], "make parity writes the table anew"


def test_the_table_of_options_has_these_cells() -> None:
    found = {place: re.sub(r"^.*?\(| .*|^[^(]*$", "", cell) for place, cell in parity_page.option_cells(TEXT).items()}
    assert found == {row.place: row.peer for row in OPTIONS}, "make parity writes the table anew"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_option_of_a_few_rules_has_a_row(algorithm: str) -> None:
    """Those of all rules have a column; hyperball, beside which no decay stands, is held by test_hyperball.py, what
    stands around steps by test_around.py, what concerns 16 bits alone, in which no row is, by test_low_precision.py,
    and sparse gradients by test_deferred.py."""
    number = getattr(optim, algorithm)._algorithm
    rows = [row.options for row in ROWS if row.algorithm == algorithm and not row.foreign]
    flags = set(_spellings.flag_keys(number)) - set(FLAGS.values()) - _spellings.AROUND.keys() - {"defer_rows"}
    assert flags <= {key for row in rows for key in row}
    for key in set(_choices.keys(number)) - {"low_precision"}:
        said = {_choices.TABLE[key].get(row.get(key)) for row in rows if not isinstance(row.get(key), tuple)}
        assert set(_choices.TABLE[key].values()) - {0} <= said, key


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
    torchs, ours, more = (parity_page.Errors(largest, 2e-7) for largest in (1.23e-6, 1.24e-6, 1.9e-6))
    before = parity_page.bounds(parity_page.page("", [parity_page.Line(row, torchs, ours)]))
    assert before == {row.place: 1.2e-6}
    assert parity.faults(parity_page.Line(row, torchs, ours), before) == []
    worse, behind = parity.faults(parity_page.Line(row, torchs, more), before)
    assert worse.endswith("is 1.9e-06; the table has 1.2e-06") and behind.endswith(
        "is 1.9e-06, torch's 1.23e-06, 1.545 of it"
    )
    chance = parity_page.Line(row, torchs, more, ratio=1.04)
    assert parity.faults(chance, {}) == []
    assert len(parity.faults(chance._replace(ratio=1.06), {})) == 1
    assert len(parity.faults(parity_page.Line(row, torchs, None), before)) == 1
    assert len(parity.faults(parity_page.Line(row, torchs, parity_page.Errors(float("nan"), float("nan"))), {})) == 2


def test_another_rule_is_seen() -> None:
    """What the table says differs is far outside of what is allowed, also in the short form."""
    row = next(row for row in ROWS if row.peer == "Keras" and row.algorithm == "Adam" and row.differs)
    assert parity.of_peer(row, STEPS).largest > 1e-2
