#!/usr/bin/env bash
# A stateful recurrent layer of Keras keeps its states when the model is called, and not when predict runs it on the JAX
# backend: predict begins each call with the states that were there, and drops those that it came to. A sequence predicted
# in two halves is then its second half alone, without an error; by calls it is the whole sequence.
exec "$(dirname "$0")/python-with" keras==3.15.1 jax==0.10.2 numpy==2.4.6 <<'PROGRAM'
import os

os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np

keras.utils.set_random_seed(0)
inputs = keras.Input(batch_shape=(2, 3, 4))
layer = keras.layers.LSTM(5, stateful=True)
model = keras.Model(inputs, layer(inputs))
whole = keras.Sequential([keras.Input((6, 4)), keras.layers.LSTM(5)])
whole.set_weights([np.asarray(weight) for weight in layer.trainable_weights])
x = np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")
right = whole.predict(x, verbose=0)

model.predict(x[:, :3], verbose=0)
by_predict = model.predict(x[:, 3:], verbose=0)
alone = keras.Sequential([keras.Input((3, 4)), keras.layers.LSTM(5)])
alone.set_weights(whole.get_weights())
second_alone = alone.predict(x[:, 3:], verbose=0)
layer.reset_states()
model(x[:, :3])
by_calls = np.asarray(model(x[:, 3:]))

print("by predict, from the whole sequence:", np.abs(by_predict - right).max())
print("by predict, from the second half alone:", np.abs(by_predict - second_alone).max())
print("by calls, from the whole sequence:", np.abs(by_calls - right).max())
assert np.abs(by_predict - right).max() > 0.01
assert np.abs(by_predict - second_alone).max() < 1e-6
assert np.abs(by_calls - right).max() < 1e-6
PROGRAM
