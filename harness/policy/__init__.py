"""The release policy: typed results x rules -> one verdict that drives text, files and the exit code."""

from harness.policy._answerable import Answerable
from harness.policy._check import check, check_names, fitted
from harness.policy._devices import for_device
from harness.policy._found import Baseline, Found
from harness.policy._judge import judge
from harness.policy._null import judge_null, judge_pooled
from harness.policy._outcome import ArtifactName, Case, Outcome, RuleOutcome, Severity, Verdict, Waiver, exit_code

__all__ = [
    "Answerable",
    "ArtifactName",
    "Baseline",
    "Case",
    "Found",
    "Outcome",
    "RuleOutcome",
    "Severity",
    "Verdict",
    "Waiver",
    "check",
    "check_names",
    "exit_code",
    "fitted",
    "for_device",
    "judge",
    "judge_null",
    "judge_pooled",
]
