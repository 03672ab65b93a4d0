"""One sample after the other: what is kept from call to call must be seen by nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import martlet
from crowds import errors_of
from martlet import nn
from martlet.nn import _training
from networks import digits_like, mlp

X, Y = digits_like(64, (20,))
ONE = X[:1]


@pytest.fixture
def model() -> nn.Sequential:
    """One that has predicted a sample."""
    made = mlp()
    made.compile("adam", "sparse_categorical_crossentropy")
    made.predict(ONE)
    return made


def test_a_second_sample_takes_the_short_way(model: nn.Sequential, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("the long way")

    wanted = model.predict(X)
    monkeypatch.setattr(_training, "predict", never)
    for sample in range(20):
        for call in (model, model.predict):
            np.testing.assert_array_equal(call(X[sample : sample + 1]), wanted[sample : sample + 1])
    np.testing.assert_array_equal(model.predict(ONE, batch_size=1, verbose=1), wanted[:1])
    with pytest.raises(AssertionError, match="the long way"):
        model.predict(X[:2])


def test_what_comes_out_is_the_callers_alone(model: nn.Sequential) -> None:
    x = ONE.copy()
    first = model.predict(x)
    kept = first.copy()
    second = model.predict(X[1:2])
    first[...] = 7
    x[...] = 7
    np.testing.assert_array_equal(model.predict(ONE), kept)
    np.testing.assert_array_equal(model.predict(X[1:2]), second)
    assert first.flags.owndata and first.flags.writeable and first.shape == (1, 10) and first.dtype == np.float32


def test_weights_that_change_are_seen(model: nn.Sequential) -> None:
    def agrees() -> None:
        for _ in range(3):
            np.testing.assert_array_equal(model.predict(ONE), model.predict(X)[:1])

    before = model.predict(ONE)
    model.fit(X, Y, epochs=1, verbose=0)
    agrees()
    assert (model.predict(ONE) != before).any()
    model.train_on_batch(X, Y)
    agrees()
    model.set_weights([2 * weight for weight in model.get_weights()])
    agrees()
    model.parameters()[...] *= 3
    agrees()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.layers[0].trainable = False
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.train_on_batch(X, Y)
    agrees()


def test_samples_of_every_kind(model: nn.Sequential) -> None:
    wanted = model.predict(X)[:1]
    wide = np.zeros((1, 40), np.float32)
    wide[:, ::2] = ONE
    frozen = ONE.copy()
    frozen.setflags(write=False)
    for x in (
        wide[:, ::2], frozen, ONE.astype(np.float64), ONE.astype(">f4"), np.asfortranarray(ONE), ONE.tolist(), [ONE],
        np.frombuffer(b"-" + ONE.tobytes(), np.uint8)[1:].view(np.float32).reshape(1, 20),
    ):  # fmt: skip
        for _ in range(2):
            np.testing.assert_array_equal(model.predict(x), wanted)
            np.testing.assert_array_equal(model(x), wanted)
    whole = np.arange(20, dtype=np.uint8)[None]
    np.testing.assert_array_equal(model.predict(whole), model.predict(whole.astype(np.float32)))


@pytest.mark.parametrize(
    ("x", "arguments", "error"),
    [
        (ONE[0], {}, martlet.ShapeError),
        (ONE[:, :19], {}, martlet.ShapeError),
        (ONE[:0], {}, martlet.ShapeError),
        (ONE[None], {}, martlet.ShapeError),
        (np.float32(1), {}, martlet.ShapeError),
        (np.array(1, np.float32), {}, martlet.ShapeError),
        (np.ma.masked_array(ONE), {}, martlet.DTypeError),
        (ONE.astype(np.complex64), {}, martlet.DTypeError),
        (ONE.astype(object), {}, martlet.DTypeError),
        (np.full((1, 20), 1e300), {}, martlet.ArgumentError),
        (ONE, {"batch_size": 0}, martlet.ArgumentError),
        (ONE, {"batch_size": 1 << 63}, martlet.ArgumentError),
        (ONE, {"batch_size": 32.0}, martlet.DTypeError),
        (ONE, {"batch_size": True}, martlet.DTypeError),
        (ONE, {"batch_size": np.ones(2)}, martlet.DTypeError),
        (ONE, {"verbose": 3}, martlet.ArgumentError),
        (ONE, {"verbose": None}, martlet.DTypeError),
        (ONE, {"callbacks": [3]}, martlet.DTypeError),
    ],
)
def test_what_cannot_be_is_refused_all_the_same(
    model: nn.Sequential, x: Any, arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        model.predict(x, **arguments)
    assert model.predict(ONE).shape == (1, 10)
    with pytest.raises(martlet.UnsupportedError):
        model(ONE, training=True)
    with pytest.raises(martlet.DTypeError):
        model(ONE, training="no")


def test_a_closed_model_and_a_part_of_another_one(model: nn.Sequential) -> None:
    inputs = nn.Input((20,))
    whole = nn.Model(inputs, nn.Dense(10)(model(inputs)))
    whole.predict(ONE)
    whole.set_weights([2 * weight for weight in whole.get_weights()])
    for _ in range(3):
        by_hand = ONE
        for layer in model.layers:
            kernel, bias = layer.get_weights()
            by_hand = by_hand @ kernel + bias
            by_hand = np.maximum(by_hand, 0) if layer is not model.layers[-1] else by_hand
        np.testing.assert_allclose(model.predict(ONE), by_hand, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(whole.predict(ONE), whole.predict(X)[:1])
    other = mlp()
    other.predict(ONE)
    other.predict(ONE)
    other.close()
    with pytest.raises(martlet.OrderError):
        other.predict(ONE)


def test_models_without_a_short_way() -> None:
    words, image = nn.Input((4,), dtype="int32"), nn.Input((4,))
    two = nn.Model([words, image], nn.Add()([nn.Flatten()(nn.Embedding(9, 1)(words)), image]))
    out = nn.Model(image, [nn.Dense(4)(image), nn.Dense(2)(image)])
    rows, numbers = np.array([[1, 2, 3, 8]], np.int32), np.ones((1, 4), np.float32)
    for _ in range(3):
        assert two.predict([rows, numbers]).shape == (1, 4)
        assert [one.shape for one in out.predict(numbers)] == [(1, 4), (1, 2)]


def test_training_keeps_out_who_has_predicted_before(model: nn.Sequential) -> None:
    """And is kept out by nobody who has come back."""
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(model.predict(ONE))
        except martlet.BusyError:
            answers.append("busy")

    def asks(*_: Any) -> None:
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        model.predict(ONE)
        model.predict(ONE)

    ask()
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[nn.LambdaCallback(on_train_batch_end=asks)])
    asks()
    assert [type(answer) for answer in answers] == [np.ndarray, *[str] * 4, np.ndarray]
    model.predict(ONE)
    with model._owner.inside():
        pass
    assert not model._owner.is_held


def test_threads_at_once(model: nn.Sequential) -> None:
    wanted = model.predict(X)

    def work(number: int) -> None:
        for turn in range(400):
            sample = (number * 7 + turn) % len(X)
            np.testing.assert_array_equal(model.predict(X[sample : sample + 1]), wanted[sample : sample + 1])

    assert not errors_of(work)
    model.fit(X, Y, verbose=0)


def test_threads_that_predict_while_others_train(model: nn.Sequential) -> None:
    """Whatever comes between, a prediction is of the weights before a call that trains or behind it."""
    plain = [np.zeros_like(weight) for weight in model.get_weights()]
    for value in (1.0, 2.0):
        plain[-1][...] = value
        model.set_weights(plain)
        np.testing.assert_array_equal(model.predict(ONE), np.full((1, 10), value, np.float32))
    over, wrong, answers = threading.Event(), [], [0]

    def work() -> None:
        while not over.is_set():
            time.sleep(0.0002)
            try:
                found = model.predict(ONE)
            except martlet.BusyError:
                continue
            except BaseException as error:
                wrong.append(error)
                return
            answers[0] += 1
            if found[0, 0] not in (1, 2) or (found != found[0, 0]).any():
                wrong.append(found)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    written = 0
    deadline = time.monotonic() + 30
    for turn in range(100_000):
        if min(written, answers[0]) > 200 or time.monotonic() > deadline:
            break
        plain[-1][...] = 1 + turn % 2
        try:
            model.set_weights(plain)
            written += 1
        except martlet.BusyError:
            pass
    over.set()
    for thread in threads:
        thread.join()
    assert not wrong and written and answers[0]


def test_ctrl_c_and_forks_leave_nothing_behind(run_python: Any) -> None:
    run_python(
        """
