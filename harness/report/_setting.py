"""What a reader must know before any figure: who the attacker is, how many records there were, and where files ran."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from harness import fields
from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, clean
from harness.report._glossary import ADVERSARIES
from harness.report._words import SUBJECTS, data_warnings, exposure_sentence
from harness.report.headline import seen_words
from harness.report.model import ANSWERS, Report, by_auc
from harness.results import Result
from harness.types import Adversary

__all__ = ["attacker", "device_sentences", "device_words", "record_sentences", "strongest_of_each"]

_LOOPBACK = ("127.", "localhost", "[::1]")


def strongest_of_each(report: Report) -> dict[Adversary, Result]:
    """Adversary -> the strongest attack that it has on what ships; those without a figure are left out."""
    best: dict[Adversary, Result] = {}
    for result in by_auc(report.attacks.results):
        if not result.is_control and result.headline.is_known:
            best.setdefault(result.adversary, result)
    return {adversary: best[adversary] for adversary in get_args(Adversary) if adversary in best}


def attacker(report: Report) -> tuple[str, tuple[tuple[str, str, str], ...]]:
    """Who attacks, as a sentence; then each adversary's name, what it has, and how well its strongest attack does."""
    best = strongest_of_each(report)
    if not best:
        return "No attack has a result, so nothing is said of any attacker.", ()
    exposure = exposure_sentence(report)
    sees = f"{exposure} " if exposure else "It sees the confidence of each class. "
    learned = {result.trained_on for result in report.attacks.results}
    taught = {
        frozenset({"shadows"}): "It learned on models that it trained alike on other records.",
        frozenset({"members"}): "It already knows the membership of some records and learned on those.",
    }.get(frozenset(learned), "It learned on models trained alike, or on records whose membership it knows.")
    who = f"Whoever can run what ships, and asks of a record and its true class: was it trained on? {sees}{taught}"
    rows = []
    for adversary, result in best.items():
        name, holds = ADVERSARIES[adversary]
        figure = f"AUC {_format.interval(result.headline)}, {clean(result.attack)} on {seen_words(result.view)}"
        rows.append((f"{adversary} ({name})", f"{holds}.", figure))
    return who, tuple(rows)


def record_sentences(report: Report) -> tuple[str, ...]:
    """How many members and non-members there are, what the attacks learned on, and what to know about the data."""
    counts = {(one.n_members, one.n_nonmembers) for one in report.attacks.results}
    members = fields.integer(report.data, "members")
    nonmembers = fields.integer(report.data, "nonmembers")
    if (members is None or nonmembers is None) and len(counts) == 1:
        ((members, nonmembers),) = counts
    name = clean(report.data.get("name"))
    of = "" if name == NOT_AVAILABLE else f" of {name}"
    sentences = []
    if members is not None and nonmembers is not None:
        if report.null:
            sentences.append(
                f"{members} records that stand for members and {nonmembers} for non-members{of}; none was trained on."
            )
        else:
            trained = "the model was trained on them"
            sentences.append(f"{members} members ({trained}) and {nonmembers} non-members{of} (it never saw them).")
    else:
        sentences.append("How many records there were is not known.")
    shadows = fields.integer(report.data, "shadows")
    if shadows:
        sentences.append(f"{_format.counted(shadows, 'shadow model')} taught the attacks.")
    if report.references:
        counted = _format.counted(report.references, "reference model")
        sentences.append(f"{counted}; with more of them some attacks may find more.")
    if levels := sorted({one.headline.level for one in report.attacks.results if one.headline.is_known}):
        own = sorted({one.auc.level for one in report.attacks.results if one.auc.is_known}) or levels
        sentences.append(f"Intervals in brackets hold for all attacks at once in {100 * own[0]:.4g}% of audits.")
    return (*sentences, *(f"Warning: {warning}" for warning in data_warnings(report)))


def device_words(device: Mapping[str, object]) -> str:
    """What one device is: a computer, an emulated phone, a board or a phone."""
    url = fields.text(device, "url")
    board = fields.mapping(device, "board")
    model = fields.text(board, "model")
    parts = [clean(part) for key in ("soc", "os_build", "abi") if (part := fields.text(board, key)) and part != model]
    if fields.flag(device, "emulated"):
        return ", ".join(["an emulated phone, whose latencies are not those of hardware", *parts])
    if model:
        return ", ".join([clean(model), *parts])
    address = url.partition("://")[2]
    if url == "local" or (url.startswith("grpc://") and address.startswith(_LOOPBACK)):
        return "this computer, not a phone"
    if url:
        return f"the device at {clean(url)}"
    machine = fields.text(device, "machine")
    return f"a machine ({clean(machine)})" if machine else "a device that says nothing of itself"


def device_sentences(report: Report) -> tuple[str, ...]:
    """Where the files ran, what machine that is, and with which runtimes."""
    if report.devices is not None:
        found = report.devices
        head = f"{len(found.finished)} of {_format.counted(len(found.devices), 'device')} finished."
        each = [
            f"{clean(one.name)}: {device_words(one.device) if one.device else 'never reached'}."
            for one in found.devices
        ]
        more = [f"And {len(each) - 5} more."] if len(each) > 5 else []
        return (head, *each[:5], *more)
    if report.device is None:
        if report.subject == ANSWERS:
            return ("No device was asked: the answers were supplied, and no file was run.",)
        return ("No device is known: the figures come from answers alone.",)
    device = report.device
    machine = [clean(device.get(key)) for key in ("machine", "cpu_model", "operating_system")]
    cores, memory = fields.number(device, "cpu_count"), fields.number(device, "memory_total_bytes")
    if cores is not None:
        machine.append(f"{_format.whole(cores)} cores")
    if memory is not None:
        machine.append(_format.bytes_text(memory))
    runtimes = fields.mapping(device, "runtimes")
    asked = [name for name in runtimes if any(one.runtime == name for one in report.artifacts)] or list(runtimes)
    words = device_words(device)
    return tuple(
        sentence
        for sentence in (
            f"{words[:1].upper()}{words[1:]}.",
            f"{', '.join(part for part in machine if part != NOT_AVAILABLE)}.",
            f"Runtimes: {', '.join(clean(runtimes[name]) for name in asked)}." if asked else "",
            f"What was audited: {SUBJECTS[report.subject]}." if report.subject in SUBJECTS else "",
        )
        if sentence.strip(".")
    )
