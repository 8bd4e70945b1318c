"""Everything that the page shows of one setting, and its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.types import Estimate, rate_key
from studies.bits_for_privacy.claims import Claim, claims
from studies.bits_for_privacy.evidence import Evidence, Match
from studies.bits_for_privacy.figures import RATES, Leak, auc_difference
from studies.bits_for_privacy.settings import Setting
from studies.bits_for_privacy.variants import FLOAT

__all__ = ["Findings"]


@dataclass(frozen=True, eq=False)
class Findings:
    """One setting's evidence, and what follows from it by rule."""

    setting: Setting
    evidence: Evidence

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """The paper's claims, judged."""
        return tuple(claims(self.evidence))

    @cached_property
    def differing(self) -> tuple[Claim, ...]:
        """The claims whose verdict is another one where the adversary has float shadows."""
        verdicts = {
            claim.words: {c.variant: c.verdict for c in self.claims if c.words == claim.words} for claim in self.claims
        }
        return tuple(
            claim
            for claim in claims(self.evidence.with_float_shadows)
            if set(verdicts[claim.words].values()) != {claim.verdict}
            and verdicts[claim.words].get(claim.variant) != claim.verdict
        )

    @cached_property
    def matches(self) -> tuple[Match, ...]:
        """Variants beside float networks of about the same accuracy."""
        return tuple(self.evidence.matches())

    @cached_property
    def order(self) -> dict[str, int]:
        """Pairs of files by whether the one with fewer bits leaks less."""
        return self.evidence.order()

    @property
    def n(self) -> int:
        """Pairs of a network and a record, members and non-members together."""
        return self.evidence.leaks[FLOAT].auc.n

    @cached_property
    def gains(self) -> dict[str, Estimate]:
        """Variant -> AUC that shadows of the same variant add to shadows of the float networks."""
        both = self.evidence.leaks, self.evidence.blind
        return {name: auc_difference(both[0][name], leak) for name, leak in both[1].items() if name != FLOAT}

    def to_json(self) -> dict[str, object]:
        """A JSON object of every figure."""
        evidence = self.evidence
        return {
            "setting": self.setting.training,
            "networks": self.setting.networks,
            "pairs": self.n,
            "variants": [
                {
                    "variant": one.name,
                    "bits": one.bits,
                    "accuracy": evidence.accuracy(one.name).to_json(),
                    "accuracy_on_members": evidence.on_members(one.name).to_json(),
                    "accuracy_kept": evidence.kept(one.name),
                    "same_shadows": _leak(evidence.leaks[one.name]),
                    "float_shadows": _leak(evidence.blind[one.name]) if one.name in evidence.blind else None,
                    "tpr_ratio": evidence.ratio(one.name).to_json(),
                }
                for one in evidence.variants
            ],
            "claims": [claim.to_json() for claim in self.claims],
            "claims_that_differ_with_float_shadows": [claim.to_json() for claim in self.differing],
            "same_accuracy": [
                {
                    "variant": match.variant,
                    "stopped": match.stopped or None,
                    "accuracy": match.accuracy.to_json(),
                    "stopped_accuracy": None if match.theirs is None else match.theirs.to_json(),
                    "tpr_ratio": None if match.ratio is None else match.ratio.to_json(),
                }
                for match in self.matches
            ],
            "fewer_bits_leak": self.order,
        }


def _leak(leak: Leak) -> dict[str, object]:
    return {
        "auc": leak.auc.to_json(),
        "tpr_at_fpr": {rate_key(rate): leak.tpr[rate].to_json() for rate in RATES},
        "balanced_accuracy": leak.balanced.to_json(),
    }
