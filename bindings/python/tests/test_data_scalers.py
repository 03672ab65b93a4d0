"""Standardizer and MinMaxScaler against scikit-learn and numpy, and as a layer."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from sklearn import preprocessing

import martlet
from martlet import _samples, nn
from martlet.data import MinMaxScaler, Standardizer

RNG = np.random.default_rng(2)
FEATURES = RNG.normal(3, 5, (200, 6)) * [1, 10, 100, 0.1, 0.01, 1]
IMAGES = RNG.integers(0, 256, (20, 8, 6, 3), dtype=np.uint8)


def close(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)


def test_features_as_scikit_learn_has_them() -> None:
    train, test = FEATURES[:150], FEATURES[150:]
    for ours, theirs in (
        (Standardizer(), preprocessing.StandardScaler()),
        (MinMaxScaler(), preprocessing.MinMaxScaler()),
        (MinMaxScaler((-1, 3)), preprocessing.MinMaxScaler((-1, 3))),
    ):
        assert ours.fit(train) is ours
        theirs.fit(train)
        scaled = ours.transform(test)
        assert scaled.dtype == np.float32
        close(scaled, theirs.transform(test))
        np.testing.assert_allclose(ours.inverse_transform(scaled), test, rtol=1e-4, atol=1e-4)
        close(ours.fit_transform(train), theirs.fit_transform(train))


@pytest.mark.parametrize("chunk", [1, 1000, 1 << 20])
def test_channels_of_images(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_samples, "_CHUNK", chunk)
    scaler = Standardizer().fit(IMAGES)
    close(scaler.mean, IMAGES.mean(axis=(0, 1, 2)))
    close(scaler.deviation, IMAGES.std(axis=(0, 1, 2)))
    first = Standardizer(axis=1).fit(IMAGES.transpose(0, 3, 1, 2))
    close(first.transform(IMAGES.transpose(0, 3, 1, 2)), scaler.transform(IMAGES).transpose(0, 3, 1, 2))
    whole = MinMaxScaler((0, 1), axis=None).fit(IMAGES)
    close(whole.transform(IMAGES), (IMAGES - float(IMAGES.min())) / float(np.ptp(IMAGES)))
    extremes = MinMaxScaler().fit(IMAGES)
    assert (extremes.least == IMAGES.min(axis=(0, 1, 2))).all() and (extremes.largest == IMAGES.max((0, 1, 2))).all()


def test_a_constant_channel() -> None:
    data = np.stack([np.arange(5.0), np.full(5, 7.0)], axis=1)
    assert (Standardizer().fit_transform(data)[:, 1] == 0).all()
    assert (MinMaxScaler((2, 4)).fit_transform(data)[:, 1] == 2).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(1000, 1), (300_001, 3)])
def test_a_constant_that_sums_do_not_keep(dtype: Any, shape: tuple[int, int]) -> None:
    """The mean of many 0.1 is not 0.1, and what is left of them is no deviation."""
    data = np.full(shape, 0.1, dtype)
    scaler = Standardizer().fit(data)
    assert (scaler.deviation == 0).all() and (scaler.mean == data[0]).all()
    assert (scaler.transform(data) == 0).all()
    close(scaler.transform(data + dtype(1e-5)), np.full(shape, 1e-5))
    assert (scaler.layer(input_shape=shape[1:]) is not None) and scaler.inverse_transform([[0.0] * shape[1]])[0, 0] > 0


def test_one_rounding_is_no_deviation() -> None:
    data = np.where(np.arange(100_000) % 2, 0.1, np.nextafter(0.1, 1))[:, None]
    assert Standardizer().fit(data).deviation == 0
    close(Standardizer().fit_transform(0.1 + 1e-9 * (np.arange(1000) % 2)[:, None]).std(), 1)


TIMES = np.array([[1.7e9], [1.7e9 + 10], [1.7e9 + 20]])


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_large_offsets_are_kept(dtype: Any) -> None:
    times = TIMES.astype(dtype)
    scaler = Standardizer()
    close(scaler.fit_transform(times), preprocessing.StandardScaler().fit_transform(TIMES))
    assert (scaler.inverse_transform(scaler.transform(times)) - TIMES < 1e-5).all()
    limits = MinMaxScaler((2, 4))
    assert limits.fit_transform(times).ravel().tolist() == [2, 3, 4]
    for fitted in (scaler, limits):
        with pytest.raises(martlet.ArgumentError, match="the data that fit saw need .* in channel 0, .*2\\^22"):
            fitted.layer()
    assert MinMaxScaler((2, 4)).fit_transform(np.full((3, 1), 1e12)).ravel().tolist() == [2, 2, 2]


def test_what_a_layer_can_do_is_done_alike() -> None:
    """Where float32 holds the data, transform gives the layer's bits."""
    for data in (FEATURES.astype(np.float32), (FEATURES * 10).astype(np.int16), FEATURES.astype(np.float16)):
        for scaler in (Standardizer().fit(FEATURES), MinMaxScaler((-1, 3)).fit(FEATURES)):
            model = nn.Sequential([scaler.layer(input_shape=(6,))])
            assert (model.predict(data) == scaler.transform(data)).all()
    constant = Standardizer().fit(np.full((3, 1), 1e9))
    assert (nn.Sequential([constant.layer(input_shape=(1,))]).predict(np.full((3, 1), 1e9)) == 0).all()
    for large in (1e39, 1e-39):
        with pytest.raises(martlet.ArgumentError, match="float32 is too coarse"):
            Standardizer().fit([[large], [2 * large]]).layer()
    close(Standardizer().fit_transform([[1e-40], [3e-40]]), [[-1], [1]])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("make", [Standardizer, MinMaxScaler])
