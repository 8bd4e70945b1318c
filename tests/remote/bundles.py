"""A bundle that is made up: its program runs this checkout's agent with this interpreter."""

from __future__ import annotations

import hashlib
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from harness import __version__

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class MadeUp:
    """What is read of a bundle."""

    arch: str
    archive: Path
    digest: str
    manifest: dict[str, object]


def made_up(folder: Path, *, comment: str = "", program: str = "", version: str = __version__) -> MadeUp:
    """A bundle in ``folder``; another comment gives another digest.

    Args:
        folder: where its archive goes.
        comment: in its program.
        version: of the agent in it, as its manifest says.
        program: what the program does in place of running the agent.
    """
    tree = folder / f"tree-{comment}"
    tree.mkdir(parents=True)
    run = tree / "run"
    command = program or f'exec {sys.executable} -P "$@"'
    run.write_text(f"#!/bin/sh\n# {comment}\nexport PYTHONPATH={ROOT}\n{command}\n")
    run.chmod(0o755)
    archive = folder / f"bundle-{comment}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(run, "run")
    return MadeUp("x86_64", archive, hashlib.sha256(archive.read_bytes()).hexdigest(), {"version": version})
