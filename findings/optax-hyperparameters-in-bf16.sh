#!/usr/bin/env bash
# optax.inject_hyperparams keeps hyperparameters in the type of the parameters. With bfloat16 ones Adam's b2 of 0.999
# becomes 1, its bias correction 0, and the first update NaN. Without inject_hyperparams the same parameters learn.
exec "$(dirname "$0")/python-with" optax==0.2.8 jax==0.10.2 numpy==2.4.6 <<'PROGRAM'
import jax.numpy as jnp
import optax

parameters = jnp.ones(2, jnp.bfloat16)
for name, rule in ("adam", optax.adam(0.1)), ("injected", optax.inject_hyperparams(optax.adam)(learning_rate=0.1)):
    state = rule.init(parameters)
    update, _ = rule.update(jnp.ones(2, jnp.bfloat16), state, parameters)
    print(f"{name}: update {update.tolist()}", getattr(state, "hyperparams", ""))
    assert bool(jnp.isnan(update).all()) == (name == "injected")
PROGRAM
