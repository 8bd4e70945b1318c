"""The release policy in audit.toml."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from harness.config._section import Finite, Names, Rate, Section, Share
from harness.types import Adversary

__all__ = ["ADVERSARIES", "GateConfig", "GateRule", "RuleKind"]

ADVERSARIES: tuple[Adversary, ...] = get_args(Adversary)
# A kind of rule is named after the key that holds its limit; `harness.policy.rules` says how each is judged.
RuleKind = Literal["max", "max_increase", "max_flip_share"]
# Devices as the audit names them; one may stand without a list, and * for any characters.
_Devices = Annotated[Names, BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]


class GateRule(Section):
    """One condition of the release policy; its kind is the key that holds its limit.

    `max` limits an estimate of every attack result that the rule judges, `max_increase` how much more the strongest
    attack in each view finds than the strongest on the original alone (or, where the rule names attacks, how much more
    each of them finds than the attack of its family there). Such a rule passes when every upper bound stays within the
    limit, fails when some lower bound, corrected for all figures of the audit, exceeds it, and is inconclusive where
    the records show neither. `max_flip_share` limits the share of records whose top-1 class is
    not the reference's. `attacks` and `variants` narrow what is judged; each that is named must have a result, and so
    must each adversary where not all three are named. `device` names the devices that the rule is about, one or a
    list, with `*` for any characters; without it every device is judged. `epsilon_lower` has no upper bound: it can
    fail a release and never pass one. `id` names the rule in every report and is made from the rule where it is not
    given.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")] = ""
    kind: RuleKind = "max"
    metric: Literal["auc", "balanced_accuracy", "tpr_at_fpr", "epsilon_lower"] = "auc"
    adversary: Annotated[tuple[Adversary, ...], Field(min_length=1)] = ADVERSARIES
    attacks: Names | None = None
    variants: Names | None = None
    device: _Devices | None = None
    at_fpr: Rate | None = None
    max: Finite | None = None
    max_increase: Finite | None = None
    max_flip_share: Share | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        kinds = [kind for kind in get_args(RuleKind) if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError("needs exactly one of 'max', 'max_increase' and 'max_flip_share'")
        if "kind" in self.model_fields_set and self.kind != kinds[0]:
            raise ValueError(f"kind: {self.kind!r} takes the limit {self.kind!r}, and {kinds[0]!r} is given")
        # The model is frozen once it is built; until then what was left out is filled in.
        object.__setattr__(self, "kind", kinds[0])
        self._check_keys()
        self._check_limit()
        object.__setattr__(self, "id", self.id or self._id_of_its_keys())
        return self

    def _check_keys(self) -> None:
        if (self.metric == "tpr_at_fpr") != (self.at_fpr is not None):
            raise ValueError("'at_fpr' goes with metric = \"tpr_at_fpr\", and only with it")
        if self.kind == "max_increase" and self.metric != "auc":
            raise ValueError("'max_increase' compares AUCs: use metric = \"auc\"")
        if self.kind == "max_flip_share":
            for key in ("metric", "adversary", "attacks"):
                if getattr(self, key) != type(self).model_fields[key].default:
                    raise ValueError(f"{key!r} does not go with 'max_flip_share', which judges no attack")

    def _check_limit(self) -> None:
        """Refuse limits that whatever is measured stays within, e.g. 85 for 0.85."""
        if self.max is not None:
            if self.max < 0:
                raise ValueError(f"max: {self.max:g} is below 0, and no result can be")
            if self.metric != "epsilon_lower" and self.max >= 1:
                raise ValueError(f"max: {self.max:g} lets every result pass; give a fraction below 1")
        if self.max_increase is not None and not -1 < self.max_increase < 1:
            raise ValueError(f"max_increase: {self.max_increase:g} is no difference of AUCs; give one between -1 and 1")

    def _id_of_its_keys(self) -> str:
        at = () if self.at_fpr is None else (repr(self.at_fpr),)
        what = {"max": (self.metric, *at, "max"), "max_increase": ("auc-increase",), "max_flip_share": ("parity",)}
        seen = () if set(self.adversary) == set(ADVERSARIES) else self.adversary
        scopes = (*(self.variants or ()), *(self.attacks or ()), *(self.device or ()))
        words = (*what[self.kind], repr(self.limit), *seen, *scopes)
        return re.sub(r"[^A-Za-z0-9.+]", "-", "-".join(words))

    @property
    def limit(self) -> float:
        """The one limit that is given."""
        return float(getattr(self, self.kind))

    @property
    def name(self) -> str:
        """The rule as a short sentence."""
        scopes = {"variants": self.variants, "attacks": self.attacks, "device": self.device}
        scope = "".join(f", {key} {' '.join(names)}" for key, names in scopes.items() if names)
        if self.kind == "max_flip_share":
            return f"top-1 flips against the reference <= {self.limit:g}{scope}"
        metric = self.metric if self.at_fpr is None else f"{self.metric}[{self.at_fpr!r}]"
        limit = f"<= {self.limit:g}" if self.kind == "max" else f"<= original + {self.limit:g}"
        return f"{'/'.join(self.adversary)} {metric} {limit}{scope}"


class GateConfig(Section):
    """The release policy. No rules: the audit reports and passes nothing.

    `max_flip_share` is short for a rule with this limit alone, and becomes the last of the rules.
    """

    rules: tuple[GateRule, ...] = ()
    max_flip_share: Share | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.max_flip_share is not None:
            object.__setattr__(self, "rules", (*self.rules, GateRule(max_flip_share=self.max_flip_share)))
            object.__setattr__(self, "max_flip_share", None)
        ids = [rule.id for rule in self.rules]
        twice = next((one for one in ids if ids.count(one) > 1), None)
        if twice is not None:
            raise ValueError(f"rules: two have the id {twice!r}: give one of them another id, or remove it")
        return self
