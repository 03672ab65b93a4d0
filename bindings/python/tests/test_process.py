"""Forks, threads, exits: each in a process of its own."""

from __future__ import annotations

from typing import Any

import pytest

FORK = """
import faulthandler, os, signal, sys, threading
import numpy as np
import martlet
from martlet import _machine
from martlet.optim import Adam
array, gradient = np.zeros(400_000, np.float32), np.ones(400_000, np.float32)
optimizer = Adam([array], lr=0.1)
martlet.set_num_threads(2)
optimizer.step([gradient])
def child():
    signal.alarm(30)
    optimizer.step([gradient])
    fresh = np.zeros(400_000, np.float32)
    Adam([fresh], lr=0.1).step([gradient])
    os._exit(0 if abs(array[0] + 0.2) < 1e-5 and abs(fresh[-1] + 0.1) < 1e-5 else 3)
"""


def test_a_forked_child_steps(run_python: Any) -> None:
    run_python(
        FORK
        + """
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        child()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
optimizer.step([gradient])
assert abs(array[0] + 0.2) < 1e-5
"""
    )


def test_forks_while_a_thread_steps(run_python: Any) -> None:
    run_python(
        FORK
        + """
other = np.zeros(400_000, np.float32)
running, second = True, Adam([other])
def work():
    while running:
        second.step([gradient])
thread = threading.Thread(target=work)
thread.start()
interrupted = 0
for _ in range(40):
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        try:
            second.step([gradient])
        except martlet.InterruptedStepError as error:
            assert "forked while another thread was inside" in str(error)
            os._exit(7 if isinstance(error, RuntimeError) else 4)
        child()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, 7), status
    interrupted += status == 7
running = False
thread.join()
assert interrupted, "no fork met the thread inside its step"
second.step([gradient])
"""
    )


def test_the_child_uses_threads_too(run_python: Any) -> None:
    run_python(
        FORK
        + """
if martlet.machine().threads_default > 1:
    big, grad = np.zeros(4_000_000, np.float32), np.ones(4_000_000, np.float32)
    large = Adam([big])
    large.step([grad])
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        large.step([grad])
        os._exit(0 if martlet.machine().last_threads == 2 else 5)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""
    )


@pytest.mark.parametrize("module", ["martlet", "martlet.torch"])
def test_exit_with_everything_open(module: str, run_python: Any) -> None:
    done = run_python(
        f"""
import threading, time
import numpy as np
import martlet, {module}
from martlet.optim import Adam
big = np.zeros(3_000_000, np.float32)
optimizer = Adam([big])
optimizer.step([big + 1])
def work():
    grad = np.ones_like(big)
    while True:
        optimizer.step([grad])
threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
""",
        "-X",
        "dev",
    )
    assert done.stderr == ""


def test_exit_repeatedly(run_python: Any) -> None:
    """Children step with threads and leave as interpreters do; the first ones load the library themselves. 60 show a
    fault of one exit in twenty nearly always, and take seconds."""
    done = run_python(
        """
import os, sys
import numpy as np
for turn in range(60):
    if turn == 10:
        import martlet
    pid = os.fork()
    if pid == 0:
        import martlet
        martlet.set_num_threads(2)
        martlet.adam(np.zeros(400_000, np.float32), np.ones(400_000, np.float32))
        sys.exit()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 0, status
""",
        "-X",
        "dev",
    )
    assert done.stderr == ""


def test_ctrl_c_between_steps(run_python: Any) -> None:
    run_python(
        """
import os, signal
import numpy as np
from martlet.optim import Adam
array = np.zeros(100_000, np.float32)
optimizer = Adam([array])
signal.setitimer(signal.ITIMER_REAL, 0.2)
signal.signal(signal.SIGALRM, signal.default_int_handler)
count = 0
try:
    while True:
        optimizer.step([array + 1])
        count += 1
except KeyboardInterrupt:
    pass
optimizer.step([array + 1])
assert optimizer.state_dict()["state"][0]["step"] in (count + 1, count + 2)
"""
    )


def test_loading_leaves_the_process_as_it_was(run_python: Any) -> None:
    run_python(
        """
import os, signal, threading
import numpy
before = {number: signal.getsignal(number) for number in signal.valid_signals()}
environment, threads = dict(os.environ), len(os.listdir("/proc/self/task"))
umask = os.umask(0o22); os.umask(umask)
smallest = numpy.float32(1e-40) * numpy.float32(1)
import martlet
assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before
assert dict(os.environ) == environment
assert len(os.listdir("/proc/self/task")) == threads
now = os.umask(0o22); os.umask(now)
assert now == umask
array = numpy.zeros(2_000_000, numpy.float32)
for _ in range(3):
    martlet.adam(array, array + 1)
assert numpy.float32(1e-40) * numpy.float32(1) == smallest != 0
""",
        env={"SWIFT_BACKTRACE": None},
    )
