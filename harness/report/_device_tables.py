"""The report's tables of several devices: what became of each, and how their answers and leakage differ."""

from __future__ import annotations

from harness import fields
from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, REASON_LIMIT, clean
from harness.report._table import Cell, Column, Table, estimate_cell, make_table, number_cell, text_cell
from harness.report.model import Report
from harness.results import AnswerDifference, AttackDifference, DeviceResult, DevicesFindings

__all__ = ["answer_table", "attack_table", "device_notes", "device_table", "largest", "shown_name", "status_of"]


def shown_name(device: DeviceResult) -> str:
    """A device's name, marked where its latencies are not those of hardware."""
    return f"{clean(device.name)} (emulated)" if device.is_emulated else clean(device.name)


def status_of(device: DeviceResult) -> str:
    """Whether a device finished, or which stages it lacks."""
    return "finished" if device.is_finished else f"lost: lacks {', '.join(map(clean, device.missing))}"


def device_table(report: Report) -> Table | None:
    """What became of each device; None where there was one, or none."""
    if report.devices is None:
        return None
    strongest = {device.name: report.of_device(device.name).strongest() for device in report.devices.devices}
    columns: tuple[Column[DeviceResult], ...] = (
        Column("Device", lambda one: Cell(shown_name(one))),
        Column(
            "Status", lambda one: Cell(status_of(one), note=clean(one.reason, limit=REASON_LIMIT) if one.reason else "")
        ),
        Column("Machine", lambda one: text_cell(_machine(one))),
        Column("Times lost", lambda one: number_cell(str(one.losses))),
        Column(
            "Strongest AUC, at once",
            lambda one: estimate_cell(
                max((r.headline for r in strongest[one.name]), key=lambda e: e.value, default=None)
            ),
        ),
    )
    return make_table("Devices", columns, report.devices.devices)


def answer_table(devices: DevicesFindings) -> Table | None:
    """How far the confidences of each file lie apart; None where nothing was compared."""
    if not devices.answers:
        return None
    columns: tuple[Column[AnswerDifference], ...] = (
        Column("Variant", lambda one: text_cell(one.variant)),
        Column("Runtime", lambda one: text_cell(one.runtime)),
        Column("Device", lambda one: text_cell(one.device)),
        Column("Against", lambda one: text_cell(one.against)),
        Column("Largest difference of a confidence", lambda one: number_cell(f"{one.parity.max_abs_difference:.1e}")),
        Column("Top-1 flips", lambda one: number_cell(f"{one.parity.flips} of {one.parity.n}")),
    )
    return make_table("Confidences on different devices", columns, devices.answers)


def attack_table(devices: DevicesFindings) -> Table | None:
    """How much more each attack finds on one device than on another; None where nothing was compared."""
    if not devices.attacks:
        return None
    ranked = sorted(devices.attacks, key=_size, reverse=True)
    columns: tuple[Column[AttackDifference], ...] = (
        Column("Attack", lambda one: text_cell(one.view.attack)),
        Column("Sees", lambda one: text_cell(" + ".join(map(clean, one.view.variants)), limit=REASON_LIMIT)),
        Column("Runtime", lambda one: text_cell(one.view.runtime)),
        Column("Device", lambda one: text_cell(one.view.device)),
        Column("Against", lambda one: text_cell(one.against)),
        Column("AUC, difference, at once", lambda one: estimate_cell(one.difference, _format.signed)),
    )
    return make_table("AUC on different devices, the largest difference first", columns, ranked)


def largest(devices: DevicesFindings) -> tuple[str, ...]:
    """The largest differences of each device from the reference, one sentence each."""
    sentences = []
    for device in devices.finished[1:]:
        answers = [one for one in devices.answers if one.device == device.name]
        attacks = [one for one in devices.attacks if one.view.device == device.name]
        parts = []
        if answers:
            worst = max(answers, key=lambda one: one.parity.max_abs_difference)
            flips, n = max((one.parity.flips, one.parity.n) for one in answers)
            parts.append(
                f"confidences differ by up to {worst.parity.max_abs_difference:.1e} ({clean(worst.variant)} on "
                f"{clean(worst.runtime)}), and at most {flips} of {n} top-1 classes of a file"
            )
        if attacks:
            most = max(attacks, key=_size)
            parts.append(
                f"AUCs differ by at most {_format.interval(most.difference, _format.signed)} ({clean(str(most.view))})"
            )
        if parts:
            sentences.append(f"{clean(device.name)} against {clean(devices.reference)}: {'; '.join(parts)}.")
    return tuple(sentences)


def device_notes(devices: DevicesFindings) -> tuple[str, ...]:
    """How to read what is said of several devices, one paragraph each."""
    notes = [
        "Every device did everything by itself, with the same files and the same records; each has a report of its own "
        "with pictures, every attack, parts of the records and the MIS indicator. “At once” holds for all devices "
        "together.",
        "AUCs of two devices are compared on the same records, with a paired interval that holds for all such "
        "differences of this report at once. An interval that holds 0 shows no difference, which is no proof of "
        "equality.",
    ]
    if any(device.is_emulated for device in devices.devices):
        notes.append(
            "Latencies of an emulated device are not those of hardware: no file and no device is ranked by them."
        )
    return tuple(notes)


def _machine(device: DeviceResult) -> str:
    parts = [fields.text(device.device, key) for key in ("machine", "cpu_model", "operating_system")]
    board = fields.text(fields.mapping(device.device, "board"), "model")
    return ", ".join(filter(None, (board, *parts))) or NOT_AVAILABLE


def _size(one: AttackDifference) -> float:
    value = abs(one.difference.value)
    return value if value == value else -1.0
