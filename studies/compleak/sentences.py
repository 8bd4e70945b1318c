"""The comparisons in words, made by rule, so that the words cannot say more than the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.compare.comparisons import Answer, Comparison, is_joint
from harness.subject import CONTROL
from harness.types import View
from studies.compleak.findings import Findings, MistakeRow
from studies.compleak.questions import CLAIMS
from studies.kit.markdown import interval

__all__ = ["sentences"]

HOLDS: dict[Answer, str] = {"more": "holds", "less": "does not hold, it is less", "not resolved": "not resolved"}
COUNTED: dict[Answer, str] = {"more": "holds for", "less": "less in", "not resolved": "not resolved in"}


def sentences(findings: Findings) -> Iterator[str]:
    """One sentence a question, in the order of the study."""
    yield from _claims(findings.comparisons)
    yield from _mistake(findings.mistakes)


def _claims(comparisons: Sequence[Comparison]) -> Iterator[str]:
    for question, claim in CLAIMS.items():
        shipped = [c for c in comparisons if c.pair.question == question and CONTROL not in c.pair.view.variants]
        if shipped:
            yield f"{claim}: {_counted(shipped)}."
    for control in (c for c in comparisons if c.pair.question == "SR" and CONTROL in c.pair.view.variants):
        yield (
            "SR with the uncompressed fine-tuned copy, which compresses nothing, finds more than NR on the original "
            f"alone: {HOLDS[control.answer]} ({_difference(control)})."
        )
    joint = [c for c in comparisons if is_joint(c.pair.view) and c.pair.question not in CLAIMS]
    for attack in dict.fromkeys(c.pair.view.attack for c in joint):
        of_attack = [c for c in joint if c.pair.view.attack == attack]
        yield (
            f"{attack}, a likelihood on all variants at once, finds more members than the stacked MR attacks on the "
            f"same variants ({of_attack[0].pair.question}): {_counted(of_attack)}."
        )


def _counted(comparisons: Sequence[Comparison]) -> str:
    """For how many comparisons a claim holds, with the farthest difference of each answer."""
    parts = []
    for answer, words in COUNTED.items():
        those = [comparison for comparison in comparisons if comparison.answer == answer]
        if those or answer == "more":
            farthest = f" ({_farthest(those)})" if those else ""
            parts.append(f"{words} {len(those)} of {len(comparisons)}{farthest}")
    return "; ".join(parts)


def _farthest(comparisons: Sequence[Comparison]) -> str:
    far = max(comparisons, key=lambda comparison: abs(comparison.difference.value))
    return f"{'farthest ' if len(comparisons) > 1 else ''}{_difference(far)}, {_short(far.pair.view)}"


def _short(view: View) -> str:
    on = " + ".join(view.variants) if len(view.variants) <= 2 else f"{len(view.variants)} variants"
    return f"{view.attack} on {on}"


def _difference(comparison: Comparison) -> str:
    return interval(comparison.difference, sign=True)


def _mistake(rows: Sequence[MistakeRow]) -> Iterator[str]:
    """What the transform alone produces: the strongest attack on models that leak nothing."""
    both = [
        (row.view, mistaken, honest)
        for row in rows
        if (mistaken := row.aucs.get("null_mistaken")) is not None and (honest := row.aucs["null_honest"]) is not None
    ]
    if not both:
        return
    view, mistaken, honest = max(both, key=lambda row: row[1].value)
    yield (
        "Members shown through the training transform, as a public implementation does: on models that were "
        f"trained on none of the audited records {view.attack} ({view.adversary}) reaches AUC {interval(mistaken)}; "
        f"with one transform for all it is {interval(honest)}. That difference is the transform's, not the training's."
    )
