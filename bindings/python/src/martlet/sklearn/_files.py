"""A network with a scaler in front of it: the layers that do what one of scikit-learn's does."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted

from martlet._errors import ArgumentError, DTypeError, ShapeError
from martlet._samples import Float64
from martlet.nn._configs import clone_model
from martlet.nn.inputs import Input
from martlet.nn.normalizations import Normalization
from martlet.nn.sequential import Sequential
from martlet.sklearn._network import Perceptron


def scaled(network: Perceptron, scaler: Any) -> Any:
    """A model of the scaler and a copy of the network, for files."""
    mean, factor = _numbers(scaler)
    inputs = network.units[0]
    if len(mean) != inputs:
        raise ShapeError(f"scaler has {len(mean)} features, and the estimator {inputs}; wanted as many")
    copied = clone_model(network.model)
    scales = _layers(mean, factor)
    layers = [Input((inputs,)), *scales]
    for layer in copied.layers:
        layers.append(type(layer).from_config(layer.get_config()))
    model = Sequential(layers)
    model.set_weights([*model.get_weights()[: 2 * len(scales)], *network.model.get_weights()])
    return model


def _layers(mean: Float64, factor: Float64) -> list[Normalization]:
    """(x - mean) factor: one layer, or where the rounding of mean to float32 would show, one before it that takes the
    rounded mean off, which is exact near it."""
    with np.errstate(over="ignore"):  # which the layer refuses
        rounded = mean.astype(np.float32).astype(np.float64)
        rest = mean - rounded
    if not (np.abs(rest * factor) > np.finfo(np.float32).eps).any():
        return [Normalization(mean=mean, factor=factor)]
    return [Normalization(mean=rounded, factor=1.0), Normalization(mean=rest, factor=factor)]


def _numbers(scaler: Any) -> tuple[Float64, Float64]:
    """The scaler as (x - mean) factor."""
    if not isinstance(scaler, StandardScaler | MinMaxScaler | MaxAbsScaler | RobustScaler):
        raise DTypeError(f"scaler is {scaler!r}; wanted a StandardScaler, MinMaxScaler, MaxAbsScaler or RobustScaler")
    check_is_fitted(scaler)
    count = scaler.n_features_in_
    if isinstance(scaler, MinMaxScaler):
        if scaler.clip:
            raise ArgumentError("scaler clips, which no layer does; wanted clip=False")
        return -scaler.min_ / scaler.scale_, scaler.scale_
    mean = scaler.center_ if isinstance(scaler, RobustScaler) else getattr(scaler, "mean_", None)
    if isinstance(scaler, StandardScaler) and not scaler.with_mean:
        mean = None
    scale = scaler.scale_
    return (
        np.zeros(count) if mean is None else np.asarray(mean, np.float64),
        np.ones(count) if scale is None else 1 / np.asarray(scale, np.float64),
    )
