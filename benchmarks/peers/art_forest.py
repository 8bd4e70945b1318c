"""ART's black-box attack with its random forest, fitted on a shadow's answers and asked about a target's."""

from __future__ import annotations

import warnings

import numpy as np
from _serve import serve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says that torch is missing; the forest does not need it
    from art.attacks.inference.membership_inference import MembershipInferenceBlackBox
    from art.estimators.classification import BlackBoxClassifier


def attack(
    confidences: np.ndarray,
    labels: np.ndarray,
    membership: np.ndarray,
    target_confidences: np.ndarray,
    target_labels: np.ndarray,
) -> dict[str, np.ndarray]:
    """Fit and infer on confidence vectors as given; the classifier that the attack is built around is never asked."""
    classes = confidences.shape[1]
    model = BlackBoxClassifier(lambda x: x, input_shape=(classes,), nb_classes=classes)
    forest = MembershipInferenceBlackBox(model, attack_model_type="rf")
    members = membership == 1
    forest.fit(pred=confidences[members], y=labels[members], test_pred=confidences[~members], test_y=labels[~members])
    said = forest.infer(None, target_labels, pred=target_confidences, probabilities=True)
    return {"scores": np.asarray(said)[:, -1]}


if __name__ == "__main__":
    serve(attack, ("adversarial-robustness-toolbox", "scikit-learn"))
