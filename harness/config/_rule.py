"""One rule of a release policy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from harness.config._limits import check_limit
from harness.config._policy import OneOrMore, Values
from harness.config._section import Count, Names, Rate, Section
from harness.types import Adversary

__all__ = ["ADVERSARIES", "FailsWhen", "GateRule", "GroupScope", "RuleKind"]

ADVERSARIES: tuple[Adversary, ...] = get_args(Adversary)
# A kind of rule is named after the key that holds its limit; `harness.policy.rules` says how each is judged.
RuleKind = Literal["max", "max_increase", "max_flip_share"]
# Which side of the interval decides: the rule fails when the figure is surely above its limit, or possibly.
FailsWhen = Literal["surely_above", "possibly_above"]
# What says which results a rule is about.
SCOPES = ("variants", "attacks", "device", "runtime", "classes", "group", "quantizers")
# The keys that only some rules have: those that judge attacks, and the indicator of quantizers.
_OF_ATTACKS = ("adversary", "attacks", "classes", "group")


class GroupScope(Section):
    """Records by what they have in a column of groups: those with one value, with some, or (`*`) by each value."""

    column: Annotated[str, Field(min_length=1)]
    value: Values = ("*",)


class GateRule(Section):
    """One condition of the release policy; its kind is the key that holds its limit.

    `max` limits an estimate of every attack result that the rule judges, `max_increase` how much more the strongest
    attack in each view finds than the strongest on the original alone (or, where the rule names attacks, how much more
    each of them finds than the attack of its family there). With `against = "baseline"` the increase is the one over
    the same view of an earlier audit. Such a rule passes when every upper bound stays within the limit. With
    `fails_when = "surely_above"` it fails when some lower bound, corrected for all figures of the audit, exceeds it,
    and is inconclusive where the records show neither; with `"possibly_above"` an upper bound above it fails already.
    `max_flip_share` limits the share of records whose top-1 class is not the reference's. `severity = "warn"` says
    that the rule does not hold, and fails nothing.

    `attacks`, `variants`, `runtime`, `device`, `classes` and `group` narrow what is judged; each that is named must
    have a result, and so must each adversary where not all three are named. One name may stand without a list; in
    devices, * stands for any characters, and among classes and values of a group for each one. `min_n` is how many
    members, and non-members, a result needs to be judged. `epsilon_lower` has no upper bound: it can fail a release
    and never pass one. `mis_delta` limits the leakage that the MIS indicator predicts of `quantizers`. `id` names the
    rule in every report and is made from the rule where it is not given.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")] = ""
    kind: RuleKind = "max"
    severity: Literal["fail", "warn"] = "fail"
    metric: Literal["auc", "balanced_accuracy", "tpr_at_fpr", "epsilon_lower", "mis_delta"] = "auc"
    fails_when: FailsWhen = "surely_above"
    against: Literal["original", "baseline"] = "original"
    adversary: Annotated[tuple[Adversary, ...], Field(min_length=1)] = ADVERSARIES
    attacks: Names | None = None
    variants: Names | None = None
    device: OneOrMore | None = None
    runtime: OneOrMore | None = None
    classes: Values | None = None
    group: GroupScope | None = None
    quantizers: OneOrMore | None = None
    at_fpr: Rate | None = None
    min_n: Count | None = None
    max: float | None = None
    max_increase: float | None = None
    max_flip_share: float | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        kinds = [kind for kind in get_args(RuleKind) if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"{self._named}needs exactly one of 'max', 'max_increase' and 'max_flip_share'")
        if "kind" in self.model_fields_set and self.kind != kinds[0]:
            raise ValueError(
                f"{self._named}kind: {self.kind!r} takes the limit {self.kind!r}, and {kinds[0]!r} is given"
            )
        # The model is frozen once it is built; until then what was left out is filled in.
        object.__setattr__(self, "kind", kinds[0])
        try:
            self._check_keys()
            check_limit(self.kind, self.metric, self.limit, self.at_fpr)
        except ValueError as error:
            raise ValueError(f"{self._named}{error}") from None
        object.__setattr__(self, "id", self.id or self._id_of_its_keys())
        return self

    @property
    def _named(self) -> str:
        return f"rule {self.id!r}: " if self.id else ""

    def _check_keys(self) -> None:
        if (self.metric == "tpr_at_fpr") != (self.at_fpr is not None):
            raise ValueError("'at_fpr' goes with metric = \"tpr_at_fpr\", and only with it")
        if self.kind == "max_increase" and self.metric != "auc":
            raise ValueError("'max_increase' compares AUCs: use metric = \"auc\"")
        if self.kind != "max_increase":
            self._refuse(("against",), f"{self.kind!r}, which compares with nothing")
        if self.kind == "max_flip_share":
            self._refuse(("metric", *_OF_ATTACKS), "'max_flip_share', which judges no attack")
            self._refuse(("fails_when",), "'max_flip_share': a share is counted, and has no interval")
        if self.metric == "mis_delta":
            self._refuse(("variants", *_OF_ATTACKS), 'metric = "mis_delta", which judges quantizers')
        else:
            self._refuse(("quantizers",), 'a rule without metric = "mis_delta"')
        if self.metric == "epsilon_lower":
            self._refuse(("fails_when",), 'metric = "epsilon_lower": without an upper bound, every release would fail')
        if self.classes is not None or self.group is not None:
            self._check_parts()

    def _check_parts(self) -> None:
        if self.classes is not None and self.group is not None:
            raise ValueError("'classes' and 'group' do not go together; make a rule of each")
        if self.kind != "max" or self.metric not in ("auc", "tpr_at_fpr"):
            raise ValueError("'classes' and 'group' go with 'max' of the metrics auc and tpr_at_fpr")
        self._refuse(("attacks",), "'classes' and 'group', for which the attack that decides each view is measured")

    def _refuse(self, keys: tuple[str, ...], what: str) -> None:
        for key in keys:
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key!r} does not go with {what}")

    def _id_of_its_keys(self) -> str:
        at = () if self.at_fpr is None else (repr(self.at_fpr),)
        increase = "auc-increase" if self.against == "original" else "auc-increase-over-baseline"
        what = {"max": (self.metric, *at, "max"), "max_increase": (increase,), "max_flip_share": ("parity",)}
        seen = () if set(self.adversary) == set(ADVERSARIES) else self.adversary
        scopes = [word for words in self.scopes.values() for word in words]
        strict = ("possibly",) if self.fails_when == "possibly_above" else ()
        words = (*what[self.kind], repr(self.limit), *strict, *seen, *scopes)
        return re.sub(r"[^A-Za-z0-9.+]", "-", "-".join(words))

    @property
    def limit(self) -> float:
        """The one limit that is given."""
        return float(getattr(self, self.kind))

    @property
    def scopes(self) -> Mapping[str, tuple[str, ...]]:
        """The keys that narrow what is judged, and the words that they give."""
        group = () if self.group is None else (self.group.column, *self.group.value)
        return {key: group if key == "group" else words for key in SCOPES if (words := getattr(self, key)) is not None}

    @property
    def name(self) -> str:
        """The rule as a short sentence."""
        scope = "".join(f", {key} {' '.join(names)}" for key, names in self.scopes.items())
        if self.kind == "max_flip_share":
            return f"top-1 flips against the reference <= {self.limit:g}{scope}"
        metric = self.metric if self.at_fpr is None else f"{self.metric}[{self.at_fpr!r}]"
        limit = f"<= {self.limit:g}" if self.kind == "max" else f"<= {self.against} + {self.limit:g}"
        who = "" if self.metric == "mis_delta" else f"{'/'.join(self.adversary)} "
        return f"{who}{metric} {limit}{scope}"
