"""Training and fine-tuning: fixed epochs, no selection, and the same weights for the same seed.

Training uses no audited non-member: choosing the best epoch on them, as common code does, would change the result of
the attack. Torch is imported when a function is called.
"""

from harness.training._augment import augment
from harness.training._fit import Clusters, Trained, finetune, train
from harness.training._predict import Inputs, predict, reproducible
from harness.training._weights import load_weights, save_weights

__all__ = [
    "Clusters",
    "Inputs",
    "Trained",
    "augment",
    "finetune",
    "load_weights",
    "predict",
    "reproducible",
    "save_weights",
    "train",
]
