"""The report's sentences: what was audited, what the null calibration says, what the numbers mean and do not claim."""

from __future__ import annotations

import math

from harness import fields
from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, clean
from harness.report.model import ANSWERS, SUPPLIED, TRAINED, Report
from harness.results import MisFindings

__all__ = [
    "audited",
    "data_warnings",
    "method_notes",
    "mis_disclaimer",
    "null_sentence",
    "null_twin_warning",
    "verdict_word",
]

# Below this chance the calibration calls a share of misses more than chance; the level of the intervals themselves.
CHANCE = 0.05
VERDICTS = {"pass": "Pass", "fail": "Fail", "inconclusive": "Inconclusive"}
SUBJECTS = {
    TRAINED: "models that this audit trained, compressed and exported",
    SUPPLIED: "files that were supplied, with the records of both roles",
    ANSWERS: "answers that were supplied; no file was run",
}
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


def verdict_word(report: Report) -> str:
    """The verdict as a heading."""
    return "No verdict" if report.verdict is None else VERDICTS[report.verdict.outcome]


def null_twin_warning(report: Report) -> str:
    """What a reader of a null twin must know first; empty for a real audit."""
    if not report.null:
        return ""
    return (
        "Null twin run: nobody is a member here. Members and non-members were both held out of training, so any "
        "leakage that is reported below is a false alarm of the audit, not a property of the models."
    )


def data_warnings(report: Report) -> tuple[str, ...]:
    """What a reader of any figure should know about the records, one sentence each."""
    return tuple(map(clean, fields.strings(report.data, "warnings")))


def audited(report: Report) -> tuple[tuple[str, str], ...]:
    """Pairs of name and text: subject, data, device, configuration."""
    pairs = (
        ("Audit", clean(report.name)),
        ("Created", clean(report.created)),
        ("Subject", SUBJECTS.get(report.subject) or clean(report.subject)),
        ("Data", _data(report.data)),
        *(("Warning about the data", warning) for warning in data_warnings(report)),
        *(() if report.device is None and not report.names_missing_parts else _device(report.device or {})),
        ("Configuration digest", clean(report.config_digest)),
        ("edgeleak", clean(report.edgeleak)),
    )
    return tuple(pair for pair in pairs if report.names_missing_parts or pair[1] != NOT_AVAILABLE)


def _data(data: fields.Node) -> str:
    counts = [f"{count} {words}" for key, words in COUNTS.items() if (count := fields.integer(data, key)) is not None]
    return ", ".join([clean(data.get("name")), *counts])


def _device(device: fields.Node) -> tuple[tuple[str, str], ...]:
    def shown(key: str) -> str:
        return clean(device.get(key))

    runtimes = fields.mapping(device, "runtimes")
    emulated = ", emulated: its latencies are not those of hardware" if fields.flag(device, "emulated") else ""
    cores = _format.whole(fields.number(device, "cpu_count"))
    memory = _format.bytes_text(fields.number(device, "memory_total_bytes"))
    pid = _format.whole(fields.number(device, "pid"))
    machine = [*map(shown, ("machine", "operating_system", "cpu_model")), f"{cores} cores", f"{memory} memory"]
    return (
        ("Device", f"{shown('url')}, host {shown('hostname')}, agent's process {pid}{emulated}"),
        ("Machine", ", ".join(machine)),
        ("Runtimes", ", ".join(clean(runtimes[name]) for name in runtimes) or NOT_AVAILABLE),
    )


def null_sentence(report: Report) -> str:
    """What label permutations say about all attacks together."""
    null = report.attacks.null
    if null is None or math.isnan(null.miss_share):
        return "n/a: the attacks were not calibrated against shuffled memberships."
    sentence = f"Of {null.attacks} attacks' AUC intervals, {_format.percent(null.miss_share)} leave out 0.5"
    if not math.isnan(null.null_quantile):
        sentence += f"; with the memberships shuffled, chance alone reaches {_format.percent(null.null_quantile)}"
    if math.isnan(null.p_value):
        return sentence + "."
    largest = "" if math.isnan(null.max_z_p_value) else f"; largest single deviation p = {null.max_z_p_value:.2g}"
    reading = _null_reading(null.p_value < CHANCE, null_twin=report.null)
    return f"{sentence} (p = {null.p_value:.2g}{largest}). {reading}"


def _null_reading(beyond_chance: bool, *, null_twin: bool) -> str:
    if null_twin and beyond_chance:
        return "Nobody is a member here, so this audit raises false alarms: do not rely on it until they are explained."
    if null_twin:
        return "Nobody is a member here, and the attacks find no more than chance: the audit raises no false alarm."
    if beyond_chance:
        return "That is more than chance: the attacks distinguish members from non-members."
    return "That is within chance: all attacks together do not show that members differ from non-members."


def mis_disclaimer(mis: MisFindings) -> str:
    """What the indicator is and what it does not claim."""
    n, n_eval = (_format.whole(count or None) for count in (mis.n, mis.n_eval))
    return (
        f"r says how fast the leakage of choosing among quantized candidates falls with the size of the training set "
        f"(here n = {n}, judged on {n_eval} held-out records, candidates by {clean(mis.generator)} on "
        f"{clean(mis.runtime)}); larger is safer, and only quantizers of this table are comparable. It "
        "claims no differential privacy, no bound for a single record and nothing about the model before quantization; "
        "candidates that were not generated are invisible, so it may be optimistic. “Not probed” is no claim of "
        "privacy. Where n · r is below 2 (regime “local”), the order is that of the predicted Δ. “not_erm” marks a "
        "quantizer whose shipped model is worse than the best of its candidates: r is a proxy there, and no bound."
    )


def method_notes(report: Report) -> tuple[str, ...]:
    """How to read the numbers."""
    aucs = [r.auc for r in report.attacks.results if r.auc.is_known]
    level = " or ".join(f"{100 * value:.4g}%" for value in sorted({auc.level for auc in aucs})) or "the stated share"
    methods = ", ".join(sorted({clean(auc.method) for auc in aucs if auc.method})) or "method not stated"
    return (
        f"An interval [low, high] holds the true value in {level} of audits repeated with other records from the same "
        f"source ({methods}). The column “all attacks at once” widens it so "
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
        *_latency_notes(report),
    )


def _latency_notes(report: Report) -> tuple[str, ...]:
    if not report.names_missing_parts and all(artifact.latency is None for artifact in report.artifacts):
        return ()
    note = "Latency is reported beside leakage and never decides the verdict."
    if fields.flag(report.device or {}, "emulated"):
        note += " The device was emulated: its latencies are not those of hardware."
    return (note,)
