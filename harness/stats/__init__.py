"""Statistics: arrays in, numbers with intervals out. numpy and scipy only.

One sort per attack: :func:`roc` counts true and false positives at every distinct score; :func:`auc`,
:func:`tpr_at_fpr`, :func:`balanced_accuracy`, :func:`best_threshold`, :func:`epsilon_lower` and :func:`gdp_lower` use
these counts.
"""

from harness.results import NullSummary, PooledNull, Simultaneous
from harness.stats._auc import auc, auc_difference, placements_per_record
from harness.stats._average import average
from harness.stats._bootstrap import bootstrap
from harness.stats._epsilon import epsilon_lower
from harness.stats._gdp import gdp_delta, gdp_epsilon, gdp_lower
from harness.stats._intervals import clopper_pearson, wilson
from harness.stats._null import NullCalibration, null_calibration, pool_null
from harness.stats._one_run import one_run_epsilon
from harness.stats._roc import Roc, roc
from harness.stats._simultaneous import covariance_of, sample, simultaneous
from harness.stats._strongest import StrongestDifference, strongest_differences
from harness.stats._threshold import balanced_accuracy, best_threshold
from harness.stats._tpr import tpr_at_fpr
from harness.stats._tpr_parts import tpr_parts
from harness.types import Estimate, TprEstimate, rate_key

__all__ = [
    "Estimate",
    "NullCalibration",
    "NullSummary",
    "PooledNull",
    "Roc",
    "Simultaneous",
    "StrongestDifference",
    "TprEstimate",
    "auc",
    "auc_difference",
    "average",
    "balanced_accuracy",
    "best_threshold",
    "bootstrap",
    "clopper_pearson",
    "covariance_of",
    "epsilon_lower",
    "gdp_delta",
    "gdp_epsilon",
    "gdp_lower",
    "null_calibration",
    "one_run_epsilon",
    "placements_per_record",
    "pool_null",
    "rate_key",
    "roc",
    "sample",
    "simultaneous",
    "strongest_differences",
    "tpr_at_fpr",
    "tpr_parts",
    "wilson",
]
