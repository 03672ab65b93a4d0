#!/usr/bin/env bash
# Keras's CosineDecayRestarts finds its cycle by a logarithm in float32. Where that is a little under a whole number the
# first step of a cycle is taken for the end of the one before: its rate is alpha times the first one, here 0, in place of
# the highest. With t_mul=7 so are the third restart and the next ones.
exec "$(dirname "$0")/python-with" keras==3.15.1 jax==0.10.2 numpy==2.4.6 <<'PROGRAM'
import os

os.environ["KERAS_BACKEND"] = "jax"
import keras

schedule = keras.optimizers.schedules.CosineDecayRestarts(0.3, first_decay_steps=4, t_mul=7.0)
seen = {}
for cycle in range(6):
    begin = 4 * (7**cycle - 1) // 6
    seen[cycle] = [round(float(schedule(step)), 4) for step in (begin, begin + 1)]
    print(f"steps {begin} and {begin + 1}, where cycle {cycle} begins: {seen[cycle]}")
assert seen[1][0] == 0.3 and seen[3][0] == 0.0 and seen[3][1] > 0.29
PROGRAM
