#!/usr/bin/env bash
# optax.clip_by_global_norm and Keras's clipnorm square fp16 gradients in fp16. One element beyond 256, or a hundred of
# 50, makes the norm infinite and the clipped gradient 0: nothing moves, and nothing is said. torch's clip_grad_norm_
# adds in fp32, and the gradient keeps its direction.
exec "$(dirname "$0")/python-with" optax==0.2.8 keras==3.15.1 jax==0.10.2 torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import os

os.environ["KERAS_BACKEND"] = "jax"
import jax.numpy as jnp
import keras
import numpy as np
import optax
import torch

for gradient in (np.array([300.0, 400.0]), np.full(100, 50.0)):
    clipped, _ = optax.clip_by_global_norm(1.0).update([jnp.asarray(gradient, jnp.float16)], optax.EmptyState())
    variable = keras.Variable(np.zeros(gradient.size), dtype="float16")
    optimizer = keras.optimizers.SGD(1.0, clipnorm=1.0)
    optimizer.build([variable])
    optimizer.apply([jnp.asarray(gradient, jnp.float16)], [variable])
    parameter = torch.nn.Parameter(torch.zeros(gradient.size, dtype=torch.float16))
    parameter.grad = torch.tensor(gradient, dtype=torch.float16)
    torch.nn.utils.clip_grad_norm_([parameter], 1.0)
    norms = [float(np.linalg.norm(np.asarray(found, float))) for found in (clipped[0], variable.value, parameter.grad)]
    print(f"{gradient.size} elements, norm {np.linalg.norm(gradient)} clipped to 1: optax, Keras, torch give {norms}")
    assert norms[:2] == [0.0, 0.0] and abs(norms[2] - 1) < 0.01
PROGRAM
