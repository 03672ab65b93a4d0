"""Threads and a model: whoever is inside goes on, and the others are told so at once."""

from __future__ import annotations

import contextlib
import functools
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import martlet
from crowds import errors_of
from martlet import nn
from martlet._owner import Owner
from networks import digits_like, mlp

X, Y = digits_like(320, (20,))


def compiled() -> nn.Sequential:
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return model


def refused_in_a_thread(call: Callable[[], Any]) -> bool:
    """Whether the call raises BusyError in another thread."""
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(call())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return isinstance(found[0], martlet.BusyError)


CALLS: list[Callable[[nn.Sequential], Any]] = [
    lambda model: model.predict(X),
    lambda model: model.evaluate(X, Y, verbose=0),
    lambda model: model.fit(X, Y, verbose=0),
    lambda model: model.train_on_batch(X, Y),
    lambda model: model.get_weights(),
    lambda model: model.set_weights(mlp().get_weights()),
    lambda model: model.layers[0].get_weights(),
    lambda model: model.layers[0].set_weights(mlp().layers[0].get_weights()),
    lambda model: model.gradients(),
    lambda model: model.compile("adam", "mse"),
    lambda model: model.summary(print_fn=str),
    lambda model: model.save("/nowhere/at/all"),
    lambda model: model.close(),
    lambda model: model.optimizer.iterations,
    lambda model: setattr(model.optimizer, "learning_rate", 1.0),
]


def test_fit_keeps_every_other_thread_out_and_goes_on() -> None:
    """Between two steps, where the library itself would let them in."""
    wanted, model = compiled(), compiled()
    wanted.fit(X, Y, epochs=2, verbose=0)
    refused: list[list[bool]] = []

    def ask(batch: int, logs: Any) -> None:
        refused.append([refused_in_a_thread(lambda call=call: call(model)) for call in CALLS])  # type: ignore[misc]

    model.fit(X, Y, epochs=2, verbose=0, callbacks=[nn.LambdaCallback(on_train_batch_end=ask)])
    assert len(refused) == 20 and all(all(answers) for answers in refused)
    assert (model.parameters() == wanted.parameters()).all()
    assert not any(refused_in_a_thread(lambda call=call: call(compiled())) for call in CALLS)  # type: ignore[misc]
    assert not refused_in_a_thread(lambda: model.predict(X))


def test_the_thread_inside_may_call_more() -> None:
    model = compiled()
    seen: list[Any] = []

    def look(epoch: int, logs: Any) -> None:
        seen.append((model.predict(X).shape, model.evaluate(X, Y, verbose=0), model.optimizer.iterations))
        model.set_weights(model.get_weights())
        model.optimizer.learning_rate = 0.01

    model.fit(X, Y, epochs=2, verbose=0, callbacks=[nn.LambdaCallback(on_epoch_end=look)])
    assert [step for _, _, step in seen] == [10, 20]


@pytest.mark.parametrize("trained", [False, True])
def test_eight_threads_predict_at_once(trained: bool) -> None:
    """None is refused, from the first call on, which makes the parameters, and each has the bits of one thread alone.
    The model is a chain whose shape of samples the first batch tells."""
    for _ in range(5):
        model, alone = (
            nn.Sequential([nn.Dense(64, "relu"), nn.BatchNormalization(), nn.Dense(10)], seed=3) for _ in "12"
        )
        for one in (model, alone) if trained else ():
            one.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
        wanted = alone.predict(X)
        weights = alone.get_weights()

        def work(number: int, model: Any = model, wanted: Any = wanted, weights: Any = weights) -> None:
            for turn in range(12):
                np.testing.assert_array_equal(model.predict(X, batch_size=1 + (7 * number + turn) % 40), wanted)
                for one, two in zip(model.get_weights(), weights, strict=True):
                    np.testing.assert_array_equal(one, two)
                model.summary(print_fn=str)

        assert not errors_of(work)


