"""Sets of files held against the policy, by the rules of one result: which pass, which is best, which are beaten."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.compare.planner_leakage import Leakage
from harness.compare.planner_result import File, FileSet, Preference, RuleOnSet
from harness.config import GateRule
from harness.policy import Outcome
from harness.policy.rules import sees
from harness.types import Estimate, View

__all__ = ["best_of", "front_of", "judge_sets", "outcome_of", "unjudged"]


def unjudged(rule: GateRule) -> str:
    """Why a rule is not held against sets; empty where it is."""
    if rule.severity != "fail":
        return "it only warns"
    if rule.kind == "max" and rule.metric not in ("auc", "tpr_at_fpr"):
        return f"no {rule.metric} of sets is measured"
    if rule.classes is not None or rule.group is not None:
        return "sets are measured on all records, not on parts of them"
    if rule.against != "original":
        return "sets are not compared with an earlier audit"
    return ""


def judge_sets(
    rule: GateRule,
    leakage: Leakage,
    views: Sequence[View],
    files: Sequence[File],
    *,
    original: int | None,
) -> list[RuleOnSet]:
    """Hold every set against one rule.

    A set passes where every upper bound of the attacks that count for it stays within the limit, fails where some
    lower bound exceeds it, and is inconclusive else; all bounds are corrected for all sets and attacks. A rule about
    other variants or adversaries than the set shows has nothing against it. The attacks that a rule names are not
    looked for: the strongest attack on the set counts, whatever its name. Waivers do not count.

    Args:
        rule: the rule.
        leakage: of all sets.
        views: of each attack that counts, ``[W]``.
        files: by their places in the sets.
        original: place of the set that is the original alone; None where it was not measured.
    """
    if rule.kind == "max_flip_share":
        return [
            _parity(rule, [file for place, file in enumerate(files) if mask >> place & 1]) for mask in leakage.masks
        ]
    # Whatever attacks the rule names, the view is judged by the strongest.
    seen = np.array([sees(replace(view, attack=(rule.attacks or (view.attack,))[0]), rule) for view in views])
    if rule.min_n is not None and min(leakage.records) < rule.min_n:
        reason = f"{min(leakage.records)} members or non-members are fewer than {rule.min_n}"
        return [RuleOnSet(rule.id, "inconclusive", reason)] * len(leakage.masks)
    if not seen.any():
        reason = "no set shows what the rule is about"
        return [RuleOnSet(rule.id, "inconclusive", reason)] * len(leakage.masks)
    if rule.kind == "max_increase":
        if original is None:
            reason = "the original is not among the files, so nothing can be compared with it"
            return [RuleOnSet(rule.id, "inconclusive", reason)] * len(leakage.masks)
        return [_held(rule, [one] if one else []) for one in leakage.increases(original, seen)]
    figures: Sequence[Estimate] = leakage.auc if rule.at_fpr is None else leakage.tpr[rule.at_fpr]
    return [_held(rule, [figures[at] for at in np.flatnonzero(row & seen).tolist()]) for row in leakage.counts]


def _held(rule: GateRule, estimates: Sequence[Estimate]) -> RuleOnSet:
    limit = rule.limit
    worst = max(estimates, key=lambda one: one.low if one.resolvable else -math.inf, default=None)
    if worst is None:
        return RuleOnSet(rule.id, "pass")
    if worst.resolvable and worst.low > limit:
        return RuleOnSet(rule.id, "fail", f"{_text(worst)} lies above {limit:g}")
    unresolved = [one for one in estimates if not one.resolvable]
    if unresolved:
        return RuleOnSet(rule.id, "inconclusive", f"cannot be resolved with n = {unresolved[0].n}")
    widest = max(estimates, key=lambda one: one.high)
    if not math.isfinite(widest.high) or widest.high > limit:
        # The rule's own words say which side of the interval decides.
        strict = rule.fails_when == "possibly_above" and math.isfinite(widest.high)
        return RuleOnSet(rule.id, "fail" if strict else "inconclusive", f"{_text(widest)} reaches beyond {limit:g}")
    return RuleOnSet(rule.id, "pass")


def _text(one: Estimate) -> str:
    return f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]"


def _parity(rule: GateRule, files: Sequence[File]) -> RuleOnSet:
    """As for artifacts alone, a file that flips too much is no evidence, and fails nothing."""
    judged = [file for file in files if rule.variants is None or file.variant in rule.variants]
    for file in judged:
        if file.flip_share is None:
            return RuleOnSet(rule.id, "inconclusive", f"{file.variant} was not compared with a reference")
        if file.flip_share > rule.limit:
            return RuleOnSet(rule.id, "inconclusive", f"{file.variant} flips {file.flip_share:.1%} of the records")
    return RuleOnSet(rule.id, "pass")


def outcome_of(rules: Sequence[RuleOnSet]) -> Outcome:
    """Fail where a rule fails, pass where all pass, else inconclusive; without a rule nothing passes."""
    outcomes = {rule.outcome for rule in rules}
    return "fail" if "fail" in outcomes else "pass" if outcomes == {"pass"} else "inconclusive"


def best_of(sets: Sequence[FileSet], prefer: Preference) -> int | None:
    """Place of the best set that passes; None where none does. Of equals the one that leaks less is taken."""
    passing = [place for place, one in enumerate(sets) if one.outcome == "pass"]
    return max(passing, key=lambda place: _worth(sets[place], prefer), default=None)


def _worth(one: FileSet, prefer: Preference) -> tuple[float, ...]:
    """What is looked at first, then what decides among equals; what is not known is worth least."""
    worths = {
        "variants": float(len(one.files)),
        "accuracy": _known(one.best_accuracy),
        "size": -_known(one.size_bytes, math.inf),
        "latency": -_known(one.worst_p50_ns, math.inf),
    }
    first = worths.pop(prefer)
    accuracies = (_known(one.worst_accuracy), _known(one.best_accuracy))
    rest = [worths.pop("variants"), *accuracies] if prefer != "variants" else list(accuracies)
    return (first, *rest, *(worths[name] for name in ("size", "latency") if name in worths), -one.leakage.value)


def front_of(sets: Sequence[FileSet]) -> Iterator[bool]:
    """Whether each set is beaten by no other: as many files or more, less leakage, not larger, slower or less accurate.

    The figures are plain values; whether two sets differ by more than chance, their intervals say.
    """
    rows = np.array(
        [
            (
                -len(one.files),
                one.leakage.value,
                _known(one.size_bytes, math.inf),
                _known(one.worst_p50_ns, math.inf),
                -_known(one.best_accuracy),
                -_known(one.worst_accuracy),
            )
            for one in sets
        ],
        dtype=np.float64,
    )
    for row in rows:
        no_worse = (rows <= row).all(axis=1)
        yield not bool((no_worse & (rows < row).any(axis=1)).any())


def _known(value: float | None, otherwise: float = -math.inf) -> float:
    return otherwise if value is None else value
