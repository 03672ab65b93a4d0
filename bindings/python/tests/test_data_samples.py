"""What is refused of samples before the library reads them: what float32 does not hold, NaN and infinity."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import martlet
from martlet import _samples, nn

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(40, 6)), RNG.normal(size=(40, 2))
FLOATS = (np.float16, np.float32, np.float64, ml_dtypes.bfloat16)


def model() -> nn.Sequential:
    built = nn.Sequential([nn.Dense(2, input_shape=(6,))], seed=1)
    built.compile("adam", "mse")
    return built


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("wrong", "says"), [(np.nan, "a NaN"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_infinity_is_refused(dtype: Any, wrong: float, says: str) -> None:
    x, y = X.astype(dtype), Y.astype(dtype)
    x[7, 3] = y[9, 1] = wrong
    built = model()
    before = built.get_weights()
    for data, name, place in (((x, Y), "x", r"\(7, 3\)"), ((X, y), "y", r"\(9, 1\)")):
        for call in (built.fit, built.evaluate, built.train_on_batch):
            with pytest.raises(martlet.ArgumentError, match=f"{name} holds {says}, first at {place}; .*check=False"):
                call(*data)
    for one, other in zip(before, built.get_weights(), strict=True):
        assert (one == other).all()
    assert not np.isfinite(built.train_on_batch(x, Y, check=False))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float64, np.longdouble])
def test_what_float32_does_not_hold(dtype: Any) -> None:
    x = X.astype(dtype)
    x[7, 3] = -1e300
    with pytest.raises(martlet.ArgumentError, match=r"x holds -1e\+300, first at \(7, 3\), which float32 does not"):
        model().fit(x, Y, verbose=0)
    with pytest.raises(martlet.ArgumentError, match="x holds -1e"):
        model().predict(x)


@pytest.mark.filterwarnings("error")
def test_refuse_nan_leaves_infinite_labels_to_who_reads_labels() -> None:
    _samples.refuse_nan(np.array([1, np.inf]), "y")
    for dtype in FLOATS:
        with pytest.raises(martlet.ArgumentError, match="y holds a NaN"):
            _samples.refuse_nan(np.array([1, np.nan], dtype), "y")
        with pytest.raises(martlet.ArgumentError, match="y holds -inf"):
            _samples.refuse_nonfinite(np.array([1, -np.inf], dtype), "y")
