#!/usr/bin/env bash
# A recurrent layer of Keras reads the mask of what it is called with, as that of an Embedding(mask_zero=True), and passes
# over padding. Called with initial_state too, as a decoder is, it forgets that mask, without a word, and reads the padding
# as words; only a mask that is given by name, mask=, is read then.
exec "$(dirname "$0")/python-with" keras==3.15.1 jax==0.10.2 numpy==2.4.6 <<'PROGRAM'
import os

os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np

keras.utils.set_random_seed(1)
words, states = keras.Input((None,), dtype="int32"), [keras.Input((3,)), keras.Input((3,))]
layer = keras.layers.LSTM(3)
embedded = keras.layers.Embedding(5, 2, mask_zero=True)(words)
models = {
    "alone": keras.Model([words, *states], layer(embedded)),
    "with initial_state": keras.Model([words, *states], layer(embedded, initial_state=states)),
    "with initial_state and mask": keras.Model(
        [words, *states], layer(embedded, initial_state=states, mask=embedded._keras_mask)
    ),
}
zeros = np.zeros((1, 3), np.float32)
moved = {}
for name, model in models.items():
    short, padded = (np.asarray(model([np.array([row]), zeros, zeros])) for row in ([1, 2, 3], [1, 2, 3, 0, 0]))
    moved[name] = np.abs(short - padded).max()
    print(f"{name}: two words of padding change the last state by {moved[name]:.2g}")
assert moved["alone"] < 1e-6 and moved["with initial_state and mask"] < 1e-6
assert moved["with initial_state"] > 1e-3
PROGRAM
