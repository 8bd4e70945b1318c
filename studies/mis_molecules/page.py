"""The molecules study as a Markdown page; its sentences are made from the figures by rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.types import Estimate
from studies.kit.markdown import bullets, interval, number, paragraphs, table

__all__ = ["page"]

Row = dict[str, Any]
# Fewer evaluation records leave most intervals wide.
FEW = 400


def page(findings: Row, *, pictures: Sequence[str]) -> str:
    """The page's text, from the study's findings and its pictures in Markdown."""
    settings, tasks = findings["settings"], findings["tasks"]
    return paragraphs(
        "# MIS of quantized heads on molecules",
        f"Written by `{findings['command']}`, seed {findings['seed']}; every number below comes from that run. Data: "
        "MoleculeNet (Wu et al. 2018). The indicator and its predictions are derived here, consistent with "
        "[Membership Inference Risks in Quantized Models](https://arxiv.org/abs/2502.06567), which predicts "
        "molecular properties from frozen embeddings, too; its own data, embedders and formulas are not these.",
        "## In short",
        bullets(findings["answers"]),
        "## What was done",
        _done(settings),
        "The ridge, the attacker's statistics and the law were settled on splits of these molecules by seeds 0 and 1; "
        "another seed draws the records anew, but not the tasks.",
        *pictures,
        "## The data",
        _data(tasks),
        "Left out, in this order: rows without the property, structures that RDKit does not take, and molecules that "
        "an earlier row has by canonical SMILES (in brackets those whose value differs; the first row stays). HIV "
        "keeps all active molecules and a seeded sample of the others. Dimensions are at most half of the "
        "representation part.",
        "## Agreement",
        "Kendall's tau between an order of the quantizers, safest first, and that by the trained attacker, both at "
        "half of the training pool; the intervals hold the attacker's noise, the other order being as it is.",
        _agreement(tasks),
        "## Tasks",
        f"`r` in nats per training record with its {settings['level']:.0%} interval over evaluation records, times n; "
        "`codes` distinct candidates; `Delta` predicted from the candidates at n. Regimes: tail (n r above 10), "
        "moderate, local (below 2: read Delta, not r). `lost`: share of the float's advantage over knowing nothing. "
        "The last three columns are at n/2: the trained attacker's `2 Acc - 1`, the candidates' prediction (in bold "
        "where the attacker's whole interval is above it) and the law of undecided coordinates.",
        *(part for task in tasks for part in _task(task)),
    )


def _done(settings: Row) -> str:
    share = [f"{part:.0%}" for part in settings["parts"]]
    return (
        "Morgan fingerprints (radius 2, 2,048 bits) and RDKit's 2D descriptors are standardised, whitened and "
        f"projected to {settings['dimensions']} dimensions by a part of the molecules that is used for nothing else "
        f"({share[0]}), and a constant column makes the offset a weight like the others. "
        f"A pilot head, fitted to another part ({share[1]}), calibrates the levels of every quantizer once; grids one "
        "an output channel are left out, as these heads have one output, and pruning and the float keep values and so "
        "have no finite set of codes. "
        f"The deployed head (logistic or squared loss, ridge {settings['ridge']:g}) is fitted to the training pool "
        f"({share[2]}, n), and {settings['candidates'] - 1} heads to bootstrap samples of it; all are quantized, and "
        f"their losses on the evaluation part ({share[3]}, N) give `r` and the predicted leakage, with the same "
        "records, resamples and seeds for every quantizer. "
        f"{settings['retrainings']} heads are retrained on random halves of the pool, and a logistic regression on "
        "loss, margin, loss beside the other retrainings' mean, a likelihood ratio after LiRA and the weights' way "
        "along the record's gradient is fitted to half of them and scored on the others; its intervals draw "
        "retrainings and records anew. "
        "The law of undecided coordinates predicts `sqrt(u / (2 pi n))` from the mean and spread of each float weight "
        "over the refits, u being the sum over weights of the share of information that a weight's code retains."
    )


def _data(tasks: Sequence[Row]) -> str:
    rows = []
    for task in tasks:
        dropped, parts = task["dropped"], task["parts"]
        used = sum(parts.values())
        goal = f"{task['positives']:.1%} of class 1" if task["positives"] is not None else task["unit"]
        rows.append(
            (
                task["task"],
                f"{task['file']}, {task['column']}",
                goal,
                dropped["rows"],
                dropped["unlabelled"],
                dropped["unparseable"],
                f"{dropped['duplicates']} ({dropped['conflicting']})",
                dropped["unsampled"],
                used,
                *parts.values(),
                task["dimensions"],
                task["replaced"],
            )
        )
    header = ("task", "file, column", "target", "rows", "no value", "no structure", "twice", "not sampled", "used")
    parts_header = ("representation", "pilot", "n", "N", "dimensions", "replaced descriptors")
    return table((*header, *parts_header), rows, text=3)


def _agreement(tasks: Sequence[Row]) -> str:
    return table(
        ("task", "indicator", "law of undecided coordinates", "retrainings scored", "safest by the indicator"),
        [
            (
                task["task"],
                _interval(task["agreement"]["indicator"], 2),
                _interval(task["agreement"]["law"], 2),
                task["scored_retrainings"],
                task["order"][0],
            )
            for task in tasks
        ],
    )


def _task(task: Row) -> tuple[str, str, str]:
    rows = task["rows"]
    measures = [name for name in rows[0]["use"] if name not in ("difference", "lost")]
    titles = {"auc": "AUC", "accuracy": "accuracy", "rmse": f"RMSE, {task['unit']}"}
    header = (
        "quantizer",
        "n r",
        "regime",
        "status, flags",
        "codes",
        "Delta",
        *(titles[name] for name in measures),
        f"{titles[measures[0]]} less float's",
        "lost",
        "attacker",
        "predicted",
        "law",
    )
    parts = task["parts"]
    return (
        f"### {task['task']}",
        f"n = {parts['pool']}, N = {parts['evaluation']}; attacker at {parts['pool'] // 2}, on "
        f"{task['scored_retrainings']} retrainings. {_unresolved(rows)}",
        table(header, [_line(row, measures) for row in rows]),
    )


def _line(row: Row, measures: Sequence[str]) -> tuple[object, ...]:
    mis, use, attack = row["mis"], row["use"], row["attack"]
    predicted = number(attack["predicted"], 2)
    return (
        row["quantizer"],
        _n_r(mis),
        mis["regime"],
        ", ".join((mis["status"], *mis["flags"])),
        f"{mis['k_eff']} of {mis['k']}",
        number(1.0 - mis["mis_predicted"], 2),
        *(_interval(use[name], 3) for name in measures),
        _interval(use["difference"], 3),
        _interval(use["lost"], 2),
        _interval(attack["advantage"], 3),
        f"**{predicted}**" if attack["exceeds"] else predicted,
        _interval(attack["law"], 3),
    )


def _interval(node: Row, digits: int) -> str:
    return interval(Estimate.from_json(node), digits=digits)


def _n_r(mis: Row) -> str:
    if mis["r"] is None:
        return "not probed"
    low, high = (mis["n"] * end if end is not None else math.inf for end in mis["ci"])
    return f"{mis['n_r']:.2f} [{low:.2f}, {high:.2f}]"


def _unresolved(rows: Sequence[Row]) -> str:
    """What these few records cannot distinguish, in words."""
    floor = rows[0]["mis"]["r_floor"] * rows[0]["mis"]["n"]
    resolved = sum(row["mis"]["status"] == "ok" for row in rows)
    text = (
        f"Below n r = {floor:.2f} these N records cannot distinguish r from a tie; they resolve {resolved} of "
        f"{len(rows)}."
    )
    if rows[0]["mis"]["n_eval"] < FEW:
        text += " With so few records most intervals are wide; read them, not the values."
    return text
