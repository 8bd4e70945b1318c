"""The study as a Markdown page; its sentences are made from the figures by rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.types import Estimate
from studies.kit.markdown import bullets, paragraphs
from studies.mis_coverage import comparisons, leakage, rate

__all__ = ["page", "sentences"]

Row = dict[str, Any]
# What a nominal 95% should be, simulated; and by what factor a resolved prediction may be off.
COVERED, FACTOR = (0.90, 0.98), 1.5
# Wrong verdicts on each side that 95% allow.
SIDE = 0.025


def page(findings: Row) -> str:
    """The page's text, from the study's findings; what was not simulated is left out."""
    return paragraphs(
        "# Do the intervals of the MIS leakage and of the indicator hold the truth?",
        "Written by `python -m studies.mis_coverage`. Audits are simulated under laws whose leakage `Delta_n` and "
        f"indicator `r` are known, {findings['audits']} a case, seed {findings['seed']}. The formulas are our own "
        "derivation, consistent with what is known of [Membership Inference Risks in Quantized "
        "Models](https://arxiv.org/abs/2502.06567). Nominal coverage is 95%; intervals of the shares are exact "
        "(Clopper-Pearson).",
        "## In short",
        bullets(sentences(findings)),
        "## The predicted leakage",
        f"{leakage.POINTS:,} evaluation records; n is the size of the training set. The same records are read against "
        "every n, so that rows of one law err together. Gaps are in standard deviations of a loss difference. An "
        "audit resolves the leakage where its interval spans less than a factor of three.",
        leakage.table_of(findings["leakage"]),
        _comparisons(findings["comparisons"]),
        _rates(findings["rate"], findings["differences"]),
    )


def sentences(findings: Row) -> list[str]:
    """What the study says, by rule."""
    lines = []
    if findings["leakage"]:
        lines += _of_leakage(findings["leakage"])
    lines += [line for row in findings["comparisons"] if (line := _of_pair(row))]
    if findings["rate"]:
        shares = [(Estimate.from_json(row["coverage"]), row) for row in findings["rate"]]
        known = [(one.value, row) for one, row in shares if one is not None]
        lowest, row = min(known, key=lambda each: each[0])
        lines.append(f"Coverage of `r` is {lowest:.1%} at the least ({row['case']}, N = {row['points']:,}).")
    return lines


def _of_leakage(rows: Sequence[Row]) -> list[str]:
    cases = [(row["law"], size, size["coverage"]["value"]) for row in rows for size in row["sizes"]]
    low, high = COVERED
    lines = [
        f"Coverage of the leakage lies between {min(c for *_, c in cases):.1%} and {max(c for *_, c in cases):.1%}; it "
        f"is between {low:.0%} and {high:.0%} in {sum(low <= c <= high for *_, c in cases)} of {len(cases)} cases."
    ]
    lines += [
        f"{law}, n/N = {size['n'] / leakage.POINTS:g}: {covered:.1%}, "
        + ("too narrow." if covered < low else "wider than it need be.")
        for law, size, covered in cases
        if not low <= covered <= high
    ]
    resolved = [size["predicted"] for _, size, _ in cases if size["predicted"] is not None]
    if resolved:
        within = sum(1.0 / FACTOR <= ratio <= FACTOR for ratio in resolved)
        lines.append(
            f"Where audits resolve the leakage, the median prediction is {min(resolved):.2f} to {max(resolved):.2f} "
            f"times the truth: within a factor of {FACTOR} in {within} of {len(resolved)} cases."
        )
    return lines


def _of_pair(row: Row) -> str:
    shares = [share["value"] for size in row["sizes"] for share in (size["first_safer"], size["second_safer"])]
    if row["are_equal"]:
        verdict = "as it should" if max(shares) <= SIDE else "more than 2.5%, which a nominal 95% allows"
        return f"{row['pair']}, alike: one is called safer in at most {max(shares):.1%} of audits a side, {verdict}."
    found = [size["second_safer"]["value"] for size in row["sizes"]]
    apart = [size["apart"] for size in row["sizes"]]
    return (
        f"{row['pair']}: paired draws find the safer one in {min(found):.0%} to {max(found):.0%} of audits; the two "
        f"intervals lie apart in {min(apart):.0%} to {max(apart):.0%}."
    )


def _comparisons(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    return paragraphs(
        "## Which of two leaks more",
        "The errors of both are drawn on the same records. Beside it how often the intervals of the two leakages lie "
        "apart, which is all that can be said without pairs.",
        comparisons.table_of(rows),
    ).strip()


def _rates(rows: Sequence[Row], pairs: Sequence[Row]) -> str:
    return paragraphs(
        *(("## The indicator r", rate.table_of(rows)) if rows else ()),
        *(("## Quantizers of equal r", rate.difference_table(pairs)) if pairs else ()),
    ).strip()
