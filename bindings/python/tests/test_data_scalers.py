"""Standardizer and MinMaxScaler against scikit-learn and numpy, and as a layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import preprocessing

import martlet
from martlet import _samples
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
