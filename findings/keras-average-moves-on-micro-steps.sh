#!/usr/bin/env bash
# A Keras optimizer with use_ema and gradient_accumulation_steps of k averages the weights at each call, also at those
# that only add up a gradient: one step of the weights goes into the average k times, so that ema_momentum m acts as m^k,
# and the same run with k = 1 on the mean gradients has another average. Learning rates and bias corrections do count
# steps. ema_overwrite_frequency counts them too, but is asked at each call: it overwrites in k calls running.
exec "$(dirname "$0")/python-with" keras==3.15.1 jax==0.10.2 numpy==2.4.6 <<'PROGRAM'
import os

os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np


def run(accumulated, frequency=None):
    """The weight, which a step takes down by 1, and its average, after each call."""
    weight = keras.Variable(np.zeros(1, "float32"))
    optimizer = keras.optimizers.SGD(
        1.0,
        use_ema=True,
        ema_momentum=0.5,
        ema_overwrite_frequency=frequency,
        gradient_accumulation_steps=accumulated,
    )
    optimizer.build([weight])
    seen = []
    for _ in range(3 * (accumulated or 1)):
        optimizer.apply([keras.ops.ones((1,))])
        average = optimizer._model_variables_moving_average[0]
        seen.append((float(weight.numpy()[0]), float(average.numpy()[0])))
    return seen


print("every call a step:                            ", run(None))
print("every second call a step:                     ", run(2))
print("the same, overwritten at every third step:    ", run(2, frequency=3))
assert [average for _, average in run(None)] == [-1.0, -1.5, -2.25]
assert [average for _, average in run(2)] == [0.0, -1.0, -1.0, -1.5, -1.75, -2.375]
assert run(2, frequency=3)[4:] == [(-1.75, -1.75), (-2.25, -2.25)]
PROGRAM
