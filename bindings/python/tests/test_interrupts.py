"""Exceptions of signal handlers, as Ctrl-C raises them, at random instants.

What they interrupt can be called again, from any thread and also while the exception is kept; parameters, moments and
step count are those of whole steps.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from martlet import _ffi_models, _ffi_optimizers, data, nn
from martlet.optim import Adam

HUNT = """
import os, random, signal, tempfile, threading
import numpy as np
random.seed(1)
signal.signal(signal.SIGALRM, signal.default_int_handler)
kept = None
def interrupted(call, latest=2e-4):
    global kept
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-5, latest))
        for _ in range(100):  # Python passes over an exception in a finalizer
            call()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt as error:
        kept = error
def in_a_thread(call):
    found = []
    def work():
        try:
            found.append(call())
        except Exception as error:
            found.append(error)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]
path = os.path.join(tempfile.mkdtemp(), "state")
"""

OPTIM = """
import martlet
from martlet.optim import Adam
shapes = [(3, 2), (), (5,)]
gradient = [np.full(shape, 0.5) for shape in shapes]
others = [np.full(shape, 0.5) for shape in shapes]
def made():
    params = [np.zeros(shape) for shape in shapes]
    return params, Adam(params, lr=0.01)
def steps_of(state):
    return [state["state"][place]["step"] if place in state["state"] else 0 for place in range(len(shapes))]
def check(params, optimizer):
    state = optimizer.state_dict()
    steps = steps_of(state)
    assert len(set(steps)) == 1, steps
    wanted, other = made()
    for _ in range(steps[0]):
        other.step(gradient)
    assert all((a == b).all() for a, b in zip(params, wanted))
    moments = other.state_dict()["state"]
    for place, found in state["state"].items():
        for slot in ("exp_avg", "exp_avg_sq"):
            assert (found[slot] == (moments[place][slot] if steps[0] else 0)).all()
"""

TORCH = """
import torch, martlet.torch
torch.set_num_threads(1)
gradient, others = torch.full((5,), 0.5), torch.full((5,), 0.5)
def made():
    parameter = torch.nn.Parameter(torch.zeros(5))
    return parameter, martlet.torch.Adam([parameter], lr=0.01)
parameter, optimizer = made()
def step():
    parameter.grad = gradient if random.random() < 0.5 else others
    optimizer.step()
"""

MODEL = """
from martlet import nn
x, y = np.ones((8, 20), np.float32), np.arange(8)
def made():
    model = nn.Sequential([nn.Dense(10, input_shape=(20,))], seed=1)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model
model = made()
look = nn.LambdaCallback(on_train_batch_end=lambda batch, logs: model.get_weights())
calls = [lambda: model.train_on_batch(x, y), lambda: model.fit(x, y, verbose=0, shuffle=False, callbacks=look)]
"""


def test_an_optimizer_steps_saves_and_loads_after_them(run_python: Any) -> None:
    run_python(
        HUNT
        + OPTIM
        + """
params, optimizer = made()
def step():
    optimizer.step(gradient if random.random() < 0.5 else others)
calls = [step, step, step, optimizer.state_dict, lambda: optimizer.save(path)]
for turn in range(3000):
    interrupted(calls[turn % 5])
    step() if turn % 10 else in_a_thread(step)
check(params, optimizer)
state = optimizer.state_dict()
optimizer.save(path)
optimizer.load(path)
optimizer.load_state_dict(state)
check(params, optimizer)
"""
    )


def test_an_optimizers_first_step_is_whole_or_not_taken(run_python: Any) -> None:
    run_python(
        HUNT
        + OPTIM.replace("(5,)", "(100_000,)")  # most interrupts come within the native call
        + """
latest = made()
def first():
    global latest
    latest = made()
    latest[1].step(gradient)
for turn in range(1000):
    interrupted(first, 2e-3)
    check(*latest)
"""
    )


def test_a_torch_optimizer_steps_saves_and_loads_after_them(run_python: Any) -> None:
    pytest.importorskip("torch")
    run_python(
        HUNT
        + TORCH
        + """
step()
for turn in range(3000):
    interrupted(step if turn % 4 else optimizer.state_dict)
    step() if turn % 10 else in_a_thread(step)
steps = int(optimizer.state[parameter]["step"])
wanted, other = made()
wanted.grad = gradient
for _ in range(steps):
    other.step()
assert (parameter == wanted).all()
torch.save(optimizer.state_dict(), path)
optimizer.load_state_dict(torch.load(path))
step()
"""
    )


def test_a_model_trains_saves_and_loads_after_them(run_python: Any) -> None:
    run_python(
        HUNT
        + MODEL
        + """
for call in calls:
    call()
calls += [model.get_weights, lambda: model.predict(x), lambda: model.save(path)]
for turn in range(3000):
    interrupted(calls[turn % 5])
    model.predict(x) if turn % 10 else in_a_thread(lambda: model.predict(x))
wanted = made()
for _ in range(model.optimizer.iterations):
    wanted.train_on_batch(x, y)
assert (model.parameters() == wanted.parameters()).all()
model.save(path)
assert (nn.load_model(path).parameters() == model.parameters()).all()
model.compile("adam", "mse")
"""
    )


@pytest.mark.parametrize("prefetch", [1, 2])
def test_batches_go_on_where_they_were(prefetch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the one that had been fetched is lost with the exception."""
    x = np.arange(10)
    batches = iter(data.Batches(x, batch_size=1, shuffle=False, prefetch=prefetch))
    found = [int(next(batches)[0]) for _ in range(3)]
    ready: Any = batches._ready

    class Interrupted:
        def get(self) -> None:
            ready.get()
            raise KeyboardInterrupt

    batches._ready = Interrupted()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        next(batches)
    found += [int(batch[0]) for batch in batches]
    assert found == list(range(10))


@pytest.mark.parametrize(
    ("module", "made", "call"),
    [
        (_ffi_optimizers, "martlet_optimizer_create", lambda: Adam([np.zeros(2)]).save("nowhere")),
        (_ffi_models, "martlet_model_create", lambda: nn.Sequential([nn.Dense(2, input_shape=(3,))])),
    ],
)
def test_a_handle_that_was_just_made_is_freed(
    module: Any, made: str, call: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    create, destroyed = getattr(module, made), made.replace("create", "destroy")
    destroy, freed = getattr(module, destroyed), []

    def interrupted(*arguments: Any) -> None:
        create(*arguments)
        raise KeyboardInterrupt

    def noted(token: Any) -> None:
        freed.append(bool(token))
        destroy(token)

    monkeypatch.setattr(module, made, interrupted)
    monkeypatch.setattr(module, destroyed, noted)
    with pytest.raises(KeyboardInterrupt):
        call()
    gc.collect()
    assert freed == [True]
