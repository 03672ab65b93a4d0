"""martlet.keras on torch, where the library cannot step: Keras's rule, in the same optimizer, said once."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import keras
import numpy as np
import pytest
import torch

import martlet.keras
from _models import CLASSES, both, losses, model, steps_natively
from martlet.keras import _native, _options


@pytest.fixture(autouse=True)
def _warns_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_options, "_said", set())


@pytest.mark.parametrize("name", CLASSES)
def test_stateless_calls_are_kerass(name: str) -> None:
    found = []
    for library in (keras.optimizers, martlet.keras):
        trained = model(getattr(library, name)(1e-2))
        optimizer, variables = trained.optimizer, trained.trainable_variables
        optimizer.build(variables)
        grads = [torch.full(tuple(one.shape), 0.5) for one in variables]
        own = [one.value.detach().clone() for one in optimizer.variables]
        new, state = optimizer.stateless_apply(own, grads, [one.value.detach().clone() for one in variables])
        assert int(optimizer.iterations) == 0 and int(state[0]) == 1
        found.append([one.detach().numpy() for one in new])
    for one, other in zip(*found, strict=True):
        assert (one == other).all()


# What the library does not take, and what is said of it.
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("ScheduleFreeAdamW", {"weight_decay": 0.1}, "takes no weight_decay of Keras's kind"),
    ("SGD", {"learning_rate": 0.0, "momentum": 0.9}, "learning_rate is 0.0; beside a momentum"),
    ("Muon", {"rms_rate": None}, "takes a momentum under 1 and a rms_rate over 0"),
    ("Adam", {"beta_1": 1.0}, "beta1"),
]


@pytest.mark.parametrize(("name", "options", "said"), REFUSED, ids=str)
def test_keras_steps_what_the_library_does_not(
    name: str, options: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours = (model(getattr(library, name)(**options)) for library in (keras.optimizers, martlet.keras))
    wanted = losses(theirs, 4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = losses(ours, 4)
    heard = [str(one.message) for one in caught if "martlet" in str(one.message)]
    assert len(heard) == 1 and f"martlet.keras.{name} steps by Keras's own rule" in heard[0] and said in heard[0]
    np.testing.assert_array_equal(found, wanted)
    monkeypatch.setenv("MARTLET_STRICT", "1")
    with pytest.raises(martlet.UnsupportedError, match="steps by Keras's own rule"):
        losses(ours, 1)


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "Nadam"])  # which Keras cannot do in bfloat16
def test_kerass_rule_with_state_in_float32(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # As on an accelerator: no variable is for the library.
    def refused(*given: Any, **options: Any) -> None:
        raise martlet.UnsupportedError("it is on device 'elsewhere'")

    monkeypatch.setattr(_native, "Plan", refused)
    ours = model(getattr(martlet.keras, name)(1e-2), "bfloat16")
    with pytest.warns(UserWarning, match="it is on device 'elsewhere'"):
        found = losses(ours, 12)
    assert int(ours.optimizer.iterations) == 12 and not steps_natively(ours.optimizer)
    if name in ("SGD", "RMSprop", "Adagrad", "Adamax", "Lion", "Muon"):  # others' numbers do not fit into bfloat16
        assert found[-1] < found[0]


def test_keras_goes_on_with_the_librarys_state_and_back() -> None:
    def train(trained: Any) -> None:
        for rate in (1e-2, 0.0, 1e-2):
            trained.optimizer.learning_rate = rate
            losses(trained, 4)

    with pytest.warns(UserWarning, match="learning_rate is 0"):
        assert steps_natively(both(train, "SGD", momentum=0.9).optimizer)


def test_a_subclass_with_a_rule_of_its_own() -> None:
    class Half(martlet.keras.Adam):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            self.assign_sub(variable, 0.5 * gradient)

    class Named(martlet.keras.Adam):
        def __init__(self, rate: float = 0.5) -> None:
            super().__init__(rate)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "more": 1}

    variable = keras.Variable(np.ones(3, "float32"))
    optimizer = Half()
    with pytest.warns(UserWarning, match="Half steps by Keras's own rule: it has update_step of its own"):
        optimizer.apply([torch.ones(3)], [variable])
    assert (variable.numpy() == 0.5).all() and int(optimizer.iterations) == 1
    optimizer = Named(0.25)
    optimizer.apply([torch.ones(3)], [variable])
    assert steps_natively(optimizer) and (abs(variable.numpy() - 0.25) < 1e-5).all()
    assert list(inspect.signature(Named).parameters) == ["rate"]


def test_a_variable_twice_is_kerass_business() -> None:
    variable = keras.Variable(np.ones(3, "float32"))
    optimizer = martlet.keras.Adam(0.1)
    with pytest.warns(UserWarning, match="steps by Keras's own rule"):
        optimizer.apply([torch.ones(3), torch.ones(3)], [variable, variable])
    assert (variable.numpy() < 1).all()
