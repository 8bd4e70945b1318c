"""Other context, each in an environment of its own that ``make peers`` makes, asked through a process that stays.

They need versions that do not go with ours. A peer is started once, keeps its imports warm and times itself, so that
its rounds and ours can be taken in turn on the same arrays.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import pytest

from benchmarks._timing import Timed

__all__ = ["Peer", "installed", "skip_without"]

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = {"art": "art_forest.py", "tfp": "tf_privacy.py", "tvm": "tvm_upload.py"}
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}


def installed(name: str) -> bool:
    """Whether ``make peers`` has made this peer's environment."""
    return (ROOT / ".peers" / name / ".ready").exists()


def skip_without(name: str) -> None:
    """Skip the running benchmark, and say how not to."""
    if not installed(name):
        pytest.skip(f".peers/{name} is not there: run `make peers`")


class Peer:
    """One peer's process: a JSON line asks, a JSON line answers, arrays travel as .npz files in a private folder."""

    def __init__(self, name: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="edgeleak-peer-")
        self._errors = (Path(self._folder.name) / "stderr").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [ROOT / ".peers" / name / "bin" / "python", ROOT / "benchmarks" / "peers" / SCRIPTS[name]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | ONE_THREAD,
        )
        self.versions = str(self._read()["versions"])

    def __call__(self, **arrays: Any) -> Timed:
        """What the peer makes of these arrays."""
        asked, answered = (Path(self._folder.name) / f"{way}.npz" for way in ("asked", "answered"))
        np.savez(asked, **arrays)
        stdin: IO[str] = self._process.stdin  # type: ignore[assignment]
        print(json.dumps({"asked": str(asked), "answered": str(answered)}), file=stdin, flush=True)
        seconds = float(self._read()["seconds"])
        with np.load(answered, allow_pickle=False) as values:
            return Timed(seconds, dict(values))

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"the peer has ended:\n{self._errors.read()[-2000:]}")
        return dict(json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._process:  # closes its stdin, at which it ends, and waits
            pass
        self._errors.close()
        self._folder.cleanup()
