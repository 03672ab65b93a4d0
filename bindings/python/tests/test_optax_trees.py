"""martlet.optax: how trees, arrays of any kind and counts reach a step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optax")

import jax
import optax

import martlet.optax
from optax_models import by_optax, check, falling, gradients, jnp, start, trained

# Peers on JAX compute in float64 where they are asked to.
IN_FLOAT64 = True


def test_adafactor_factors_the_two_largest_dimensions() -> None:
    """Wherever they stand, and a matrix for each of the others."""
    rng = np.random.default_rng(1)
    params = {
        str(shape): jnp.asarray(rng.normal(size=shape))
        for shape in [(5, 4), (2, 5, 4), (5, 2, 4), (4, 5, 2), (3, 6, 2, 7)]
    }
    wanted = by_optax(optax.adafactor(0.05, min_dim_size_to_factor=4), params, 30)
    solver = martlet.optax.adafactor(0.05, min_dim_size_to_factor=4)
    check(trained(solver, params, 30), wanted, 1e-6)
    rows = solver.init(params).slots["row_var"]
    assert sorted(leaf.size for leaf in rows.values()) == [4, 8, 8, 8, 36]


@pytest.mark.parametrize("name", ["schedule_free_adamw", "schedule_free_sgd"])
def test_schedule_free_points_for_evaluation(name: str) -> None:
    found = []
    for library in (optax.contrib, martlet.optax):
        solver, params = getattr(library, name)(0.05, warmup_steps=3, b1=0.8), start()
        state = solver.init(params)
        check(optax.contrib.schedule_free_eval_params(state, params), params, 1e-12)
        for t in range(10):
            updates, state = solver.update(gradients(params, t), state, params)
            params = optax.apply_updates(params, updates)
        found.append(optax.contrib.schedule_free_eval_params(state, params))
    check(found[1], found[0], 1e-12)
    with pytest.raises(martlet.UnsupportedError, match=f"learning_rate of {name} is a schedule; wanted a number"):
        getattr(martlet.optax, name)(falling)


def test_schedules_are_given_counts_as_optax_gives_them() -> None:
    seen = []

    def rate(count: Any) -> Any:
        seen.append(count)
        return 0.1 / (1 + count.astype(jnp.float32))

    trained(martlet.optax.sgd(rate), start(), 3)
    assert {(type(one).__name__, str(one.dtype)) for one in seen} == {("ArrayImpl", "int32")}


@pytest.mark.parametrize("tree", [{}, [], (), {"a": {}, "b": (None,)}], ids=str)
def test_trees_without_leaves(tree: Any) -> None:
    solver = martlet.optax.adamw(0.1)
    updates, state = solver.update(tree, solver.init(tree), tree)
    assert updates == tree
    assert int(state.count) == 1


def test_trees_of_classes_and_none() -> None:
    @jax.tree_util.register_dataclass
    @dataclasses.dataclass
    class Dense:
        kernel: Any
        bias: Any

    params = [Dense(jnp.ones((2, 3)), None), (jnp.ones(3), {}), jnp.zeros((0, 3))]

    def train(library: Any) -> Any:
        return trained(library.adamw(0.1, weight_decay=0.5, mask=lambda given: [True, False, True]), params, 9)

    check(train(martlet.optax), train(optax), 1e-12)


LAYOUTS = {
    "turned": np.arange(12.0).reshape(3, 4).T,
    "columns first": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "every second": np.arange(24.0)[::2],
    "backwards": np.arange(6.0)[::-1],
    "one for all": np.broadcast_to(2.0, (3, 4)),
    "a number": np.float64(3.0),
}


@pytest.mark.parametrize("name", ["adam", "adafactor"])
@pytest.mark.parametrize("kind", LAYOUTS)
def test_arrays_are_read_as_they_lie_and_never_written(kind: str, name: str) -> None:
    array = LAYOUTS[kind]
    gradient = np.sin(array) if array.ndim else np.float64(0.5)
    for given in (array, gradient):
        if given.ndim:
            given.flags.writeable = False
    found = []
    for library, options in ((optax, {}), (martlet.optax, {})):
        if name == "adafactor":
            options = {"min_dim_size_to_factor": 2}
        solver, wrap = getattr(library, name)(0.1, **options), jnp.asarray if library is optax else lambda one: one
        state = solver.init([wrap(array)])
        for _ in range(2):
            updates, state = solver.update([wrap(gradient)], state, [wrap(array)])
            if library is martlet.optax:
                for leaf in jax.tree.leaves(state.slots):
                    leaf.flags.writeable = False
        found.append(updates[0])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)
    assert found[1].shape == array.shape


def test_arrays_of_jax_stay_what_they_are() -> None:
    params = start("float32")
    grads = gradients(params, 0)
    seen = [np.asarray(leaf) for leaf in jax.tree.leaves((params, grads))]  # the memory that JAX has itself
    before = [one.copy() for one in seen]
    for name in ("adamw", "adafactor", "schedule_free_adamw", "prodigy"):
        solver = getattr(martlet.optax, name)(0.1)
        state = solver.init(params)
        for _ in range(3):
            _, state = solver.update(grads, state, params)
    for one, was in zip(seen, before, strict=True):
        assert (one == was).all()


RESTORED = """
import jax, jax.numpy as jnp, numpy as np, martlet.optax
params = {"a": jnp.ones((3, 4)), "b": jnp.ones(5)}
grads = jax.tree.map(lambda leaf: leaf * 0.5, params)
for name in martlet.optax.__all__:
    if name.endswith("State"):
        continue
    solver = getattr(martlet.optax, name)(0.05, **({"eps_root": 0.0} if name == "adan" else {}))
    state = solver.init(params)
    for _ in range(3):
        _, state = solver.update(grads, state, params)
    restored = jax.tree.map(jnp.asarray, state)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(restored)} <= {"float32", "int32"}
    ends = [jax.tree.leaves(solver.update(grads, one, params)[0]) for one in (state, restored)]
    for one, other in zip(*ends):
        np.testing.assert_allclose(one, other, rtol=1e-5, err_msg=name)
"""


def test_states_of_a_jax_without_float64(run_python: Callable[..., Any]) -> None:
    run_python(RESTORED, timeout=600)
