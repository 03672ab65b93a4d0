"""Multi-layer perceptrons by scikit-learn's protocol, trained in the library: drop-ins for those of
sklearn.neural_network.

    from martlet.sklearn import MLPClassifier
    model = make_pipeline(StandardScaler(), MLPClassifier((64,), random_state=0)).fit(X, y)

Parameters, defaults, attributes, losses, stopping and warnings are scikit-learn's. From the same random_state come the
same initial weights, validation split and orders of samples as there, so that loss curves are the same but for
rounding: weights and arithmetic are float32. What there is beside: dropout, batch_normalization, class_weight, more
activations and solvers, and save and to_onnx. L-BFGS is refused.

Needs scikit-learn 1.6 or later: pip install scikit-learn.
"""

from __future__ import annotations

try:
    from sklearn.utils.validation import validate_data as _validate_data  # which 1.6 brought
except ImportError as _error:
    raise ImportError(
        "martlet.sklearn needs scikit-learn 1.6 or later, which cannot be imported: pip install 'scikit-learn>=1.6'"
    ) from _error

from martlet.sklearn.classifier import MLPClassifier
from martlet.sklearn.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
del _validate_data
