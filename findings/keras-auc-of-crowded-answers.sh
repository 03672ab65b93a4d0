#!/usr/bin/env bash
# keras.metrics.AUC counts answers between 200 evenly spaced thresholds and joins the points by straight lines. Where a
# model's answers crowd within a few thousandths, as early in training or for rare events, most pairs fall between two
# thresholds, and the area comes out far from the exact one: here 0.67 for 0.76.
exec "$(dirname "$0")/python-with" keras==3.15.1 jax==0.10.2 numpy==2.4.6 scikit-learn==1.9.1 <<'PROGRAM'
import os

os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np
from sklearn.metrics import roc_auc_score

rng = np.random.default_rng(0)
right = (rng.random(2000) < 0.3).astype("float32")
noise = rng.normal(size=2000)
found = {}
for spread in (0.2, 0.002):
    answers = np.clip(0.5 + spread * (noise + right), 0, 1).astype("float32")
    metric = keras.metrics.AUC()
    metric.update_state(right, answers)
    found[spread] = float(metric.result()), roc_auc_score(right, answers)
    print(f"spread {spread}: Keras {found[spread][0]:.4f}, exactly {found[spread][1]:.4f}")
assert abs(found[0.2][0] - found[0.2][1]) < 0.001
assert found[0.002][1] - found[0.002][0] > 0.05
PROGRAM
