"""The kinds of rules, one a file, each under the key that holds its limit in audit.toml.

A further kind is one file here, its line in :data:`RULES`, and its key in ``harness.config.GateRule``.
"""

from collections.abc import Mapping

from harness.config import GateRule, RuleKind
from harness.policy.rules._max import Max
from harness.policy.rules._max_flip_share import MaxFlipShare
from harness.policy.rules._max_increase import MaxIncrease
from harness.policy.rules._max_of_parts import MaxOfParts
from harness.policy.rules._max_predicted import MaxPredicted
from harness.policy.rules._rule import Accept, Rule
from harness.policy.rules._scope import is_about, is_named, sees, shows

__all__ = ["RULES", "Accept", "Rule", "is_about", "is_named", "kind_of", "sees", "shows"]

RULES: Mapping[RuleKind, Rule] = {
    "max": Max(),
    "max_increase": MaxIncrease(),
    "max_flip_share": MaxFlipShare(),
}
# A limit of the same key about something else than an attack's whole result.
_OF_PARTS, _PREDICTED = MaxOfParts(), MaxPredicted()


def kind_of(rule: GateRule) -> Rule:
    """What judges a rule."""
    if rule.metric == "mis_delta":
        return _PREDICTED
    return _OF_PARTS if rule.classes is not None or rule.group is not None else RULES[rule.kind]
