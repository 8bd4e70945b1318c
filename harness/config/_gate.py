"""The release policy: its rules and what was accepted of them, `[gate]` of audit.toml or a policy.toml of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, PrivateAttr, model_validator

from harness.config._policy import BaselineConfig, WaiverConfig
from harness.config._presets import PRESETS, Preset
from harness.config._rule import GateRule
from harness.config._section import Section

__all__ = ["GateConfig", "Place"]


@dataclass(frozen=True)
class Place:
    """Where something is written.

    Args:
        file: as the user named it.
        line: from 1; 0 where it is not known.
    """

    file: str
    line: int = 0


class GateConfig(Section):
    """The release policy. No rules: the audit reports and passes nothing.

    `preset` puts its rules before those of the file; a rule of the file with the id of one takes its place. `policy`
    names a file that holds the whole policy, relative to audit.toml, and then stands alone. `max_flip_share` is short
    for a rule with this limit alone, and becomes the last of the rules. `waiver` holds what was accepted of a rule,
    `baseline` the earlier audit that changes are held against.
    """

    policy: Annotated[str, Field(min_length=1)] | None = None
    preset: Preset | None = None
    rules: tuple[GateRule, ...] = ()
    max_flip_share: float | None = None
    waiver: tuple[WaiverConfig, ...] = ()
    baseline: BaselineConfig | None = None
    # Where the rules are written, by id, and the policy itself under an empty one. It is no part of what they say.
    _places: Mapping[str, Place] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.policy is not None and len(self.model_fields_set) > 1:
            raise ValueError("policy: names a file that holds the whole policy; move the other keys of [gate] there")
        rules = self.rules
        if self.max_flip_share is not None:
            rules = (*rules, GateRule(max_flip_share=self.max_flip_share))
        ids = [rule.id for rule in rules]
        twice = next((one for one in ids if ids.count(one) > 1), None)
        if twice is not None:
            raise ValueError(f"rules: two have the id {twice!r}: give one of them another id, or remove it")
        # The model is frozen once it is built; until then short forms are written out.
        if self.preset is not None:
            rules = (*(rule for rule in PRESETS[self.preset] if rule.id not in ids), *rules)
        object.__setattr__(self, "rules", rules)
        object.__setattr__(self, "max_flip_share", None)
        self._check_references()
        return self

    def _check_references(self) -> None:
        """What the policy names inside itself is there."""
        ids = [rule.id for rule in self.rules]
        for waiver in self.waiver:
            if waiver.rule not in ids:
                known = f"the rules are {', '.join(ids)}" if ids else "there is no rule"
                raise ValueError(f"waiver: there is no rule {waiver.rule!r} to waive; {known}")
        for rule in self.rules:
            if rule.against == "baseline" and self.baseline is None:
                raise ValueError(f"rule {rule.id!r}: against: there is no baseline; add [baseline] with run or report")

    def place(self, rule: str = "") -> Place:
        """Where a rule is written, by its id; without one, where the policy is."""
        return self._places.get(rule) or Place(self._places[""].file if "" in self._places else "")

    def placed(self, places: Mapping[str, Place]) -> Self:
        """The same policy, and where its rules are written."""
        moved = self.model_copy()
        moved._places = dict(places)
        return moved
