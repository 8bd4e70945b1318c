"""Candidates of a quantizer: the weights that it might have been given instead (for the MIS indicator).

One generator a file, each a function of the trained model and the records it was trained on. Candidate 0 is the
deployed model itself, so none of them makes it. Equal exported bytes are one candidate, which only the files can tell.
"""

from harness.compression.candidates._flips import can_flip, flips
from harness.compression.candidates._last_layer import refit_last_layer
from harness.compression.candidates._perturbation import perturb
from harness.compression.candidates._resampling import bootstrap_rows, random_half

__all__ = ["bootstrap_rows", "can_flip", "flips", "perturb", "random_half", "refit_last_layer"]
