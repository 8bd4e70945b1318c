"""Before an audit is judged: every name in its policy is one that the audit has, and every rule can be answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.config import PRESETS, GateConfig, GateRule
from harness.errors import ConfigError
from harness.policy._answerable import Answerable
from harness.policy.rules import kind_of

__all__ = ["check", "check_names", "fitted"]


def check(policy: GateConfig, audit: Answerable) -> None:
    """Refuse a policy of which a rule can never be answered: such an audit could only end inconclusive.

    Rules of a preset that ask what the audit does not measure are left out, see :func:`fitted`.

    Args:
        policy: the rules.
        audit: what the audit will measure.

    Raises:
        ConfigError: names each such rule's id, its field and the mend.
    """
    kept, notes = fitted(policy, audit)
    if notes and not kept.rules:
        raise ConfigError(f"gate: no rule is left to judge: {'; '.join(notes)}", hint="write rules of your own")
    _refuse(kept, lambda rule: kind_of(rule).problems(rule, audit))


def check_names(policy: GateConfig, audit: Answerable) -> None:
    """Refuse a policy that names what a finished audit does not have.

    Args:
        policy: the rules.
        audit: what the audit measured.

    Raises:
        ConfigError: names each such rule's id, its field and the mend.
    """
    _refuse(policy, lambda rule: kind_of(rule).unknown(rule, audit))


def fitted(policy: GateConfig, audit: Answerable) -> tuple[GateConfig, tuple[str, ...]]:
    """The policy without those rules of its preset that ask what the audit does not measure.

    A preset is written for every kind of audit: where there is no original there is no increase to limit. What a rule
    of the file asks has to be answered.

    Returns:
        The policy, and for each rule that was left out a sentence that says why.
    """
    preset = PRESETS[policy.preset] if policy.preset is not None else ()
    notes = {
        rule.id: f"rule {rule.id!r} of the preset was left out: {problem}"
        for rule in policy.rules
        if rule in preset and (problem := next(iter(kind_of(rule).problems(rule, audit)), None)) is not None
    }
    rules = tuple(rule for rule in policy.rules if rule.id not in notes)
    return policy.model_copy(update={"rules": rules}), tuple(notes.values())


def _refuse(policy: GateConfig, problems: Callable[[GateRule], Iterator[str]]) -> None:
    found = [f"{_where(policy, rule)}: {problem}" for rule in policy.rules for problem in problems(rule)]
    if found:
        raise ConfigError("; ".join(found))


def _where(policy: GateConfig, rule: GateRule) -> str:
    place = policy.place(rule.id)
    line = f", line {place.line}" if place.line else ""
    return f"gate rule {rule.id!r}" + (f" ({place.file}{line})" if place.file else "")
