"""Linear models on frozen features: the smallest learner whose quantized weights the studies can follow exactly."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.special import log_softmax

from harness.types import FloatArray, IntArray

__all__ = ["accuracy", "fit", "losses", "predict"]


def fit(features: FloatArray, targets: FloatArray | IntArray, *, classes: int | None, ridge: float) -> FloatArray:
    """Fit a linear model without an offset; add a column of ones where one is wanted, so that it is quantized, too.

    Args:
        features: ``[n, d]``.
        targets: class numbers ``[n]``, or real numbers where ``classes`` is None.
        classes: number of classes; None for regression with squared loss.
        ridge: penalty on half the squared weights, of the mean loss.

    Returns:
        Weights ``[outputs, d]``: one row for regression and for two classes (logit of class 1), else one a class.
    """
    if classes is None:
        gram = features.T @ features / len(features) + ridge * np.eye(features.shape[1])
        return np.asarray(np.linalg.solve(gram, features.T @ targets / len(features))[None, :], dtype=np.float64)
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0 / (ridge * len(features)), fit_intercept=False, max_iter=200, tol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # separable data: the ridge decides, 200 steps are enough
        weights: FloatArray = model.fit(features, targets).coef_
    return weights


def predict(weights: FloatArray, features: FloatArray) -> FloatArray:
    """Outputs ``[..., n, outputs]`` of weights ``[..., outputs, d]``."""
    outputs: FloatArray = features @ np.swapaxes(weights, -1, -2)
    return outputs


def losses(outputs: FloatArray, targets: FloatArray | IntArray, *, classes: int | None) -> FloatArray:
    """Squared error, or negative log likelihood in nats, ``[..., n]`` from outputs ``[..., n, outputs]``."""
    if classes is None:
        squared: FloatArray = (outputs[..., 0] - targets) ** 2
        return squared
    if outputs.shape[-1] == 1:
        logistic: FloatArray = np.logaddexp(0.0, np.where(targets == 1, -outputs[..., 0], outputs[..., 0]))
        return logistic
    chosen: FloatArray = -np.take_along_axis(
        log_softmax(outputs, axis=-1),
        np.broadcast_to(targets.astype(np.int64)[:, None], (*outputs.shape[:-1], 1)),
        axis=-1,
    )[..., 0]
    return chosen


def accuracy(outputs: FloatArray, targets: IntArray) -> FloatArray:
    """Share of records whose class is answered right, ``[...]``."""
    answers = outputs[..., 0] > 0 if outputs.shape[-1] == 1 else outputs.argmax(axis=-1)
    share: FloatArray = (answers == targets).mean(axis=-1)
    return share
