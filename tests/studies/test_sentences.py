"""The study's sentences say what its comparisons say, and the questions about SR."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.compare.comparisons import Comparison, Pair
from harness.compare.pairing import PairedRuns
from harness.config import parse
from harness.types import Estimate, View
from studies.compleak.findings import Findings, MistakeRow
from studies.compleak.questions import CLAIMS, questions
from studies.compleak.sentences import sentences
from tests.compare.finished_runs import PAIR, RMIA, STACK, TUNED, finished

JOINT = View("MR", "lira-joint", STACK.variants, "litert")


def compared(low: float, high: float, *, view: View = PAIR, question: str = "SR", against: View = RMIA) -> Comparison:
    middle = (low + high) / 2
    return Comparison(Pair(question, view, against), Estimate(middle, low, high, 100, "test"), (middle,))


def said(comparisons: Sequence[Comparison], mistakes: Sequence[MistakeRow] = ()) -> list[str]:
    findings = Findings(
        config=parse({"name": "x"}),
        device={},
        fpr=0.01,
        seeds=(1,),
        files=(),
        views=(),
        comparisons=tuple(comparisons),
        permuted=(),
        copy=(),
        null=(),
        mistakes=tuple(mistakes),
    )
    return list(sentences(findings))


def test_sentences_count_the_answers() -> None:
    first, second = said(
        [compared(0.01, 0.03), compared(0.02, 0.06), compared(-0.01, 0.01), compared(0.01, 0.02, view=TUNED)]
    )
    assert "holds for 2 of 3 (farthest +0.040 [+0.020, +0.060], sr2-rf on original + int8)" in first
    assert "not resolved in 1 of 3 (+0.000" in first
    assert "less" not in first
    assert "which compresses nothing, finds more than NR on the original alone: holds (+0.015 [+0.010" in second


def test_a_claim_that_never_holds_is_counted_as_such() -> None:
    (sentence,) = said([compared(-0.03, -0.01)])
    assert "holds for 0 of 1; less in 1 of 1 (-0.020 [-0.030, -0.010], sr2-rf on original + int8)" in sentence


def test_likelihoods_on_several_variants_have_a_sentence_each() -> None:
    low = compared(0.01, 0.03, view=JOINT, question="TPR at 1.0% FPR", against=STACK)
    (sentence,) = said([low])
    assert sentence.startswith("lira-joint, a likelihood on all variants at once, finds more members than the stacked")
    assert "(TPR at 1.0% FPR): holds for 1 of 1 (+0.020" in sentence


def test_the_mistake_is_shown_by_the_strongest_attack_on_models_that_leak_nothing() -> None:
    half, most = Estimate(0.5, 0.48, 0.52, 100, "test"), Estimate(0.9, 0.88, 0.92, 100, "test")
    aucs = {"honest": half, "mistaken": most, "null_honest": half, "null_mistaken": half}
    rows = [
        MistakeRow(1, RMIA, aucs),
        MistakeRow(1, PAIR, aucs | {"null_mistaken": most}),
        MistakeRow(1, TUNED, aucs | {"null_mistaken": most, "null_honest": None}),
    ]
    (sentence,) = said([], rows)
    assert "sr2-rf (SR) reaches AUC 0.900 [0.880, 0.920]; with one transform for all it is 0.500 [0.480" in sentence


def test_sr_is_compared_with_its_own_classifier_and_with_a_second_copy(tmp_path: Path) -> None:
    own = View("NR", "posterior-label-rf", ("original",), "litert")
    runs = PairedRuns.read([finished(tmp_path / "run", {RMIA: 1.0, own: 0.5, PAIR: 0.5, TUNED: 0.5})])
    asked = questions(runs, "litert")
    assert {(pair.view, pair.against) for pair in asked if pair.question == "SR by one classifier"} == {
        (PAIR, own),
        (TUNED, own),
    }
    copy = View("SR", "sr2-rf", ("original", "original-copy"), "litert")
    assert {pair.against for pair in asked if pair.question == "SR beyond a second copy"} == {copy}
    order = [list(CLAIMS).index(pair.question) for pair in asked]
    assert order == sorted(order)
