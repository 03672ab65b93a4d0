"""martlet.keras on torch: files, configs and copies, and what goes from Keras's classes to these and back."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

import martlet.convert
import martlet.keras
import martlet.optim
from _models import X, Y, losses, model, steps_natively

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("Adagrad", {}),
    ("Adadelta", {}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1}),
    ("Adam", {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 4}),
    ("Adam", {"gradient_accumulation_steps": 3}),
    ("AdamW", {}),
    ("Adamax", {}),
    ("Nadam", {}),
    ("Lion", {}),
    ("Lamb", {}),
    ("Adafactor", {}),
    ("Muon", {}),
    ("ScheduleFreeAdamW", {"warmup_steps": 12}),
]


def made(name: str, options: dict[str, Any], library: Any = martlet.keras) -> Any:
    return getattr(library, name)(learning_rate=1e-2, **options)


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_training_goes_on_from_a_file_to_the_bit(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    wanted = losses(model(made(name, options)), 20)
    first = model(made(name, options))
    assert losses(first, 8).tolist() == wanted[:8].tolist()
    first.save(tmp_path / "model.keras")
    second = keras.saving.load_model(tmp_path / "model.keras")
    assert type(second.optimizer) is getattr(martlet.keras, name)
    assert losses(second, 12).tolist() == wanted[8:].tolist()
    assert steps_natively(second.optimizer)


def test_bfloat16_goes_on_from_a_file_to_the_bit(tmp_path: Path) -> None:
    wanted = losses(model(martlet.keras.Adam(1e-3, seed=5), "bfloat16"), 20)
    first = model(martlet.keras.Adam(1e-3, seed=5), "bfloat16")
    losses(first, 8)
    first.save(tmp_path / "model.keras")
    second = keras.saving.load_model(tmp_path / "model.keras")
    assert second.optimizer.seed == 5
    assert losses(second, 12).tolist() == wanted[8:].tolist()


def test_a_schedule_goes_on_from_a_file(tmp_path: Path) -> None:
    schedule = keras.optimizers.schedules.CosineDecay(1e-2, 30)
    wanted = losses(model(martlet.keras.Adam(schedule)), 20)
    first = model(martlet.keras.Adam(schedule))
    losses(first, 8)
    first.save(tmp_path / "model.keras")
    assert losses(keras.saving.load_model(tmp_path / "model.keras"), 12).tolist() == wanted[8:].tolist()


LOADED = """
import json, sys
import keras, numpy as np
x, y = np.load(sys.argv[2]).astype("float32"), np.load(sys.argv[3]).astype("float32")
model = keras.saving.load_model(sys.argv[1], custom_objects={"martlet>Adam": keras.optimizers.Adam})
assert isinstance(model.optimizer, keras.optimizers.Adam) and "martlet" not in sys.modules
print(json.dumps([float(model.train_on_batch(x, y)) for _ in range(12)]))
"""


def test_kerass_class_reads_the_file(tmp_path: Path) -> None:
    wanted = losses(model(martlet.keras.Adam(1e-2)), 20)
    first = model(martlet.keras.Adam(1e-2))
    losses(first, 8)
    first.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    given = [str(tmp_path / name) for name in ("model.keras", "x.npy", "y.npy")]
    done = subprocess.run([sys.executable, "-c", LOADED, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout.splitlines()[-1]), wanted[8:], rtol=2e-5)


@pytest.mark.parametrize(("name", "options"), [case for case in CASES if case[0] != "ScheduleFreeAdamW"], ids=str)
def test_taking_over_goes_on(name: str, options: dict[str, Any]) -> None:
    wanted = losses(model(made(name, options, keras.optimizers)), 20)
    trained = model(made(name, options, keras.optimizers))
    losses(trained, 8)
    theirs = trained.optimizer
    trained.compile(optimizer=martlet.keras.taking_over(theirs, seed=3), loss="mse")
    assert type(trained.optimizer) is getattr(martlet.keras, name) and trained.optimizer.seed == 3
    np.testing.assert_allclose(losses(trained, 12), wanted[8:], rtol=2e-5, atol=2e-5)
    assert steps_natively(trained.optimizer)
    assert int(theirs.iterations) < int(trained.optimizer.iterations)


def test_taking_over_what_scales_losses_and_what_is_unbuilt() -> None:
    wrapped = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-2), initial_scale=64.0)
    wanted = losses(model(wrapped), 20)
    trained = model(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-2), initial_scale=64.0))
    losses(trained, 8)
    trained.compile(optimizer=martlet.keras.taking_over(trained.optimizer), loss="mse")
    assert isinstance(trained.optimizer.inner_optimizer, martlet.keras.Adam)
    np.testing.assert_allclose(losses(trained, 12), wanted[8:], rtol=2e-5)
    fresh = martlet.keras.taking_over(keras.optimizers.Lion(0.25, clipnorm=2.0))
    assert not fresh.built and (float(fresh.learning_rate), fresh.clipnorm) == (0.25, 2.0)

    class Own(keras.optimizers.Adam):
        pass

    for other in (keras.optimizers.Ftrl(), Own()):
        with pytest.raises(martlet.UnsupportedError, match=f"{type(other).__name__} is none of SGD, RMSprop"):
            martlet.keras.taking_over(other)


def test_states_go_to_arrays_and_back() -> None:
    trained = model(martlet.keras.Adam(1e-2, amsgrad=True))
    losses(trained, 6)
    arrays = [one.numpy().copy() for one in trained.trainable_variables]
    ours = martlet.optim.Adam(arrays, amsgrad=True)
    ours.load_state_dict(martlet.convert.from_keras(trained.optimizer, ours))
    grads = [np.full(one.shape, 0.5, "float32") for one in arrays]
    for _ in range(3):
        ours.step(grads)
        trained.optimizer.apply([torch.from_numpy(one) for one in grads], trained.trainable_variables)
    for one, other in zip(trained.trainable_variables, arrays, strict=True):
        assert (one.numpy() == other).all()
    back = model(martlet.keras.Adam(1e-2, amsgrad=True))
    losses(back, 1)
    martlet.convert.to_keras(ours, back.optimizer)
    assert int(back.optimizer.iterations) == 9
    for one, other in zip(back.optimizer.variables, trained.optimizer.variables, strict=True):
        assert (one.numpy() == other.numpy()).all()


def test_copies_step_by_themselves() -> None:
    trained = model(martlet.keras.Adam(1e-2))
    losses(trained, 3)
    before = [one.numpy().copy() for one in trained.optimizer.variables]
    twin = copy.deepcopy(trained.optimizer)
    assert isinstance(twin, martlet.keras.Adam) and twin is not trained.optimizer
    other = keras.Variable(np.ones(3, "float32"))
    twin = martlet.keras.Adam.from_config(trained.optimizer.get_config())
    twin.apply([keras.ops.ones(3)], [other])
    for one, was in zip(trained.optimizer.variables, before, strict=True):
        assert (one.numpy() == was).all()


def test_weights_of_an_optimizer_are_set() -> None:
    first, second = (model(martlet.keras.SGD(1e-2, momentum=0.9)) for _ in range(2))
    wanted = [*losses(first, 5), *losses(first, 5)]
    losses(second, 1)
    third = model(martlet.keras.SGD(1e-2, momentum=0.9))
    losses(third, 5)
    second.set_weights(third.get_weights())
    second.optimizer.set_weights([one.numpy() for one in third.optimizer.variables])
    assert losses(second, 5).tolist() == wanted[5:]
