"""The arrays of a run: answers batch by batch, scores, fits, and who is in which population.

::

    answers.zarr/<population>/<model>/<variant>/<runtime>     float32 [n, C], checksummed chunks of a few batches
    populations.zarr/<population>/labels, ids                 int64 [n]
    populations.zarr/<population>/groups/<k>                  int64 [n], places in the column's values, which it carries
    populations.zarr/<population>/membership/<model>          int64 [n], 1 for members
    populations.zarr/<population>/training/<model>            int64 [n], 1 where the model was trained on the record
    fits.zarr/<view>                                          float64 [n], one fitted attack's scores, kept as they come
    scores.zarr/<view>                                        float64 [n]
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BytesCodec, Crc32cCodec

from harness.attacks import Fit
from harness.errors import RunError
from harness.types import Array, Artifact, FloatArray, IntArray

__all__ = ["AnswerArray", "Arrays", "FitStore"]

# Batches per chunk: few enough that an interruption loses little, enough that a large run is not millions of files.
CHUNK_BATCHES = 4


class Arrays:
    """The arrays of one run folder.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    # -- answers -----------------------------------------------------------------------------------------------------

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
        place = _inside(self._folder, f"answers.zarr/{population}/{artifact.key}")
        if (place / "zarr.json").exists():
            array = zarr.open_array(place, mode="r+")
            if array.attrs.get("sha256") == artifact.sha256 and array.shape == (n, *artifact.output.shape):
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
        return (self._folder / "answers.zarr" / population / key / "zarr.json").exists()

    def read_answers(self, population: str, key: str) -> NDArray[np.float32]:
        """All answers of one artifact to one population, float32 ``[n, C]``.

        Raises:
            RunError: they are missing, incomplete, or fail their checksum.
        """
        return np.asarray(self._read(f"answers.zarr/{population}/{key}"), dtype=np.float32)

    # -- populations -------------------------------------------------------------------------------------------------

    def write_population(self, name: str, *, labels: IntArray, ids: IntArray | None) -> None:
        """Keep the labels of a population, and the records' ids where they have any."""
        self._write(f"populations.zarr/{name}/labels", labels)
        if ids is not None:
            self._write(f"populations.zarr/{name}/ids", ids)

    def read_labels(self, population: str) -> IntArray:
        """The true classes of a population, int64 ``[n]``."""
        return np.asarray(self._read(f"populations.zarr/{population}/labels"), dtype=np.int64)

    def read_ids(self, population: str) -> IntArray:
        """The ids of a population's records, int64 ``[n]``."""
        return np.asarray(self._read(f"populations.zarr/{population}/ids"), dtype=np.int64)

    def write_groups(self, population: str, groups: Mapping[str, Array]) -> None:
        """Keep what each record has in each column of groups, in place of what was kept before."""
        shutil.rmtree(_inside(self._folder, f"populations.zarr/{population}/groups"), ignore_errors=True)
        for number, (name, column) in enumerate(groups.items()):
            values, codes = np.unique(column, return_inverse=True)
            write_array(
                _inside(self._folder, f"populations.zarr/{population}/groups/{number}"),
                codes.astype(np.int64),
                column=name,
                cells=json.dumps(values.tolist()),
            )

    def read_groups(self, population: str) -> dict[str, Array]:
        """Name of a column -> what each record has there, integers or texts ``[n]``.

        Raises:
            RunError: a column is damaged.
        """
        groups: dict[str, Array] = {}
        folder = self._folder / "populations.zarr" / population / "groups"
        for place in sorted(folder.glob("[0-9]*"), key=lambda place: int(place.name)):
            codes = self._read(str(place.relative_to(self._folder)))
            try:
                attributes = zarr.open_array(place, mode="r").attrs
                values = np.asarray(json.loads(str(attributes["cells"])))
                groups[str(attributes["column"])] = values[codes]
            except (KeyError, ValueError, IndexError) as error:
                raise RunError(f"{place}: damaged: {error}", hint="run `edgeleak collect` again") from None
        return groups

    def write_membership(self, population: str, model: str, *, membership: IntArray, training: IntArray) -> None:
        """Keep who of a population counts as a model's member, and what the model was really trained on.

        The two differ in a null twin, whose members were trained on by nobody.
        """
        self._write(f"populations.zarr/{population}/membership/{model}", membership)
        self._write(f"populations.zarr/{population}/training/{model}", training)

    def read_membership(self, population: str = "audit", model: str = "target") -> IntArray:
        """1 where a record counts as the model's member, 0 elsewhere, int64 ``[n]``."""
        return np.asarray(self._read(f"populations.zarr/{population}/membership/{model}"), dtype=np.int64)

    def read_training(self, population: str, model: str) -> IntArray:
        """1 where the model was trained on the record, 0 elsewhere, int64 ``[n]``."""
        return np.asarray(self._read(f"populations.zarr/{population}/training/{model}"), dtype=np.int64)

    # -- scores ------------------------------------------------------------------------------------------------------

    def write_scores(self, key: str, scores: FloatArray) -> None:
        """Keep one attack's membership scores, under the key of their view."""
        self._write(f"scores.zarr/{key}", scores)

    def read_scores(self, key: str) -> FloatArray:
        """One attack's membership scores, float64 ``[n]``."""
        return np.asarray(self._read(f"scores.zarr/{key}"), dtype=np.float64)

    def fits(self, evidence: str, *, place: str = "") -> FitStore:
        """Where the fits of one evaluation are kept.

        Args:
            evidence: digest of what the attacks observe; fits of other observations are never given back.
            place: put before the keys, where the observations are not the audit's own.
        """
        return FitStore(self._folder / "fits.zarr" / place, evidence)

    # ----------------------------------------------------------------------------------------------------------------

    def _write(self, name: str, values: Array) -> None:
        write_array(_inside(self._folder, name), values)

    def _read(self, name: str) -> Array:
        try:
            values = np.asarray(zarr.open_array(self._folder / name, mode="r")[:])
        except FileNotFoundError:
            raise RunError(f"{self._folder / name}: missing", hint="run `edgeleak collect` again") from None
        except Exception as error:  # zarr and its codecs raise many kinds for damaged bytes
            raise RunError(
                f"{self._folder / name}: damaged: {error}", hint="delete it and run the stage again"
            ) from None
        if values.dtype.kind == "f" and np.isnan(values).any():
            raise RunError(f"{self._folder / name}: incomplete", hint="run `edgeleak collect` again")
        return values


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


