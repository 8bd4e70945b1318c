"""Verbs around the agent on a phone or a board: install, start, stop, status, logs, purge."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from harness.cli._agent import agent
from harness.cli._app import JsonOption, QuietOption, device_is_named, err, out

MachineOption = Annotated[
    str,
    typer.Option(
        "--device",
        "-d",
        envvar="EDGELEAK_DEVICE",
        callback=device_is_named,
        help="adb (the only device, or ANDROID_SERIAL), adb:SERIAL, emulator:PORT, arm64-emulated, or "
        "ssh:[USER@]HOST[:PORT].",
        metavar="URL",
    ),
]
LinesOption = Annotated[int, typer.Option("--lines", min=1, help="At most so many.", metavar="N")]
BeforeOption = Annotated[bool, typer.Option("--before", help="Of the agent that ran before this one.")]


@agent.command(name="install", epilog="Example: edgeleak agent install --device adb:PHONE1")
def install_command(device: MachineOption = "adb", quiet: QuietOption = False, as_json: JsonOption = False) -> None:
    """Put this host's agent on a device, unless it is there; opening a device does so, too."""
    from harness.devices import machine
    from harness.remote import install

    with machine(device) as shell:
        name, before = install.install(shell, progress=None if quiet else _say)
        found = install.status(shell)
    if as_json:
        out.print_json(json.dumps({**found.to_json(), "was_installed": name in before.installed}))
        return
    verb = "was there already" if name in before.installed else "is installed"
    older = found.bundle not in (None, name)
    other = f"; {found.bundle} runs until edgeleak agent start --device {device}" if older else ""
    _print(f"{device}: agent {found.installed.get(name, '?')} ({name}) {verb}{other}")


@agent.command(name="start", epilog="Example: edgeleak agent start --device ssh:pi@kitchen-pi")
def start_command(device: MachineOption = "adb", quiet: QuietOption = False, as_json: JsonOption = False) -> None:
    """Start this host's agent on a device, installed where it is not; it runs on when this computer is off."""
    from harness.devices import machine
    from harness.remote import install

    with machine(device) as shell:
        found = install.start(shell, progress=None if quiet else _say)
    if as_json:
        out.print_json(json.dumps(found.to_json()))
        return
    _print(f"{device}: agent {found.version} runs, pid {found.pid}; edgeleak agent stop --device {device} ends it")


@agent.command(name="stop", epilog="Example: edgeleak agent stop --device adb:PHONE1")
def stop_command(device: MachineOption = "adb", as_json: JsonOption = False) -> None:
    """End the agent on a device; what is installed stays."""
    from harness.devices import machine
    from harness.remote import install

    with machine(device) as shell:
        ended = install.stop(shell)
    if as_json:
        out.print_json(json.dumps({"device": device, "stopped": ended}))
        return
    _print(f"{device}: {'the agent has ended' if ended else 'no agent ran'}")


@agent.command(name="status", epilog="Example: edgeleak agent status --device adb:PHONE1 --json")
def status_command(device: MachineOption = "adb", as_json: JsonOption = False) -> None:
    """Say whether the agent is installed and runs on a device, and what room there is."""
    from harness.devices import machine
    from harness.remote import install

    with machine(device) as shell:
        found = install.status(shell)
    if as_json:
        out.print_json(json.dumps(found.to_json()))
        return
    state = f"runs, pid {found.pid}" if found.running else "is installed" if found.installed else "is not installed"
    version = f"agent {found.version}" if found.version else "the agent"
    free = "" if found.free_bytes is None else f"; {found.free_bytes / 1e6:.0f} MB are free"
    _print(f"{device}: {version} {state}; {found.machine}; {found.home} has {found.used_bytes / 1e6:.0f} MB{free}")


@agent.command(name="logs", epilog="Example: edgeleak agent logs --device adb:PHONE1 --lines 50")
def logs_command(
    device: MachineOption = "adb", lines: LinesOption = 200, before: BeforeOption = False, as_json: JsonOption = False
) -> None:
    """Show the end of the agent's log on a device."""
    from harness.devices import machine
    from harness.remote import install

    with machine(device) as shell:
        rows = install.logs(shell, lines=lines, before=before)
    if as_json:
        out.print_json(json.dumps({"device": device, "lines": rows}))
        return
    for row in rows:
        _print(row)


@agent.command(name="purge", epilog="Example: edgeleak agent purge --device adb:PHONE1")
def purge_command(device: MachineOption = "adb", as_json: JsonOption = False) -> None:
    """End the agent and remove everything of ours from a device, and nothing else."""
    from harness.devices import machine
    from harness.remote import install

    with machine(device) as shell:
        left = install.purge(shell)
        home = shell.home
    if as_json:
        out.print_json(json.dumps({"device": device, "left": list(left)}))
        return
    kept = f"; what is not ours stays: {', '.join(left)}" if left else ""
    _print(f"{device}: {home} is removed{kept}" if not left else f"{device}: what is ours in {home} is removed{kept}")


def _print(line: str) -> None:
    out.print(line, soft_wrap=True, markup=False)


def _say(line: str) -> None:
    err.print(line, soft_wrap=True, markup=False)
