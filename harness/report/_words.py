"""The report's sentences: what was audited, what the null calibration says, what the numbers mean and do not claim."""

from __future__ import annotations

from collections.abc import Mapping

from harness.report import _format, _read
from harness.report._model import results

__all__ = [
    "audited",
    "data_warnings",
    "method_notes",
    "mis_disclaimer",
    "null_sentence",
    "null_twin_warning",
    "verdict_word",
]

Node = Mapping[str, object]

# Below this chance the calibration calls a share of misses more than chance; the level of the intervals themselves.
CHANCE = 0.05
VERDICTS = {"pass": "Pass", "fail": "Fail", "inconclusive": "Inconclusive"}
COUNTS = {
    "members": "members",
    "nonmembers": "non-members",
    "shadows": "shadow models",
    "shadow_members": "members of each shadow model",
    "shadow_nonmembers": "non-members of each shadow model",
    "population": "population records",
    "calibration": "calibration records",
    "duplicates_removed": "duplicates removed",
}


def verdict_word(outcome: str) -> str:
    """The verdict as a heading."""
    return VERDICTS.get(outcome, "No verdict")


def null_twin_warning(report: Node) -> str:
    """What a reader of a null twin must know first; empty for a real audit."""
    if not _read.flag(report, "null"):
        return ""
    return (
        "Null twin run: nobody is a member here. Members and non-members were both held out of training, so whatever "
        "leakage is found below is a false alarm of the audit, not a property of the models."
    )


def data_warnings(report: Node) -> tuple[str, ...]:
    """What a reader of any figure should know about the records, one sentence each."""
    return _read.strings(_read.mapping(report, "data"), "warnings")


def audited(report: Node) -> tuple[tuple[str, str], ...]:
    """Pairs of name and text: data, device, configuration."""
    data, device = _read.mapping(report, "data"), _read.mapping(report, "device")
    counts = [
        f"{_format.whole(_read.number(data, key))} {words}"
        for key, words in COUNTS.items()
        if _read.number(data, key) is not None
    ]
    runtimes = _read.mapping(device, "runtimes")
    emulated = ", emulated: its latencies are not those of hardware" if _read.flag(device, "emulated") else ""
    machine = [_read.text(device, key) for key in ("machine", "operating_system", "cpu_model")]
    cores = _format.whole(_read.number(device, "cpu_count"))
    memory = _format.bytes_text(_read.number(device, "memory_total_bytes"))
    return (
        ("Audit", _read.text(report, "name")),
        ("Created", _read.text(report, "created")),
        ("Data", ", ".join([_read.text(data, "name"), *counts])),
        *(("Warning about the data", warning) for warning in data_warnings(report)),
        (
            "Device",
            f"{_read.text(device, 'url')}, host {_read.text(device, 'hostname')}, agent's process "
            f"{_format.whole(_read.number(device, 'pid'))}{emulated}",
        ),
        ("Machine", ", ".join([*machine, f"{cores} cores", f"{memory} memory"])),
        ("Runtimes", ", ".join(_read.text(runtimes, name) for name in runtimes) or _read.NOT_AVAILABLE),
        ("Configuration digest", _read.text(report, "config_digest")),
        ("edgeleak", _read.text(report, "edgeleak")),
    )


def null_sentence(report: Node) -> str:
    """What label permutations say about all attacks together."""
    null = _read.mapping(report, "null_calibration")
    attacks, missed, p = (_read.number(null, key) for key in ("attacks", "miss_share", "p_value"))
    chance = _read.number(null, "null_quantile")
    if attacks is None or missed is None:
        return "n/a: the attacks were not calibrated against shuffled memberships."
    sentence = f"Of {attacks:.0f} attacks' AUC intervals, {_format.percent(missed)} leave out 0.5"
    if chance is not None:
        sentence += f"; with the memberships shuffled, chance alone reaches {_format.percent(chance)}"
    if p is None:
        return sentence + "."
    sentence += f" (p = {p:.2g}"
    largest = _read.number(null, "max_z_p_value")
    sentence += ")" if largest is None else f"; largest single deviation p = {largest:.2g})"
    return f"{sentence}. {_null_reading(p < CHANCE, null_twin=_read.flag(report, 'null'))}"


def _null_reading(beyond_chance: bool, *, null_twin: bool) -> str:
    if null_twin and beyond_chance:
        return "Nobody is a member here, so this audit raises false alarms: do not trust its runs before it is mended."
    if null_twin:
        return "Nobody is a member here, and the audit finds no more than chance: it does not cry wolf."
    if beyond_chance:
        return "That is more than chance: members can be told from non-members."
    return "That is within chance: all attacks together do not show that members can be told from non-members."


def mis_disclaimer(report: Node) -> str:
    """What the indicator is and what it does not claim."""
    mis = _read.mapping(report, "mis")
    n, n_eval = (_format.whole(_read.number(mis, key)) for key in ("n", "n_eval"))
    return (
        f"r says how fast the leakage of choosing among quantized candidates falls with the size of the training set "
        f"(here n = {n}, judged on {n_eval} held-out records, candidates by {_read.text(mis, 'generator')} on "
        f"{_read.text(mis, 'runtime')}); larger is safer, and only quantizers of this table are comparable. It "
        "claims no differential privacy, no bound for a single record and nothing about the model before quantization; "
        "candidates that were not generated are invisible, so it may be optimistic. “Not probed” is no claim of "
        "privacy. Where n · r is below 2 (regime “local”), the order is that of the predicted Δ. “not_erm” marks a "
        "quantizer whose shipped model is worse than the best of its candidates: r is a proxy there, and no bound."
    )


def method_notes(report: Node) -> tuple[str, ...]:
    """How to read the numbers."""
    attacks = results(report)
    levels = sorted({r.auc.level for r in attacks if r.auc is not None})
    level = " or ".join(f"{100 * value:.4g}%" for value in levels) or "stated"
    methods = sorted({r.auc.method for r in attacks if r.auc is not None})
    latency_note = "Latency is reported beside leakage and never decides the verdict."
    if _read.flag(_read.mapping(report, "device"), "emulated"):
        latency_note += " The device was emulated: its latencies are not those of hardware."
    return (
        f"An interval [low, high] holds the true value in {level} of audits repeated with other records from the same "
        f"source ({', '.join(methods) or 'method not stated'}). The column “all attacks at once” widens it so "
        "that every attack's interval holds together; the pictures, and the best attacks in the table of variants, use "
        "it, because the strongest of many attacks is partly strong by luck.",
        "AUC 0.5 is guessing and 1 is certainty. Balanced accuracy, TPR and AUC are over members and non-members of "
        "the audited model; 50% balanced accuracy is guessing.",
        "Decision thresholds were fixed without the records that they are judged on: on shadow models or, where an "
        "attack was trained on known members, on the other folds. TPR at an FPR is the best TPR among thresholds whose "
        "FPR is at most that; “needs n ≥ ...” means that too few non-members stand behind that FPR to answer.",
        "ε at least: no differentially private training with a smaller ε is consistent with the attack's success; the "
        "bound holds after the search for the best threshold.",
        "Controls are attacks or variants that bound what the method itself finds; they are marked and never count as "
        "the best attack on a variant.",
        "“AUC against the original's” is the paired difference on the same records to the attack on the original "
        "model alone; an interval that holds 0 shows no change.",
        latency_note,
    )
