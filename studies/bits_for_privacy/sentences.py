"""What came out, in sentences that are made from the figures by rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.types import Estimate
from studies.bits_for_privacy.claims import LESS_FOR_SURE, RATIO, Claim
from studies.bits_for_privacy.findings import Findings
from studies.bits_for_privacy.variants import FLOAT

__all__ = ["figure", "sentences"]


def sentences(findings: Findings) -> Iterator[str]:
    """One sentence a question, on one setting."""
    yield _networks(findings)
    for words in dict.fromkeys(claim.words for claim in findings.claims):
        yield _claim([claim for claim in findings.claims if claim.words == words])
    yield _same_accuracy(findings)
    yield _order(findings)
    yield _shadows(findings)


def figure(estimate: Estimate, *, sign: bool = False) -> str:
    """A figure with its interval, short."""
    if not estimate.resolvable:
        return f"not resolved with n = {estimate.n}"
    form = "+.3f" if sign else ".3f" if estimate.value < 1 else ".2f"
    return f"{estimate.value:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"


def _networks(findings: Findings) -> str:
    evidence = findings.evidence
    leak = evidence.leaks[FLOAT]
    return (
        f"The float file is right on {evidence.on_members(FLOAT).value:.1%} of its members and on "
        f"{evidence.accuracy(FLOAT).value:.1%} of other records; LiRA has AUC {figure(leak.auc)} and TPR "
        f"{figure(leak.tpr[min(leak.tpr)])} at 0.1% FPR (n = {findings.n} pairs of {findings.setting.networks} "
        "networks)."
    )


def _claim(claims: Sequence[Claim]) -> str:
    is_ratio = claims[0].measured == RATIO
    parts = []
    for verdict in dict.fromkeys(claim.verdict for claim in claims):
        some = [f"{c.variant} {figure(c.estimate, sign=not is_ratio)}" for c in claims if c.verdict == verdict]
        parts.append(f"{verdict} ({', '.join(some)})")
    unit = "times the float file's TPR at 0.1% FPR" if is_ratio else claims[0].measured
    text = f"{claims[0].words}: {', '.join(parts)}, {unit}."
    less = [claim.variant for claim in claims if claim.note == LESS_FOR_SURE]
    if less:
        text += f" {' and '.join(less)} {'leaks' if len(less) == 1 else 'leak'} less than float for sure."
    for claim in claims:
        if claim.is_useless:
            text += f" {claim.variant} keeps {max(claim.kept, 0.0):.0%} of the float file's accuracy above guessing."
    return text


def _same_accuracy(findings: Findings) -> str:
    if not findings.matches:
        return "No file loses enough accuracy to be set beside a float network that was stopped early."
    ratios = {match.variant: match.ratio for match in findings.matches if match.ratio is not None}
    counted = {
        "more": [name for name, ratio in ratios.items() if ratio.resolvable and ratio.low > 1],
        "less": [name for name, ratio in ratios.items() if ratio.resolvable and ratio.high < 1],
    }
    alone = len(findings.matches) - len(ratios)
    parts = [
        f"{len(names)} leak {words}" + (f" ({', '.join(f'{n} {_times(ratios[n])}' for n in names)})" if names else "")
        for words, names in counted.items()
    ]
    parts.append(f"{len(ratios) - sum(map(len, counted.values()))} cannot be resolved with this n")
    if alone:
        parts.append(f"{alone} have no such network within 5 points of accuracy")
    return (
        f"Of {len(findings.matches)} files that lose accuracy, beside the float network stopped early at about the "
        f"same accuracy: {'; '.join(parts)} (TPR at 0.1% FPR, as a multiple of the stopped network's)."
    )


def _times(ratio: Estimate | None) -> str:
    return "" if ratio is None else f"{ratio.value:.1f} [{ratio.low:.1f}, {ratio.high:.1f}]"


def _order(findings: Findings) -> str:
    counts = findings.order
    return (
        f"Of {sum(counts.values())} pairs of files with different bits a weight, the one with fewer bits leaks less in "
        f"{counts['less']}, more in {counts['more']}, and {counts['not resolved']} cannot be told apart."
    )


def _shadows(findings: Findings) -> str:
    gains = findings.gains
    more = [name for name, gain in gains.items() if gain.low > 0]
    less = [name for name, gain in gains.items() if gain.high < 0]
    far = max(gains, key=lambda name: abs(gains[name].value))
    return (
        f"Shadows of the same file instead of float shadows raise LiRA's AUC on {len(more)} of {len(gains)} files and "
        f"lower it on {len(less)} (farthest {far}, {figure(gains[far], sign=True)})."
    )
