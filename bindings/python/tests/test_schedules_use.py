"""Schedules as learning rates: of numpy's optimizers and of models in training; and rates that wait for a metric,
beside torch's class and Keras's callback."""

from __future__ import annotations

import copy
import math
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import martlet
from martlet import nn, optim, schedules
from networks import digits_like, mlp

COSINE = schedules.CosineDecay(0.1, 10, alpha=0.1, warmup_target=0.2, warmup_steps=3)
X, Y = digits_like(64, (20,))


def gradient(step: int, count: int = 6) -> Any:
    return np.random.default_rng(step).normal(size=count)


def by_hand(steps: int, schedule: Any = COSINE, kind: Any = optim.Adam) -> Any:
    """The same, with the rate set before each step."""
    parameter = np.zeros(6)
    optimizer = kind([parameter])
    for step in range(steps):
        optimizer.lr = schedule(step)
        optimizer.step([gradient(step)])
    return parameter


# ---- numpy ----


@pytest.mark.parametrize("kind", [optim.Adam, optim.AdamW])
@pytest.mark.parametrize("name", ["lr", "learning_rate"])
def test_numpy_follows_a_schedule(kind: Any, name: str) -> None:
    parameter = np.zeros(6)
    optimizer = kind([parameter], **{name: COSINE})
    for step in range(15):
        assert optimizer.lr == optimizer.learning_rate == COSINE(step)
        optimizer.step([gradient(step)])
    np.testing.assert_array_equal(parameter, by_hand(15, kind=kind))
    assert "CosineDecay" in repr(optimizer)


def test_any_function_is_a_schedule() -> None:
    parameter = np.zeros(6)
    optimizer = optim.Adam([parameter], lr=lambda step: 0.1 / (step + 1))
    for step in range(5):
        optimizer.step([gradient(step)])
    np.testing.assert_array_equal(parameter, by_hand(5, lambda step: 0.1 / (step + 1)))


def test_a_checkpoint_resumes_at_the_right_rate(tmp_path: Path) -> None:
    wanted = by_hand(12)
    for way in ("state_dict", "file", "pickle"):
        parameter = np.zeros(6)
        first = optim.Adam([parameter], lr=COSINE)
        for step in range(5):
            first.step([gradient(step)])
        second = optim.Adam([parameter], lr=COSINE)
        if way == "state_dict":
            state = first.state_dict()
            assert state["param_groups"][0]["lr"] == COSINE(5)  # plain numbers, which torch takes too
            second.load_state_dict(state)
        elif way == "file":
            first.save(tmp_path / "state")
            second.load(tmp_path / "state")
        else:
            second = pickle.loads(pickle.dumps(first))
            parameter = second.param_groups[0]["params"][0]
        assert second.lr == COSINE(5) and second.param_groups[0]["lr"] == COSINE
        for step in range(5, 12):
            second.step([gradient(step)])
        np.testing.assert_array_equal(parameter, wanted)


def test_groups_have_schedules_of_their_own() -> None:
    arrays = [np.zeros(6) for _ in range(4)]
    fall = schedules.Exponential(0.5, 0.5)
    optimizer = optim.Adam(
        [{"params": [arrays[0]]}, {"params": [arrays[1]], "lr": 0.3}, {"params": [arrays[2]], "learning_rate": fall}],
        lr=COSINE,
    )
    for step in range(4):
        optimizer.step([gradient(step)] * 3)
    optimizer.add_param_group({"params": [arrays[3]]})  # late: at the schedule's present step
    seen = [row.lr for row in optimizer._read_rows()]
    assert seen == [COSINE(4), 0.3, fall(4), COSINE(4)]
    optimizer.step([None, None, None, gradient(4)])
    assert optimizer.lr == COSINE(4)  # the others' most is what counts
    optimizer.lr = fall
    assert [row.lr for row in optimizer._read_rows()] == [fall(4)] * 4
    optimizer.lr = 0.25
    assert [row.lr for row in optimizer._read_rows()] == [0.25] * 4
    optimizer.param_groups[1]["lr"] = COSINE
    assert [row.lr for row in optimizer._read_rows()] == [0.25, COSINE(4), 0.25, 0.25]


