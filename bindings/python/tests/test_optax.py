"""martlet.optax: the parameters that optax's own functions give, as pytrees, and what it says where it cannot step."""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optax")

import jax
import optax

import martlet
import martlet.optax
from optax_models import by_optax, check, falling, gradients, jnp, matrices, start, trained

# Peers on JAX compute in float64 where they are asked to.
IN_FLOAT64 = True

NAMES = [name for name in martlet.optax.__all__ if not name.endswith("State")]
# Those whose float32 is not: optax works bias corrections out in it (docs/differences.md).
CLOSE = {"float64": 1e-12, "float32": 1e-4}


def of_optax(name: str) -> Any:
    return getattr(optax, name, None) or getattr(optax.contrib, name)


CASES: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
    ("adam", {"b1": 0.8, "eps": 1e-3}),
    ("adam", {"nesterov": True}),
    ("adamw", {"weight_decay": 0.1}),
    ("adamw", {"weight_decay": 0.1, "mask": matrices}),
    ("adamw", {"weight_decay": 0.1, "mask": {"kernel": True, "layers": False, "scale": False}}),
    ("adamw", {"weight_decay": lambda count: 0.1 / (count + 1)}),
    ("amsgrad", {}),
    ("amsgrad", {"bias_correction_mu": False, "bias_correction_nu": False}),
    ("rmsprop", {"decay": 0.8}),
    ("rmsprop", {"momentum": 0.9, "centered": True}),
    ("adagrad", {"initial_accumulator_value": 0.3}),
    ("adadelta", {"weight_decay": 0.1, "weight_decay_mask": matrices}),
    ("adamax", {"b2": 0.9}),
    ("adamaxw", {"weight_decay": 0.1}),
    ("nadam", {}),
    ("nadamw", {"weight_decay": 0.1}),
    ("radam", {}),
    ("adabelief", {}),
    ("adan", {"eps_root": 0.0, "weight_decay": 0.1}),
    ("lion", {"weight_decay": 0.1, "mask": matrices}),
    ("lamb", {"weight_decay": 0.1}),
    ("lars", {"weight_decay": 0.1, "trust_coefficient": 0.5}),
    ("lars", {"weight_decay": 0.1, "weight_decay_mask": matrices, "nesterov": True}),
    ("ademamix", {"weight_decay": 0.1}),
    ("simplified_ademamix", {"alpha": 0.5}),
    ("adopt", {}),
    ("prodigy", {"weight_decay": 0.1, "estim_lr0": 1e-3}),
    ("adafactor", {"decay_rate": 0.7, "clipping_threshold": 1.5}),
    ("adafactor", {"min_dim_size_to_factor": 2}),
    ("adafactor", {"min_dim_size_to_factor": 3}),
    ("adafactor", {"min_dim_size_to_factor": 1, "factored": False}),
    ("schedule_free_sgd", {"weight_decay": 0.1, "b1": 0.8}),
    ("schedule_free_sgd", {"warmup_steps": 30}),
    ("schedule_free_adamw", {"weight_decay": 0.1, "weight_lr_power": 1.0}),
    ("schedule_free_adamw", {"warmup_steps": 30, "b2": 0.9}),
]
# Whose rate is a number.
PLAIN = ("schedule_free_adamw", "schedule_free_sgd")


