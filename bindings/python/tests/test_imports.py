"""What first calls import: nothing, or where no thread can fork meanwhile, since a child would wait for ever."""

from __future__ import annotations

from typing import Any

import pytest

WATCH = """
import sys, tempfile, warnings
import numpy as np
{imports}
from martlet import MartletError, _forks
folder, seen = tempfile.mkdtemp(), []
class Watch:
    def find_spec(self, name, path=None, target=None):
        if not _forks.held_off._is_owned():
            seen.append(name)
sys.meta_path.insert(0, Watch())
def refused(call, *given):
    try:
        call(*given)
    except MartletError as error:
        return str(error)
    raise SystemExit(f"{call} took {given}")
x, y = np.ones((40, 3)), np.arange(40) % 2
"""

FUNCTIONS = """
p = np.zeros(4, np.float32)
martlet.adam(p, p + 1)
martlet.adamw([p], [p + 1], {}, copy=True)
martlet.adam_optimizer(p, p + 1, 1)
refused(martlet.adam, p, np.ones(3))
refused(martlet.adam, [1.0], p)
refused(martlet.adam, p.astype(">f4"), p)
refused(martlet.adam, p, p)
martlet.set_num_threads(martlet.machine().threads)
martlet.set_isa("auto")
big = np.zeros(400_000, np.float32)
martlet.adam(big, big + 1)
martlet.nn.Sequential, martlet.data.Batches
"""

OBJECTS = """
p = np.zeros((4, 4), np.float32)
o = Adam([("p", p[::2, ::-1])], lr=schedules.CosineDecay(0.1, 9), state_dtype=np.float16)
schedules.ReduceLROnPlateau(Adam([p.copy()])).step(1.0)
refused(schedules.Step, 0.1, 0)
o.step([p[:2] + 1])
o.load_state_dict(o.state_dict())
o.save(folder + "/state")
o.load(folder + "/state")
refused(o.load, sys.executable)
refused(o.load, folder + "/none")
refused(o.step, [p])
refused(AdamW, [])
repr(o)
AdamOptimizer().update(1.0)
Adam().apply_gradients([(p + 1, p)])
"""

MODELS = """
import io
sys.stdout = sys.stderr = io.StringIO()
layers = [Conv2D(2, 3, padding="same", input_shape=(4, 4, 3), data_format="channels_last"), BatchNormalization(),
          Flatten(), Dropout(0.5), Dense(2, kernel_initializer=HeNormal())]
model = Sequential(layers)
x = np.ones((40, 4, 4, 3))
model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
hear = [EarlyStopping("loss"), ModelCheckpoint(folder + "/{epoch}/m", save_best_only=True), TerminateOnNaN(),
        GradientNorm(), LearningRateScheduler(lambda epoch: 0.1), EarlyStopping("val_loss"), LambdaCallback(),
        ReduceLROnPlateau("loss")]
warnings.simplefilter("always")
for verbose in (0, 1, 2, "auto"):
    model.fit(x, y, verbose=verbose, validation_split=0.1, callbacks=hear[:5])
model.fit(x, y, callbacks=hear[5])
model.evaluate(x, y, verbose=1)
model.predict(x.tolist())
model.train_on_batch(x, y)
model.summary()
model.save(folder + "/model")
load_model(folder + "/model").fit(x, y)
refused(load_model, sys.executable)
refused(model.fit, x * np.nan, y)
refused(model.fit, x, y + 7)
refused(model.fit, x[:, :2], y)
refused(model.fit, x.astype(object), y)
refused(model.fit, "x", y)
refused(model.compile, "sdg")
refused(model.fit, x, y, 0)
repr(model)
model.close()
"""

DATA = """
for prefetch in (0, 2):
    for batch in Batches(x, y, prefetch=prefetch, seed=1):
        pass
for scaler in (Standardizer(), MinMaxScaler()):
    scaler.inverse_transform(scaler.fit_transform(x))
    scaler.layer()
refused(scaler.fit, x * np.nan)
refused(read_idx, sys.executable)
refused(read_cifar10, sys.executable)
refused(load_mnist_idx, folder)
"""

TENSORS = """
import torch
p = torch.zeros(4, requires_grad=True)
p.grad = torch.ones(4)
o = Adam([p])
o.step()
AdamW([p], foreach=True).step()
o.zero_grad()
o.load_state_dict(o.state_dict())
o.add_param_group({"params": [torch.zeros(3, requires_grad=True)]})
refused(Adam, [])
"""


@pytest.mark.parametrize(
    ("imports", "calls"),
    [
        ("import martlet", FUNCTIONS),
        ("from martlet import schedules\nfrom martlet.optim import *", OBJECTS),
        ("from martlet.nn import *", MODELS),
        ("from martlet.data import *", DATA),
        ("from martlet.torch import *", TENSORS),
    ],
)
def test_first_calls_import_nothing(imports: str, calls: str, run_python: Any) -> None:
    run_python(
        WATCH.replace("{imports}", imports) + calls + "if seen:\n    sys.exit(print(seen, file=sys.__stderr__) or 1)\n"
    )


FIRST_FIT = """
import os, random, signal, threading, time
import numpy as np
from martlet import nn
from martlet.nn._training import Data
def made():
    model = nn.Sequential([nn.Dense(2, input_shape=(3,))], seed=1)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model
x, y = np.ones((32, 3), np.float32), np.zeros(32, np.int64)
Data.of(made()._prepare(32), [x], [y]).bound.train_all()  # the library's own first calls, without Python's around
def child():
    signal.alarm(10)
    made().fit(x, y, verbose=0)
    os._exit(0)
def forking(seed):
    thread = threading.Thread(target=lambda: made().fit(x, y, verbose=0))
    thread.start()
    time.sleep(random.Random(seed).random() * 0.003)
    pid = os.fork()
    if pid == 0:
        child()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
for seed in range(30):
    pid = os.fork()  # a process that has not called fit yet
    if pid == 0:
        os._exit(forking(seed) and 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, seed
"""


def test_forks_while_a_thread_is_in_its_first_fit(run_python: Any) -> None:
    run_python(FIRST_FIT)


HELD_OFF = """
import os, signal, sys, threading, time
from martlet import _forks
inside = threading.Event()
def work():
    with _forks.held_off:
        inside.set()
        time.sleep(0.2)
        done.append(1)
        if os.fork() == 0:  # the thread that is inside may
            os._exit(0)
done = []
thread = threading.Thread(target=work)
thread.start()
inside.wait()
pid = os.fork()
if pid == 0:
    signal.alarm(10)
    with _forks.held_off:
        os._exit(0 if done else 3)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
thread.join()
"""


def test_a_fork_waits_for_what_holds_it_off(run_python: Any) -> None:
    run_python(HELD_OFF)