def test_readers_keep_training_out_and_let_it_in_again() -> None:
    model = compiled()
    model.evaluate(X, Y, verbose=0)
    inside, leave, seen = threading.Event(), threading.Event(), []

    def stay() -> None:
        with model._owner.reading():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=stay)
    thread.start()
    inside.wait()
    for call in CALLS:
        try:
            call(model)
        except martlet.BusyError:
            seen.append("busy")
        except martlet.MartletError:
            seen.append("error")
        else:
            seen.append("done")
    leave.set()
    thread.join()
    reads = {0, 4, 6, 10, 13}
    assert [answer == "done" for answer in seen] == [index in reads for index in range(len(CALLS))], seen
    model.fit(X, Y, verbose=0)


def test_who_is_inside_enters_again_while_another_is_being_refused() -> None:
    """The other one's claim stands in the line for a moment, and here until it is told to go on."""
    for reads in (True, False):
        asking, answer = threading.Event(), threading.Event()

        class Slow(Owner):
            __slots__ = ()

            def _is_inside(self, claim: Any, asking: Any = asking, answer: Any = answer) -> bool:
                if claim.thread != threading.main_thread().ident:
                    asking.set()
                    answer.wait()
                return super()._is_inside(claim)

        owner, refusals = Slow(), []

        def ask(owner: Any = owner, reads: bool = reads, refusals: Any = refusals) -> None:
            try:
                owner.reading() if reads else owner.inside()
            except martlet.BusyError as error:
                refusals.append(error)

        with owner.inside():
            thread = threading.Thread(target=ask)
            thread.start()
            asking.wait()
            try:
                with owner.inside(), owner.reading():
                    pass
            finally:
                answer.set()
                thread.join()
        assert len(refusals) == 1 and not owner.is_held


def test_who_reads_and_then_trains_is_alone() -> None:
    """In what prints a summary: others came in to read beside it, and the library then refused a step."""
    wanted, model = compiled(), compiled()
    wanted.fit(X, Y, verbose=0)
    refused: list[bool] = []

    def ask(batch: int, logs: Any) -> None:
        calls: list[Callable[[], Any]] = [lambda: model.predict(X), lambda: model.summary(print_fn=str)]
        refused.extend(refused_in_a_thread(call) for call in calls)

    def train(line: str) -> None:
        if not refused:
            model.fit(X, Y, verbose=0, callbacks=[nn.LambdaCallback(on_train_batch_end=ask)])

    model.summary(print_fn=train)
    assert len(refused) == 20 and all(refused)
    assert (model.parameters() == wanted.parameters()).all()
    assert not refused_in_a_thread(lambda: model.fit(X, Y, verbose=0))


