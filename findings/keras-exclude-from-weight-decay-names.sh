#!/usr/bin/env bash
# exclude_from_weight_decay(var_names=[...]) takes parts of variables' names. In Keras 3 a variable's name is its last
# part alone: "bias", whichever layer has it; a layer's name, which in Keras 2 was part of it, excludes nothing, and
# nothing is said. A text in place of a list is taken letter by letter: "bias" excludes all with a b, an i, an a or an s.
exec "$(dirname "$0")/python-with" keras==3.15.1 jax==0.10.2 numpy==2.4.6 <<'PROGRAM'
import os

os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np


def decayed(var_names):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="hidden"), keras.layers.BatchNormalization()])
    optimizer = keras.optimizers.SGD(learning_rate=1.0, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=var_names)
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    optimizer.apply([np.zeros(variable.shape, "float32") for variable in model.trainable_variables],
                    model.trainable_variables)
    found = [variable.path for variable in model.trainable_variables if float(np.max(variable.numpy())) < 1]
    print(f"var_names={var_names!r}: decays {found}")
    return {path.rpartition("/")[2] for path in found}


assert decayed(["bias"]) == {"kernel", "gamma", "beta"}
assert decayed(["hidden"]) == {"kernel", "bias", "gamma", "beta"}
assert decayed("bias") == {"kernel"}
PROGRAM
