"""The synthetic study as a Markdown page; its sentences are made from the figures by rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from studies.mis._markdown import interval, number, table

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


def page(found: Row, *, pictures: Mapping[str, str]) -> str:
    """The page's text, from what the study found; ``pictures`` are file names beside it by what they show."""
    settings = found["settings"]
    parts = [
        "# Does the MIS indicator order quantizers as the truth does?",
        "Written by `edgeleak mis-study synthetic`. Larger `r` says safer: the leakage `Delta_n = 1 - MIS_n` to the "
        "best possible membership attack falls like `exp(-n r)` with the training-set size n. The formulas are "
        "derived here, consistent with [Membership Inference Attacks against Quantized "
        "Models](https://arxiv.org/abs/2502.06567); here they meet laws whose leakage is known.",
        "## In short",
        "\n".join(f"- {sentence}" for sentence in sentences(found)),
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
        "Over all pairs of quantizers under one law and size that the truth tells apart (n counts them); intervals "
        "from resampling laws. Regimes by `n r`: tail above 10, moderate, local below 2.",
        _agreement(found),
        "## One law of each kind",
        _law(found, "rounding-0"),
        _law(found, "retraining-0"),
        "## Winner's curse",
        f"Means over fresh evaluation samples, with 95% intervals. The naive minimum over {settings['candidates'] - 1} "
        "rivals picks whoever was lucky, and so understates `r`; the cross-fitted one chooses on one half of the "
        "records and measures on the other.",
        _curse(found),
        "## Which candidates",
        "The same budget spent on single-code flips of the best code and on bootstrap retrainings of one training set, "
        "rounding laws. Candidates that are never generated are invisible: on fine grids a retraining flips many codes "
        "at once, which is farther than the closest single flip; on coarse ones most retrainings give one and the same "
        "code, which is no evidence of safety (`unprobed`).",
        _generators(found),
        "## Pictures",
        *(f"![{title}]({name})" for title, name in pictures.items()),
    ]
    return "\n\n".join(parts) + "\n"


def sentences(found: Row) -> list[str]:
    """What the study says, by rule."""
    said = []
    for kind in ("rounding", "retraining"):
        for figure in FIGURES:
            tau = next(
                (
                    r["tau"]
                    for r in found["agreement"]
                    if (r["laws"], r["figure"], r["regime"]) == (kind, figure, "all")
                ),
                None,
            )
            if tau is not None:
                said.append(f"{kind.capitalize()} laws: {FIGURES[figure]} {_verdict(tau)}.")
    said.append(_coverage(found))
    said.append(_reached(found, "best_log_delta", "Leakage predicted from the candidates"))
    said.append(_reached(found, "product_log_delta", "Leakage predicted from flips side by side"))
    worst = max(found["curse"], key=lambda row: 1.0 - row["naive"]["value"] / row["r_true"], default=None)
    if worst is not None:
        said.append(
            f"The naive minimum estimates {worst['naive']['value'] / worst['r_true']:.0%} of the true `r` for "
            f"`{worst['quantizer']}` from {worst['points']:,} records, the cross-fitted one "
            f"{worst['cross_fitted']['value'] / worst['r_true']:.0%}."
        )
    return said


def _verdict(tau: Row) -> str:
    if not tau["resolvable"]:
        return "cannot be compared with the truth: too few pairs are told apart"
    shown = f"(Kendall tau {interval(tau)}, {tau['n']} pairs)"
    if tau["low"] > AGREES:
        return f"orders quantizers as the truth does {shown}"
    if tau["low"] > 0:
        return f"agrees with the truth in part {shown}"
    if tau["high"] < 0:
        return f"orders against the truth {shown}"
    return f"cannot be told from guessing {shown}"


def _coverage(found: Row) -> str:
    """How often the intervals of r hold its true value, where that is known."""
    smallest = min(found["settings"]["sizes"])
    rows = [row for row in found["rows"] if "r_true" in row and row["n"] == smallest and row["ci"][0] is not None]
    held = sum(row["ci"][0] <= row["r_true"] <= row["ci"][1] for row in rows)
    return f"The 95% intervals of `r` hold its true value for {held} of {len(rows)} quantizers of the rounding laws."


def _reached(found: Row, figure: str, text: str) -> str:
    """Predicted over true leakage, by regime."""
    shares = []
    for regime in ("tail", "moderate", "local"):
        ratios = sorted(
            math.exp(row[figure]) / row["delta"]
            for row in found["rows"]
            if row["regime"] == regime and row.get(figure) is not None and row["delta_low"] > 0
        )
        if ratios:
            low, mid, high = (ratios[int(q * (len(ratios) - 1))] for q in (0.1, 0.5, 0.9))
            shares.append(f"{mid:.2f} ({low:.2f} to {high:.2f}, {len(ratios)} cases) in the {regime} regime")
    return f"{text} over true leakage, median and the middle 80%: " + "; ".join(shares) + "."


def _agreement(found: Row) -> str:
    rows = [
        (
            f"{row['laws']}: {FIGURES[row['figure']]}",
            row["regime"],
            interval(row["tau"]) if row["tau"]["resolvable"] else "cannot be resolved",
            row["tau"]["n"],
        )
        for row in found["agreement"]
    ]
    return table(("laws and figure", "regime", "Kendall tau-b", "pairs"), rows)


def _law(found: Row, law: str) -> str:
    rows = []
    for row in found["rows"]:
        if row["law"] != law:
            continue
        low, high = row["ci"]
        predicted, product = (
            "-" if row.get(key) is None else number(math.exp(row[key]))
            for key in ("best_log_delta", "product_log_delta")
        )
        attacker = row.get("attacker")
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
                "-" if attacker is None else interval(attacker, 3),
            )
        )
    header = ["quantizer", "n", "accuracy", "true r", "r", "n r", "regime"]
    header += ["from candidates", "from flips", "true Delta", "attacker's 2 Acc - 1"]
    return f"`{law}`:\n\n" + table(header, rows)


def _curse(found: Row) -> str:
    rows = [
        (
            f"`{row['quantizer']}`",
            f"{row['points']:,}",
            number(row["r_true"]),
            interval(row["naive"], 5),
            interval(row["cross_fitted"], 5),
        )
        for row in found["curse"]
    ]
    return table(("quantizer", "records", "true r", "naive minimum", "cross-fitted"), rows)


def _generators(found: Row) -> str:
    rows = []
    for quantizer in dict.fromkeys(row["quantizer"] for row in found["generators"]):
        cells: list[object] = [f"`{quantizer}`"]
        for generator in ("flips", "bootstrap"):
            mine = [r for r in found["generators"] if (r["quantizer"], r["generator"]) == (quantizer, generator)]
            gaps = sorted(max(r["r"], 0.0) - r["r_true"] for r in mine if r["r"] is not None)
            middle = sorted(r["k_eff"] for r in mine)[len(mine) // 2]
            unprobed = sum(r["r"] is None for r in mine)
            cells += [number(gaps[len(gaps) // 2]) if gaps else "-", middle, unprobed]
        true = sorted(r["r_true"] for r in found["generators"] if r["quantizer"] == quantizer)
        rows.append((cells[0], number(true[len(true) // 2]), *cells[1:]))
    header = ["quantizer", "true r", "flips: r less true r", "distinct", "unprobed"]
    header += ["bootstrap: r less true r", "distinct", "unprobed"]
    return "Medians over the laws; `unprobed` counts laws in which all candidates were one.\n\n" + table(header, rows)
