"""The findings in words, made by rule, so that the words cannot say more than the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.attacks.controls import COPY
from harness.types import Adversary, View
from studies.kit.markdown import interval
from studies.overfitted.findings import Answer, Comparison, Findings
from studies.overfitted.settings import FINETUNED, ORIGINAL, RETRAINED

__all__ = ["CLAIMS", "opening", "seen", "sentences"]

# Question -> the claim that is put to the test, in the order of the page.
CLAIMS = {
    "NR": "A compressed version alone leaks more than the original (same attack)",
    "NR, controls": "A control alone leaks more than the original (same attack)",
    "SR": "The original beside one compressed version leaks more than the original alone (strongest attack)",
    "SR, controls": "The original beside a control leaks more than the original alone (strongest attack)",
    "SR, papers": "The papers' SR finds more than their classifier on the original alone",
    "SR, papers, controls": "The papers' SR with a control finds more than their classifier on the original alone",
    f"SR beyond {COPY}": "SR with a compressed version finds more than SR with a second copy of the original",
    f"SR beyond {FINETUNED}": "SR with a compressed version finds more than SR with an uncompressed fine-tuned copy",
    f"SR beyond {RETRAINED}": "SR with a compressed version finds more than SR with a retrained network",
    "MR": "Several compressed versions leak more than the original alone (strongest attack)",
    "MR, papers": "The papers' MR finds more than their classifier on the original alone",
    f"MR beyond {COPY}": "MR finds more than SR with a second copy of the original",
    f"MR beyond {FINETUNED}": "MR finds more than SR with an uncompressed fine-tuned copy",
    f"MR beyond {RETRAINED}": "MR finds more than SR with a retrained network",
    "MR beyond SR": "MR finds more than the best SR",
}
COUNTED: dict[Answer, str] = {"more": "more in", "less": "less in", "not resolved": "not resolved in"}
# Most variants of a view that are named one by one.
FEW = 2


def seen(view: View) -> str:
    """What an adversary sees, in a few words."""
    if len(view.variants) <= FEW:
        return " + ".join(view.variants)
    first = view.variants[0] == ORIGINAL
    return f"original + {len(view.variants) - 1} compressed" if first else f"{len(view.variants)} compressed"


def opening(findings: Sequence[Findings], *, about: str) -> str:
    """The first paragraph: what was asked and what came out, without a term that needs the rest of the page."""
    accuracies = findings[0].accuracies[0]
    lines = [
        f"If an app's network has learned its training records by heart, do its compressed versions give away more of "
        f"them? Here it is {about}, right on {accuracies.members.value:.1%} of the records it was trained on and on "
        f"{accuracies.nonmembers.value:.1%} of others."
    ]
    lines.append(_says(findings, "NR", "Seen alone, {count} of {all} compressed versions give away more"))
    lines.append(_says(findings, "SR", "Beside the original, {count} of {all} pairs of attack and version do"))
    lines.append(_says(findings, "MR", "All versions together: {count} of {all} attacks find more"))
    lines.append(_papers(findings))
    beyond = _of(findings, f"SR beyond {FINETUNED}") + _of(findings, f"MR beyond {FINETUNED}")
    if beyond:
        more = [one for one in beyond if one.answer == "more"]
        lines.append(
            f"Against a copy of the network that was trained a little longer and not compressed, {len(more)} of "
            f"{len(beyond)} find more than that copy does."
        )
    return " ".join(line for line in lines if line)


def _says(findings: Sequence[Findings], question: str, form: str) -> str:
    those = _of(findings, question)
    if not those:
        return ""
    counts = {answer: sum(one.answer == answer for one in those) for answer in COUNTED}
    rest = f"{counts['less']} less, {counts['not resolved']} not resolved"
    return f"{form.format(count=counts['more'], all=len(those))} than the best attack on the original alone ({rest})."


def _papers(findings: Sequence[Findings]) -> str:
    """What the papers' attacks say by themselves, and what a second copy of the original says by them."""
    those = _of(findings, "SR, papers")
    copies = [one for one in _of(findings, "SR, papers, controls") if COPY in one.view.variants]
    if not those or not copies:
        return ""
    more, copied = (sum(one.answer == "more" for one in rows) for rows in (those, copies))
    return (
        f"The papers' own attack on a pair finds more than their own attack on the original alone in {more} of "
        f"{len(those)} pairs; so it does with a mere second copy of the original in {copied} of {len(copies)}."
    )


def _of(findings: Sequence[Findings], question: str) -> list[Comparison]:
    return [one for part in findings for one in part.comparisons if one.question == question]


def sentences(findings: Findings) -> Iterator[str]:
    """One sentence a question and an attack, in the order of the claims."""
    for question, claim in CLAIMS.items():
        those = [one for one in findings.comparisons if one.question == question]
        for attack in dict.fromkeys(one.view.attack for one in those):
            yield f"{claim}, {attack}: {_counted([one for one in those if one.view.attack == attack])}."
    yield from _order(findings)


def _order(findings: Findings) -> Iterator[str]:
    """NR, SR and MR in the papers' sense: the best of each adversary on what ships, chosen on the shadows."""
    best = {}
    adversaries: tuple[Adversary, ...] = ("NR", "SR", "MR")
    controls = {FINETUNED, RETRAINED, COPY}
    for adversary in adversaries:
        those = [f for f in findings.figures if f.view.adversary == adversary and not controls & {*f.view.variants}]
        if those:
            best[adversary] = max(those, key=lambda figures: figures.shadow_auc)
    if len(best) > 1:
        parts = [f"{name} {interval(one.auc)} ({one.view.attack} on {seen(one.view)})" for name, one in best.items()]
        yield f"The best of each adversary, chosen on the shadows, by AUC: {'; '.join(parts)}."


def _counted(comparisons: Sequence[Comparison]) -> str:
    parts = []
    for answer, words in COUNTED.items():
        those = [one for one in comparisons if one.answer == answer]
        if those or answer == "more":
            parts.append(f"{words} {len(those)} of {len(comparisons)}" + (f" ({_farthest(those)})" if those else ""))
    return "; ".join(parts)


def _farthest(comparisons: Sequence[Comparison]) -> str:
    far = max(comparisons, key=lambda one: abs(one.auc.value))
    return f"{'farthest ' if len(comparisons) > 1 else ''}{interval(far.auc, digits=4, sign=True)}, {seen(far.view)}"
