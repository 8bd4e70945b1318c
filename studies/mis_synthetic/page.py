"""The synthetic study as a Markdown page; its sentences are made from the figures by rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.types import Estimate
from studies.kit.markdown import NONE, bullets, interval, paragraphs, table
from studies.mis_synthetic.judged import ALL, ATTACKER, BITS, ENTROPY, R
from studies.mis_synthetic.predictions import GENERATORS
from studies.mis_synthetic.verdicts import claims_said, sentences

__all__ = ["COST", "page", "sentences"]

Row = dict[str, Any]
# Groups that others are parts of.
KINDS = ("rounded, regression", "rounded, logistic")
COST = {
    "trajectory": "no training; K files on the device",
    "bootstrap": "K - 1 refits; K files on the device",
    "perturbation": "no training; K files on the device",
    "flips": "gradients; K files on the device",
    "side by side": "gradients; {side_by_side} files on the device",
    "joint flips": "gradients and curvature; K files on the device",
    "coordinates": "as `bootstrap-last`: K - 1 refits of the last layer, exported; no record asked on the device",
    "coordinates by cells": "K - 1 refits of the last layer; nothing exported",
}


def page(findings: Row, *, pictures: Sequence[str]) -> str:
    """The page's text, from the study's findings and its pictures in Markdown."""
    settings = findings["settings"]
    return paragraphs(
        "# Which way to predict a quantizer's leakage holds where the truth is known?",
        "Written by `python -m studies.mis_synthetic`. An audit trains one model, makes candidates of each quantizer "
        "in some way (its *generator*), and prints a predicted leakage `Delta_n = 1 - MIS_n`, the `2 Acc - 1` of the "
        "best possible membership attack. Here every generator does so on laws whose leakage is known. The formulas "
        'are our own derivation, after the indicator of "Membership Inference Risks in Quantized Models: A Theoretical '
        'and Empirical Study" ([arXiv 2502.06567](https://arxiv.org/abs/2502.06567)), published as "An Indicator of '
        'Membership Inference Security in Post-Training Quantized Models" (AISTATS 2026, PMLR 300).',
        "## In short",
        bullets(sentences(findings)),
        "## Does the printed order hold?",
        "Kendall's tau of each figure with the truth, over pairs of quantizers under one law and size whose true "
        "leakages have intervals apart. 1 is the true order, 0 a guess, and a pair about which a figure says nothing "
        "counts as a tie. 95% intervals from resampling laws; numbers beside laws are correlations. Two rows look at "
        "no data: levels of a weight in bits, and the same after an ideal entropy coder that knows the nominal share "
        "of zeros, `-S log2 S - (1 - S) log2((1 - S) / 2)` (0.57 bits for `ternary-0.9`).",
        _orders(findings, "rounded"),
        "How far each tau lies beyond that of an order that looks at no data, on the same resamples of laws; intervals "
        "corrected for the number of generators:",
        _beyond(findings),
        "## Is the printed figure right?",
        "Quantizers that were rounded after training. `resolved`: share in which the answer claims to be (status "
        "`ok`); the other columns are about these. Predicted over true leakage: median with its interval, and the "
        "middle 80%. `contradicted`: a trained attacker's lower end of `2 Acc - 1` lies above the printed interval. "
        "Shares have Clopper-Pearson intervals as of so many independent cases as there are laws.",
        _sizes(findings),
        _costs(settings),
        "## The best of all codes, not the rounded one",
        "The same predictions beside a learner that takes the code of least training loss among all, which is what "
        "the theory is about; users ship rounded weights. Regression laws.",
        _orders(findings, "codes"),
        _both(findings),
        "## The published claims, on mixtures in R^128",
        "Each claim by the truth, by the indicator `n r` of joint flips, by the leakage that the law of undecided "
        "coordinates predicts, and by a trained attacker. In brackets the closest comparison: how many times as much "
        "the other quantizer leaks (truth, prediction), how many nats its `n r` is smaller, how much more the attacker "
        f"gains on it; means over {settings['laws']} laws of prototypes and {settings['logistic_laws']} of logistic "
        "regressions, Student intervals, corrected for the number of comparisons. They speak of the grids of "
        "`harness.compression.grids`, calibrated once on each law, and not of every way to choose levels.",
        _claims(findings),
        "## The laws",
        _laws(settings),
        *pictures,
    )


def _cell(findings: Row, laws: str, figure: str, key: str, *, sign: bool = False) -> str:
    found = [row for row in findings["generators"] if (row["laws"], row["figure"]) == (laws, figure)]
    if not found or found[0].get(key) is None:
        return NONE
    estimate = Estimate.from_json(found[0][key])
    return "too few pairs" if estimate is None or not estimate.resolvable else interval(estimate, digits=2, sign=sign)


def _groups(findings: Row, learner: str) -> list[str]:
    """Groups of one learner by correlation, and what was rounded all together."""
    names = dict.fromkeys(row["laws"] for row in findings["generators"])
    by = [name for name in names if name.startswith(f"{learner}, ") and name not in KINDS]
    return [*by, ALL] if learner == "rounded" else by


def _title(laws: str) -> str:
    parts = laws.split(", ")[1:]
    return "all" if not parts else {"mixture": "mixtures"}.get(parts[0], f"{parts[0]}, {parts[-1]}")


def _orders(findings: Row, learner: str) -> str:
    groups = _groups(findings, learner)
    figures = (*GENERATORS, *R, ATTACKER, BITS, ENTROPY)
    rows: list[Sequence[object]] = [
        (figure, *(_cell(findings, laws, figure, "tau") for laws in groups)) for figure in figures
    ]
    pairs = {row["laws"]: row["tau"]["n"] for row in findings["generators"]}
    rows.append(("pairs", *(pairs[laws] for laws in groups)))
    return table(("tau with the truth", *map(_title, groups)), rows)


def _beyond(findings: Row) -> str:
    kinds = ("regression", "mixture", "logistic")
    header = ["beyond bits per weight", *kinds, "all", "all, beyond entropy-coded bits"]
    rows = []
    for figure in (*GENERATORS, *R, ENTROPY):
        cells = [_cell(findings, f"rounded, {kind}", figure, f"beyond {BITS}", sign=True) for kind in kinds]
        cells += [_cell(findings, ALL, figure, f"beyond {bits}", sign=True) for bits in (BITS, ENTROPY)]
        rows.append((figure, *cells))
    return table(header, rows)


def _sizes(findings: Row) -> str:
    rows = []
    for laws in ("rounded, regression", "rounded, mixture", "rounded, logistic"):
        for generator in GENERATORS:
            row = _row(findings, laws, generator)
            if row is not None:
                shares = (_percent(row[key]) for key in ("resolved", "contradicted", "below_truth"))
                rows.append((laws.rpartition(", ")[2], generator, *shares, _ratio(row)))
    header = ("laws", "generator", "resolved", "contradicted", "interval below the truth", "predicted / true")
    return table(header, rows, text=2)


def _both(findings: Row) -> str:
    rows = []
    for generator in GENERATORS:
        cells = []
        for laws in _groups(findings, "codes"):
            for learner in ("rounded", "codes"):
                row = _row(findings, laws.replace("codes,", f"{learner},"), generator)
                cells.append(NONE if row is None else _ratio(row))
        rows.append((generator, *cells))
    titles = [
        f"{learner}, correlation {laws.rpartition(', ')[2]}"
        for laws in _groups(findings, "codes")
        for learner in ("rounded", "best of all")
    ]
    return table(("predicted / true", *titles), rows)


def _row(findings: Row, laws: str, figure: str) -> Row | None:
    return next((r for r in findings["generators"] if (r["laws"], r["figure"]) == (laws, figure)), None)


def _ratio(row: Row) -> str:
    if row["ratio"] is None:
        return f"{NONE} (n = 0)"
    median, low, high = row["ratio"]
    ends = "" if row["ratio_ci"] is None else f" [{row['ratio_ci'][0]:.2f}, {row['ratio_ci'][1]:.2f}]"
    return f"{median:.2f}{ends} ({low:.2f} to {high:.2f}, n = {row['ratio_n']})"


def _percent(share: Row | None) -> str:
    if share is None:
        return NONE
    return f"{share['value']:.0%} [{share['low']:.0%}, {share['high']:.0%}] of {share['n']}"


def _costs(settings: Row) -> str:
    k = settings["candidates"]
    costs = "; ".join(f"{g}: {text.format(side_by_side=settings['side_by_side'])}" for g, text in COST.items())
    return f"What each costs a quantizer, with K = {k}: {costs}."


def _claims(findings: Row) -> str:
    rows = []
    for row in findings["claims"]:
        learner = "prototype" if row["kind"] == "mixture" else "logistic"
        rows.append(
            (row["claim"], learner, row["modes"], row["n"], *(claims_said(row["by"][by], by) for by in row["by"]))
        )
    by = list(findings["claims"][0]["by"]) if findings["claims"] else []
    return table(("claim", "learner", "modes", "n", *by), rows, text=2)


def _laws(settings: Row) -> str:
    sizes = {key: " and ".join(f"{n:,}" for n in settings[f"{key}_sizes"]) for key in ("regression", "mixture")}
    correlations = ", ".join(f"{c:g}" for c in settings["correlations"])
    modes = ", ".join(map(str, settings["modes"]))
    return paragraphs(
        f"**Regression** ({settings['laws']} laws at each correlation {correlations} of every two features; n = "
        f"{sizes['regression']}): four Gaussian features, least squares, rounded to a grid that was calibrated once. "
        "The ratio of the training set's densities with and without a record is a closed form, so the truth is exact "
        f"but for {settings['trainings']:,} draws of the training set and {settings['targets']} target records, and "
        "given between an estimate that is biased down and one that is biased up.",
        f"**Mixtures** ({settings['laws']} laws at each of {modes} modes; n = {sizes['mixture']}): prototypes of two "
        "classes of Gaussian modes in R^128, rounded at the cuts halfway between levels, which is also the code of "
        "least squared loss among all. Given how many records fell into each mode the weights are independent, so a "
        f"code's likelihood is a product, averaged over {settings['counts']} draws of these counts.",
        f"**Logistic** ({settings['logistic_laws']} laws each; n = {settings['logistic_size']}): logistic regressions "
        "on mixtures in R^128 with noise correlated by the given power of the distance of two features, rounded. "
        f"Nobody knows the truth; an attacker trained on half of {settings['retrainings']} retrainings and scored on "
        "the others stands for it, and is its lower bound.",
        f"Every generator sees one training set, makes {settings['candidates']} candidates (the flips taken side by "
        f"side {settings['side_by_side']}) and is measured on {settings['points']:,} held-out records. Elsewhere the "
        "trained attacker is a logistic regression on a model's loss, that loss beside the mean model's and the "
        f"model's place along the record's gradient, fitted on half of {settings['pairs']:,} pairs of a model and a "
        f"record. Seed {settings['seed']}.",
    ).rstrip()
