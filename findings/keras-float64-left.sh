#!/usr/bin/env bash
# With Keras's floatx set to float64, cos and floor of a float64 tensor still give float32 on jax, and so does a schedule:
# the rate that CosineDecay starts from is not the one that it was given.
exec "$(dirname "$0")/python-with" keras==3.15.1 jax==0.10.2 numpy==2.4.6 <<'PROGRAM'
import os

os.environ["KERAS_BACKEND"] = "jax"
import jax
import keras

jax.config.update("jax_enable_x64", True)
keras.config.set_floatx("float64")
number = keras.ops.convert_to_tensor(0.3)
found = {name: str(getattr(keras.ops, name)(number).dtype) for name in ("cos", "floor", "square")}
rate = float(keras.optimizers.schedules.CosineDecay(0.3, 100)(0.0))
print(f"of a tensor of {number.dtype}: {found}; CosineDecay(0.3, 100)(0) is {rate!r}")
assert str(number.dtype) == "float64" and found["cos"] == "float32" and rate != 0.3
PROGRAM