import os, random, signal
import numpy as np
from martlet import nn
model = nn.Sequential([nn.Dense(10, input_shape=(20,))], seed=1)
model.compile("adam", "sparse_categorical_crossentropy")
x, y = np.zeros((1, 20), np.float32), np.zeros(1, int)
model.predict(x)
random.seed(1)
signal.signal(signal.SIGALRM, signal.default_int_handler)
kept = []
for turn in range(400):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-4, 3e-4))
        while True:
            model.predict(x)
    except KeyboardInterrupt as error:
        kept.append(error)
    model.train_on_batch(x, y)
    model.predict(x)
pid = os.fork()
if pid == 0:
    signal.alarm(60)
    model.predict(x)
    model.fit(x, y, verbose=0)
    model.predict(x)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
model.predict(x)
model.fit(x, y, verbose=0)
"""
    )


class Line(list[Any]):
    """Calls a function once, behind the next claim that comes to stand in the line, as a signal's handler may be."""

    handler: Callable[[], None] | None = None

    def append(self, claim: Any) -> None:
        super().append(claim)
        handler, self.handler = self.handler, None
        if handler is not None:
            handler()


@pytest.mark.parametrize("call", ["predict", "train_on_batch", "get_weights"])
def test_a_handler_comes_in_before_the_call_that_it_interrupts(model: nn.Sequential, call: str) -> None:
    model._owner._claims = line = Line()
    seen = []

    def handle() -> None:
        model.train_on_batch(X, Y)
        seen.append(model.predict(ONE).shape)

    line.handler = handle
    getattr(model, call)(*{"predict": [X], "train_on_batch": [X, Y]}.get(call, []))
    assert len(seen) == 1 and not [one for one in line if not one.reads]


def test_a_signals_handler_may_train(run_python: Any) -> None:
    run_python(
        """
import signal
import numpy as np
from martlet import nn
model = nn.Sequential([nn.Dense(10, input_shape=(20,))], seed=1)
model.compile("adam", "sparse_categorical_crossentropy")
x, y, seen = np.zeros((1, 20), np.float32), np.zeros(1, int), []
def handle(*_):
    model.train_on_batch(x, y)
    seen.append(model.predict(x).shape)
    signal.setitimer(signal.ITIMER_REAL, 1e-4)  # once this is done, however long it takes
signal.signal(signal.SIGALRM, handle)
model.predict(x)
signal.setitimer(signal.ITIMER_REAL, 1e-4)
while len(seen) < 200:
    model.predict(x)
signal.setitimer(signal.ITIMER_REAL, 0)
assert set(seen) == {(1, 10)}
"""
    )
