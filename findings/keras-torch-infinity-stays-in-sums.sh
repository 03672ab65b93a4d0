#!/usr/bin/env bash
# With gradient_accumulation_steps Keras's torch backend empties the sums of gradients by multiplying them by 0. Where a
# gradient was infinite, which clipvalue makes a step of, NaN stays there, and every later step is NaN. On JAX they are
# filled with zeros.
exec "$(dirname "$0")/python-with" keras==3.15.1 jax==0.10.2 torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import json
import os
import subprocess
import sys

STEPS = """
import json, keras, numpy as np
variable = keras.Variable(np.zeros(1, "float32"))
optimizer = keras.optimizers.SGD(1.0, clipvalue=1.0, gradient_accumulation_steps=2)
for gradient in (np.inf, 1.0, 0.5, 0.5):
    optimizer.apply([keras.ops.convert_to_tensor(np.array([gradient], "float32"))], [variable])
print(json.dumps(str(float(keras.ops.convert_to_numpy(variable)[0]))))
"""
found = {}
for backend in ("jax", "torch"):
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", STEPS], env=environment, capture_output=True, text=True)
    found[backend] = json.loads(done.stdout.splitlines()[-1])
    print(f"{backend}: {found[backend]}")
assert found == {"jax": "-1.5", "torch": "nan"}
PROGRAM
