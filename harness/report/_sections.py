"""The page's sections below its pictures: what is shown of each at once, and what opens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.report import (
    _attack_tables,
    _device_tables,
    _file_tables,
    _format,
    _increases,
    _latency_tables,
    _mis_words,
    _notes,
    _policy_tables,
    _privacy_tables,
    _slice_tables,
    _tables,
    _words,
)
from harness.report._clean import REASON_LIMIT, clean
from harness.report._glossary import TERMS, Term, named_attacks
from harness.report._table import Table
from harness.report.model import Report

__all__ = ["Section", "sections_of"]

# Rows that are shown of each ranking before it is opened.
TOP = 3
_ELSEWHERE = "report.json and results.csv, where they were written, have all of them."


@dataclass(frozen=True)
class Section:
    """One section.

    Args:
        id: of its element.
        title: its heading.
        says: sentences that are always shown.
        top: the first rows of its ranking, always shown.
        opens: what the reader opens; empty where nothing does.
        more: sentences in what opens.
        tables: in what opens.
        terms: words and what they mean, in what opens.
        links: names and addresses in what opens.
        text: a text as it is, in what opens.
        in_print: paper shows what opens.
    """

    id: str
    title: str
    says: tuple[str, ...] = ()
    top: Table | None = None
    opens: str = ""
    more: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    terms: tuple[Term, ...] = ()
    links: tuple[Term, ...] = ()
    text: str = ""
    in_print: bool = False


def sections_of(report: Report, *, all_files: Table | None, config: str) -> tuple[Section, ...]:
    """The sections in their order, those with a ranking first; those that would be empty are left out.

    Args:
        report: what one audit found.
        all_files: the table of all files, where the first one leaves some out.
        config: the resolved configuration as text; empty where there is none.
    """
    candidates = (
        _policy(report),
        _attacks(report),
        _increased(report),
        _rates(report),
        _parts(report),
        _records(report),
        _devices(report),
        _mis(report),
        _files(report, all_files),
        _latency(report),
        _skipped(report),
        _null(report),
        _methods(report),
        _glossary(report),
        _made(report, config),
    )
    return tuple(one for one in candidates if one is not None)


def _kept(*tables: Table | None) -> tuple[Table, ...]:
    return tuple(table for table in tables if table is not None)


def _policy(report: Report) -> Section | None:
    verdict, rules = report.verdict, _policy_tables.rule_table(report)
    if verdict is None or rules is None:
        return Section("policy", "Policy", ("No verdict: no rule was judged.",))
    waivers, culprits = _policy_tables.waiver_table(report), _policy_tables.culprit_table(report)
    says = [f"Judged by {clean(verdict.policy)}." if verdict.policy else ""]
    says.append(f"Changes are held against {clean(verdict.baseline)}." if verdict.baseline else "")
    if waivers is None:
        says.append("Nothing is waived.")
    says += [clean(note, limit=REASON_LIMIT) for note in verdict.notes]
    tables = (culprits, rules if len(rules.rows) > TOP else None, waivers)
    opens = "Every rule, what keeps the release from passing, and waivers" if any(tables) else ""
    top = rules.top(
        TOP, "Rules of the policy" if len(rules.rows) <= TOP else f"The first {TOP} of {len(rules.rows)} rules"
    )
    return Section("policy", "Policy", tuple(filter(None, says)), top, opens, tables=_kept(*tables), in_print=True)


def _attacks(report: Report) -> Section | None:
    table = _attack_tables.attack_table(report)
    if table is None:
        return Section("attacks", "Attacks", ("No attack has a result.",))
    results, left_out = _attack_tables.shown_results(report)
    names = named_attacks(sorted({one.attack for one in results}))
    more = [*_words.cut_sentences(report.attacks.results), *_words.family_sentences(report)]
    if left_out:
        more.insert(0, f"{left_out} weaker results are left out of this table and the next; {_ELSEWHERE}")
    top = table.top(TOP, "The strongest attacks, with intervals that hold for all at once")
    kept = ("Attack", "Adversary", "Sees", "Runtime", "Device", "AUC", "Balanced accuracy", "Trained on")
    counted = _format.counted(len(table.rows), "attack")
    opens = f"{'The strongest' if left_out else 'All'} {counted}, to sort and to choose from"
    return Section("attacks", "Attacks", (), top.only(*kept), opens, tuple(more), (table,), names)


def _increased(report: Report) -> Section | None:
    table = _attack_tables.increase_table(report)
    if table is None:
        return None
    says = (_increases.increase_sentence(report.attacks.increases),)
    top = table.top(TOP, "The largest differences, with intervals that hold for all at once")
    opens = f"All {_format.counted(len(table.rows), 'comparison')}"
    return Section("increases", _increases.QUESTION, tuple(filter(None, says)), top, opens, tables=(table,))


def _rates(report: Report) -> Section | None:
    table, bounds = _attack_tables.rate_table(report), _privacy_tables.privacy_tables(report)
    canaries = _privacy_tables.canary_sentence(report)
    if table is None and not bounds and not canaries:
        return None
    top = None if table is None else table.top(TOP, "Attacks that find most members at low false-alarm rates, at once")
    names = [f"all {_format.counted(len(table.rows), 'attack')}" if table else "", "bounds of differential privacy"]
    opens = " and ".join(name for name, known in zip(names, (table, bounds), strict=True) if known)
    title, says = "Low false-alarm rates and ε", (canaries,) if canaries else ()
    return Section("rates", title, says, top, opens[:1].upper() + opens[1:], tables=_kept(table, *bounds))


def _parts(report: Report) -> Section | None:
    top, tables = _slice_tables.exposed_table(report, TOP), _slice_tables.slice_tables(report)
    if not tables:
        return None
    sentence, *notes = _slice_tables.slice_notes(report) or ("",)
    says = (sentence,) if sentence else ()
    opens = "Every class and group"
    return Section("parts", "Leakage of parts of the records", says, top, opens, tuple(notes), tables)


def _records(report: Report) -> Section | None:
    table = _tables.record_table(report)
    if table is None:
        return None
    says = ("By id alone, never by content; each interval holds by itself.",)
    return Section(
        "records",
        "Most exposed records",
        says,
        table.top(TOP, table.caption),
        f"All {len(table.rows)} records",
        tables=(table,),
    )


def _files(report: Report, all_files: Table | None) -> Section | None:
    content, parity = _file_tables.content_table(report), _file_tables.parity_table(report)
    tables = _kept(all_files, parity, content)
    if not tables:
        return None
    says = []
    if parity is not None:
        compared = [one.parity for one in report.artifacts if one.parity is not None]
        flips = sum(one.flips > 0 for one in compared)
        says.append(
            f"{len(compared) - flips} of {_format.counted(len(compared), 'file')} give every record the class that the "
            "model gave which they were made from."
        )
    names = [
        name
        for name, known in (("all files", all_files), ("parity", parity), ("what each file holds", content))
        if known
    ]
    opens = ", ".join(names)
    return Section("contents", "Files and parity", tuple(says), None, opens[:1].upper() + opens[1:], tables=tables)


def _latency(report: Report) -> Section | None:
    table = _latency_tables.latency_table(report)
    if table is None:
        return None
    says = _latency_tables.throttled_sentences(report)[:TOP]
    notes = _latency_tables.latency_notes(report)
    return Section(
        "latency", "Latency", (notes[0], *says), None, "Percentiles, cold starts and memory", notes[1:], (table,)
    )


def _devices(report: Report) -> Section | None:
    found = report.devices
    if found is None:
        return None
    table = _device_tables.device_table(report)
    differences = _kept(_device_tables.answer_table(found), _device_tables.attack_table(found))
    # Folders are named by this program, of letters that need no quoting.
    links = tuple((f"The report of {clean(one.name)}", f"{clean(one.folder)}/report.html") for one in found.finished)
    null = tuple(
        f"Null calibration on {clean(one.name)}: {_words.null_sentence(report.of_device(one.name))}"
        for one in found.finished
    )
    return Section(
        "devices", "Devices and how they differ", _device_tables.largest(found), table,
        "Differences, and each device's report",
        (*_device_tables.device_notes(found), *null), differences, links=links,
    )  # fmt: skip


def _mis(report: Report) -> Section | None:
    table = _tables.mis_table(report)
    if table is None or report.mis is None:
        return None
    top = table.top(TOP, "Quantizers, the smallest predicted leakage first").only(
        "Rank", "Quantizer", "Predicted Δ", "r, nats per record", "n · r", "Status"
    )
    return Section(
        "mis",
        "Predicted leakage of quantizers (MIS)",
        _mis_words.mis_sentences(report.mis),
        top,
        f"All {_format.counted(len(table.rows), 'quantizer')} and what the figures claim",
        (*_mis_words.mis_flags(report.mis), *_mis_words.mis_disclaimer(report.mis)),
        (table,),
    )


def _skipped(report: Report) -> Section | None:
    table = _attack_tables.skipped_table(report)
    if table is None:
        return None
    reasons = dict.fromkeys(clean(one.reason, limit=1000) for one in report.attacks.skipped)
    says = [f"{_format.counted(len(report.attacks.skipped), 'attack')} did not run.", *list(reasons)[:TOP]]
    return Section("skipped", "Skipped attacks", tuple(says), None, "Which ones", tables=(table,))


def _null(report: Report) -> Section | None:
    if report.devices is not None or (report.attacks.null is None and not report.attacks.results):
        return None
    return Section("null", "Null calibration", (_words.null_sentence(report),))


def _methods(report: Report) -> Section:
    says = ("A pass is about these attacks, these records and these files: it is no proof that nothing leaks.",)
    return Section(
        "methods",
        "Methods and limits",
        says,
        None,
        "How every figure was made",
        _notes.method_notes(report),
        in_print=True,
    )


def _glossary(report: Report) -> Section:
    names = named_attacks(sorted({one.attack for one in report.attacks.results}))
    return Section("glossary", "Glossary", (), None, "What the words mean", terms=(*TERMS, *names), in_print=True)


def _made(report: Report, config: str) -> Section:
    made = _words.made_by(report)
    timings = _tables.timing_table(report)
    says: Iterable[str] = (f"Made by {made}.",) if made else ()
    pairs = _words.audited(report)
    return Section(
        "made",
        "How it was made",
        tuple(says),
        None,
        "Versions, digests, the resolved configuration, and times",
        (),
        _kept(timings),
        pairs,
        text=config,
    )
