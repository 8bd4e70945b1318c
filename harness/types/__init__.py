"""The few types that every room speaks: artifacts, records, observations, views and estimates."""

from harness.types._arrays import Array, FloatArray, IntArray
from harness.types._estimate import Estimate, TprEstimate, rate_key
from harness.types._observations import PROBABILITY_FLOOR, SUM_TOLERANCE, Observations
from harness.types._records import Artifact, Records, TensorSpec
from harness.types._view import Adversary, View

__all__ = [
    "PROBABILITY_FLOOR",
    "SUM_TOLERANCE",
    "Adversary",
    "Array",
    "Artifact",
    "Estimate",
    "FloatArray",
    "IntArray",
    "Observations",
    "Records",
    "TensorSpec",
    "TprEstimate",
    "View",
    "rate_key",
]
