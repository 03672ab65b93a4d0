"""martlet.keras on torch: what is derived from its classes does what it would do derived from Keras's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch

import martlet.keras
from _models import CLASSES, losses, model

pytestmark = pytest.mark.filterwarnings("ignore:martlet.keras")


def centering(library: Any) -> Any:
    class Centering:
        def _clip_gradients(self, grads: Any) -> Any:
            return [one - one.mean() for one in grads]

    return type("Mixed", (Centering, library.Adam), {})


def halving(library: Any) -> Any:
    class Halving(library.Lamb):  # type: ignore[misc]
        def assign_sub(self, variable: Any, value: Any) -> None:
            variable.assign_sub(0.5 * value)

    return Halving


def scaling(library: Any) -> Any:
    class Scaling(library.Muon):  # type: ignore[misc]
        def lr_adjust(self, x: Any) -> Any:
            return 3 * x

    return Scaling


def looking(library: Any) -> Any:
    class Looking(library.SGD):  # type: ignore[misc]
        def _backend_apply_gradients(self, grads: Any, trainable_variables: Any) -> None:
            super()._backend_apply_gradients([one.clamp(-0.1, 0.1) for one in grads], trainable_variables)

    return Looking


def choosing(library: Any) -> Any:
    class Choosing(library.AdamW):  # type: ignore[misc]
        def _use_weight_decay(self, variable: Any) -> bool:
            return len(variable.shape) > 1

        def _get_current_learning_rate(self) -> Any:
            return 3 * super()._get_current_learning_rate()

    return Choosing


def scaled(library: Any) -> Any:
    class Scaled(library.Nadam):  # type: ignore[misc]
        def apply(self, grads: Any, trainable_variables: Any = None) -> None:
            super().apply([one * 0.1 for one in grads], trainable_variables)

    return Scaled


#: And whether the library still steps.
KINDS = [(centering, False), (halving, False), (scaling, False), (looking, True), (choosing, True), (scaled, True)]


@pytest.mark.parametrize("options", [{}, {"loss_scale_factor": 8.0}, {"gradient_accumulation_steps": 2}], ids=str)
@pytest.mark.parametrize(("derive", "is_native"), KINDS, ids=lambda one: getattr(one, "__name__", None))
def test_as_derived_from_keras(derive: Callable[[Any], Any], is_native: bool, options: dict[str, Any]) -> None:
    found = []
    for library in (keras.optimizers, martlet.keras):
        generator = torch.Generator().manual_seed(1)
        variables = [keras.Variable(np.ones((3, 4), "float32")), keras.Variable(np.ones(5, "float32"))]
        optimizer = (
            derive(library)(0.05, epsilon=0.1, **options) if derive is scaled else derive(library)(0.05, **options)
        )
        for _ in range(4):
            optimizer.apply([torch.randn(tuple(one.shape), generator=generator) for one in variables], variables)
        found.append([one.numpy() for one in variables])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)
    assert (optimizer._martlet_plan is not None) is is_native


def test_weight_decay_that_is_excluded_between_steps() -> None:
    found = []
    for library in (keras.optimizers, martlet.keras):
        variables = [keras.Variable(np.ones(3, "float32"), name=name) for name in ("kernel", "bias")]
        optimizer = library.AdamW(0.1, weight_decay=0.5)
        for names in (None, ["bias"], ["kernel"]):
            if names:
                optimizer.exclude_from_weight_decay(var_names=names)
            for _ in range(2):
                optimizer.apply([torch.ones(3), torch.ones(3)], variables)
        found.append([one.numpy() for one in variables])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"gradient_accumulation_steps": 2}], ids=str)
@pytest.mark.parametrize("name", ["Nadam", "Adam"])
def test_what_keras_takes_over_is_counted_once(name: str, options: dict[str, Any]) -> None:
    """A variable twice is a step that the library refuses when all else is done."""
    found = []
    for library in (keras.optimizers, martlet.keras):
        variable, other = (keras.Variable(np.ones(3, "float32")) for _ in range(2))
        optimizer = getattr(library, name)(0.1, **options)
        optimizer.build([variable, other])
        for _ in range(2):
            optimizer.apply([torch.ones(3), torch.ones(3)], [variable, variable])
        for _ in range(4):
            optimizer.apply([torch.ones(3), torch.ones(3)], [variable, other])
        products = [optimizer._u_product.numpy()] if name == "Nadam" else []
        found.append([variable.numpy(), other.numpy(), *products])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("cls", [getattr(martlet.keras, name) for name in CLASSES], ids=lambda cls: cls.__name__)
def test_private_names_begin_as_nobody_elses(cls: Any) -> None:
    added = [one for one in cls.__mro__ if one.__module__.startswith("martlet")]
    names = {name for one in added for name in (*vars(one), *vars(one).get("__annotations__", ()))}
    ours, theirs = model(cls(0.01)), model(getattr(keras.optimizers, cls.__name__)(0.01))
    for trained in (ours, theirs):
        losses(trained, 1)
        trained.optimizer._use_weight_decay(trained.trainable_variables[0])  # which keeps what it finds
    names |= vars(ours.optimizer).keys() - vars(theirs.optimizer).keys()
    private = {name for name in names if name[0] == "_" != name[1:2] and not hasattr(theirs.optimizer, name)}
    assert {name for name in private if not name.startswith("_martlet_")} == set()


@pytest.mark.parametrize("name", ["Adam", "SGD", "Nadam", "ScheduleFreeAdamW"])
def test_names_of_ones_own(name: str) -> None:
    words = ("plan", "known", "scale", "step", "ready", "state", "place", "rate", "scalars", "count", "average", "say")

    class Own(getattr(martlet.keras, name)):  # type: ignore[misc]
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **options)
            for word in words:
                setattr(self, f"_{word}", "mine")

    theirs, ours = model(getattr(martlet.keras, name)(0.01)), model(Own(0.01))
    np.testing.assert_array_equal(losses(ours, 5), losses(theirs, 5))
    assert {getattr(ours.optimizer, f"_{word}") for word in words} == {"mine"}


@pytest.mark.parametrize("name", ["Adam", "SGD", "Lamb"])
def test_no_variables(name: str) -> None:
    said = []
    for library in (keras.optimizers, martlet.keras):
        optimizer = getattr(library, name)(0.01)
        optimizer.build([keras.Variable(np.ones(3, "float32"))])
        try:
            optimizer.apply([torch.ones(3)], [])
            said.append(None)
        except Exception as error:
            said.append(type(error))
    assert said[0] == said[1]
