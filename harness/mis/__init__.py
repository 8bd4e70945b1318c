"""The MIS indicator: how fast a quantizer's membership leakage falls with the size of the training set.

Arrays only: callers make the candidates (the quantizer's outputs for several trainings). :func:`estimate` is the entry
point; the rest are its parts.

The indicator is that of "Membership Inference Risks in Quantized Models: A Theoretical and Empirical Study"
(arXiv 2502.06567), published as "An Indicator of Membership Inference Security in Post-Training Quantized Models"
(AISTATS 2026, PMLR 300). The formulas are derived here, consistent with what is known of it, and tested against exact
enumeration and closed forms.
"""

from harness.mis._attack import lr_attack
from harness.mis._bootstrap import Bootstrap, bootstrap_ci
from harness.mis._cells import Cells, coordinate_delta, retained
from harness.mis._chernoff import Chernoff, chernoff
from harness.mis._coordinates import Coordinates, coordinates
from harness.mis._estimate import estimate
from harness.mis._exact import exact_delta
from harness.mis._indicator import Indicator, indicator
from harness.mis._last_layer import last_layer_coordinates
from harness.mis._leakage import leakage
from harness.mis._local import local_log_delta
from harness.mis._losses import loss_matrix, losses_from_confidences, losses_from_regression
from harness.mis._matrix import dedupe
from harness.mis._monte_carlo import mc_delta
from harness.mis._pairs import PairStats, pair_stats
from harness.mis._predict import predict_log_delta
from harness.mis._product import product_log_delta
from harness.mis._rank import RankRow, rank, ranked
from harness.mis._saddle import gauss_log_delta, saddle_log_delta
from harness.results import Comparison, Leakage, QuantizerMis

__all__ = [
    "Bootstrap",
    "Cells",
    "Chernoff",
    "Comparison",
    "Coordinates",
    "Indicator",
    "Leakage",
    "PairStats",
    "QuantizerMis",
    "RankRow",
    "bootstrap_ci",
    "chernoff",
    "coordinate_delta",
    "coordinates",
    "dedupe",
    "estimate",
    "exact_delta",
    "gauss_log_delta",
    "indicator",
    "last_layer_coordinates",
    "leakage",
    "local_log_delta",
    "loss_matrix",
    "losses_from_confidences",
    "losses_from_regression",
    "lr_attack",
    "mc_delta",
    "pair_stats",
    "predict_log_delta",
    "product_log_delta",
    "rank",
    "ranked",
    "retained",
    "saddle_log_delta",
]
