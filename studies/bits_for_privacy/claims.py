"""The other paper's findings as claims that figures can hold or refute, judged by rule."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.types import Estimate
from studies.bits_for_privacy.evidence import Evidence, strictest
from studies.bits_for_privacy.figures import RATES
from studies.bits_for_privacy.variants import FLOAT, HEAD, TERNARY

__all__ = [
    "AS_MUCH",
    "HUNDREDFOLD",
    "LESS",
    "LESS_FOR_SURE",
    "MODERATELY",
    "RATIO",
    "TENFOLD",
    "Claim",
    "Verdict",
    "claims",
    "judged",
]

Verdict = Literal["holds", "does not hold", "not resolved", "cannot be tested"]
# What the paper's words are taken to mean: ranges of a variant's TPR at 0.1% FPR as a multiple of the float file's.
AS_MUCH = (0.8, 1.25)
MODERATELY = (0.1, 0.8)
LESS = (0.0, 0.8)
TENFOLD = (0.0, 0.1)
HUNDREDFOLD = (0.0, 0.01)
# Share of the float file's accuracy above guessing below which the page says that little is left to leak.
USELESS = 0.5
LESS_FOR_SURE = "less than float, for sure"
RATIO = "TPR at 0.1% FPR, as a multiple of the float file's"


@dataclass(frozen=True)
class Claim:
    """One claim about one variant.

    Args:
        words: the claim.
        variant: about which.
        measured: what the figure is.
        estimate: the figure; its level allows for all variants that the claim looks at.
        auc: the variant's AUC less the float file's.
        verdict: by rule.
        kept: share of the float file's accuracy above guessing that the variant keeps.
        side: how the figure misses its range, where the claim does not hold; else empty.
        note: what has to be known beside the figure; empty where there is nothing to say.
    """

    words: str
    variant: str
    measured: str
    estimate: Estimate
    auc: Estimate
    verdict: Verdict
    kept: float
    note: str = ""
    side: str = ""

    @property
    def is_useless(self) -> bool:
        """Whether the variant has lost so much accuracy that little can be left to leak."""
        return self.kept < USELESS

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "claim": self.words,
            "variant": self.variant,
            "measured": self.measured,
            "estimate": self.estimate.to_json(),
            "auc_difference": self.auc.to_json(),
            "verdict": self.verdict,
            "accuracy_kept": self.kept,
            "note": self.note,
            "side": self.side,
        }


def judged(estimate: Estimate, low: float, high: float) -> Verdict:
    """Whether a figure lies in a range: with its whole interval inside, wholly outside, or neither for sure."""
    if not estimate.resolvable:
        return "not resolved"
    if low <= estimate.low and estimate.high <= high:
        return "holds"
    return "does not hold" if estimate.high < low or estimate.low > high else "not resolved"


def claims(evidence: Evidence) -> Iterator[Claim]:
    """Every claim on one setting, in the order of the paper's abstract."""
    for bits, words, bounds in (
        (4.0, "4 bits leak as much as float", AS_MUCH),
        (2.0, "2 bits leak moderately less than float", MODERATELY),
    ):
        names = [one.name for one in evidence.files if one.bits == bits]
        for name in names:
            ratio = evidence.ratio(name, level=strictest(len(names)))
            # "As much" may be unresolved where "less" is not.
            less = LESS_FOR_SURE if bounds == AS_MUCH and ratio.resolvable and ratio.high < 1 else ""
            yield _of_ratio(evidence, words, name, ratio, judged(ratio, *bounds), less, bounds=bounds)
    yield _least(evidence, "1.58 bits leak up to 99% less than float", HUNDREDFOLD)
    yield _least(evidence, "1.58 bits leak up to an order of magnitude less than float", TENFOLD)
    yield from _wide_heads(evidence)


def _least(evidence: Evidence, words: str, bounds: tuple[float, float]) -> Claim:
    """Of the variant that leaks least; the level allows for its having been the least of several."""
    names = [one.name for one in evidence.files if one.bits == TERNARY and not one.name.endswith(HEAD)]
    ratios = {name: evidence.ratio(name, level=strictest(len(names))) for name in names}
    least = min(names, key=lambda name: ratios[name].value if ratios[name].resolvable else math.inf)
    rate = evidence.leaks[FLOAT].tpr[RATES[0]]
    if not rate.resolvable:
        return _of_ratio(evidence, words, least, ratios[least], "not resolved")
    nothing = RATES[0] / rate.value if rate.value > 0 else math.inf
    # A file that leaks nothing has a true-positive rate of 0.1%, too: a smaller share of the float's cannot be seen.
    if not nothing < bounds[1]:
        note = f"the float file's rate is {rate.value:.2%}: a file that leaks nothing has {nothing:.2g} of it"
        return _of_ratio(evidence, words, least, ratios[least], "cannot be tested", note)
    verdicts = {name: judged(ratio, *bounds) for name, ratio in ratios.items()}
    # One variant is enough for "up to"; all have to miss it before the claim fails.
    verdict = verdicts[least]
    if verdict == "does not hold" and set(verdicts.values()) != {verdict}:
        verdict = "not resolved"
    note = f"least of {', '.join(names)}; a file that leaks nothing has {nothing:.2g}"
    return _of_ratio(evidence, words, least, ratios[least], verdict, note, bounds=bounds)


def _wide_heads(evidence: Evidence) -> Iterator[Claim]:
    """What eight bits in the last layer alone give back, and what leaks then."""
    for name in (one.name for one in evidence.files if one.name.endswith(HEAD)):
        plain = name.removesuffix(HEAD)
        gain = evidence.accuracy_above(name, plain)
        yield Claim(
            "An 8-bit last layer gives accuracy back",
            name,
            f"accuracy less that of {plain}",
            gain,
            evidence.auc_above(name, plain),
            "holds" if gain.low > 0 else "does not hold" if gain.high <= 0 else "not resolved",
            evidence.kept(name),
            f"the AUC is beside {plain}",
        )
        ratio = evidence.ratio(name)
        words = "With an 8-bit last layer, 1.58 bits still leak less than float"
        yield _of_ratio(evidence, words, name, ratio, judged(ratio, *LESS), bounds=LESS)


def _of_ratio(
    evidence: Evidence,
    words: str,
    name: str,
    ratio: Estimate,
    verdict: Verdict,
    note: str = "",
    *,
    bounds: tuple[float, float] = (0.0, math.inf),
) -> Claim:
    side = ""
    if verdict == "does not hold":
        side = "leaks less than that" if ratio.high < bounds[0] else "leaks more than that"
    auc = evidence.auc_above(name, level=ratio.level)
    return Claim(words, name, RATIO, ratio, auc, verdict, evidence.kept(name), note, side)
