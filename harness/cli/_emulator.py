"""Verbs around the emulated phone: start, stop, and what runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated

import typer

from harness.cli._app import JsonOption, QuietOption, err, group_of_verbs, out
from harness.cli._verbs import VERBS

emulator = group_of_verbs("emulator", VERBS["emulator"].help)

PortOption = Annotated[
    int | None, typer.Option("--port", help="Of 127.0.0.1, for adb; default: a free one from 15555.", metavar="PORT")
]
AnyPortOption = Annotated[int | None, typer.Option("--port", help="Of one phone; default: all.", metavar="PORT")]


@emulator.command(name="build", epilog="Example: edgeleak emulator build")
def build_command(quiet: QuietOption = False, as_json: JsonOption = False) -> None:
    """Make the image of the phone, unless it is there: afterwards a start needs no network."""
    from harness import emulator as room

    made = room.image(_say(quiet))
    if as_json:
        out.print_json(json.dumps({"image": str(made.folder)}))
    else:
        out.print(f"image: {made.folder}", markup=False, soft_wrap=True)


@emulator.command(name="start", epilog="Example: edgeleak emulator start && edgeleak audit --device arm64-emulated")
def start_command(port: PortOption = None, quiet: QuietOption = False, as_json: JsonOption = False) -> None:
    """Start an emulated phone and connect adb to it; its image is made the first time."""
    from harness import emulator as room

    phone = room.start(port, say=_say(quiet))
    if as_json:
        out.print_json(json.dumps(phone.to_json()))
        return
    for line in (
        f"an emulated phone runs: --device adb:{phone.serial}",
        f"edgeleak emulator stop --port {phone.port} ends it; what its models answer is real, its latency is not",
    ):
        out.print(line, markup=False, soft_wrap=True)


@emulator.command(name="stop", epilog="Example: edgeleak emulator stop")
def stop_command(port: AnyPortOption = None, as_json: JsonOption = False) -> None:
    """End emulated phones, with everything on them."""
    from harness import emulator as room
    from harness.errors import UsageError

    phones = [phone for phone in room.running() if port in (None, phone.port)]
    if port is not None and not phones:
        raise UsageError(f"no emulated phone runs at port {port}", hint="edgeleak emulator status shows what runs")
    rows = [phone.to_json() for phone in phones]
    for phone in phones:
        room.stop(phone)
    if as_json:
        out.print_json(json.dumps({"stopped": rows}))
        return
    ended = ", ".join(phone.serial for phone in phones)
    out.print(f"ended: {ended}" if phones else "no emulated phone runs", markup=False, soft_wrap=True)


@emulator.command(name="status", epilog="Example: edgeleak emulator status --json")
def status_command(as_json: JsonOption = False) -> None:
    """Show which emulated phones run, and whether what they need is there."""
    from harness import emulator as room

    phones, image, missing = room.running(), room.cached(), room.missing_packages()
    if as_json:
        about = {"image": str(image.folder) if image else None, "missing_packages": missing}
        out.print_json(json.dumps({"phones": [phone.to_json() for phone in phones], **about}))
        return
    for phone in phones:
        out.print(f"adb:{phone.serial}: runs, process {phone.pid}, {phone.folder}", markup=False, soft_wrap=True)
    if not phones:
        out.print("no emulated phone runs (edgeleak emulator start)", markup=False, soft_wrap=True)
    made = str(image.folder) if image else "not made yet; the first start makes it"
    out.print(f"image: {made}", markup=False, soft_wrap=True)
    if missing:
        lacking = f"not installed: apt-get install --no-install-recommends {' '.join(missing)}"
        out.print(lacking, markup=False, soft_wrap=True)


def _say(quiet: bool) -> Callable[[str], None]:
    def say(text: str) -> None:
        if not quiet:
            err.print(text, markup=False, soft_wrap=True)

    return say