class FitStore:
    """Fits of attacks on disk, so that an interrupted stage goes on where it was: a `harness.attacks.Memory`.

    Args:
        folder: where they lie.
        evidence: digest of what the attacks observe.
    """

    def __init__(self, folder: Path, evidence: str) -> None:
        self._folder = folder
        self._evidence = evidence

    def read(self, key: str) -> Fit | None:
        """The fit under a key; None where there is none, where it is damaged, or is of other observations."""
        try:
            array = zarr.open_array(self._folder / key, mode="r")
            if array.attrs.get("evidence") != self._evidence:
                return None
            # Numbers are kept in the array, where a checksum guards them; JSON has no NaN.
            *values, shadow_auc = np.asarray(array[:], dtype=np.float64)
            scores, cut = np.array(values).reshape(2, -1)
            note, chosen = str(array.attrs["cut_note"]), json.loads(str(array.attrs["chosen"]))
        except Exception:  # whatever was damaged is made again
            return None
        if not np.isfinite(scores).all():  # a chunk that was never written
            return None
        return Fit(scores, cut, float(shadow_auc), note, chosen)

    def write(self, key: str, fit: Fit) -> None:
        """Keep a fit; one that was interrupted while it was written is damaged, and made again."""
        values = np.concatenate([fit.scores, fit.cut, [fit.shadow_auc]])
        notes = {"cut_note": fit.cut_note, "chosen": json.dumps(dict(fit.chosen))}
        write_array(_inside(self._folder, key), values, evidence=self._evidence, **notes)


def _inside(folder: Path, name: str) -> Path:
    """An array's place; what lies there is replaced, so it has to be in the folder.

    Raises:
        RunError: the name leads elsewhere.
    """
    if name.startswith("/") or ".." in name.split("/"):
        raise RunError(f"{folder}: {name!r} names no place in it", hint="give variants and models plain names")
    return folder / name


def write_array(place: Path, values: Array, **attributes: str) -> None:
    """Write an array as one checksummed chunk, in place of what was there."""
    shutil.rmtree(place, ignore_errors=True)
    array = zarr.create_array(
        place,
        shape=values.shape,
        chunks=values.shape,
        dtype=values.dtype,
        fill_value=float("nan") if values.dtype.kind == "f" else 0,
        compressors=[Crc32cCodec()],
        attributes=dict(attributes),
    )
    array[:] = values
