"""The verb that gives the JSON Schemas of what edgeleak reads and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness import files
from harness.cli._app import app, out
from harness.cli._verbs import VERBS
from harness.errors import UsageError

# As `harness.schemas` has them; a test compares them.
Name = Literal["audit", "policy", "report", "gate", "plan", "compare"]
# What every published schema says of itself.
MARK = b'"urn:edgeleak:schema:'


@app.command(
    help=VERBS["schema"].help,
    epilog="Examples: edgeleak schema audit --out audit.schema.json; edgeleak schema report > report.schema.json",
)
def schema(
    name: Annotated[Name, typer.Argument(metavar="NAME", help="audit, policy, report, gate, plan or compare.")],
    to: Annotated[Path | None, typer.Option("--out", help="Write it into this file.", metavar="FILE")] = None,
) -> None:
    """Print the JSON Schema (2020-12) of audit.toml, policy.toml, report.json, or of what a verb prints with --json.

    An editor with TOML support completes and checks a file that begins with `#:schema ./audit.schema.json`.
    """
    from harness.schemas import published

    text = published(name)
    if to is None:
        out.file.write(text)
        return
    if to.exists() and not (to.is_file() and MARK in to.read_bytes()):
        raise UsageError(f"{to}: exists already", hint="give another name, or delete it")
    files.write(to, text.encode(), private=False)
    out.print(f"wrote {to}", soft_wrap=True, markup=False)
