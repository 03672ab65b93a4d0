#!/usr/bin/env bash
# optax.rprop does not move at its first step: it makes each step's move one step late, with the sign of the gradient
# before, unless the sign has changed since. torch's moves by the learning rate at once: the same name and defaults, two
# paths.
exec "$(dirname "$0")/python-with" optax==0.2.8 jax==0.10.2 torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import jax.numpy as jnp
import optax
import torch

rule = optax.rprop(0.01)
here = jnp.ones(1)
state = rule.init(here)
there = torch.nn.Parameter(torch.ones(1))
optimizer = torch.optim.Rprop([there], lr=0.01)
for step in range(1, 4):
    update, state = rule.update(jnp.ones(1), state, here)
    here = optax.apply_updates(here, update)
    there.grad = torch.ones(1)
    optimizer.step()
    print(f"step {step}: optax {float(here[0]):.6f}, torch {there.item():.6f}")
    if step == 1:
        assert float(here[0]) == 1.0 and abs(there.item() - 0.99) < 1e-6
PROGRAM
