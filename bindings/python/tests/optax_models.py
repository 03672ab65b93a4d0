"""What the tests of martlet.optax share: a small tree, gradients of it, and training of it."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax

from peers import prepare_jax

prepare_jax()  # which lets JAX have float64

jnp = jax.numpy


def falling(count: Any) -> Any:
    return 0.01 * (1 + jnp.cos(count / 10.0))


def matrices(params: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def start(dtype: Any = "float64", array: Any = jnp.asarray) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    shapes = {"kernel": (4, 3), "layers": [(3,), (2, 3, 2)], "scale": ()}
    is_shape = lambda one: isinstance(one, tuple)  # noqa: E731
    return dict(jax.tree.map(lambda shape: array(np.asarray(rng.normal(size=shape), dtype)), shapes, is_leaf=is_shape))


@jax.jit
def gradients(params: Any, t: int) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(jnp.sin(leaf * 3 + t) * 0.3 + leaf, leaf.dtype), params)


def trained(solver: Any, params: Any, steps: int = 100, update: Any = None) -> Any:
    state, update = solver.init(params), update or solver.update
    for t in range(steps):
        updates, state = update(gradients(params, t), state, params)
        params = optax.apply_updates(params, updates)
    return params


def by_optax(solver: Any, params: Any, steps: int = 100) -> Any:
    return trained(solver, params, steps, jax.jit(solver.update))


def check(found: Any, wanted: Any, close: float) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=close, atol=close)
