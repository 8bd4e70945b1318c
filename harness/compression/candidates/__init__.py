"""Candidates of a quantizer: weights that training on other records might have given it (for the MIS indicator).

One generator a file, each a function of the trained model and the records it was trained on. Candidate 0 is the
deployed model itself, so no generator makes it. Candidates with equal exported bytes are one; the export detects them.
"""

from harness.compression.candidates._flips import can_flip, flips
from harness.compression.candidates._last_layer import LastLayer, last_layer
from harness.compression.candidates._nearby_codes import NearbyCodes, QuadraticLoss, near_ties, nearby_codes
from harness.compression.candidates._perturbation import EPSILONS, bearable_factor, perturb
from harness.compression.candidates._resampling import bootstrap_rows, random_half

__all__ = [
    "EPSILONS",
    "LastLayer",
    "NearbyCodes",
    "QuadraticLoss",
    "bearable_factor",
    "bootstrap_rows",
    "can_flip",
    "flips",
    "last_layer",
    "near_ties",
    "nearby_codes",
    "perturb",
    "random_half",
]
