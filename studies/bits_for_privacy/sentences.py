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
    for verdict, side in dict.fromkeys((claim.verdict, claim.side) for claim in claims):
        some = [c for c in claims if (c.verdict, c.side) == (verdict, side)]
        figures = ", ".join(f"{c.variant} {figure(c.estimate, sign=not is_ratio)}" for c in some)
        parts.append(f"{verdict} ({figures}{', which ' + side if side else ''})")
    unit = "times the float file's TPR at 0.1% FPR" if is_ratio else claims[0].measured
    text = f"{claims[0].words}: {', '.join(parts)}, {unit}."
    less = [claim.variant for claim in claims if claim.note == LESS_FOR_SURE]
    if less:
        text += f" Less than float for sure: {', '.join(less)}."
    useless = [f"{claim.variant} {max(claim.kept, 0.0):.0%}" for claim in claims if claim.is_useless]
    if useless:
        text += f" Of the float file's accuracy above guessing there remain: {', '.join(useless)}."
    return text


def _same_accuracy(findings: Findings) -> str:
    if not findings.matches:
        return "No file loses enough accuracy to be set beside a float network that was stopped early."
    ratios = {match.variant: match.ratio for match in findings.matches if match.ratio is not None}
    more = [f"{name} {_times(ratio)}" for name, ratio in ratios.items() if ratio.low > 1]
    less = [f"{name} {_times(ratio)}" for name, ratio in ratios.items() if ratio.high < 1]
    counts = (
        f"leaks more: {len(more)}" + (f" ({', '.join(more)})" if more else ""),
        f"leaks less: {len(less)}" + (f" ({', '.join(less)})" if less else ""),
        f"not resolved with this n: {len(ratios) - len(more) - len(less)}",
        f"no such network within 5 points of accuracy: {len(findings.matches) - len(ratios)}",
    )
    return (
        f"{len(findings.matches)} files lose accuracy. Beside the float network that was stopped early at about the "
        f"same accuracy, by TPR at 0.1% FPR as a multiple of its: {'; '.join(counts)}."
    )


def _times(ratio: Estimate) -> str:
    return f"{ratio.value:.1f} [{ratio.low:.1f}, {ratio.high:.1f}]"


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
    other = [
        f"{claim.words}: {claim.verdict} ({claim.variant} {figure(claim.estimate)})" for claim in findings.differing
    ]
    differing = f" With float shadows, claims come out otherwise: {'; '.join(other)}." if other else ""
    return (
        f"Shadows of the same file instead of float shadows raise LiRA's AUC on {len(more)} of {len(gains)} files and "
        f"lower it on {len(less)} (farthest {far}, {figure(gains[far], sign=True)}).{differing}"
    )
