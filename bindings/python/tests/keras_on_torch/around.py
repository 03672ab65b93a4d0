"""martlet.keras on torch, in what surrounds a step: callbacks, scopes, variables that come and go, element types."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import torch

import martlet.keras
from _models import X, Y, both, losses, model, steps_natively, weights


def test_callbacks_move_the_rate() -> None:
    def train(trained: Any) -> None:
        callbacks = [
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5),
            keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=10.0),
        ]
        trained.fit(X, Y, batch_size=16, epochs=6, shuffle=False, verbose=0, callbacks=callbacks)
        trained.optimizer.learning_rate = 0.125
        trained.fit(X, Y, batch_size=16, shuffle=False, verbose=0)

    ours = both(train)
    assert float(ours.optimizer.learning_rate) == 0.125 and int(ours.optimizer.iterations) == 28
    assert steps_natively(ours.optimizer)


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adafactor", "Muon", "Nadam"])
def test_schedules(name: str) -> None:
    for rate in (keras.optimizers.schedules.ExponentialDecay(1e-2, 3, 0.5), lambda: 3e-3):
        found = []
        for library in (keras.optimizers, martlet.keras):
            options = {"momentum": 0.9} if name == "SGD" else {}
            found.append(losses(model(getattr(library, name)(rate, **options)), 12))
        np.testing.assert_allclose(found[1], found[0], rtol=2e-5)


def test_numbers_that_are_changed_between_steps() -> None:
    def train(trained: Any) -> None:
        losses(trained, 3)
        trained.optimizer.beta_1, trained.optimizer.epsilon, trained.optimizer.clipnorm = 0.5, 1e-3, 0.1
        losses(trained, 3)

    assert steps_natively(both(train).optimizer)


def test_layers_that_are_frozen_and_thawed() -> None:
    def train(trained: Any) -> None:
        for is_trainable in (True, False, True):
            trained.layers[0].trainable = is_trainable
            trained.make_train_function(force=True)
            losses(trained, 4)

    assert steps_natively(both(train, use_ema=True, ema_momentum=0.9).optimizer)


def test_variables_without_gradients_warn() -> None:
    def train(trained: Any) -> None:
        variables = trained.trainable_variables
        grads = [torch.ones(tuple(one.shape)) for one in variables]
        trained.optimizer.apply(grads, variables)
        with pytest.warns(UserWarning, match="Gradients do not exist for variables"):
            trained.optimizer.apply([None, *grads[1:]], variables)
        trained.optimizer.apply_gradients(zip(grads, variables, strict=True))
        trained.optimizer.apply(grads)

    ours = both(train, use_ema=True, ema_momentum=0.9)
    assert steps_natively(ours.optimizer) and int(ours.optimizer.iterations) == 4
    with pytest.raises(ValueError, match="No gradients provided for any variable"):
        ours.optimizer.apply([None] * 4, ours.trainable_variables)
    with pytest.raises(ValueError, match="Unknown variable"):
        ours.optimizer.apply([torch.ones(2)], [keras.Variable(np.ones(2, "float32"))])


@pytest.mark.parametrize("name", ["Adam", "SGD", "Muon", "Lamb"])
def test_what_is_excluded_from_weight_decay(name: str) -> None:
    def train(trained: Any) -> None:
        output = trained.layers[1].kernel
        trained.optimizer.exclude_from_weight_decay(var_list=[output], var_names=["bias"])
        losses(trained, 8)

    both(train, name, weight_decay=0.5, **({"momentum": 0.9} if name == "SGD" else {}))
    plain = model(getattr(martlet.keras, name)(1e-2, weight_decay=0.5))
    losses(plain, 8)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(weights(plain)[2], weights(both(train, name, weight_decay=0.5))[2], rtol=1e-3)


def test_constraints_and_variables_that_are_shared() -> None:
    def build(optimizer: Any) -> Any:
        keras.utils.set_random_seed(1)
        shared = keras.layers.Dense(7, kernel_constraint=keras.constraints.MaxNorm(0.5))
        inner = keras.layers.Input((7,))
        made = keras.Model(inner, keras.layers.Dense(1)(shared(shared(inner))))
        made.compile(optimizer=optimizer, loss="mse")
        return made

    theirs, ours = build(keras.optimizers.Adam(1e-2)), build(martlet.keras.Adam(1e-2))
    np.testing.assert_allclose(losses(ours, 12), losses(theirs, 12), rtol=2e-5)
    assert np.linalg.norm(weights(ours)[0], axis=0).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_policies(policy: str) -> None:
    was = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        theirs, ours = (model(kind(1e-2), policy) for kind in (keras.optimizers.Adam, martlet.keras.Adam))
        np.testing.assert_allclose(losses(ours, 20), losses(theirs, 20), rtol=2e-3 if "mixed" in policy else 1e-6)
    finally:
        keras.config.set_dtype_policy(was)
    is_wrapped = isinstance(ours.optimizer, keras.optimizers.LossScaleOptimizer)
    assert is_wrapped is (policy == "mixed_float16")
    assert steps_natively(ours.optimizer.inner_optimizer if is_wrapped else ours.optimizer)


def test_a_loss_scale_skips_what_overflows() -> None:
    optimizer = keras.optimizers.LossScaleOptimizer(martlet.keras.Adam(1e-2), initial_scale=8.0)
    variable = keras.Variable(np.ones(3, "float32"))
    optimizer.apply([torch.tensor([8.0, np.inf, 8.0])], [variable])
    assert (variable.numpy() == 1).all() and float(optimizer.dynamic_scale) == 4.0
    optimizer.apply([torch.full((3,), 4.0)], [variable])
    assert (variable.numpy() < 1).all() and steps_natively(optimizer.inner_optimizer)


@pytest.mark.parametrize("name", ["Adam", "SGD", "RMSprop", "Lion", "Adafactor", "Muon", "Nadam"])
def test_bfloat16_variables_learn(name: str) -> None:
    rate = 3e-3 if name == "SGD" else 1e-3
    wanted = losses(model(getattr(keras.optimizers, name)(rate)), 150)
    ours = model(getattr(martlet.keras, name)(rate), "bfloat16")
    found = losses(ours, 150)
    assert steps_natively(ours.optimizer)
    assert {one.dtype for one in ours.trainable_variables} == {"bfloat16"}
    assert "bfloat16" not in {one.dtype for one in ours.optimizer.variables if len(one.shape)}
    assert found[-1] - wanted[-1] < 0.1 * (wanted[0] - wanted[-1]), (wanted[0], wanted[-1], found[-1])
    again = losses(model(getattr(martlet.keras, name)(rate), "bfloat16"), 150)
    other = losses(model(getattr(martlet.keras, name)(rate, seed=1), "bfloat16"), 150)
    assert again.tolist() == found.tolist() != other.tolist()


def test_kerass_own_adam_does_not_move_bfloat16() -> None:
    assert len(set(losses(model(keras.optimizers.Adam(1e-3), "bfloat16"), 20))) == 1


def test_bfloat16_to_nearest_has_kerass_state() -> None:
    ours = model(martlet.keras.Adam(1e-3, low_precision=None), "bfloat16")
    losses(ours, 3)
    assert steps_natively(ours.optimizer)
    assert {one.dtype for one in ours.optimizer.variables if len(one.shape)} == {"bfloat16"}


def test_gradients_of_any_kind() -> None:
    def train(trained: Any) -> None:
        variables = trained.trainable_variables
        first = [torch.ones(tuple(one.shape)) for one in variables]
        turned = [
            torch.full(tuple(one.shape)[::-1], 0.5).permute(*reversed(range(len(one.shape)))) for one in variables
        ]
        expanded = [torch.tensor(2.0).expand(tuple(one.shape)) for one in variables]
        for grads in (first, turned, expanded, [one.clone().requires_grad_() for one in first]):
            trained.optimizer.apply(grads, variables)

    assert steps_natively(both(train, global_clipnorm=1.0).optimizer)
    ours = model(martlet.keras.Adam())
    ours.optimizer.apply([np.ones(one.shape, "float32") for one in ours.trainable_variables], ours.trainable_variables)
    assert steps_natively(ours.optimizer)


def test_shapes_of_variables() -> None:
    for shape in ((), (0,), (3, 0), (2, 3, 4), (1, 1)):
        found = []
        for library in (keras.optimizers, martlet.keras):
            variables = [keras.Variable(np.full(shape, 0.5, "float32")), keras.Variable(np.ones(3, "float32"))]
            optimizer = library.Adam(0.1)
            for _ in range(3):
                optimizer.apply([torch.full(shape, 2.0), torch.ones(3)], variables)
            found.append(np.concatenate([one.numpy().ravel() for one in variables]))
        np.testing.assert_allclose(found[1], found[0], rtol=2e-5)
        assert steps_natively(optimizer)


def test_a_compiled_train_step() -> None:
    eager, compiled = model(martlet.keras.Adam(1e-2)), model(martlet.keras.Adam(1e-2), jit_compile=True)
    np.testing.assert_allclose(losses(compiled, 6), losses(eager, 6), rtol=1e-5)
    assert steps_natively(compiled.optimizer) and int(compiled.optimizer.iterations) == 6


def test_variables_that_their_gradients_replace() -> None:
    for options in ({}, {"use_ema": True}, {"gradient_accumulation_steps": 2}):
        found = []
        for library in (keras.optimizers, martlet.keras):
            variables = [keras.Variable(np.ones(2, "float32")) for _ in range(3)]
            variables[1].overwrite_with_gradient = True
            optimizer = library.Adam(0.1, **options)
            for value in (2.0, 3.0, 4.0, 5.0):
                optimizer.apply([torch.full((2,), value)] * 3, variables)
            found.append(np.array([one.numpy() for one in variables]))
        np.testing.assert_allclose(found[1], found[0], rtol=2e-5)
        assert steps_natively(optimizer)


def test_several_optimizers_of_one_model() -> None:
    def train(library: Any) -> Any:
        trained = model("sgd")
        first, rest = trained.trainable_variables[:2], trained.trainable_variables[2:]
        parts = [library.Adam(1e-2), library.SGD(1e-1, momentum=0.9)]
        for part, own in zip(parts, (first, rest), strict=True):
            for _ in range(4):
                part.apply([torch.full(tuple(one.shape), 0.5) for one in own], own)
        return weights(trained)

    for one, other in zip(train(martlet.keras), train(keras.optimizers), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)


def test_an_infinite_gradient_does_not_stay_in_the_sums() -> None:
    # Keras's own multiplies the sums by 0, which leaves NaN in them (docs/differences.md).
    variable = keras.Variable(np.zeros(2, "float32"))
    optimizer = martlet.keras.SGD(1.0, clipvalue=1.0, gradient_accumulation_steps=2)
    for gradient in (np.inf, 1.0, 0.5, 0.5):
        optimizer.apply([torch.tensor([gradient, 1.0])], [variable])
    np.testing.assert_array_equal(variable.numpy(), [-1.5, -2.0])
    assert steps_natively(optimizer)


def test_threads_are_torchs() -> None:
    was = torch.get_num_threads()
    optimizer, variable = martlet.keras.Adam(), keras.Variable(np.zeros(2, "float32"))
    try:
        for count in (was + 1, was + 2):
            torch.set_num_threads(count)
            optimizer.apply([torch.ones(2)], [variable])
            assert martlet.get_num_threads() == count
    finally:
        torch.set_num_threads(was)


def test_memory_that_moves_is_seen() -> None:
    ours = model(martlet.keras.Adam(1e-2))
    losses(ours, 2)
    held = ours.trainable_variables[0].value
    before = held.detach().clone()
    held.data = held.data.clone()
    losses(ours, 1)
    assert not torch.equal(ours.trainable_variables[0].value, before)
