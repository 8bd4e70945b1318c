"""The run folder: one audit's private place on disk, and the only thing that its stages share.

::

    manifest.json                 who wrote the run: schema, configuration and its digest
    split.json                    record ids of every role, with their hashes
    tokenizer.json, tokenizer.digests.json   text only: the tokenizer, and what it was trained on, by hash
    models/<model>/<variant>.safetensors
    artifacts/<model>/<variant>.<runtime>.<ext> and .json (digest, provenance)
    answers.zarr, populations.zarr, fits.zarr, scores.zarr      arrays, see `harness.store._arrays`
    evidence.json                 who was asked about which population
    results/<stage>.json          what a stage found
    stages/<stage>.json           the stage is whole; written last
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from harness import __version__, files
from harness.config import VOLATILE_SECTIONS, AuditConfig, parse
from harness.errors import ConfigError, RunError, StorageError

if TYPE_CHECKING:
    from harness.store._arrays import Arrays

__all__ = ["Run"]

SCHEMA = "edgeleak.run/2"
READABLE_MAX = 50_000
# What is finished is kept, so that a full disk costs no more than the stage under way.
STORAGE_HINT = "make room, or give another place with --run; the same command resumes"


class Run:
    """An open run folder. Use `Run.open` as a context manager: one process at a time.

    Args:
        folder: where the run lives.
        config: the configuration that the run was made with.
    """

    def __init__(self, folder: Path, config: AuditConfig) -> None:
        self.folder = folder
        self.config = config
        self._lock: IO[str] | None = None

    @classmethod
    def open(cls, folder: Path, config: AuditConfig) -> Self:
        """Create the run, or open it again to resume.

        Raises:
            RunError: the folder belongs to another configuration, is not a run, is damaged, or is in use.
        """
        run = cls(folder, config)
        if folder.exists() and not folder.is_dir():
            raise RunError(f"{folder}: is a file, not a run folder", hint="give another place with --run")
        manifest = folder / "manifest.json"
        if not manifest.exists():
            if folder.is_dir() and any(folder.iterdir()):
                raise RunError(f"{folder}: not empty and not a run", hint="give another place with --run")
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            run.write_json("manifest.json", run._manifest())
        else:
            run._check(run.read_json("manifest.json"))
        run._acquire()
        return run

    @staticmethod
    def delete(folder: Path) -> None:
        """Delete a run; a folder that is not one is left alone.

        Raises:
            RunError: the folder exists and is not a run.
        """
        if not folder.exists():
            return
        if not (folder / "manifest.json").is_file():
            raise RunError(f"{folder}: not a run, so it is not deleted", hint="give another place with --run")
        shutil.rmtree(folder)

    @classmethod
    def config_of(cls, folder: Path) -> AuditConfig:
        """The configuration that a run was made with, as its manifest tells.

        Raises:
            RunError: the folder is not a run, or its manifest is damaged.
        """
        if not (folder / "manifest.json").is_file():
            raise RunError(f"{folder}: not a run", hint="give run folders, e.g. runs/digits")
        # A run needs its configuration to be opened; to read the manifest alone, any will do.
        manifest = cls(folder, AuditConfig(name="unknown")).read_json("manifest.json")
        try:
            return parse(manifest["config"], source=str(folder / "manifest.json"))
        except (KeyError, ConfigError) as error:
            raise RunError(f"{folder / 'manifest.json'}: damaged: {error}", hint="audit again with --fresh") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        if isinstance(error, StorageError):
            error.hint = STORAGE_HINT
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # -- stages ------------------------------------------------------------------------------------------------------

    def is_done(self, stage: str) -> bool:
        """Whether a stage is whole."""
        return (self.folder / "stages" / f"{stage}.json").exists()

    def finish(self, stage: str, seconds: float) -> None:
        """Mark a stage as whole."""
        self.write_json(f"stages/{stage}.json", {"stage": stage, "seconds": round(seconds, 3), "finished": _now()})

    def require(self, stage: str) -> None:
        """Raise unless an earlier stage is whole.

        Raises:
            RunError: it is not; the message names the command that makes it.
        """
        if not self.is_done(stage):
            raise RunError(f"{self.folder}: the stage {stage!r} is missing", hint=f"run `edgeleak {stage}` first")

    def forget(self, stage: str) -> None:
        """Drop a stage's mark, so that it runs again and picks up what is missing."""
        (self.folder / "stages" / f"{stage}.json").unlink(missing_ok=True)

    def timings(self) -> dict[str, float]:
        """Seconds that each finished stage took in the process that finished it."""
        found = sorted((self.folder / "stages").glob("*.json"), key=lambda p: p.stat().st_mtime_ns)
        return {path.stem: float(self.read_json(f"stages/{path.name}")["seconds"]) for path in found}

    @cached_property
    def arrays(self) -> Arrays:
        """The run's arrays; loaded when they are first asked for, because judging a finished run needs none."""
        from harness.store._arrays import Arrays

        return Arrays(self.folder)

    # -- files -------------------------------------------------------------------------------------------------------

    def path(self, *parts: str) -> Path:
        """A file's place in the run; its folder is made."""
        place = self.folder.joinpath(*parts)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place

    def write_json(self, name: str, value: object) -> None:
        """Write a JSON file whole or not at all; one that a person may well read has lines."""
        text = json.dumps(value, allow_nan=False)
        if len(text) < READABLE_MAX:
            # Python's own encoder breaks lines, and takes ten times as long: seconds of judging a large run.
            text = json.dumps(value, indent=1)
        files.write(self.path(name), text.encode() + b"\n")

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the run; each holds one object.

        Raises:
            RunError: it is missing or damaged.
        """
        try:
            value = json.loads((self.folder / name).read_bytes())
            if not isinstance(value, dict):
                raise ValueError(f"holds a {type(value).__name__}, not an object")
            return value
        except FileNotFoundError:
            raise RunError(f"{self.folder / name}: missing", hint="rerun the stage that writes it") from None
        except (ValueError, OSError) as error:
            raise RunError(f"{self.folder / name}: damaged: {error}", hint="start over with --fresh") from None

    # -- opening -----------------------------------------------------------------------------------------------------

    def _manifest(self) -> dict[str, object]:
        return {
            "schema": SCHEMA,
            "edgeleak": __version__,
            "created": _now(),
            "config_digest": self.config.digest(),
            "config": self.config.to_json(),
        }

    def _check(self, manifest: Mapping[str, Any]) -> None:
        if manifest.get("schema") != SCHEMA:
            raise RunError(
                f"{self.folder}: written as {manifest.get('schema')!r}, this version writes {SCHEMA!r}",
                hint="give another place with --run, or start over with --fresh",
            )
        if manifest.get("config_digest") != self.config.digest():
            changed = ", ".join(_differences(manifest.get("config", {}), self.config.to_json())) or "unknown fields"
            raise RunError(
                f"{self.folder}: written by another configuration ({changed})",
                hint="give another place with --run, or start over with --fresh",
            )

    def _acquire(self) -> None:
        lock = (self.folder / ".lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise RunError(
                f"{self.folder}: another process is using this run", hint="wait for it, or give --run"
            ) from None
        self._lock = lock


def _differences(old: Any, new: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of the fields in which two configurations differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if prefix or key not in VOLATILE_SECTIONS:
                yield from _differences(old.get(key), new.get(key), f"{prefix}{key}.")
    elif old != new:
        yield f"{prefix[:-1]}: {old} there, {new} now"


def _now() -> str:
    return datetime.now(tz=UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