def named(value: object) -> str:
    """A value in a case's name, which is the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


@pytest.mark.parametrize(("dtype", "rate"), [("float64", falling), ("float32", 0.02)], ids=named)
@pytest.mark.parametrize(("name", "options"), CASES, ids=named)
def test_parameters_are_optaxs(name: str, options: dict[str, Any], dtype: str, rate: Any) -> None:
    rate = 0.02 if name in PLAIN else rate
    wanted = by_optax(of_optax(name)(rate, **options), start(dtype))
    found = trained(getattr(martlet.optax, name)(rate, **options), start(dtype))
    # Adafactor's weights and the rates of a warm-up are of float32 in any case.
    is_single = name == "adafactor" or "warmup_steps" in options
    check(found, wanted, max(CLOSE[dtype], 1e-6 if is_single else 0))
    moved = [abs(a - b).max() for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(start(dtype)), strict=True)]
    assert min(map(float, moved)) > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_optaxs(name: str) -> None:
    ours = inspect.signature(getattr(martlet.optax, name)).parameters
    theirs = dict(inspect.signature(of_optax(name)).parameters)
    theirs.pop("clip_value_fn", None)  # of adopt
    assert [(one.name, one.kind, one.default) for one in ours.values()] == [
        (one.name, one.kind, one.default) for one in theirs.values()
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_updates_lead_to_the_native_step(dtype: str) -> None:
    solver = martlet.optax.adamw(0.01, weight_decay=0.1)
    dtype_of = jnp.dtype(dtype)
    params = start(dtype_of)
    updates, _ = solver.update(gradients(params, 0), solver.init(params), params)
    for before, update, gradient in zip(*map(jax.tree.leaves, (params, updates, gradients(params, 0))), strict=True):
        own = np.array(before)
        martlet.adam(own, np.asarray(gradient), lr=0.01, weight_decay=0.1, decoupled_weight_decay=True)
        assert update.dtype == before.dtype == dtype_of
        assert (np.asarray(optax.apply_updates(before, update)) == own).all()


def test_numpy_stays_numpy() -> None:
    params = start("float32", np.asarray)
    solver, grads = martlet.optax.adam(0.01), jax.tree.map(np.asarray, gradients(params, 0))
    updates, state = solver.update(grads, solver.init(params), params)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves((updates, state.slots)))
    check(jax.tree.map(jnp.asarray, optax.apply_updates(params, updates)), by_optax(optax.adam(0.01), params, 1), 1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_states_are_pytrees_and_values(name: str) -> None:
    options = {"eps_root": 0.0} if name == "adan" else {}
    solver, params = getattr(martlet.optax, name)(0.01, **options), start()
    first = solver.init(params)
    assert isinstance(first, martlet.optax.State | martlet.optax.ScheduleFreeState) and int(first.count) == 0
    was = pickle.dumps(jax.tree.map(np.asarray, first))
    updates, second = solver.update(gradients(params, 0), first, params)
    again, _ = solver.update(gradients(params, 0), jax.tree.map(lambda leaf: leaf, first), params)
    check(again, updates, 0)
    assert pickle.dumps(jax.tree.map(np.asarray, first)) == was and int(second.count) == 1
    check(params, start(), 0)
    for tree in second.slots.values():
        assert jax.tree.structure(tree) == jax.tree.structure(params)
    # As a checkpoint has it: flat, and of arrays of JAX.
    leaves, structure = jax.tree.flatten(second)
    restored = jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in leaves])
    check(*(solver.update(gradients(params, 1), state, params)[0] for state in (restored, second)), 0)


def test_transformations_of_optax_around_it() -> None:
    def around(library: Any) -> list[Any]:
        chained = optax.chain(optax.clip_by_global_norm(0.5), library.adam(0.01), optax.scale(0.5))
        labels = {"kernel": "matrix", "layers": "rest", "scale": "rest"}
        several = optax.multi_transform({"matrix": library.adamw(0.01), "rest": library.sgd(0.1, 0.9)}, labels)
        masked = optax.masked(library.lion(0.01), {"kernel": True, "layers": False, "scale": True})
        told = optax.inject_hyperparams(library.adam)(learning_rate=0.02)
        return [trained(one, start(), 20) for one in (chained, several, masked, told)]

    for found, wanted in zip(around(martlet.optax), around(optax), strict=True):
        check(found, wanted, 1e-12)


def traced(solver: Any, params: Any, state: Any) -> dict[str, Callable[[], Any]]:
    """What gives update something without values."""

    def update(grads: Any) -> Any:
        return solver.update(grads, state, params)[0]

    grads = gradients(params, 0)
    many = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), grads)
    return {
        "jit": lambda: jax.jit(update)(grads),
        "vmap": lambda: jax.vmap(update)(many),
        "grad": lambda: jax.grad(lambda one: update(one)["scale"])(grads),
        "scan": lambda: jax.lax.scan(lambda carried, one: (carried, update(one)), 0, many),
        "the parameters alone": lambda: jax.jit(lambda one: solver.update(grads, state, one))(params),
        "the state alone": lambda: jax.jit(lambda one: solver.update(grads, one, params))(state),
        "init": lambda: jax.jit(solver.init)(params),
        "eval_shape": lambda: jax.eval_shape(solver.init, params),
        "steps of several": lambda: _of_several(solver, params, grads),
    }


def _of_several(solver: Any, params: Any, grads: Any) -> Any:
    outer = optax.MultiSteps(solver, 2)
    return outer.update(grads, outer.init(params), params)


def test_steps_of_several_without_jit() -> None:
    ended = []
    for library in (optax, martlet.optax):
        params, solver = start(), optax.MultiSteps(library.adam(0.01), 2)
        state = solver.init(params)
        with jax.disable_jit():
            for scale in (1.0, 2.0, -1.0, 0.5):
                grads = jax.tree.map(lambda one, scale=scale: one * scale, params)
                updates, state = solver.update(grads, state, params)
                params = optax.apply_updates(params, updates)
        ended.append(params)
    for one, other in zip(*map(jax.tree.leaves, ended), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_inside_of_jit_it_says_why() -> None:
    solver, params = martlet.optax.adam(0.01), start()
    state = solver.init(params)
    for name, call in traced(solver, params, state).items():
        with pytest.raises(
            martlet.UnsupportedError, match=r"martlet\.optax\.adam was given .* without values.*jit"
        ) as error:
            call()
        assert "optax.adam inside" in str(error.value), name
    rate = lambda count: jax.jit(lambda one: martlet.optax.sgd(one))(0.1)  # noqa: E731
    with pytest.raises(martlet.UnsupportedError, match="learning_rate without values"):
        rate(0)


def test_what_is_refused() -> None:
    params = start()
    solver = martlet.optax.adam(0.01)
    state = solver.init(params)
    grads = gradients(params, 0)
    with pytest.raises(ValueError, match=r"wants the parameters: update\(grads, state, params\)"):
        solver.update(grads, state)
    with pytest.raises(ValueError, match="grads are a .*; wanted the same structure"):
        solver.update({"kernel": grads["kernel"]}, state, params)
    with pytest.raises(TypeError, match="state is a tuple; wanted what init or update gave"):
        solver.update(grads, (), params)
    with pytest.raises(ValueError, match="state has momentum_buffer, and adam exp_avg, exp_avg_sq"):
        solver.update(grads, martlet.optax.sgd(0.1, 0.9).init(params), params)
    with pytest.raises(ValueError, match="shape"):
        solver.update({**grads, "kernel": jnp.ones((3, 4))}, state, params)
    with pytest.raises(TypeError, match=r"params\['kernel'\] has dtype int"):
        solver.init({"kernel": jnp.arange(3)})
    with pytest.raises(TypeError, match=r"params has a float; wanted jax\.Array or numpy\.ndarray"):
        solver.init({"kernel": 1.0})
    with pytest.raises(ValueError, match="beta parameter at index 0: 1.5"):
        martlet.optax.adam(0.01, b1=1.5)
    with pytest.raises(ValueError, match="learning_rate is 'fast'; wanted a number, or a schedule"):
        martlet.optax.adam("fast")
    for name, options in {
        "adam": {"eps_root": 1e-8}, "adan": {}, "rmsprop": {"eps_in_sqrt": False}, "radam": {"threshold": 4.0},
        "adabelief": {"eps": 1e-8}, "lars": {"trust_ratio_mask": False}, "adopt": {"use_clipping": False},
        "lion": {"mu_dtype": jnp.bfloat16}, "sgd": {"accumulator_dtype": jnp.bfloat16},
        "amsgrad": {"bias_correction_nu": False}, "adafactor": {"momentum": 0.9},
    }.items():  # fmt: skip
        with pytest.raises(martlet.UnsupportedError, match=f"of {name} is .*; wanted .*: Martlet has no other"):
            getattr(martlet.optax, name)(0.01, **options)


WITHOUT = """
import sys
import martlet
assert "jax" not in sys.modules and "optax" not in sys.modules
sys.modules["optax"] = None
try:
    martlet.optax
except ImportError as error:
    assert "martlet.optax needs optax, which cannot be imported: pip install optax" in str(error), error
else:
    raise SystemExit("imported")
"""


def test_without_optax_it_says_so(run_python: Callable[..., Any]) -> None:
    run_python(WITHOUT)
