"""The kinds of rules, one a file, each under the key that holds its limit in audit.toml.

A further kind is one file here, its line in :data:`RULES`, and its key in ``harness.config.GateRule``.
"""

from collections.abc import Mapping

from harness.config import RuleKind
from harness.policy.rules._max import Max
from harness.policy.rules._max_flip_share import MaxFlipShare
from harness.policy.rules._max_increase import MaxIncrease
from harness.policy.rules._rule import Rule
from harness.policy.rules._scope import is_about

__all__ = ["RULES", "Rule", "is_about"]

RULES: Mapping[RuleKind, Rule] = {
    "max": Max(),
    "max_increase": MaxIncrease(),
    "max_flip_share": MaxFlipShare(),
}
