"""martlet.keras: on torch, in processes of their own, the tests in keras_on_torch; on JAX Keras's numbers; no Keras.

Keras has one backend in a process, and the other tests have JAX.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from conftest import SOURCE
from martlet import _ffi

FOLDER = Path(__file__).resolve().with_name("keras_on_torch")


def _is_there() -> bool:
    try:
        return [int(part) for part in version("keras").split(".")[:2]] >= [3, 15]
    except PackageNotFoundError:
        return False


needs_keras = pytest.mark.skipif(not _is_there(), reason="Keras 3.15 is not installed")


@needs_keras
@pytest.mark.parametrize("name", ["curves", "files", "around", "refused", "uncopied", "derived"])
def test_on_torch(name: str) -> None:
    environment = {**os.environ, "KERAS_BACKEND": "torch", "MARTLET_LIBRARY": str(_ffi.library_path)}
    environment["PYTHONPATH"] = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    quietly = ("-q", "-p", "no:cacheprovider", "-W", "ignore::DeprecationWarning")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *quietly, str(FOLDER / f"{name}.py")],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


ELSEWHERE = """
import warnings
import keras, numpy as np
import martlet.keras
x = np.random.default_rng(0).normal(size=(64, 7)).astype("float32")
y = np.sin(x.sum(1, keepdims=True))
def train(kind, dtype):
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Dense(16, activation="tanh", dtype=dtype), keras.layers.Dense(1, dtype=dtype)]
    model = keras.Sequential([keras.layers.Input((7,)), *layers])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.compile(optimizer=kind(learning_rate=1e-2, use_ema=True), loss="mse")
        history = model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0).history["loss"]
        kind()
    heard = [str(one.message) for one in caught if "martlet" in str(one.message)]
    return history, [np.array(one) for one in model.get_weights()], heard, model.optimizer
for name in martlet.keras.__all__:
    if name[0].islower():
        continue
    for turn, dtype in enumerate(("float32", "bfloat16")[: 2 if name == "Adam" else 1]):
        wanted, weights, _, theirs = train(getattr(keras.optimizers, name), dtype)
        found, ours, heard, optimizer = train(getattr(martlet.keras, name), dtype)
        assert isinstance(optimizer, getattr(keras.optimizers, name))
        for a, b in zip([found, *ours], [wanted, *weights]):
            np.testing.assert_array_equal(np.asarray(a, "float32"), np.asarray(b, "float32"), name)
        assert [one.dtype for one in optimizer.variables] == [one.dtype for one in theirs.variables]
        assert len(heard) == (not turn), heard
        assert not heard or f"martlet.keras.{name} steps by Keras's own rule: the backend is jax" in heard[0], heard
        assert isinstance(martlet.keras.taking_over(theirs), getattr(martlet.keras, name))
"""


@needs_keras
@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
def test_on_jax_it_is_keras(run_python: Callable[..., Any]) -> None:
    run_python(ELSEWHERE, env={"KERAS_BACKEND": "jax"}, timeout=600)


WITHOUT = """
import sys
import martlet
assert "keras" not in sys.modules
sys.modules["keras"] = None
try:
    import martlet.keras
except ImportError as error:
    assert "martlet.keras needs Keras, which cannot be imported: pip install 'keras>=3.15'" in str(error), error
else:
    raise SystemExit("imported")
class Old: __version__ = "3.9.2"
sys.modules["keras"] = Old
try:
    martlet.keras
except ImportError as error:
    assert "martlet.keras needs Keras 3.15 or later, and 3.9.2 is installed" in str(error), error
else:
    raise SystemExit("imported")
"""


def test_without_keras_it_says_so(run_python: Callable[..., Any]) -> None:
    run_python(WITHOUT)