def test_without_parameters_of_its_own() -> None:
    changes = optim.AdamOptimizer(lr=COSINE)
    total = sum(changes.update(gradient(step)) for step in range(8))
    np.testing.assert_allclose(total, by_hand(8), rtol=1e-12, atol=1e-15)
    parameter = np.zeros(6)
    keras_like = optim.Adam(learning_rate=COSINE)
    for step in range(8):
        keras_like.apply_gradients([(gradient(step), parameter)])
    np.testing.assert_array_equal(parameter, by_hand(8))


def test_other_numbers_lay_nothing_out_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = [np.zeros(6), np.zeros(6)]
    optimizer = optim.Adam(parameters, lr=COSINE)
    grads = [gradient(1), gradient(2)]
    optimizer.step(grads)
    monkeypatch.setattr(type(optimizer._stepper), "_take_first", lambda *_: pytest.fail("laid out anew"))
    for _ in range(3):
        optimizer.step(grads)
    monkeypatch.undo()
    optimizer.param_groups[0]["amsgrad"] = True  # this wants another array
    optimizer.step(grads)
    assert "max_exp_avg_sq" in optimizer.state_dict()["state"][0]


@pytest.mark.parametrize("wrong", [lambda step: -1.0, lambda step: math.nan, lambda step: "x", lambda step: math.inf])
def test_a_schedule_that_gives_no_rate(wrong: Any) -> None:
    for make in (lambda lr: optim.Adam([np.zeros(2)], lr=lr), nn.Adam):
        with pytest.raises(martlet.MartletError, match=r"(lr|learning_rate)\(0\) is"):
            make(wrong)
    parameter = np.zeros(2)
    optimizer = optim.Adam([parameter], lr=lambda step: 0.1 if step < 1 else wrong(step))
    optimizer.step([np.ones(2)])
    before = parameter.copy()
    with pytest.raises(martlet.MartletError, match=r"lr\(1\) is"):
        optimizer.step([np.ones(2)])
    np.testing.assert_array_equal(parameter, before)
    optimizer.lr = 0.1
    optimizer.step([np.ones(2)])


# ---- models ----


def compiled(rate: Any) -> nn.Sequential:
    model = mlp()
    model.compile(nn.Adam(rate), "sparse_categorical_crossentropy")
    return model


class Rates(nn.Callback):
    """Sets the rate of each step by hand."""

    def __init__(self, schedule: Any) -> None:
        super().__init__()
        self.schedule = schedule

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = self.schedule(self.model.optimizer.iterations)


def test_fit_follows_a_schedule() -> None:
    assert nn.optimizers.schedules is schedules
    ours, wanted = compiled(COSINE), compiled(0.1)
    ours.fit(X, Y, batch_size=16, epochs=3, verbose=0)
    wanted.fit(X, Y, batch_size=16, epochs=3, verbose=0, callbacks=[Rates(COSINE)])
    np.testing.assert_array_equal(ours.parameters(), wanted.parameters())
    assert ours.optimizer.learning_rate == COSINE(12) and ours.optimizer.schedule == COSINE
    ours.train_on_batch(X, Y)
    wanted.optimizer.learning_rate = COSINE(12)
    wanted.train_on_batch(X, Y)
    np.testing.assert_array_equal(ours.parameters(), wanted.parameters())


def test_a_saved_model_goes_on_at_the_right_rate(tmp_path: Path) -> None:
    whole, half = compiled(COSINE), compiled(COSINE)
    whole.fit(X, Y, batch_size=16, epochs=4, verbose=0)
    half.fit(X, Y, batch_size=16, epochs=2, verbose=0)
    half.save(tmp_path / "model")
    again = nn.load_model(tmp_path / "model")
    assert again.optimizer.schedule == COSINE and again.optimizer.learning_rate == COSINE(8)
    again.fit(X, Y, batch_size=16, epochs=4, initial_epoch=2, verbose=0)
    np.testing.assert_array_equal(again.parameters(), whole.parameters())


