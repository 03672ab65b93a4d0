#!/usr/bin/env bash
# ScheduleFreeAdamW keeps the point z, and works out x from z as it was before a step. On Keras's torch backend it is
# changed in place by then, so that x comes from the new z: the same training gives other numbers than on JAX.
exec "$(dirname "$0")/python-with" keras==3.15.1 jax==0.10.2 torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import json
import os
import subprocess
import sys

STEPS = """
import json, keras, numpy as np
variable = keras.Variable(np.linspace(-1, 1, 5, dtype="float32"))
optimizer = keras.optimizers.ScheduleFreeAdamW(0.1)
for t in range(5):
    optimizer.apply([keras.ops.convert_to_tensor(np.sin(np.arange(5) + t).astype("float32"))], [variable])
print(json.dumps([float(one) for one in keras.ops.convert_to_numpy(variable)]))
"""
found = {}
for backend in ("jax", "torch"):
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", STEPS], env=environment, capture_output=True, text=True)
    found[backend] = json.loads(done.stdout.splitlines()[-1])
    print(f"{backend}: {' '.join(f'{one:.4f}' for one in found[backend])}")
off = max(abs(one - other) for one, other in zip(found["jax"], found["torch"]))
print(f"{off:.4f} apart")
assert off > 0.01
PROGRAM
