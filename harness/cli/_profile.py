"""The verb that shows where the time of a model file goes on a device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli._app import DeviceOption, JsonOption, app, one_device, out


@app.command(epilog="Example: edgeleak profile model.pte --device adb:emulator-5554 --out trace.etdump")
def profile(
    file: Annotated[Path, typer.Argument(metavar="FILE.pte", help="An ExecuTorch program.")],
    device: DeviceOption = None,
    to: Annotated[
        Path | None, typer.Option("--out", help="Also keep what the runtime recorded.", metavar="TRACE.etdump")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Records of generated input.", metavar="N")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Of the runtime.", metavar="N")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Show where an ExecuTorch program's time goes on a device, operator by operator, by its agent's shim."""
    from harness import profiling

    result = profiling.profile(file, device=one_device(device), out=to, batch_size=batch, threads=threads)
    if as_json:
        out.print_json(json.dumps(result))
        return
    if result["calls"] is not None:
        out.print(profiling.table(result), markup=False)
        out.print()
    for sentence in profiling.sentences(result):
        out.print(f"- {sentence}", soft_wrap=True, markup=False)
    if to is not None:
        out.print(f"\nWritten: {to}", soft_wrap=True, markup=False)