def test_a_schedule_that_no_file_holds(tmp_path: Path) -> None:
    model = compiled(lambda step: 0.1 / (step + 1))
    model.fit(X, Y, batch_size=32, verbose=0)
    with pytest.warns(UserWarning, match="has the learning rate, and not the schedule <function"):
        model.save(tmp_path / "model")
    again = nn.load_model(tmp_path / "model")
    assert again.optimizer.schedule is None and again.optimizer.learning_rate == 0.1 / 2
    again.optimizer.learning_rate = model.optimizer.schedule
    assert again.optimizer.learning_rate == 0.1 / 3


def test_the_rate_of_a_schedule_is_no_number_to_set() -> None:
    optimizer = nn.AdamW(lr=COSINE)
    assert optimizer.learning_rate == COSINE(0) and "learning_rate=0.1 " in repr(optimizer)
    with pytest.raises(martlet.DTypeError, match="learning_rate is the schedule CosineDecay.*which a number cannot"):
        optimizer.learning_rate = 0.1
    optimizer.lr = schedules.Constant(0.3, 1.0)
    assert optimizer.lr == 0.3 and copy.deepcopy(optimizer).lr == 0.3
    model = mlp()
    model.compile(optim.Adam([np.zeros(2)], lr=COSINE), "sparse_categorical_crossentropy")
    assert model.optimizer.schedule == COSINE
    with pytest.raises(martlet.DTypeError, match="lowers a number, and learning_rate is the schedule"):
        model.fit(X, Y, verbose=0, callbacks=[nn.ReduceLROnPlateau("loss")])


# ---- plateaus ----

METRICS = [1.0, 0.9, 0.95, 0.9, 0.91, math.nan, 0.8998, 0.899, math.inf, 1.0, 1.0, 1.0, 0.5, 0.49, *[0.6] * 12, 0.1,
           -1.0, *[-0.9999] * 9]  # fmt: skip
OPTIONS = [{}, {"patience": 2}, {"patience": 0, "cooldown": 2}, {"patience": 1, "factor": 0.5, "min_lr": 0.02},
           {"patience": 1, "cooldown": 3, "factor": 0.3, "min_lr": 1e-9}]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold", [{}, {"threshold": 0.05}, {"threshold": 0.05, "threshold_mode": "abs"}])
def test_plateaus_are_torchs(options: Any, mode: str, threshold: Any) -> None:
    tensors = torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.1, 0.05)])
    arrays = optim.Adam([{"params": [np.zeros(1)], "lr": lr} for lr in (0.1, 0.05)])
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(tensors, mode, **options, **threshold)
    ours = schedules.ReduceLROnPlateau(arrays, mode, **options, **threshold)
    for number, metric in enumerate(METRICS if mode == "min" else [-metric for metric in METRICS]):
        theirs.step(metric)
        ours.step(metric)
        assert ours.get_last_lr() == theirs.get_last_lr(), number
        state = (ours.best, ours.num_bad_epochs, ours.cooldown_counter)
        assert state == (theirs.best, theirs.num_bad_epochs, theirs.cooldown_counter), number
        if number % 5 == 0:  # interrupted, and resumed
            again = schedules.ReduceLROnPlateau(arrays, mode, **options, **threshold)
            again.load_state_dict(theirs.state_dict() if number % 2 else ours.state_dict())
            ours = pickle.loads(pickle.dumps(again)) if number == 10 else again
            ours.optimizer = arrays


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("delta", [1e-4, 0.05])
def test_plateaus_are_kerass(options: Any, mode: str, delta: float) -> None:
    ours = nn.ReduceLROnPlateau("val_loss", **options, mode=mode, min_delta=delta)
    theirs = keras.callbacks.ReduceLROnPlateau("val_loss", **options, mode=mode, min_delta=delta)
    model, other = (
        SimpleNamespace(optimizer=nn.Adam(0.1)),
        SimpleNamespace(optimizer=SimpleNamespace(learning_rate=0.1)),
    )
    ours.set_model(model)
    theirs.set_model(other)
    for callback in (ours, theirs):
        callback.on_train_begin()
    for epoch, metric in enumerate(METRICS if mode == "min" else [-metric for metric in METRICS]):
        before, logs = other.optimizer.learning_rate, {"val_loss": metric}
        ours.on_epoch_end(epoch, logs)
        theirs.on_epoch_end(epoch, {"val_loss": metric})
        assert logs["learning_rate"] == pytest.approx(before)
        assert model.optimizer.learning_rate == pytest.approx(other.optimizer.learning_rate), epoch
        seen = (ours.best, ours.wait, ours.cooldown_counter, ours.in_cooldown())
        assert seen == (theirs.best, theirs.wait, theirs.cooldown_counter, theirs.in_cooldown()), epoch
    again = pickle.loads(pickle.dumps(ours))
    assert (again.best, again.wait) == (ours.best, ours.wait)
    ours.on_train_begin()
    assert ours.best is None and ours.wait == 0


