"""martlet.keras on torch: gradients are divided, clipped and added up by Keras's convention, and never copied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import martlet.keras
from _models import both, losses, steps_natively

SIZE = 1_000
#: What surrounds a step, and classes of which the library's norms are not Keras's.
OPTIONS: list[dict[str, Any]] = [
    {},
    {"loss_scale_factor": 8.0},
    {"clipnorm": 0.1},
    {"global_clipnorm": 0.1},
    {"clipvalue": 0.1},
    {"gradient_accumulation_steps": 2},
    {"gradient_accumulation_steps": 2, "global_clipnorm": 0.1, "loss_scale_factor": 4.0, "use_ema": True},
]
KINDS = [("Adam", {}), ("SGD", {"momentum": 0.9}), ("Muon", {}), ("ScheduleFreeAdamW", {})]


class Made(TorchDispatchMode):
    """How many numbers torch's operations have made."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        held = {one.data_ptr() for one in torch.utils._pytree.tree_leaves((args, kwargs)) if torch.is_tensor(one)}
        result = func(*args, **(kwargs or {}))
        for one in torch.utils._pytree.tree_leaves(result):
            if torch.is_tensor(one) and one.untyped_storage().nbytes() > 8 and one.data_ptr() not in held:
                self.count += one.numel()
        return result


@contextmanager
def little_is_made() -> Iterator[None]:
    with Made() as made:
        yield
    assert made.count < SIZE / 4, made.count


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("name", "own"), KINDS, ids=str)
def test_gradients_are_not_copied(name: str, own: dict[str, Any], options: dict[str, Any]) -> None:
    optimizer = getattr(martlet.keras, name)(0.1, **own, **options)
    variables = [keras.Variable(np.ones((SIZE // 10, 10), "float32")), keras.Variable(np.ones(SIZE, "float32"))]
    grads = [torch.full(tuple(one.shape), 0.5) for one in variables]
    for _ in range(2):
        optimizer.apply(grads, variables)
    for _ in range(4):
        with little_is_made():
            optimizer.apply(grads, variables)
    assert steps_natively(optimizer)
    assert all((one == 0.5).all() for one in grads)


def test_copies_would_be_seen() -> None:
    with pytest.raises(AssertionError), little_is_made():
        torch.ones(SIZE).clone()


@pytest.mark.parametrize("way", ["clipnorm", "global_clipnorm"])
@pytest.mark.parametrize(("name", "own"), KINDS[:2], ids=str)
def test_small_norms_are_divided_by_alone(name: str, own: dict[str, Any], way: str) -> None:
    """Where torch's convention adds 1e-6."""
    found = []
    for library in (keras.optimizers, martlet.keras):
        variables = [keras.Variable(np.zeros((4, 4), "float64")), keras.Variable(np.zeros(3, "float64"))]
        optimizer = getattr(library, name)(0.1, weight_decay=None, **{way: 1e-4}, **own)
        generator = torch.Generator().manual_seed(1)
        for size in (1e-4, 2e-5, 1e-3):
            grads = [torch.randn(tuple(one.shape), generator=generator, dtype=torch.float64) for one in variables]
            optimizer.apply([size * one for one in grads], variables)
        found.append([one.numpy() for one in variables])
    assert steps_natively(optimizer)
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_clipping_that_comes_and_goes() -> None:
    def train(trained: Any) -> None:
        for way in ("clipnorm", None, "global_clipnorm", "clipvalue", None, "clipnorm"):
            trained.optimizer.clipnorm = trained.optimizer.global_clipnorm = trained.optimizer.clipvalue = None
            if way is not None:
                setattr(trained.optimizer, way, 0.05)
            losses(trained, 3)

    for name, own in KINDS[:3]:
        assert steps_natively(both(train, name, **own).optimizer)


@pytest.mark.parametrize("options", [{}, {"gradient_accumulation_steps": 2}, {"loss_scale_factor": 4.0}], ids=str)
@pytest.mark.parametrize("way", ["clipnorm", "global_clipnorm", "clipvalue"])
@pytest.mark.parametrize(("name", "own"), KINDS[:3], ids=str)
@pytest.mark.filterwarnings("ignore:martlet.keras")
def test_what_is_not_finite(name: str, own: dict[str, Any], way: str, options: dict[str, Any]) -> None:
    found = []
    for library in (keras.optimizers, martlet.keras):
        variables = [keras.Variable(np.ones((2, 2), "float32")), keras.Variable(np.ones(3, "float32"))]
        optimizer = getattr(library, name)(0.1, **{way: 1.0}, **own, **options)
        for value in (1.0, np.nan, 1.0, 1.0):
            optimizer.apply([torch.ones(2, 2), torch.tensor([value, 1.0, 1.0])], variables)
        found.append([one.numpy() for one in variables])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)


@pytest.mark.parametrize("factor", [1, 3.0, 1e30, np.float32(8.0), 0.25])
def test_scales_of_losses(factor: Any) -> None:
    def train(trained: Any) -> None:
        variables = trained.trainable_variables
        for _ in range(3):
            optimizer = trained.optimizer
            optimizer.apply([torch.full(tuple(one.shape), 0.5) * float(factor) for one in variables], variables)
            with pytest.warns(UserWarning, match="Gradients do not exist"):
                grads = [torch.full(tuple(one.shape), 0.25) * float(factor) for one in variables[1:]]
                optimizer.apply([None, *grads], variables)
            assert optimizer.loss_scale_factor is factor
        assert float(optimizer.scale_loss(torch.tensor(2.0))) == pytest.approx(2 * float(factor))

    for options in ({}, {"gradient_accumulation_steps": 3}, {"global_clipnorm": 0.1}):
        assert steps_natively(both(train, loss_scale_factor=factor, **options).optimizer)


@pytest.mark.parametrize("factor", [8, np.float32(8.0), np.int64(8), torch.tensor(8.0)], ids=repr)
def test_a_scale_of_any_type_divides_every_step(factor: Any) -> None:
    variable = keras.Variable(np.zeros(2, "float32"))
    optimizer = martlet.keras.SGD(1.0, loss_scale_factor=factor)
    for _ in range(3):
        optimizer.apply([torch.full((2,), 8.0)], [variable])
    np.testing.assert_array_equal(variable.numpy(), [-3.0, -3.0])
    assert steps_natively(optimizer)


def test_a_subclass_that_looks_at_gradients_sees_them_divided() -> None:
    seen = []

    class Looking(martlet.keras.SGD):
        def _backend_apply_gradients(self, grads: Any, trainable_variables: Any) -> None:
            seen.append(float(grads[0][0]))
            super()._backend_apply_gradients(grads, trainable_variables)

    variable = keras.Variable(np.zeros(2, "float32"))
    optimizer = Looking(1.0, loss_scale_factor=8.0)
    for _ in range(3):
        optimizer.apply([torch.full((2,), 8.0)], [variable])
    assert seen == [1.0, 1.0, 1.0]
    np.testing.assert_array_equal(variable.numpy(), [-3.0, -3.0])
