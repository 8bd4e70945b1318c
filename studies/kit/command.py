"""What the studies' command lines share beside that of ``edgeleak``: their options, and how they look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import ProgressView, err

__all__ = ["PageOption", "RunOption", "SeedOption", "application", "progress"]

RunOption = Annotated[
    Path, typer.Option("--run", help="Folder of what is finished; the same command resumes from it.", metavar="DIR")
]
PageOption = Annotated[
    Path, typer.Option("--out", help="The page; its pictures are written beside it.", metavar="FILE.md")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of every random choice.", metavar="N")]


def application() -> typer.Typer:
    """An empty command line that looks like that of ``edgeleak``."""
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def progress(*, quiet: bool) -> ProgressView:
    """Progress on stderr, to be used as a context manager."""
    return ProgressView(err, quiet=quiet)
