"""What becomes of samples before the library reads them: what is copied, what is refused, and what is not."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import martlet
from martlet import _samples, nn
from martlet.data import MinMaxScaler, Standardizer

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


def unaligned(data: Any) -> Any:
    """The same numbers one byte beyond where they should lie, contiguous."""
    found = np.frombuffer(b"\0" + data.tobytes(), data.dtype, offset=1).reshape(data.shape)
    assert not found.flags.aligned and found.flags.c_contiguous
    return found


@pytest.mark.parametrize("kind", ["x", "targets", "labels"])
def test_unaligned_arrays_are_copied(kind: str) -> None:
    x, y = X.astype(np.float32), Y.astype(np.float32)
    loss = "mse"
    if kind == "labels":
        y, loss = np.arange(len(x)) % 2, "sparse_categorical_crossentropy"
    given = (unaligned(x), y) if kind == "x" else (x, unaligned(y))
    found = []
    for one in ((x, y), given):
        built = model()
        built.compile("adam", loss)
        history = built.fit(*one, validation_data=one, verbose=0).history
        found.append((built.parameters().tobytes(), history, built.evaluate(*one, verbose=0)))
        assert (built.predict(one[0]) == built.predict(x)).all()
    assert found[0] == found[1]


def test_numpy_told_to_raise() -> None:
    """np.seterr(all="raise") makes no errors of numbers that are merely small."""
    small = np.full((4, 6), 1e-300)
    built = nn.Sequential([nn.Normalization(input_shape=(6,)), nn.Dense(2)], seed=1)
    built.compile("adam", "mse")
    scaler = Standardizer().fit(small)
    with np.errstate(all="raise"):
        built.fit(small, Y[:4], verbose=0)
        built.set_weights([weight.astype(np.float64) * 1e-300 for weight in built.get_weights()])
        nn.Normalization().adapt(small)
        built.layers[0].adapt(small + np.arange(4)[:, None] * 1e-300)  # type: ignore[attr-defined]
        scaler.layer()
        assert (scaler.transform(small) == 0).all()
        assert (MinMaxScaler().fit([[0.0], [1.0]]).transform([[1e-300]]) == 0).all()
        with pytest.raises(martlet.ArgumentError, match="x holds 9.9.*, which float32 does not"):
            built.predict(1 / small)
