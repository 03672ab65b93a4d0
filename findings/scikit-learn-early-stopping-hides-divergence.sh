#!/usr/bin/env bash
# scikit-learn's MLPRegressor with early_stopping=True ends without an error where training diverged: all losses and
# scores are NaN, no score is better than the one before it, and the weights kept as the best are the initial ones, so
# that predictions are finite and untrained. Without early stopping the same data raise a ValueError, as one would expect.
exec "$(dirname "$0")/python-with" scikit-learn==1.9.1 numpy==2.4.6 <<'PROGRAM'
import numpy as np
from sklearn.neural_network import MLPRegressor

rng = np.random.default_rng(0)
x = rng.normal(size=(40, 3)) * 3
y = rng.poisson(2, 40).astype(float)
how = dict(solver="sgd", learning_rate_init=0.1, batch_size=1, random_state=0, max_iter=5)
stops = dict(how, early_stopping=True)
model = MLPRegressor("poisson", (4,), **stops).fit(x, y)
untrained = MLPRegressor("poisson", (4,), **dict(stops, learning_rate_init=1e-30)).fit(x, y)
losses, scores = np.array(model.loss_curve_), np.array(model.validation_scores_)
print(f"losses {losses}, scores {scores}, predictions {model.predict(x[:3])}")
assert np.isnan(losses).all() and np.isnan(scores).all()
assert np.isfinite(model.predict(x)).all() and (model.predict(x) == untrained.predict(x)).all()
try:
    MLPRegressor("poisson", (4,), **how).fit(x, y)
except ValueError as error:
    print(f"without early stopping: {error}")
else:
    raise AssertionError
PROGRAM
