"""What the stages of an audit found, as types: the gate judges these, the report shows them, a file holds their JSON.

Each is read back by its one ``from_json``, which takes what is missing for unknown. Nothing here computes: judging a
finished run loads no library of statistics.
"""

from harness.results._artifact import ArtifactResult, Parity
from harness.results._attack import AttackFindings, Measures, Result, Skipped
from harness.results._devices import AnswerDifference, AttackDifference, DeviceResult, DevicesFindings
from harness.results._increase import Increase
from harness.results._latency import Latency
from harness.results._leakage import CANDIDATES, COORDINATES, Comparison, Leakage, Witness
from harness.results._mis import MisFindings, QuantizerMis, regime_of
from harness.results._null import NullSummary, PooledNull
from harness.results._privacy import CanaryBound, CanaryFindings, PrivacyBound, PrivacyFindings
from harness.results._records import RecordFindings, RecordReading, RecordResult
from harness.results._simultaneous import Simultaneous, bonferroni_growth
from harness.results._slices import Slice, SlicedView, SliceFindings, SliceResult

__all__ = [
    "CANDIDATES",
    "COORDINATES",
    "AnswerDifference",
    "ArtifactResult",
    "AttackDifference",
    "AttackFindings",
    "CanaryBound",
    "CanaryFindings",
    "Comparison",
    "DeviceResult",
    "DevicesFindings",
    "Increase",
    "Latency",
    "Leakage",
    "Measures",
    "MisFindings",
    "NullSummary",
    "Parity",
    "PooledNull",
    "PrivacyBound",
    "PrivacyFindings",
    "QuantizerMis",
    "RecordFindings",
    "RecordReading",
    "RecordResult",
    "Result",
    "Simultaneous",
    "Skipped",
    "Slice",
    "SliceFindings",
    "SliceResult",
    "SlicedView",
    "Witness",
    "bonferroni_growth",
    "regime_of",
]