def test_an_error_lets_go() -> None:
    model = compiled()
    with pytest.raises(martlet.ShapeError):
        model.fit(X[:, :3], Y, verbose=0)
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y, verbose=0, callbacks=[nn.LambdaCallback(on_epoch_begin=lambda *_: 1 // 0)])
    assert not refused_in_a_thread(lambda: model.predict(X))


def test_fit_survives_threads_that_predict_all_the_time() -> None:
    wanted, model = compiled(), compiled()
    wanted.fit(X, Y, epochs=40, verbose=0)
    barrier, over, refusals = threading.Barrier(3), threading.Event(), [0, 0]

    def work(index: int) -> None:
        barrier.wait()
        while not over.is_set():
            try:
                model.predict(X)
            except martlet.BusyError:
                refusals[index] += 1

    workers = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for worker in workers:
        worker.start()
    # Before the first step the model is free, and a thread may be in it.
    waiting = True
    barrier.wait()
    while waiting:
        try:
            model.fit(X, Y, epochs=40, verbose=0)
            waiting = False
        except martlet.BusyError:
            pass
    over.set()
    for worker in workers:
        worker.join()
    assert sum(refusals) > 0
    assert model.optimizer.iterations == 400 and (model.parameters() == wanted.parameters()).all()


def test_a_forked_child_is_held_by_no_thread_of_its_parents(run_python: Any) -> None:
    run_python(
        """
import os, signal, threading
import numpy as np
from martlet import nn
model = nn.Sequential([nn.Dense(10, input_shape=(20,))], seed=1)
model.compile("adam", "sparse_categorical_crossentropy")
x, y = np.zeros((64, 20)), np.zeros(64, int)
inside, over = threading.Event(), threading.Event()
def wait(epoch, logs):
    inside.set()
    over.wait()
thread = threading.Thread(target=lambda: model.fit(x, y, verbose=0, callbacks=[nn.LambdaCallback(on_epoch_end=wait)]))
thread.start()
inside.wait()
pid = os.fork()
if pid == 0:
    signal.alarm(60)
    model.fit(x, y, verbose=0)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
over.set()
thread.join()
def fork(epoch, logs):
    pid = os.fork()
    if pid:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    else:
        signal.alarm(60)
        model.predict(x)
model.fit(x, y, verbose=0, callbacks=[nn.LambdaCallback(on_epoch_end=fork)])
model.predict(x)
"""
    )


def test_ctrl_c_at_any_moment_lets_go(run_python: Any) -> None:
    """Also where the exception, and with it every frame that it came through, is kept."""
    run_python(
        """
import random, signal, threading
import numpy as np
from martlet import nn
model = nn.Sequential([nn.Dense(10, input_shape=(20,))], seed=1)
model.compile("adam", "sparse_categorical_crossentropy")
x, y = np.zeros((8, 20), np.float32), np.zeros(8, int)
look = nn.LambdaCallback(on_train_batch_end=lambda batch, logs: model.get_weights())
calls = [model.get_weights, lambda: model.train_on_batch(x, y), lambda: model.fit(x, y, verbose=0, callbacks=look)]
random.seed(1)
signal.signal(signal.SIGALRM, signal.default_int_handler)
answers = []
def enter():
    try:
        answers.append(model.predict(x).shape)
    except Exception as error:
        answers.append(error)
for call in calls:
    call()
kept = None
for turn in range(600):
    call = calls[turn % 3]
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-4, 5e-4))
        while True:
            call()
    except KeyboardInterrupt as error:
        kept = error
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
model.compile("adam", "mse")
wrong = [answer for answer in answers if not isinstance(answer, tuple)]
assert len(answers) == 600 and not wrong, (len(wrong), wrong[0])
"""
    )


def test_weights_are_read_whole() -> None:
    """One thread writes all weights, another reads them: never a mixture. They come at any moment of each other's calls
    until they have got through, and were refused, often enough."""
    model = nn.Sequential([nn.Dense(700, input_shape=(700,)), nn.Dense(700)])
    ones = [np.full_like(weight, 1) for weight in model.get_weights()]
    twos = [np.full_like(weight, 2) for weight in ones]
    model.set_weights(ones)
    deadline = time.monotonic() + 60
    pause = functools.partial(random.Random(1).uniform, 0, 0.002)
    reads, writes, refusals, mixtures = 0, 0, 0, []

    def read() -> None:
        nonlocal reads, refusals
        while min(reads, writes, refusals) < 50 and time.monotonic() < deadline:
            time.sleep(pause())
            try:
                found = {number for weight in model.get_weights() for number in (weight.flat[0], weight.flat[-1])}
            except martlet.BusyError:
                refusals += 1
                continue
            reads += 1
            if len(found) > 1:
                mixtures.append(found)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # Python changes threads between any two lines
    try:
        reader = threading.Thread(target=read)
        reader.start()
        while reader.is_alive():
            time.sleep(pause())
            with contextlib.suppress(martlet.BusyError):
                model.set_weights((ones, twos)[writes % 2])
                writes += 1
        reader.join()
    finally:
        sys.setswitchinterval(interval)
    assert not mixtures
    assert min(reads, writes, refusals) >= 50
