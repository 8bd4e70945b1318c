"""The study's comparisons: the TPR behind the bootstrap, and words that say what the numbers say."""

from __future__ import annotations

import numpy as np
import pytest

from harness import stats
from studies.compleak._comparisons import Comparison, _tpr
from studies.compleak._evidence import View
from studies.compleak._sentences import answers

ORIGINAL = View("litert", "NR", "gbt", ("original",))
PAIR = View("litert", "SR", "sr2-rf", ("original", "int8"))


@pytest.mark.parametrize("levels", [None, 7, 40])
@pytest.mark.parametrize("fpr", [0.01, 0.05, 0.5])
def test_tpr_is_that_of_the_statistics(levels, fpr):
    rng = np.random.default_rng(3)
    membership = rng.integers(0, 2, 4000)
    scores = rng.normal(size=4000) + membership
    if levels is not None:  # ties
        scores = np.round(scores * levels / 6)
    assert _tpr(scores, membership, fpr) == stats.tpr_at_fpr(stats.roc(scores, membership), fpr).value


def compared(low: float, high: float, view: View = PAIR) -> dict[str, object]:
    middle = (low + high) / 2
    found = Comparison("SR", view, ORIGINAL, stats.Estimate(middle, low, high, 100, "test"), (middle,))
    return {
        "question": found.question,
        "view": {"attack": view.attack, "variants": list(view.variants)},
        "against": {"attack": ORIGINAL.attack, "variants": list(ORIGINAL.variants)},
        "difference": found.difference.to_json(),
        "each": [middle],
        "answer": found.answer,
    }


@pytest.mark.parametrize(
    ("low", "high", "answer"), [(0.01, 0.03, "more"), (-0.03, -0.01, "less"), (-0.01, 0.03, "not resolved")]
)
def test_an_interval_answers(low, high, answer):
    assert compared(low, high)["answer"] == answer


def test_sentences_count_what_the_rows_say():
    tuned = View("litert", "SR", "sr2-rf", ("original", "finetuned"))
    rows = [compared(0.01, 0.03), compared(0.02, 0.06), compared(-0.01, 0.01), compared(0.01, 0.02, tuned)]
    said = list(answers({"comparisons": rows, "confounded": []}))
    assert len(said) == 2
    assert "holds for 2 of 3 (farthest +0.040 [+0.020, +0.060], sr2-rf on original + int8)" in said[0]
    assert "not resolved in 1 of 3 (+0.000" in said[0]
    assert "less" not in said[0]
    assert "which compresses nothing, tells more than the original alone: holds (+0.015 [+0.010, +0.020])" in said[1]


def test_a_claim_that_never_holds_says_so():
    (said,) = answers({"comparisons": [compared(-0.03, -0.01)], "confounded": []})
    assert "holds for 0 of 1; less in 1 of 1 (-0.020 [-0.030, -0.010], sr2-rf on original + int8)" in said
