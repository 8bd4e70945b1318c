"""The synthetic study as a Markdown page; its sentences are made from the figures by rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.types import Estimate
from studies.kit.markdown import bullets, interval, number, paragraphs, table

__all__ = ["page", "sentences"]

Row = dict[str, Any]
FIGURES = {
    "r": "`r`",
    "predicted": "leakage predicted from the candidates",
    "product": "leakage predicted from flips side by side",
    "attacker": "the trained attacker",
}
# A tau this high in its lower bound is called agreement.
AGREES = 0.5


def page(findings: Row, *, pictures: Sequence[str]) -> str:
    """The page's text, from the study's findings and its pictures in Markdown."""
    settings = findings["settings"]
    return paragraphs(
        "# Does the MIS indicator order quantizers as the truth does?",
        "Written by `python -m studies.mis_synthetic`. Larger `r` says safer: the leakage `Delta_n = 1 - MIS_n` to the "
        "best possible membership attack falls like `exp(-n r)` with the training-set size n. The formulas are "
        "derived here, consistent with [Membership Inference Risks in Quantized "
        "Models](https://arxiv.org/abs/2502.06567); here they are compared with laws whose leakage is known.",
        "## In short",
        bullets(sentences(findings)),
        "## The laws",
        f"**Rounding** ({settings['rounding_laws']} laws): two Gaussian classes in R^128; the learner puts the mean of "
        "its training records on a fixed grid, weight by weight, which is both post-training quantization and the "
        "minimiser of squared loss over all codes. The law of the code is a product over weights, so the true leakage "
        f"is exact, averaged over {settings['targets']} target records. Candidates: the best code and its "
        f"{settings['candidates'] - 1} closest single-code flips.",
        f"**Retraining** ({settings['retraining_laws']} laws): four classes of three Gaussian modes each in R^128; "
        f"logistic regressions on {settings['refits']} bootstrap samples are quantized, and the learner takes the one "
        f"of least log loss. The truth comes from {settings['trainings']:,} fresh training sets per law, between an "
        "estimate that is biased down and one that is biased up.",
        f"Every indicator is estimated from {settings['points']:,} records that were used for nothing else, with "
        f"{settings['draws']} paired resamples. The leakage is predicted twice: from the candidates as the only models "
        "there are (the regime's own approximation), and, for single-code flips, from flips that are taken or left "
        "side by side, which is how a rounding learner chooses among all codes. The trained attacker is a logistic "
        f"regression on {settings['pairs'] // 2:,} pairs of a model and a record, scored on as many others. "
        f"Seed {settings['seed']}.",
        "## Kendall's tau with the true MIS",
        "Over all pairs of quantizers under one law and size whose true leakages have intervals apart (n counts the "
        "pairs); intervals from resampling laws. Regimes by `n r`: tail above 10, moderate, local below 2.",
        _agreement(findings),
        "## One law of each kind",
        _law(findings, "rounding-0"),
        _law(findings, "retraining-0"),
        "## Winner's curse",
        f"Means over fresh evaluation samples, with 95% intervals. The naive minimum over {settings['candidates'] - 1} "
        "rivals picks whoever was lucky, and so understates `r`; the cross-fitted one chooses on one half of the "
        "records and measures on the other.",
        _curse(findings),
        "## Which candidates",
        "The same budget spent on single-code flips of the best code and on bootstrap retrainings of one training set, "
        "rounding laws. Candidates that are never generated are invisible: on fine grids a retraining flips many codes "
        "at once, which is farther than the closest single flip; on coarse ones most retrainings give one and the same "
        "code, which is no evidence of safety (`unprobed`).",
        _generators(findings),
        "## Pictures",
        *pictures,
    )


def sentences(findings: Row) -> list[str]:
    """What the study says, by rule."""
    lines = []
    for kind in ("rounding", "retraining"):
        taus = {r["figure"]: r["tau"] for r in findings["agreement"] if (r["laws"], r["regime"]) == (kind, "all")}
        lines += [
            f"{kind.capitalize()} laws: {words} {_verdict(Estimate.from_json(taus[figure]))}."
            for figure, words in FIGURES.items()
            if figure in taus
        ]
    lines += [
        _coverage(findings),
        _ratio(findings, "best_log_delta", "Leakage predicted from the candidates"),
        _ratio(findings, "product_log_delta", "Leakage predicted from flips side by side"),
    ]
    worst = max(findings["curse"], key=lambda row: 1.0 - row["naive"]["value"] / row["r_true"], default=None)
    if worst is not None:
        lines.append(
            f"The naive minimum estimates {worst['naive']['value'] / worst['r_true']:.0%} of the true `r` for "
            f"`{worst['quantizer']}` from {worst['points']:,} records, the cross-fitted one "
            f"{worst['cross_fitted']['value'] / worst['r_true']:.0%}."
        )
    return lines


def _verdict(tau: Estimate | None) -> str:
    if tau is None or not tau.resolvable:
        return "cannot be compared with the truth: too few pairs differ in it"
    shown = f"(Kendall tau {interval(tau, digits=2)}, {tau.n} pairs)"
    if tau.low > AGREES:
        return f"orders quantizers as the truth does {shown}"
    if tau.low > 0:
        return f"agrees with the truth in part {shown}"
    if tau.high < 0:
        return f"orders against the truth {shown}"
    return f"is not distinguishable from guessing {shown}"


def _coverage(findings: Row) -> str:
    """How often the intervals of r hold its true value, where that is known."""
    smallest = min(findings["settings"]["sizes"])
    rows = [row for row in findings["rows"] if "r_true" in row and row["n"] == smallest and row["ci"][0] is not None]
    held = sum(row["ci"][0] <= row["r_true"] <= row["ci"][1] for row in rows)
    return f"The 95% intervals of `r` hold its true value for {held} of {len(rows)} quantizers of the rounding laws."


def _ratio(findings: Row, figure: str, text: str) -> str:
    """Predicted over true leakage, by regime."""
    shares = []
    for regime in ("tail", "moderate", "local"):
        ratios = sorted(
            math.exp(row[figure]) / row["delta"]
            for row in findings["rows"]
            if row["regime"] == regime and row.get(figure) is not None and row["delta_low"] > 0
        )
        if ratios:
            low, mid, high = (ratios[int(q * (len(ratios) - 1))] for q in (0.1, 0.5, 0.9))
            shares.append(f"{mid:.2f} ({low:.2f} to {high:.2f}, {len(ratios)} cases) in the {regime} regime")
    return f"{text} over true leakage, median and the middle 80%: " + "; ".join(shares) + "."


def _agreement(findings: Row) -> str:
    rows = []
    for row in findings["agreement"]:
        tau = Estimate.from_json(row["tau"])
        shown = interval(tau, digits=2) if row["tau"]["resolvable"] else "cannot be resolved"
        rows.append((f"{row['laws']}: {FIGURES[row['figure']]}", row["regime"], shown, row["tau"]["n"]))
    return table(("laws and figure", "regime", "Kendall tau-b", "pairs"), rows, text=2)


def _law(findings: Row, law: str) -> str:
    rows = []
    for row in findings["rows"]:
        if row["law"] != law:
            continue
        low, high = row["ci"]
        predicted, product = (
            number(None if row.get(key) is None else math.exp(row[key]))
            for key in ("best_log_delta", "product_log_delta")
        )
        rows.append(
            (
                f"`{row['quantizer']}`",
                row["n"],
                f"{row['accuracy']:.3f}",
                number(row.get("r_true")),
                f"{number(row['r'])} [{number(low)}, {number(high)}]",
                number(row["n_r"]),
                row["regime"],
                predicted,
                product,
                f"{number(row['delta'])} [{number(row['delta_low'])}, {number(row['delta_high'])}]",
                interval(Estimate.from_json(row.get("attacker"))),
            )
        )
    header = ("quantizer", "n", "accuracy", "true r", "r", "n r", "regime")
    predictions = ("from candidates", "from flips", "true Delta", "attacker's 2 Acc - 1")
    return paragraphs(f"`{law}`:", table((*header, *predictions), rows)).rstrip()


def _curse(findings: Row) -> str:
    rows = [
        (
            f"`{row['quantizer']}`",
            f"{row['points']:,}",
            number(row["r_true"]),
            interval(Estimate.from_json(row["naive"]), digits=5),
            interval(Estimate.from_json(row["cross_fitted"]), digits=5),
        )
        for row in findings["curse"]
    ]
    return table(("quantizer", "records", "true r", "naive minimum", "cross-fitted"), rows)


def _generators(findings: Row) -> str:
    rows = []
    for quantizer in dict.fromkeys(row["quantizer"] for row in findings["generators"]):
        of_quantizer = [row for row in findings["generators"] if row["quantizer"] == quantizer]
        cells: list[object] = []
        for generator in ("flips", "bootstrap"):
            chosen = [row for row in of_quantizer if row["generator"] == generator]
            gaps = sorted(max(row["r"], 0.0) - row["r_true"] for row in chosen if row["r"] is not None)
            distinct = sorted(row["k_eff"] for row in chosen)[len(chosen) // 2]
            unprobed = sum(row["r"] is None for row in chosen)
            cells += [number(gaps[len(gaps) // 2] if gaps else None), distinct, unprobed]
        true = sorted(row["r_true"] for row in of_quantizer)
        rows.append((f"`{quantizer}`", number(true[len(true) // 2]), *cells))
    header = ("quantizer", "true r", "flips: r less true r", "distinct", "unprobed")
    return paragraphs(
        "Medians over the laws; `unprobed` counts laws in which all candidates were one.",
        table((*header, "bootstrap: r less true r", "distinct", "unprobed"), rows),
    ).rstrip()