def test_what_is_not_finite(make: Any) -> None:
    scaler = make().fit(FEATURES)
    before = scaler.transform(FEATURES)
    for wrong, says in ((np.nan, "a NaN"), (np.inf, "inf"), (-np.inf, "-inf")):
        for dtype in (np.float64, np.float32, np.float16, ml_dtypes.bfloat16):
            data = FEATURES.astype(dtype)
            data[7, 3] = wrong
            for call in (scaler.fit, scaler.transform, scaler.inverse_transform):
                with pytest.raises(martlet.ArgumentError, match=rf"x holds {says}, first at \(7, 3\)"):
                    call(data)
    with pytest.raises(martlet.ArgumentError, match="numbers in channel 0 whose spread float64 does not hold"):
        scaler.fit([[-1.5e308] * 6, [1.5e308] * 6])
    with pytest.raises(martlet.ArgumentError, match="beyond float32 on the new scale"):
        scaler.transform(np.full((1, 6), 1e300))
    with pytest.raises(martlet.ArgumentError, match="beyond float32 on the new scale"):
        scaler.transform(np.full((1, 6), 3e38, np.float32))
    assert (scaler.transform(FEATURES) == before).all()


def test_only_training_data_count() -> None:
    scaler = Standardizer().fit(FEATURES[:100])
    mean = scaler.mean.copy()
    scaler.transform(FEATURES[100:] * 1000)
    assert (scaler.mean == mean).all()


@pytest.mark.parametrize("scaler", [Standardizer(), MinMaxScaler()])
def test_bad_input(scaler: Any) -> None:
    for call in (lambda: scaler.transform(FEATURES), scaler.layer, lambda: scaler.inverse_transform(FEATURES)):
        with pytest.raises(martlet.OrderError, match=r"has seen no data; call fit\(x_train\) first"):
            call()
    for data, error, says in (
        ([], martlet.ShapeError, "x has shape .* no samples"),
        (np.array([[1, np.nan]]), martlet.ArgumentError, r"x holds a NaN, first at \(0, 1\)"),
        ("abc", martlet.DTypeError, "x is 'abc'"),
        (np.zeros((2, 2), complex), martlet.DTypeError, "x has dtype complex128"),
        (np.zeros(3), martlet.ShapeError, r"axis is -1 and x has shape \(3,\)"),
    ):
        with pytest.raises(error, match=says):
            scaler.fit(data)
    scaler.fit(FEATURES)
    with pytest.raises(martlet.ShapeError, match="x has 5 channels; wanted 6"):
        scaler.transform(FEATURES[:, :5])
    with pytest.raises(martlet.ShapeError, match="x has 4 axes; wanted 2"):
        scaler.transform(IMAGES)


def test_bad_arguments() -> None:
    for given in ((1, 0), (0, 0), (0, np.inf), (np.nan, 1)):
        with pytest.raises(martlet.ArgumentError, match="range is"):
            MinMaxScaler(given)
    for wrong in (3, "ab", (1, 2, 3)):
        with pytest.raises(martlet.DTypeError, match="range is"):
            MinMaxScaler(wrong)  # type: ignore[arg-type]
    with pytest.raises(martlet.DTypeError, match="axis is 'c'"):
        Standardizer("c")  # type: ignore[arg-type]
