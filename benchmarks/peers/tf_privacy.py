"""TF Privacy's empirical test as it runs by default: the threshold attack, its AUC and its bound of epsilon."""

from __future__ import annotations

import numpy as np
from _serve import serve
from tensorflow_privacy.privacy.privacy_tests.membership_inference_attack import membership_inference_attack
from tensorflow_privacy.privacy.privacy_tests.membership_inference_attack.data_structures import AttackInputData


def attack(scores: np.ndarray, membership: np.ndarray) -> dict[str, float]:
    """The largest of the bounds that it reports; scores are given as what it expects, losses."""
    data = AttackInputData(loss_train=-scores[membership == 1], loss_test=-scores[membership == 0])
    (result,) = membership_inference_attack.run_attacks(data).single_attack_results
    return {"auc": result.get_auc(), "epsilon": float(max(result.get_epsilon_lower_bound(), default=0.0))}


if __name__ == "__main__":
    serve(attack, ("tensorflow-empirical-privacy", "scikit-learn"))
