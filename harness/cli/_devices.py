"""The verb that lists devices."""

from __future__ import annotations

import json

from harness.cli._app import JsonOption, app, out


@app.command(name="devices", epilog="Example: edgeleak devices --json")
def devices_command(as_json: JsonOption = False) -> None:
    """List the devices that this host can name: adb's, emulated phones, paired boards, and this computer."""
    from harness.devices.listing import listed

    rows = listed()
    if as_json:
        out.print_json(json.dumps([row.to_json() for row in rows]))
        return
    for row in rows:
        out.print(row.line(), soft_wrap=True, markup=False)
