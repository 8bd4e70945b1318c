"""The verb that makes a bundle: the agent as a folder that runs on a phone or a board."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli._app import JsonOption, QuietOption, app, err, out

_MB = 1e6

ArchOption = Annotated[str, typer.Option("--arch", help="Of the device: arm64 or x86_64.", metavar="ARCH")]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="An empty folder for a copy of the folder and the archive.", metavar="DIR")
]
WheelOption = Annotated[
    Path | None, typer.Option("--wheel", help="This project's wheel, in place of one made now.", metavar="FILE")
]
FreshOption = Annotated[
    bool, typer.Option("--fresh", help="Make it anew though nothing here has changed: Debian's updates come in.")
]


@app.command(name="bundle", epilog="Example: edgeleak bundle --arch arm64 --out agent-arm64")
def bundle_command(
    arch: ArchOption,
    folder: OutOption = None,
    wheel: WheelOption = None,
    fresh: FreshOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the agent's bundle for a device: a folder with its own Python that needs no root there."""
    from harness.bundle import make_bundle, sizes_of

    def say(text: str) -> None:
        if not quiet:
            err.print(text, markup=False, soft_wrap=True)

    bundle = make_bundle(arch, out=folder, wheel=wheel, progress=say, fresh=fresh)
    say("measuring it")
    sizes = sizes_of(bundle)
    if as_json:
        about = {
            "arch": bundle.arch,
            "folder": str(bundle.folder),
            "archive": str(bundle.archive),
            "digest": bundle.digest,
            "version": bundle.manifest["version"],
            "sizes": sizes.to_json(),
        }
        out.print_json(json.dumps(about))
        return
    zstd = "" if sizes.zstd_bytes is None else f", {sizes.zstd_bytes / _MB:.1f} MB by zstd"
    lines = [
        f"{sizes.raw_bytes / _MB:.1f} MB in {sizes.files} files; {sizes.gzip_bytes / _MB:.1f} MB gzipped{zstd}",
        f"{'part':<12}{'files':>7}{'MB':>8}{'gzipped':>9}",
        *(
            f"{part.name:<12}{part.files:>7}{part.raw_bytes / _MB:>8.1f}{part.gzip_bytes / _MB:>9.1f}"
            for part in sizes.parts
        ),
        f"sha256 {bundle.digest}",
        f"{bundle.folder}/run -m device_agent.cli --help",
        f"{bundle.archive}",
    ]
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)
