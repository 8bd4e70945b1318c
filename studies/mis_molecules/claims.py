"""The molecules study's questions, answered by rule from its figures, so that the words cannot say more than they."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scipy.special import ndtri

from harness.stats import Estimate
from studies.mis_molecules.heads import FLOAT

__all__ = ["answers", "degradations"]

Row = dict[str, Any]
# A tau this high, or low, with its whole interval is called agreement, or disagreement.
AGREES = 0.5
UNRESOLVED = "cannot be resolved with this n"
UNCLEAR = f"neither agree nor disagree (tau's interval reaches within {AGREES:g} of 0)"


def answers(tasks: Sequence[Row], *, level: float) -> Iterator[str]:
    """One sentence a question, in the order of the study."""
    yield _regimes(tasks)
    yield _claim(tasks, "sparse", "The sparser ternary (ternary-0.9) is the safest of the grids and clusters")
    yield _claim(tasks, "sign", "Sign is less private than the denser ternary (ternary-0.33)")
    yield _exceeded(tasks)
    yield _order(tasks, "indicator", "The order of the indicator and that of the trained attacker", level)
    yield _order(tasks, "law", "The order of the law of undecided coordinates and that of the trained attacker", level)
    yield _law(tasks)
    yield from _degrades(tasks, level)


def degradations(tasks: Sequence[Row], *, level: float) -> dict[str, Estimate]:
    """How much more of the float's advantage regression loses than classification, by quantizer.

    Means over the tasks of either kind; a normal interval for these tasks, corrected for the number of quantizers.
    Empty where a kind has no task in which it can be resolved.
    """
    names = [row["quantizer"] for row in tasks[0]["rows"] if row["quantizer"] != FLOAT]
    wide = 1.0 - (1.0 - level) / len(names)
    gaps = {}
    for name in names:
        kinds = [_mean_lost(tasks, kind, name) for kind in ("regression", "classification")]
        if any(kind is None for kind in kinds):
            continue
        (lost, error, records), (base, base_error, base_records) = (kind for kind in kinds if kind is not None)
        reach = float(ndtri(0.5 + wide / 2)) * math.hypot(error, base_error)
        gap = lost - base
        gaps[name] = Estimate(gap, gap - reach, gap + reach, records + base_records, "normal", level=wide)
    return gaps


def _mean_lost(tasks: Sequence[Row], kind: str, name: str) -> tuple[float, float, int] | None:
    """Mean share lost over a kind's tasks, its standard error, and the records behind it."""
    rows = [_row(task, name)["use"]["lost"] for task in tasks if task["kind"] == kind]
    resolved = [row for row in rows if row["resolvable"]]
    if not resolved:
        return None
    errors = [(row["high"] - row["low"]) / (2.0 * float(ndtri(0.5 + row["level"] / 2))) for row in resolved]
    mean = sum(row["value"] for row in resolved) / len(resolved)
    return mean, math.hypot(*errors) / len(resolved), sum(row["n"] for row in resolved)


def _regimes(tasks: Sequence[Row]) -> str:
    rows = [row["mis"] for task in tasks for row in task["rows"]]
    local = sum(row["regime"] == "local" for row in rows)
    above = sum(row["ci"][0] is not None and row["ci"][0] * row["n"] >= 2.0 for row in rows)
    return (
        f"The indicator r itself: n r is below 2 in {local} of {len(rows)} cases (a quantizer on a task), where "
        f"near-ties decide and r does not order quantizers; its interval lies wholly above 2 in {above}."
    )


def _claim(tasks: Sequence[Row], claim: str, words: str) -> str:
    parts = []
    for by in ("indicator", "attacker"):
        verdicts = _by_task({task["task"]: _verdict(task, claim, by) for task in tasks})
        given = [row[by]["answer"] for task in tasks for row in task["comparisons"] if row["claim"] == claim]
        counts = f"{given.count('safer')} of {len(given)} comparisons say so, {given.count('less safe')} the opposite"
        parts.append(f"by the {by}, {', '.join(f'it {verdict} on {names}' for verdict, names in verdicts)} ({counts})")
    return f"{words}: {'; '.join(parts)}."


def _verdict(task: Row, claim: str, by: str) -> str:
    """A claim holds if it does against every other; one that is safer refutes it."""
    given = [row[by]["answer"] for row in task["comparisons"] if row["claim"] == claim]
    if all(answer == "safer" for answer in given):
        return "holds"
    return "does not hold" if "less safe" in given else UNRESOLVED


