"""optax's optimizers with Martlet's step, for updates outside of jit: GradientTransformations that chain as optax's do.

    import martlet.optax
    solver = martlet.optax.adamw(1e-3, weight_decay=0.1)
    state = solver.init(params)
    updates, state = solver.update(grads, state, params)
    params = optax.apply_updates(params, updates)

Functions have the names, arguments and defaults of optax's, or of optax.contrib's; learning_rate and weight_decay may
be schedules of the updates before. Parameters, gradients and updates are pytrees of jax.Array on any device or of
numpy.ndarray, of float64, float32, bfloat16 or float16; update wants the parameters. What apply_updates makes of
them is what the native step makes of them, but for the rounding of a sum where a parameter crosses 0.

A state is State: the count of updates, and for each of Martlet's slots a pytree of the parameters' structure with numpy
arrays. Nothing that is passed is changed, so that an old state can be gone back to. That costs a copy of parameters and
state at each update, and of the updates to where the parameters are.

optax.contrib.schedule_free_eval_params(state, params) is for states of schedule_free_adamw and schedule_free_sgd too.

Of optax's functions these are not here: yogi, novograd, fromage, noisy_sgd, optimistic_adam, optimistic_adam_v2,
optimistic_gradient_descent, polyak_sgd, sign_sgd, signum, sm3 and lbfgs, whose rules Martlet lacks; rprop, which takes
each step one update late; contrib's muon, which corrects its momentum for the start, and Martlet's does not.

Inside of jit, grad, vmap, scan or cond there is no memory to step: an UnsupportedError there says so. optax.MultiSteps
is such a place, but for `with jax.disable_jit():` around its update. An argument that Martlet's algorithm lacks, such
as an eps_root, is an UnsupportedError where it is not as it would have to be. Needs optax: pip install optax.
"""

from __future__ import annotations

try:
    import optax as _optax  # noqa: F401
except ImportError as _error:
    raise ImportError("martlet.optax needs optax, which cannot be imported: pip install optax") from _error

from martlet.optax._transformation import State
from martlet.optax.contrib import ademamix, adopt, prodigy, simplified_ademamix
from martlet.optax.functions import (
    adabelief,
    adadelta,
    adafactor,
    adagrad,
    adam,
    adamax,
    adamaxw,
    adamw,
    adan,
    amsgrad,
    lamb,
    lars,
    lion,
    nadam,
    nadamw,
    radam,
    rmsprop,
    sgd,
)
from martlet.optax.schedule_free import ScheduleFreeState, schedule_free_adamw, schedule_free_sgd

__all__ = [
    "ScheduleFreeState",
    "State",
    "adabelief",
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamaxw",
    "adamw",
    "adan",
    "ademamix",
    "adopt",
    "amsgrad",
    "lamb",
    "lars",
    "lion",
    "nadam",
    "nadamw",
    "prodigy",
    "radam",
    "rmsprop",
    "schedule_free_adamw",
    "schedule_free_sgd",
    "sgd",
    "simplified_ademamix",
]
