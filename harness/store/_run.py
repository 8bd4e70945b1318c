"""The run folder: one audit's private place on disk, and the only thing that its stages share.

::

    manifest.json                 who wrote the run: schema, configuration and its digest
    split.json                    record ids of every role, with their hashes
    tokenizer.json, tokenizer.digests.json   text only: the tokenizer, and what it was trained on, by hash
    models/<model>/<variant>.safetensors
    artifacts/<model>/<variant>.<runtime>.<ext> and .json (digest, provenance)
    answers.zarr/<population>/<model>/<variant>/<runtime>     float32 [n, C], checksummed chunks
    scores.zarr/<key>                                         float64 [n]
    results/<stage>.json          what a stage found
    stages/<stage>.json           the stage is whole; written last
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BytesCodec, Crc32cCodec

from harness import __version__
from harness.config import VOLATILE_SECTIONS, AuditConfig, parse
from harness.errors import ConfigError, RunError
from harness.types import Artifact

__all__ = ["Run"]

SCHEMA = "edgeleak.run/1"
# Batches per chunk: few enough that an interruption loses little, enough that a large run is not millions of files.
CHUNK_BATCHES = 4


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

    def __exit__(self, *_: object) -> None:
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

    # -- files -------------------------------------------------------------------------------------------------------

    def path(self, *parts: str) -> Path:
        """A file's place in the run; its folder is made."""
        place = self.folder.joinpath(*parts)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place

    def write_json(self, name: str, value: object) -> None:
        """Write a JSON file whole or not at all."""
        with _replacing(self.path(name)) as stream:
            stream.write(json.dumps(value, indent=1, allow_nan=False).encode() + b"\n")

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

    # -- arrays ------------------------------------------------------------------------------------------------------

    def answers(self, population: str, artifact: Artifact, *, n: int, batch: int, origin: str) -> AnswerArray:
        """The array of one artifact's answers to one population: new, or as far as an earlier process came.

        Args:
            population: name of the set of records.
            artifact: whose answers; answers of a file with other bytes are dropped.
            n: records in the population.
            batch: records per batch.
            origin: machine and runtime that answer; answers of two kinds of device are never mixed.

        Raises:
            RunError: the array was begun on a device of another kind.
        """
        place = self.path("answers.zarr", population, artifact.key)
        if (place / "zarr.json").exists():
            array = zarr.open_array(place, mode="r+")
            if array.attrs.get("sha256") == artifact.sha256 and array.shape[0] == n:
                if array.attrs.get("origin") != origin:
                    raise RunError(
                        f"{place}: answered by {array.attrs.get('origin')}, this device is {origin}",
                        hint="audit another device into another run with --run",
                    )
                return AnswerArray(array, batch=batch)
            shutil.rmtree(place)
        array = zarr.create_array(
            place,
            shape=(n, *artifact.output.shape),
            chunks=(CHUNK_BATCHES * batch, *artifact.output.shape),
            dtype="float32",
            fill_value=float("nan"),  # an unwritten row can never pass for an answer
            serializer=BytesCodec(endian="little"),
            compressors=[Crc32cCodec()],
            attributes={"sha256": artifact.sha256, "origin": origin},
        )
        return AnswerArray(array, batch=batch)

    def has_answers(self, population: str, key: str) -> bool:
        """Whether an artifact was asked about a population at all (a runtime may lack a variant)."""
        return (self.folder / "answers.zarr" / population / key / "zarr.json").exists()

    def read_answers(self, population: str, key: str) -> NDArray[np.float32]:
        """All answers of one artifact to one population, float32 `[n, C]`.

        Raises:
            RunError: they are missing, incomplete, or fail their checksum.
        """
        return np.asarray(self._read(f"answers.zarr/{population}/{key}"), dtype=np.float32)

    def write_scores(self, key: str, scores: NDArray[np.float64]) -> None:
        """Keep one attack's membership scores."""
        place = self.path("scores.zarr", key)
        shutil.rmtree(place, ignore_errors=True)
        array = zarr.create_array(
            place, shape=scores.shape, chunks=scores.shape, dtype="float64", compressors=[Crc32cCodec()]
        )
        array[:] = scores

    def read_scores(self, key: str) -> NDArray[np.float64]:
        """One attack's membership scores, float64 `[n]`."""
        return np.asarray(self._read(f"scores.zarr/{key}"), dtype=np.float64)

    def _read(self, name: str) -> NDArray[np.generic]:
        try:
            values = np.asarray(zarr.open_array(self.folder / name, mode="r")[:])
        except FileNotFoundError:
            raise RunError(f"{self.folder / name}: missing", hint="run `edgeleak collect` again") from None
        except Exception as error:  # zarr and its codecs raise many kinds for damaged bytes
            raise RunError(
                f"{self.folder / name}: damaged: {error}", hint="delete it and run the stage again"
            ) from None
        if np.isnan(values).any():
            raise RunError(f"{self.folder / name}: incomplete", hint="run `edgeleak collect` again")
        return values

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


class AnswerArray:
    """One artifact's answers to one population, written batch by batch, resumable at chunk borders."""

    def __init__(self, array: Any, *, batch: int) -> None:
        self._array = array
        self._batch = batch
        self._pending: list[NDArray[np.float32]] = []
        self._next = self.batches_done()

    def batches_done(self) -> int:
        """Number of leading batches that are safely on disk."""
        rows, chunk = int(self._array.shape[0]), int(self._array.chunks[0])
        folder = Path(self._array.store.root) / self._array.path / "c"
        whole = 0
        while whole * chunk < rows and (folder / str(whole) / "0").exists():
            whole += 1
        return -(-min(whole * chunk, rows) // self._batch)

    def rewind(self, number: int) -> None:
        """Write again from batch `number`, a chunk border: the artifacts of one stream advance together."""
        self._pending.clear()
        self._next = number

    def append(self, number: int, answers: NDArray[np.float32]) -> None:
        """Take the next batch; whole chunks go to disk."""
        assert number == self._next + len(self._pending), "batches arrive in order"  # noqa: S101
        self._pending.append(answers)
        start = self._next * self._batch
        rows = sum(len(block) for block in self._pending)
        if rows == self._array.chunks[0] or start + rows == self._array.shape[0]:
            self._array[start : start + rows] = np.concatenate(self._pending)
            self._next += len(self._pending)
            self._pending.clear()


def _differences(old: Any, new: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of the fields in which two configurations differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if prefix or key not in VOLATILE_SECTIONS:
                yield from _differences(old.get(key), new.get(key), f"{prefix}{key}.")
    elif old != new:
        yield f"{prefix[:-1]}: {old} there, {new} now"


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A stream whose content takes the file's place when the block ends, and leaves nothing when it fails."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _now() -> str:
    return datetime.now(tz=UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
