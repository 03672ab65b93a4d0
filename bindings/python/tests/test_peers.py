"""semantics= against the installed Keras and optax, in float64, over 300 steps; "paper" against the oracle.

eps is 1e-3, where the conventions for it are 1e-2 apart after 300 steps; at 1e-7 they would differ by 1e-6 only. Two
float64 programs that mean the same differ by 1e-13 here, so the tolerance of 1e-9 leaves no room for another one.
"""

from __future__ import annotations

import os
from typing import Any

import jax
import numpy as np
import pytest

import martlet
import oracles

os.environ.setdefault("KERAS_BACKEND", "jax")
jax.config.update("jax_enable_x64", True)

import keras  # noqa: E402
import optax  # noqa: E402

# Peers on JAX compute in float64 where they are asked to.
IN_FLOAT64 = True

STEPS = 300
SHAPE = (7, 5)
ADAM = {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-3}
TOLERANCE = 1e-9


def start() -> np.ndarray[Any, Any]:
    return np.random.default_rng(5).standard_normal(SHAPE)


def gradient(p: np.ndarray[Any, Any], step: int) -> np.ndarray[Any, Any]:
    """A noisy bowl; large at times, so that AMSGrad's maximum matters."""
    noise = np.random.default_rng(step).standard_normal(SHAPE)
    return 2 * (p - 0.5) + noise * (10 if step % 50 == 0 else 1)


def ours(function: Any, **options: Any) -> np.ndarray[Any, Any]:
    p, state = start(), {}
    for step in range(STEPS):
        function(p, gradient(p, step), state, **{**ADAM, **options})
    return p


def check_nearer(found: np.ndarray[Any, Any], other: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> None:
    """found is the peer's; other, another convention's result, is at least 100 times as far away."""
    np.testing.assert_allclose(found, wanted, rtol=TOLERANCE)
    assert 100 * np.abs(found - wanted).max() < np.abs(other - wanted).max()
    assert np.abs(other / wanted - 1).max() > 100 * TOLERANCE


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.02])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_keras(name: str, decay: float, amsgrad: bool) -> None:
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        variable = keras.Variable(start(), dtype="float64")
        peer = getattr(keras.optimizers, name)(
            learning_rate=ADAM["lr"],
            beta_1=0.9,
            beta_2=0.999,
            epsilon=ADAM["eps"],
            weight_decay=decay,
            amsgrad=amsgrad,
        )
        peer.build([variable])
        for step in range(STEPS):
            p = np.asarray(variable.value)
            peer.apply([keras.ops.convert_to_tensor(gradient(p, step), dtype="float64")], [variable])
    finally:
        keras.config.set_floatx(before)
    function = martlet.adam if name == "Adam" else martlet.adamw
    found = ours(function, semantics="keras", weight_decay=decay, amsgrad=amsgrad)
    other = ours(function, semantics="torch", weight_decay=decay, amsgrad=amsgrad)
    check_nearer(found, other, np.asarray(variable.value))


@pytest.mark.parametrize("name", ["adam", "adamw", "amsgrad"])
def test_optax(name: str) -> None:
    """Only in AMSGrad do optax and torch differ; in Adam and AdamW both differ from Keras."""
    options = {"b1": 0.9, "b2": 0.999, "eps": ADAM["eps"]}
    if name == "adamw":
        options["weight_decay"] = 0.02
    peer = getattr(optax, name)(ADAM["lr"], **options)
    p = jax.numpy.asarray(start())
    state = peer.init(p)
    for step in range(STEPS):
        updates, state = peer.update(jax.numpy.asarray(gradient(np.asarray(p), step)), state, p)
        p = optax.apply_updates(p, updates)
    function = martlet.adamw if name == "adamw" else martlet.adam
    own = {"weight_decay": 0.02} if name == "adamw" else {"amsgrad": name == "amsgrad"}
    found = ours(function, semantics="optax", **own)
    other = ours(function, semantics="torch" if name == "amsgrad" else "keras", **own)
    check_nearer(found, other, np.asarray(p))


@pytest.mark.parametrize("semantics", ["torch", "keras", "optax", "paper"])
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.02])
@pytest.mark.parametrize("decoupled", [False, True])
def test_every_convention_against_the_oracle(semantics: str, amsgrad: bool, decay: float, decoupled: bool) -> None:
    function = martlet.adamw if decoupled else martlet.adam
    found = ours(function, semantics=semantics, amsgrad=amsgrad, weight_decay=decay)
    p, state = start(), oracles.State(SHAPE)
    options = {**ADAM, "weight_decay": decay, "decoupled_weight_decay": decoupled, "amsgrad": amsgrad}
    for step in range(STEPS):
        grad = gradient(p.astype(float), step)
        p = oracles.step(oracles.adam, p, grad, state, step + 1, semantics=semantics, **options)
    np.testing.assert_allclose(found, p.astype(float), rtol=1e-10)
