"""Several devices for a terminal: what became of each, its files and strongest attacks, and how they differ."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness.report import _device_tables, _format
from harness.report._clean import clean
from harness.report.model import Report
from harness.report.writers._terminal_attacks import strongest_parts
from harness.report.writers.terminal_table import add_row, compact, new_table
from harness.results import DevicesFindings

__all__ = ["device_parts"]

# The page has all of them.
_SHOWN = 6


def device_parts(report: Report, files: Callable[[Report], list[RenderableType]]) -> list[RenderableType]:
    """The tables and sentences of all devices.

    Args:
        report: of several devices.
        files: shows the files of one device and their latency.
    """
    found = report.devices or DevicesFindings()
    parts: list[RenderableType] = [_devices(found)]
    for device in found.finished:
        alone = report.of_device(device.name)
        parts.append(Text(f"\n{_device_tables.shown_name(device)}", style="bold", overflow="fold"))
        parts += [*files(alone), *strongest_parts(alone)]
    if found.answers or found.attacks:
        parts.append(Text("\nHow the devices differ", style="bold"))
        parts += [Text(sentence, overflow="fold") for sentence in _device_tables.largest(found)]
        parts += _differences(found)
    return parts


def _devices(found: DevicesFindings) -> Table:
    table = new_table("Devices", ("Device", "Status"), ("Lost",), ("Folder",))
    for device in found.devices:
        times = _format.counted(device.losses, "time")
        add_row(table, _device_tables.shown_name(device), _device_tables.status_of(device), times, clean(device.folder))
    return table


def _differences(found: DevicesFindings) -> list[RenderableType]:
    """The largest paired differences of AUCs."""
    ranked = sorted(found.attacks, key=lambda one: abs(one.difference.value), reverse=True)[:_SHOWN]
    if not ranked:
        return []
    several = len(found.finished) > 2
    table = new_table(
        "AUC minus that on the first device (paired intervals that hold at once)",
        ("Attack", "Sees", "Runtime", *(("Device",) if several else ())),
        ("AUC, difference",),
    )
    for one in ranked:
        names = (clean(one.view.attack), " + ".join(map(clean, one.view.variants)), clean(one.view.runtime))
        device = (clean(one.view.device),) if several else ()
        add_row(table, *names, *device, compact(one.difference, _format.signed))
    return [table]