def _by_task(verdicts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each verdict with the tasks that it holds for; what was resolved comes first."""
    tasks_of: dict[str, list[str]] = {}
    for task, verdict in verdicts.items():
        tasks_of.setdefault(verdict, []).append(task)
    ordered = sorted(tasks_of.items(), key=lambda item: item[0] in (UNRESOLVED, UNCLEAR))
    if len(tasks_of) == 1 and len(verdicts) > 2:
        return [(ordered[0][0], f"all {len(verdicts)} tasks")]
    return [
        (verdict, " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names))
        for verdict, names in ordered
    ]


def _exceeded(tasks: Sequence[Row]) -> str:
    rows = [row["attack"] for task in tasks for row in task["rows"] if row["attack"]["predicted"] is not None]
    over = [row for row in rows if row["exceeds"]]
    text = (
        f"The trained attacker's advantage lies, with its whole interval, above the leakage that the refits predict in "
        f"{len(over)} of {len(rows)} cases"
    )
    if not over:
        return f"{text}."
    times = sorted(row["advantage"]["value"] / row["predicted"] for row in over if row["predicted"] > 0)
    size = f" (median {times[len(times) // 2]:.1f} times as large)" if times else ""
    missed = sum(row["why"] == "codes_missed" for row in over)
    reasons = []
    if missed:
        reasons.append(f"in {missed} of them the refits miss codes that trainings reach")
    if missed < len(over):
        reasons.append(
            f"in {len(over) - missed} the deployed head is no minimiser over its codes (`not_erm`), and r is a proxy"
        )
    return f"{text}{size}: {'; '.join(reasons)}."


def _order(tasks: Sequence[Row], by: str, words: str, level: float) -> str:
    taus = {task["task"]: task["agreement"][by] for task in tasks}
    verdicts = _by_task({task: _agreement(tau) for task, tau in taus.items()})
    text = f"{words} {', '.join(f'{verdict} on {names}' for verdict, names in verdicts)}"
    values = [tau["value"] for tau in taus.values() if tau["resolvable"]]
    if not values:
        return f"{text}."
    return f"{text}; Kendall's tau is {sum(values) / len(values):.2f} on average ({level:.0%} intervals in the table)."


def _agreement(tau: Row) -> str:
    if not tau["resolvable"]:
        return UNRESOLVED
    if tau["low"] > AGREES:
        return f"agree (tau above {AGREES:g})"
    return f"disagree (tau below {-AGREES:g})" if tau["high"] < -AGREES else UNCLEAR


def _law(tasks: Sequence[Row]) -> str:
    rows = [row["attack"] for task in tasks for row in task["rows"] if row["attack"]["law"]["value"] > 0]
    share = sorted(row["advantage"]["value"] / row["law"]["value"] for row in rows)
    over = sum(row["advantage"]["low"] > row["law"]["high"] for row in rows)
    return (
        f"Beside that law the attacker's advantage is {share[len(share) // 2]:.2f} of it (median of {len(rows)} cases, "
        f"from {share[0]:.2f} to {share[-1]:.2f}), and above it with both intervals in {over}."
    )


def _degrades(tasks: Sequence[Row], level: float) -> Iterator[str]:
    gaps = degradations(tasks, level=level)
    if not gaps:
        return
    more = {name: e for name, e in gaps.items() if e.low > 0}
    less = {name: e for name, e in gaps.items() if e.high < 0}
    parts = []
    for words, some in (("it does", more), ("it degrades less", less)):
        if some:
            name, far = max(some.items(), key=lambda item: abs(item[1].value))
            farthest = f"farthest {name}, {far.value:+.2f} [{far.low:+.2f}, {far.high:+.2f}]"
            parts.append(f"{words} with {len(some)} of {len(gaps)} quantizers ({farthest})")
    rest = len(gaps) - len(more) - len(less)
    if rest:
        parts.append(f"it {UNRESOLVED} with {rest}")
    yield (
        "Regression degrades more than classification, by the share of the float head's advantage over knowing nothing "
        f"that is lost (means over these tasks): {'; '.join(parts)}."
    )


def _row(task: Row, name: str) -> Row:
    row: Row = next(row for row in task["rows"] if row["quantizer"] == name)
    return row
