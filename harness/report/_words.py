"""The report's sentences: what was audited, how it was made, what the null calibration and the intervals promise."""

from __future__ import annotations

import math
from collections.abc import Iterable

from harness import fields
from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT, clean
from harness.report.model import ANSWERS, SUPPLIED, TRAINED, Report
from harness.results import Result, Simultaneous

__all__ = [
    "audited",
    "cut_sentences",
    "data_warnings",
    "exposure_sentence",
    "family_sentences",
    "made_by",
    "null_sentence",
    "null_twin_warning",
    "verdict_word",
]

# Below this chance the calibration calls a share of misses more than chance; the level of the intervals themselves.
CHANCE = 0.05
# Digits of a digest that a person compares; the files have all of them.
DIGEST_SHOWN = 12
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
        *(("Answers", sentence) for sentence in (exposure_sentence(report),) if sentence),
        *(() if report.device is None and not report.names_missing_parts else _device(report.device or {})),
        ("Reference models", _references(report)),
        ("Seed", clean(report.seed)),
        ("Configuration digest", clean(report.config_digest)),
        *(("SHA-256 of an input", clean(digest)) for digest in report.inputs_sha256),
        ("edgeleak", clean(report.edgeleak)),
    )
    return tuple(pair for pair in pairs if report.names_missing_parts or pair[1] != NOT_AVAILABLE)


def exposure_sentence(report: Report) -> str:
    """What an app shows of its answers, where it is less than the confidence vector; else empty."""
    exposure = fields.mapping(report.data, "exposure")
    shown = fields.text(exposure, "answers")
    if shown == "top-k":
        return f"The attacks see the {_format.whole(fields.number(exposure, 'top_k'))} largest confidences alone."
    if shown != "label":
        return ""
    copies = fields.integer(exposure, "copies")
    asked = f" of a record and of {_format.counted(copies, 'disturbed copy', 'disturbed copies')}" if copies else ""
    return f"The attacks see the top class alone{asked}."


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
    board = fields.mapping(device, "board")
    sold = [clean(board.get(key)) for key in ("model", "soc", "os_build", "abi") if board.get(key)]
    shared = [_share(row) for row in fields.rows(device, "shared_by")]
    return (
        ("Device", f"{shown('url')}, host {shown('hostname')}, agent's process {pid}{emulated}"),
        *((("Board", ", ".join(sold)),) if sold else ()),
        *((("Work shared by", "; ".join(shared)),) if shared else ()),
        ("Machine", ", ".join(machine)),
        ("Runtimes", ", ".join(clean(runtimes[name]) for name in runtimes) or NOT_AVAILABLE),
    )


def _share(row: fields.Node) -> str:
    """What one device of several that answered as one did of the last collection."""
    batches = _format.counted(fields.integer(row, "batches") or 0, "batch", "batches")
    losses = fields.integer(row, "losses") or 0
    lost = f", lost {_format.counted(losses, 'time')}" if losses else ""
    left_out = fields.text(row, "left_out")
    return f"{clean(row.get('url'))} {batches}{lost}" + (f", left out: {clean(left_out)}" if left_out else "")


def _references(report: Report) -> str:
    if report.references:
        return f"{report.references}; with more of them some attacks may find more"
    return "none" if report.attacks.results else NOT_AVAILABLE


def made_by(report: Report) -> str:
    """What whoever repeats this needs, as one line: version, seed, digests, reference models; empty where unknown."""
    parts = [
        f"edgeleak {clean(report.edgeleak)}" if report.edgeleak else "",
        "" if report.seed is None else f"seed {report.seed}",
        f"configuration {clean(report.config_digest[:DIGEST_SHOWN])}" if report.config_digest else "",
        *(f"input {clean(digest[:DIGEST_SHOWN])}" for digest in report.inputs_sha256[:1]),
        _format.counted(more, "more input") if (more := len(report.inputs_sha256) - 1) > 0 else "",
    ]
    shown = [part for part in parts if part]
    if shown and report.attacks.results:
        shown.append(_format.counted(report.references, "reference model"))
    return ", ".join(shown)


def cut_sentences(results: Iterable[Result]) -> tuple[str, ...]:
    """Whose balanced accuracy cannot be trusted, one sentence a reason; none where every cut can be."""
    attacks: dict[str, dict[str, None]] = {}
    for result in results:
        if result.cut_note:
            attacks.setdefault(result.cut_note, {})[clean(result.attack)] = None
    return tuple(
        f"Balanced accuracy of {', '.join(names)} is not to be trusted: {clean(note, limit=REASON_LIMIT)}."
        for note, names in attacks.items()
    )


def family_sentences(report: Report) -> tuple[str, ...]:
    """What all intervals of the audit promise together, and per runtime what the correction cost; none if unknown."""
    attacks = report.attacks
    known = {runtime: one for runtime, one in attacks.corrections.items() if one.figures and math.isfinite(one.z)}
    levels = [result.auc.level for result in attacks.results if result.auc.is_known]
    if not known or not levels:
        return ()
    counts = {runtime: _intervals(report, runtime) for runtime in known}
    everywhere = f" on {len(known)} runtimes" if len(known) > 1 else ""
    promise = (
        f"All {sum(counts.values())} intervals marked “at once” (of AUC, balanced accuracy, TPR, ε and "
        f"differences{everywhere}) hold together in {100 * min(levels):.4g}% of audits."
    )
    return (promise, *(_gain(runtime, counts[runtime], one) for runtime, one in known.items()))


def _intervals(report: Report, runtime: str) -> int:
    """Intervals of one runtime that hold at once: those of the correction, a bound of ε a result, and increases."""
    corrected = report.attacks.corrections[runtime].figures
    bounds = sum(result.runtime == runtime for result in report.attacks.results)
    return corrected + bounds + sum(one.view.runtime == runtime for one in report.attacks.increases)


def _gain(runtime: str, count: int, correction: Simultaneous) -> str:
    where = f"On {clean(runtime)}, with {count} of them, the" if runtime else "The"
    bonferroni = correction.bonferroni_z
    if not correction.z < bonferroni:
        return f"{where} attacks are too different to shorten Bonferroni's intervals (z {correction.z:.2f})."
    return (
        f"{where} correlation of the attacks makes those of AUC, balanced accuracy, TPR and paired differences "
        f"{_format.percent(correction.gain)} shorter than Bonferroni's (z {correction.z:.2f} instead of "
        f"{bonferroni:.2f})."
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
    # Attacks that err together may all miss at once by chance; a single large deviation is then the clearer sign.
    tests = [p for p in (null.p_value, null.max_z_p_value) if not math.isnan(p)]
    reading = _null_reading(min(tests) < CHANCE / len(tests), null_twin=report.null)
    return f"{sentence} (p = {null.p_value:.2g}{largest}). {reading}"


def _null_reading(beyond_chance: bool, *, null_twin: bool) -> str:
    if null_twin and beyond_chance:
        return "Nobody is a member here, so this audit raises false alarms: do not rely on it until they are explained."
    if null_twin:
        return "Nobody is a member here, and the attacks find no more than chance: the audit raises no false alarm."
    if beyond_chance:
        return "That is more than chance: the attacks distinguish members from non-members."
    return "That is within chance: all attacks together do not show that members differ from non-members."
