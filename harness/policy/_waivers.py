"""Waivers: what somebody accepted of a rule, by name and until the end of a day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from harness.config import GateRule, WaiverConfig
from harness.policy._outcome import ArtifactName, Case, RuleOutcome, Waiver
from harness.policy.rules import Accept, is_named, shows

__all__ = ["Waivers", "with_waivers"]


class Waivers:
    """The waivers of a policy on the day on which a run is judged.

    Args:
        waivers: as the policy has them.
        today: the day, UTC.
    """

    def __init__(self, waivers: Sequence[WaiverConfig], today: date) -> None:
        # Of several that accept one case, the one that counts longest is named.
        self._waivers = sorted(waivers, key=lambda one: (one.expires, one.owner), reverse=True)
        self._today = today
        self._matched: set[int] = set()
        self._used: set[int] = set()

    def of(self, rule: GateRule) -> Accept:
        """What gives each case of a rule its waiver, where it does not hold."""
        own = [one for one in self._waivers if one.rule == rule.id]

        def accept(case: Case) -> Case:
            covering = [one for one in own if _covers(one, case)]
            self._matched.update(map(id, covering))
            if case.outcome == "pass" or not covering:
                return case
            self._used.update(map(id, covering))
            return replace(case, waiver=self._stated(covering[0]))

        return accept

    def notes(self) -> Iterator[str]:
        """The waivers that accept nothing, and why."""
        for one in self._waivers:
            what = f"the waiver of {one.owner} for rule {one.rule!r} until {one.expires}"
            if id(one) not in self._matched:
                yield f"{what} is about nothing that the rule judges; remove it, or mend what it names"
            elif id(one) not in self._used:
                yield f"{what} is not needed: everything that it is about holds"

    def _stated(self, one: WaiverConfig) -> Waiver:
        return Waiver(
            owner=one.owner,
            reason=one.reason,
            expires=one.expires.isoformat(),
            is_expired=one.expires < self._today,
        )


def with_waivers(outcome: RuleOutcome) -> RuleOutcome:
    """The outcome whose reason also says what is waived, and which waivers are over."""
    parts = [outcome.reason]
    for waiver, count in _counted([case.waiver for case in outcome.waived if case.waiver is not None]):
        are = "result is" if count == 1 else "results are"
        parts.append(f"{count} {are} waived by {waiver.owner} until {waiver.expires}")
    over = [case.waiver for case in outcome.culprits if case.waiver is not None and case.waiver.is_expired]
    parts += [f"the waiver of {waiver.owner} expired on {waiver.expires}" for waiver, _ in _counted(over)]
    return replace(outcome, reason="; ".join(parts))


def _counted(waivers: Sequence[Waiver]) -> Iterator[tuple[Waiver, int]]:
    for waiver in sorted(set(waivers), key=lambda one: (one.owner, one.expires, one.reason)):
        yield waiver, waivers.count(waiver)


def _covers(waiver: WaiverConfig, case: Case) -> bool:
    """Whether a waiver is about a case: as a rule of the same scope would be."""
    about = case.about
    if waiver.device is not None and not is_named(about.device, waiver.device):
        return False
    if waiver.runtime is not None and about.runtime not in waiver.runtime:
        return False
    if isinstance(about, ArtifactName):
        return waiver.attacks is None and about.variant in (waiver.variants or (about.variant,))
    if about.attack not in (waiver.attacks or (about.attack,)):
        return False
    return waiver.variants is None or shows(about, waiver.variants)
