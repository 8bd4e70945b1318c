"""Verbs around agents on other machines: pairing this host with a device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli._app import JsonOption, group_of_verbs, out
from harness.cli._verbs import VERBS

agent = group_of_verbs("agent", VERBS["agent"].help)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the device: a-z, 0-9 and hyphens.")]
HostOption = Annotated[
    list[str] | None,
    typer.Option("--host", help="An address under which this host reaches it; repeat.", metavar="ADDRESS"),
]
DaysOption = Annotated[int, typer.Option("--days", help="Until the certificates expire.", metavar="N")]
RenewOption = Annotated[
    bool, typer.Option("--renew", help="New certificates and a new token for a device that is paired already.")
]
OutOption = Annotated[Path, typer.Option("--out", help="Folder of the device's file, NAME.pairing.", metavar="DIR")]


@agent.command(name="pair", epilog="Example: edgeleak agent pair kitchen-pi --host 192.168.1.20")
def pair_command(
    name: NameArgument,
    hosts: HostOption = None,
    days: DaysOption = 365,
    renew: RenewOption = False,
    folder: OutOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Make the certificates and the token by which this host and one device know each other."""
    from harness.devices import pairing

    if renew:
        paired = pairing.renew(name, hosts or (), days=days, out=folder)
    else:
        paired = pairing.pair(name, hosts or (), days=days, out=folder)
    host = paired.pairing.hosts[0]
    written = f"[{host}]" if ":" in host else host
    copy = f"scp {paired.device_file} {written}:"
    start = f"edgeleak-agent --listen 0.0.0.0:50051 --pairing {paired.device_file.name}"
    check = f"edgeleak doctor --device grpc://{written}:50051"
    if as_json:
        about = {"name": name, "hosts": list(paired.pairing.hosts), "expires": paired.pairing.expires.isoformat()}
        steps = {"copy": copy, "start": start, "check": check}
        out.print_json(json.dumps({**about, "device_file": str(paired.device_file), **steps}))
        return
    lines = (
        f"{name} is paired until {paired.pairing.expires.date()}. Copy its side, which holds a key and a token:",
        f"  {copy} && rm {paired.device_file}",
        f"Start the agent on {name}:",
        f"  {start}",
        "Check the connection from here:",
        f"  {check}",
    )
    for line in lines:
        out.print(line, soft_wrap=True, markup=False)


@agent.command(name="pairings", epilog="Example: edgeleak agent pairings --json")
def pairings_command(as_json: JsonOption = False) -> None:
    """List the devices that this host is paired with, their addresses, and when their certificates expire."""
    from harness.devices import pairing

    rows = [(one.name, one.hosts, one.expires) for one in pairing.pairings()]
    if as_json:
        table = [{"name": name, "hosts": list(hosts), "expires": until.isoformat()} for name, hosts, until in rows]
        out.print_json(json.dumps(table))
        return
    for name, hosts, until in rows:
        out.print(f"{name}: {', '.join(hosts)}; until {until.date()}", soft_wrap=True, markup=False)
    if not rows:
        out.print("no device is paired (edgeleak agent pair NAME --host ADDRESS)", soft_wrap=True, markup=False)
