"""Both perceptrons of the benchmarks learn the same."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", "1.6")

import perceptron_cases
import perceptrons
from cases import MARTLET


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", perceptron_cases.CASES, ids=lambda case: case.name)
def test_both_have_the_same_losses_and_accuracy(case: perceptron_cases.Fit) -> None:
    x, y = perceptrons.samples(case)
    assert x.shape == (case.samples, *case.network.input)
    ours, theirs = (perceptrons.estimator(peer, case).fit(x, y) for peer in (MARTLET, *case.peers))
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-4)
    assert ours.score(x, y) == pytest.approx(theirs.score(x, y), abs=0.002)
    assert [kernel.shape for kernel in ours.coefs_] == [*case.shapes[::2]]


def test_a_call_is_a_fit_of_all_epochs() -> None:
    for peer in (MARTLET, perceptron_cases.SKLEARN):
        made = perceptrons.make(peer, perceptron_cases.DIGITS)
        assert made.steps == 50
        assert made.step().n_iter_ == 50  # type: ignore[attr-defined]
