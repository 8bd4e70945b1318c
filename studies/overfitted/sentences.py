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
    first = findings[0]
    right, alone = first.accuracies[0], next(one for one in first.figures if one.view == first.base)
    return " ".join(
        filter(
            None,
            (
                f"A network has learned its training records by heart: do its compressed versions give away more of "
                f"them? Asked of {about}, right on {right.members.value:.1%} of the records that it was trained on and "
                f"on {right.nonmembers.value:.1%} of others. The best attack on the original alone ranks a training "
                f"record above another in {alone.auc.value:.1%} of all pairs.",
                _says(findings, "NR", "Alone, {more} of {all} compressed versions leak more than the original"),
                _says(findings, "SR", "The original beside one of them leaks more in {more} of {all} cases"),
                _says(findings, "MR", "All of them together leak more in {more} of {all} cases"),
                _beyond(findings),
                _retrained(findings),
                _papers(findings),
            ),
        )
    )


def _says(findings: Sequence[Findings], question: str, form: str) -> str:
    """How often the attack that did best on the shadows finds more than the best one on the original alone."""
    those = _by_strongest(findings, question)
    if not those:
        return ""
    counts = {answer: sum(one.answer == answer for one in those) for answer in COUNTED}
    same = sum(one.is_same for one in those)
    rest = [
        f"less in {counts['less']}",
        f"not resolved in {counts['not resolved'] - same}",
        f"nothing to add in {same}",
    ]
    shown = [text for text in rest if not text.endswith(" 0")]
    return form.format(more=counts["more"], all=len(those)) + (f" ({', '.join(shown)})." if shown else ".")


def _beyond(findings: Sequence[Findings]) -> str:
    """Whether anything is left beside a copy that was fine-tuned and not compressed."""
    those = [one for question in ("SR", "MR") for one in _by_strongest(findings, f"{question} beyond {FINETUNED}")]
    more = sum(one.answer == "more" for one in those)
    return (
        f"Against the original beside a copy that was trained a little longer and not compressed, {more} of "
        f"{len(those)} of these find more."
        if those
        else ""
    )


def _retrained(findings: Sequence[Findings]) -> str:
    """What a second network of the same members adds to the original."""
    those = [one for one in _by_strongest(findings, "SR, controls") if RETRAINED in one.view.variants]
    return (
        f"A second network, trained anew on the same records, adds {interval(those[0].auc, sign=True)} of AUC to the "
        f"original."
        if those
        else ""
    )


def _papers(findings: Sequence[Findings]) -> str:
    """What the papers' attacks say by themselves, and what a second copy of the original says by them."""
    those = _of(findings, "SR, papers")
    copies = [one for one in _of(findings, "SR, papers, controls") if COPY in one.view.variants]
    if not those or not copies:
        return ""
    more = sum(one.answer == "more" for one in those)
    best = max(those, key=lambda one: one.auc.value)
    return (
        f"The papers' attack on pairs finds more than theirs on the original alone in {more} of {len(those)} pairs "
        f"(at most {interval(best.auc, sign=True)}, {best.view.variants[1]}); with a mere second copy of the original "
        f"the difference is {interval(copies[0].auc, sign=True)}."
    )


def _by_strongest(findings: Sequence[Findings], question: str) -> list[Comparison]:
    """A question's rows of the attack that did best on the shadows, part by part."""
    rows = []
    for part in findings:
        those = [one for one in part.comparisons if one.question == question]
        shadows = {one.view: one.shadow_auc for one in part.figures}
        attacks = {one.view.attack for one in those}
        if attacks:
            best = max(attacks, key=lambda name: max(shadows[one.view] for one in those if one.view.attack == name))
            rows += [one for one in those if one.view.attack == best]
    return rows


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
