"""The release policy: typed results x rules -> one verdict that drives text, files and the exit code."""

from harness.policy._judge import Outcome, RuleOutcome, Verdict, exit_code, judge, judge_null, judge_pooled

__all__ = ["Outcome", "RuleOutcome", "Verdict", "exit_code", "judge", "judge_null", "judge_pooled"]
