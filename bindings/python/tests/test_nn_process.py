"""Models and processes: threads, forks, exits, imports, memory."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import nn
from networks import convolutional, digits_like, mlp


def time_of_others() -> int:
    """The nanoseconds for which all threads of this process but this one have run."""
    total = 0
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError):  # it has ended
            if int(task) != threading.get_native_id():
                total += int(Path(f"/proc/self/task/{task}/schedstat").read_text().split()[0])
    return total


def shared(call: Callable[..., Any], *given: Any, **options: Any) -> bool:
    """Whether other threads work in such a call. On a busy machine they may come too late for some."""
    for _ in range(100):
        before = time_of_others()
        call(*given, **options)
        if time_of_others() > before:
            return True
    return False


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
@pytest.mark.parametrize("kind", ["mlp", "convolutional"])
def test_the_same_bits_for_any_number_of_threads(kind: str, isa: str) -> None:
    try:
        martlet.set_isa(isa)
    except martlet.ArgumentError:
        pytest.skip(f"this machine lacks {isa}")
    found = []
    for threads in (1, 2, 3, 2):
        martlet.set_num_threads(threads)
        if kind == "mlp":
            layers = [nn.Dense(512, activation="relu", input_shape=(784,)), nn.Dense(10)]
            model, (x, y) = nn.Sequential(layers, seed=1), digits_like(300, (784,))
        else:
            model, (x, y) = convolutional(16, 64), digits_like(300, (8, 8, 3))
        model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
        history = model.fit(x, y, epochs=2, batch_size=256, verbose=0).history
        found.append((model.parameters().tobytes(), model.predict(x, batch_size=256).tobytes(), history))
        if threads > 1:
            assert shared(model.fit, x, y, batch_size=256, verbose=0)
            assert shared(model.predict, x, batch_size=256)
    assert all(other == found[0] for other in found)


FORK = """
import os, signal
import numpy as np
import martlet
from martlet import nn
martlet.set_num_threads(2)
rng = np.random.default_rng(1)
x, y = rng.standard_normal((256, 8, 8, 3)), rng.integers(0, 10, 256)
def made():
    layers = [nn.Conv2D(16, 3, activation="relu", input_shape=(8, 8, 3)), nn.Flatten(), nn.Dense(10)]
    model = nn.Sequential(layers, seed=1)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model
model = made()
model.fit(x, y, verbose=0)
"""


def test_a_forked_child_trains(run_python: Any) -> None:
    run_python(
        FORK
        + """
wanted = made()
wanted.fit(x, y, verbose=0)
wanted.fit(x, y, verbose=0)
for _ in range(10):
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        model.fit(x, y, verbose=0)
        fresh = made()
        fresh.fit(x, y, verbose=0)
        same = (model.parameters() == wanted.parameters()).all() and fresh.optimizer.iterations == 8
        os._exit(0 if same else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
model.fit(x, y, verbose=0)
assert (model.parameters() == wanted.parameters()).all()
"""
    )


def test_a_child_forked_while_a_thread_trains(run_python: Any) -> None:
    run_python(
        FORK
        + """
import threading, time
running = True
def work():
    while running:
        model.fit(x, y, verbose=0)
thread = threading.Thread(target=work)
thread.start()
for _ in range(10):
    time.sleep(0.01)
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        try:
            model.predict(x)
        except martlet.InterruptedStepError:
            pass
        made().fit(x, y, verbose=0)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
running = False
thread.join()
"""
    )


def test_threads_with_models_of_their_own() -> None:
    x, y = digits_like(300, (20,))

    def trained(target: list[Any]) -> None:
        model = mlp()
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, y, epochs=3, verbose=0)
        target.append(model.parameters().copy())

    found: list[Any] = []
    workers = [threading.Thread(target=trained, args=(found,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 4 and all((other == found[0]).all() for other in found)


def test_a_second_thread_is_refused() -> None:
    """Both train; each call succeeds or raises BusyError, and every step that was counted was taken."""
    x, y = digits_like(20_000, (20,))  # milliseconds for a step, in which the other thread comes
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.train_on_batch(x, y)
    done: list[int] = []
    refused: list[int] = []
    barrier = threading.Barrier(2)

    def work() -> None:
        for _ in range(50):
            barrier.wait()
            try:
                model.train_on_batch(x, y)
                done.append(1)
            except martlet.BusyError:
                refused.append(1)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert model.optimizer.iterations == 1 + len(done)
    assert refused and len(done) + len(refused) == 100


def test_exit_while_a_thread_trains(run_python: Any) -> None:
    done = run_python(
        FORK
        + """
import threading, time
def work():
    while True:
        model.fit(x, y, verbose=0)
threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
""",
        "-X",
        "dev",
    )
    assert done.stderr == ""


def test_import_needs_numpy_alone(run_python: Any) -> None:
    run_python(
        """
import sys
for name in ("torch", "keras", "jax", "tqdm", "matplotlib", "sklearn", "ml_dtypes"):
    sys.modules[name] = None
import martlet
assert "martlet.nn" not in sys.modules and "martlet._ffi_models" not in sys.modules
import numpy as np
assert set(martlet.data.__all__) <= set(dir(martlet.data)) and "martlet._ffi_models" not in sys.modules
model = martlet.nn.Sequential([martlet.nn.Dense(3, input_shape=(4,))])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(np.zeros((10, 4)), np.zeros(10, int))
model.fit(np.zeros((10, 4)), np.zeros(10, int), verbose=1)
assert "martlet.torch" not in sys.modules and "martlet.optim" not in sys.modules
"""
    )


def test_models_are_freed() -> None:
    def memory() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    def once() -> None:
        model = nn.Sequential([nn.Dense(1000, input_shape=(1000,))])
        model.compile("adam", "mse")
        model.train_on_batch(np.zeros((1, 1000)), np.zeros((1, 1000)))

    for _ in range(3):
        once()
    gc.collect()
    before = memory()
    for _ in range(20):
        once()
    gc.collect()
    assert memory() - before < 50_000_000  # 20 models have 320 MB


@pytest.mark.parametrize(
    ("call", "what"),
    [(call, what) for call in ("fit", "evaluate") for what in ("x", "y", "whole")]
    + [("predict", "x"), ("predict", "whole")],
)
def test_arrays_stay_where_they_are_inside_a_call(call: str, what: str) -> None:
    """A callback cannot take the memory from under the library, and can again once the call is over."""
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    whole, y = np.zeros((4096, 20), np.float32), np.zeros(4096, np.int64)
    x = whole[:] if what == "whole" else whole
    changed = y if what == "y" else whole

    def resize(batch: int, logs: Any) -> None:
        changed.resize((2, *changed.shape[1:]), refcheck=False)

    listener = nn.LambdaCallback(**{f"on_{name}_batch_end": resize for name in ("train", "test", "predict")})
    with pytest.raises(ValueError, match="cannot resize an array that references or is referenced"):
        if call == "fit":
            model.fit(x, y, verbose=0, callbacks=[listener])
        elif call == "evaluate":
            model.evaluate(x, y, verbose=0, callbacks=[listener])
        else:
            model.predict(x, callbacks=[listener])
    assert len(changed) == 4096
    resize(0, None)