def test_a_first_metric_that_is_none() -> None:
    """Keras takes a first NaN as the best one, which nothing is better than ever after."""
    callback = nn.ReduceLROnPlateau("loss", patience=2)
    callback.set_model(SimpleNamespace(optimizer=nn.Adam(0.1)))
    for epoch, loss in enumerate([math.nan, 2.0, 1.0, 0.5, 0.2]):
        callback.on_epoch_end(epoch, {"loss": loss})
    assert callback.best == 0.2 and callback.model.optimizer.learning_rate == 0.1


def test_a_plateau_in_a_fit(capsys: pytest.CaptureFixture[str]) -> None:
    model = compiled(0.01)
    history = model.fit(X, Y, epochs=4, verbose=0,
                        callbacks=nn.ReduceLROnPlateau("loss", 0.5, 1, 1, min_delta=1e9))  # fmt: skip
    assert history.history["learning_rate"] == [0.01, 0.01, 0.005, 0.0025]
    assert model.optimizer.learning_rate == 0.00125
    assert "Epoch 2: learning rate 0.005" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 1.0}, "factor is 1.0; wanted 0 or more and less than 1"),
        ({"factor": math.nan}, "factor is nan; wanted 0 or more and less than 1"),
        ({"patience": -1}, "patience is -1; wanted 0 or more"),
        ({"cooldown": 0.5}, "cooldown is 0.5 of type float; wanted a whole number"),
        ({"min_lr": -0.1}, "min_lr is -0.1; wanted 0 or more"),
        ({"mode": "up"}, "mode is 'up'; wanted one of"),
    ],
)
def test_plateaus_that_cannot_be(options: Any, message: str) -> None:
    with pytest.raises(martlet.MartletError, match=message):
        nn.ReduceLROnPlateau(**options)
    with pytest.raises(martlet.MartletError, match=message):
        schedules.ReduceLROnPlateau(optim.Adam([np.zeros(1)]), **options)


def test_plateaus_of_wrong_things() -> None:
    optimizer = optim.Adam([np.zeros(1)])
    for make, message in (
        (lambda: schedules.ReduceLROnPlateau(3), "optimizer is 3; wanted one with param_groups"),
        (
            lambda: schedules.ReduceLROnPlateau(optimizer, min_lr=[1, 2]),
            "min_lr has 2 numbers; wanted one for each of 1",
        ),
        (lambda: schedules.ReduceLROnPlateau(optimizer, threshold=-1), "threshold is -1; wanted 0 or more"),
        (lambda: schedules.ReduceLROnPlateau(optimizer, threshold_mode="x"), "threshold_mode is 'x'; wanted one of"),
        (lambda: schedules.ReduceLROnPlateau(optimizer, eps=math.inf), "eps is inf; wanted 0 or more"),
        (lambda: schedules.ReduceLROnPlateau(optimizer).step("x"), "metrics is 'x' of type str; wanted a number"),
        (lambda: schedules.ReduceLROnPlateau(optimizer).load_state_dict({}), "state_dict is {}; wanted a dict with"),
        (lambda: nn.ReduceLROnPlateau(min_delta=math.nan), "min_delta is nan; wanted a finite number"),
    ):
        with pytest.raises(martlet.MartletError, match=message):
            make()
    scheduled = optim.Adam([np.zeros(1)], lr=COSINE)
    with pytest.raises(martlet.DTypeError, match=r"param_groups\[0\]\['lr'\] is the schedule"):
        schedules.ReduceLROnPlateau(scheduled).step(1.0)
