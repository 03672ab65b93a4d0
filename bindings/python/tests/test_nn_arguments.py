"""Plain arguments of models: numbers that are too large, and flags, texts and axes that are something else."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

import martlet
from martlet import nn
from martlet.data import MinMaxScaler
from networks import digits_like, mlp

X, Y = digits_like(40, (20,))
LARGE = 10**400
TWO: Any = np.array([1, 2])


def compiled() -> nn.Sequential:
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


BEYOND_FLOAT64: list[tuple[Callable[[], Any], str]] = [
    (lambda: nn.Dropout(LARGE), "rate of <Dropout>"),
    (lambda: nn.LeakyReLU(LARGE), "negative_slope of <LeakyReLU>"),
    (lambda: nn.BatchNormalization(epsilon=LARGE), "epsilon of <BatchNormalization>"),
    (lambda: nn.Huber(LARGE), "delta of Huber"),
    (lambda: nn.EarlyStopping(min_delta=-LARGE), "min_delta"),
    (lambda: nn.RandomUniform(-LARGE, LARGE), "maxval of RandomUniform"),
    (lambda: nn.Adam(LARGE), "learning_rate"),
    (lambda: martlet.optim.Adam([], betas=(0.5, LARGE)), r"betas\[1\]"),
    (lambda: setattr(compiled().optimizer, "learning_rate", LARGE), "l"),
    (lambda: compiled().fit(X, Y, validation_split=LARGE, verbose=0), "validation_split"),
    (lambda: MinMaxScaler((0, LARGE)), "range"),
]


@pytest.mark.parametrize("index", range(len(BEYOND_FLOAT64)))
def test_numbers_beyond_float64(index: int) -> None:
    call, name = BEYOND_FLOAT64[index]
    with pytest.raises(martlet.ArgumentError, match=f"^{name}.* is beyond float64's"):
        call()


def test_numbers_that_the_library_has_no_room_for() -> None:
    for k, shown in ((2**31, 2**31), (2**32 + 3, 2**32 + 3), (10**5000, "a number of 16610 bits")):
        with pytest.raises(martlet.ArgumentError, match=f"k of TopK is {shown}; wanted 1 to 2147483647"):
            nn.TopK(k)
    assert nn.TopK(2**31 - 1).k == 2**31 - 1
    with pytest.raises(martlet.ArgumentError, match="units of <Dense> is 9223372036854775808; wanted 1 to"):
        nn.Dense(2**63)


NO_FLAGS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nn.EarlyStopping(restore_best_weights="False"), martlet.DTypeError, "restore_best_weights is 'False'"),
    (lambda: nn.ModelCheckpoint("a", save_best_only="no"), martlet.DTypeError, "save_best_only is 'no'"),
    (lambda: nn.EarlyStopping(mode=TWO), martlet.DTypeError, "mode is array"),
    (lambda: nn.EarlyStopping(monitor=3), martlet.DTypeError, "monitor is 3 of type int; wanted text"),
    (lambda: nn.Conv2D(2, 3, data_format=TWO), martlet.ArgumentError, "data_format of <Conv2D> is array"),
    (lambda: nn.Softmax(axis=TWO), martlet.DTypeError, "axis of <Softmax> is array"),
    (lambda: nn.Sequential(name=object()), martlet.DTypeError, "name is <object .* of type object; wanted text"),
    (lambda: compiled().predict(X, verbose="x"), martlet.ArgumentError, "verbose is 'x'; wanted \"auto\", 0, 1 or 2"),
    (lambda: nn.Reshape((TWO, 2)), martlet.DTypeError, r"target_shape of <Reshape>\[0\] is array"),
]


@pytest.mark.parametrize("index", range(len(NO_FLAGS)))
def test_what_is_no_flag_text_or_number(index: int) -> None:
    call, error, says = NO_FLAGS[index]
    with pytest.raises(error, match=says):
        call()


def test_modes_by_name() -> None:
    assert nn.EarlyStopping(mode="MAX").mode == "max" and nn.EarlyStopping().restore_best_weights is False


@pytest.mark.parametrize("name", ["learning_rate", "lr", "beta_1", "beta_2", "epsilon", "weight_decay"])
def test_an_optimizers_errors_name_what_was_set(name: str) -> None:
    optimizer = compiled().optimizer
    for wrong, says in ((float("nan"), f"^{name} is nan"), ("x", f"^{name} is 'x'"), (LARGE, f"^{name} is beyond")):
        with pytest.raises(martlet.MartletError, match=says):
            setattr(optimizer, name, wrong)
    setattr(optimizer, name, np.float32(0.5))
    assert getattr(optimizer, name) == 0.5


@pytest.mark.parametrize("rate", [1, np.int64(1), np.array(0.25), np.float16(0.5), Fraction(1, 4), torch.tensor(0.125)])
def test_a_schedule_may_give_any_number(rate: Any) -> None:
    model = compiled()
    model.fit(X, Y, verbose=0, callbacks=[nn.LearningRateScheduler(lambda epoch: rate)])
    assert model.optimizer.learning_rate == float(rate)


@pytest.mark.parametrize("kind", [nn.Adam, nn.SGD, nn.RMSprop, nn.Adagrad, nn.Adadelta, nn.Adamax, nn.Nadam, nn.Lion])
def test_errors_of_an_optimizers_arguments(kind: Any) -> None:
    """Those that Optimizer's page names."""
    for wrong in ({"learning_rate": -1.0}, {"weight_decay": float("nan")}, {"semantics": "fastest"}):
        with pytest.raises(martlet.ArgumentError):
            kind(**wrong)
    for wrong in ({"learning_rate": "fast"}, {"maximize": "no"}, {"ratio": 1.0}):
        with pytest.raises(martlet.DTypeError):
            kind(**wrong)
    with pytest.raises(martlet.ArgumentError, match="paper"):
        nn.Nadam(semantics="paper")
    for option, number in {"lr": 0.5, "weight_decay": 0.25}.items():
        made = kind(**{option: number})
        with pytest.raises(martlet.ArgumentError):
            setattr(made, option, -1.0)
        with pytest.raises(martlet.DTypeError):
            setattr(made, option, "much")
        assert getattr(made, option) == number
