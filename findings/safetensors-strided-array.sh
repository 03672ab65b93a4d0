#!/usr/bin/env bash
# safetensors.numpy.save takes an array that is not C-contiguous (transposed, or every second column), and writes the
# bytes in the order in which they lie in memory under the shape of the view: other values load, and nothing is said.
# One would expect the values, as numpy.save writes them, or an error, as safetensors.torch gives.
exec "$(dirname "$0")/python-with" safetensors==0.8.0 numpy==2.4.6 <<'PROGRAM'
import numpy as np
from safetensors.numpy import load, save

array = np.arange(6, dtype=np.float32).reshape(2, 3)
for name, view in ("transposed", array.T), ("strided", array[:, ::2]):
    loaded = load(save({"x": view}))["x"]
    print(f"{name}: saved {view.tolist()}, loaded {loaded.tolist()}")
    assert loaded.shape == view.shape and (loaded != view).any()
PROGRAM
