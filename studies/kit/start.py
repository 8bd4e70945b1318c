"""The beginning of ``python -m studies.NAME``. Only small modules are loaded here."""

from __future__ import annotations

from importlib import import_module
from typing import NoReturn

from harness.__main__ import end_while_loading

__all__ = ["start"]


def start(study: str) -> NoReturn:
    """Load a study's command line and run it, with the exit codes of ``edgeleak``.

    Args:
        study: its package, whose module ``command`` has the ``app``.
    """
    end_while_loading()
    from harness import cli

    cli.main(import_module(f"{study}.command").app, name=f"python -m {study}")
