"""The report as a notebook shows it: the first sentences, the strongest attacks, and the verdict's reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import notebook
from harness.report import _format
from harness.report.headline import headline
from harness.types import Estimate

if TYPE_CHECKING:
    from harness.report.model import Report

__all__ = ["shown"]


def shown(report: Report) -> str:
    """HTML in which every text of the report is inert."""
    said = headline(report)
    strongest = report.strongest()
    rates = list(dict.fromkeys(rate for one in strongest for rate in one.simultaneous.tpr_at_fpr))
    headers = ["sees", "attack", "variants", "where", "AUC", *(f"TPR at {_rate(rate)} FPR" for rate in rates), "n"]
    rows = [
        [
            one.adversary,
            one.attack,
            ", ".join(one.variants),
            ", ".join(filter(None, (one.runtime, one.view.device))),
            _range(one.headline),
            *(_range(one.simultaneous.tpr_at_fpr.get(rate, Estimate.unknown())) for rate in rates),
            str(one.headline.n),
        ]
        for one in strongest
    ]
    caption = "The strongest attacks of each adversary; intervals hold for all attacks at once."
    parts = [notebook.sentence(said.found, strong=True)]
    parts += [notebook.sentence(text) for text in (said.compression, said.decided) if text]
    if rows:
        parts.append(notebook.table(headers, rows, numbers=len(rates) + 2, caption=caption))
    if report.verdict is not None and report.verdict.rules:
        rules = [(rule.outcome, rule.severity, rule.name, rule.reason) for rule in report.verdict.rules]
        parts.append(notebook.details("Rules", notebook.table(("outcome", "severity", "rule", "why"), rules)))
    return notebook.block(*parts)


def _range(estimate: Estimate) -> str:
    if not estimate.resolvable:
        return "n too small" if estimate.needed_n is None else f"needs n = {estimate.needed_n}"
    if not estimate.is_known:
        return ""
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _rate(rate: str) -> str:
    try:
        return _format.percent(float(rate))
    except ValueError:
        return rate
