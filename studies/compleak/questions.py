"""What the study asks: the comparisons of NR, SR and MR, and two more that look for what SR gains by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.attacks.controls import COPY
from harness.compare.comparisons import Pair, pairs
from harness.compare.pairing import PairedRuns
from harness.subject import ORIGINAL
from harness.types import View
from studies.compleak.controls import COPIED

__all__ = ["CLAIMS", "questions"]

# Question -> the claim that is put to the test, in the order of the page.
CLAIMS = {
    "variant alone": "A compressed variant alone leaks more than the original (same attack)",
    "SR": "The original and one compressed variant (SR) leak more than the original alone (best attack)",
    "SR by one classifier": "SR finds more than the same classifier on the original's unsorted confidences",
    "SR beyond a second copy": "SR with a compressed variant finds more than SR with a second copy of the original",
    "SR beyond fine-tuning": "SR with a compressed variant finds more than SR with an uncompressed fine-tuned copy",
    "MR": "Several variants (MR) leak more than the original alone (best attack)",
    "MR beyond SR": "MR finds more than the best SR",
    "MR beyond fine-tuning": "MR finds more than SR with the uncompressed fine-tuned copy",
}
# The features of an SR attack without the variant are those of an NR attack on the original.
WITHOUT_VARIANT = {"sr1": "posterior", "sr2": "posterior-label"}


def questions(runs: PairedRuns, runtime: str) -> list[Pair]:
    """Every pair to compare on one runtime, question by question."""
    general = list(pairs(runs, runtime))
    sr = [pair.view for pair in general if pair.question == "SR"]
    order = list(CLAIMS)
    return sorted([*general, *_about_sr(runs, sr)], key=lambda pair: order.index(pair.question))


def _about_sr(runs: PairedRuns, views: Sequence[View]) -> Iterator[Pair]:
    """SR beside the same classifier without the variant, and beside SR with a second copy of the original."""
    for view in views:
        features, _, classifier = view.attack.partition("-")
        same = View("NR", f"{WITHOUT_VARIANT.get(features)}-{classifier}", (ORIGINAL,), view.runtime)
        if same in runs.views:
            yield Pair("SR by one classifier", view, same)
        if view.attack in COPIED:
            yield Pair("SR beyond a second copy", view, View("SR", view.attack, (ORIGINAL, COPY), view.runtime))
