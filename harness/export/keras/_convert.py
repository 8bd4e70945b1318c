"""Converts a .keras file to .tflite files in TensorFlow's environment, and reads back what they hold."""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.records import read
from harness.errors import ArtifactError, ConfigError, StorageError
from harness.export.inspect import WeightSummary, sizes, weight_summary
from harness.export.keras._environment import ask, python_of

__all__ = ["MODES", "convert", "sentences"]

SCHEMA = "edgeleak.keras/1"
# Mode of the converter -> element type that at least one weight must have afterwards.
MODES = {
    "float32": "float32",
    "dynamic": "int8",
    "float16": "float16",
    "int8": "int8",
    "int8-float-io": "int8",
    "int16x8": "int8",
}
# Modes whose activations have fixed ranges, measured on records.
STATIC = ("int8", "int8-float-io", "int16x8")
SPARSE = "sparse"
# The recipe of a model that is converted without compression.
PLAIN = "none"
# Records for the measurement of ranges; more change little.
CALIBRATION_RECORDS = 256
MAGIC = b"TFL3"
CONFIG = "config.json"
# Largest size of a model's configuration, which is text about its layers.
CONFIG_BYTES_MAX = 1 << 26
SAVE_HINT = "save it with model.save('NAME.keras') in Keras 3"
# The converter's quantization without records skips tensors of fewer numbers.
SMALL = 1024

Progress = Callable[[str, int, int], None]
Row = dict[str, Any]


@dataclass(frozen=True)
class _Job:
    """One file to make.

    Args:
        recipe: compression before the conversion: `PLAIN`, ``prune-S`` or ``cluster-K``.
        mode: mode of the converter.
    """

    recipe: str
    mode: str

    @property
    def name(self) -> str:
        """Name of the file, and of the variant in a query."""
        return self.mode if self.recipe == PLAIN else f"{self.recipe}-{self.mode}"


def convert(
    model: Path,
    out: Path,
    *,
    modes: Sequence[str] | None = None,
    calibration: Path | None = None,
    prune: Sequence[float] = (),
    cluster: Sequence[int] = (),
    sparse: bool = False,
    finetune: Path | None = None,
    epochs: int = 3,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Convert a Keras 3 model in several modes, uncompressed and pruned or clustered.

    Files are moved to ``out`` when all are converted and checked; on an error none changes.

    Args:
        model: the .keras file; one that holds Python code (a Lambda layer) is refused.
        out: folder for ``MODE.tflite``, ``RECIPE-MODE.tflite`` and ``RECIPE.keras``; created where it is missing.
        modes: some of `MODES`; None means all, but those that need records only with ``calibration``.
        calibration: records whose first 256 measure the ranges of activations; see `harness.data.records`.
        prune: shares of each kernel to set to zero.
        cluster: numbers of distinct values in each kernel.
        sparse: also store each pruned model in TensorFlow's sparse format, float32.
        finetune: labelled records for fine-tuning compressed models, only members where the file names them; None
            compresses without fine-tuning.
        epochs: epochs of the fine-tuning.
        progress: called with (label, files done, files in all).

    Returns:
        The files with their contents as read back, and the skipped ones with the reason, as one JSON object.

    Raises:
        ConfigError: an unknown mode, a share or number out of range, or missing records.
        ArtifactError: the model cannot be loaded, or no file could be converted.
        InputError: the records cannot be used.
        DependencyError: TensorFlow's environment is missing.
        StorageError: the folder cannot be written.
    """
    chosen, skipped = _modes(modes, calibrated=calibration is not None)
    _require_model(model)
    recipes = _recipes(prune, cluster)
    if sparse and not prune:
        raise ConfigError("--sparse needs a pruned model, and no pruning is given", hint="add --prune 0.8")
    main, toolkit = python_of("main"), python_of("tfmot") if recipes else None
    jobs = [_Job(recipe, mode) for recipe in (PLAIN, *recipes) for mode in chosen]
    jobs += [_Job(recipe, SPARSE) for recipe, how in recipes.items() if sparse and "prune" in how]
    show = progress or (lambda _label, _done, _total: None)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".keras-") as name:
            draft = Path(name).absolute()
            records = _stored(calibration, draft / "calibration.npz", labels=False) if calibration else None
            sources = {PLAIN: model.absolute()}
            if toolkit is not None:
                training = _stored(finetune, draft / "training.npz", labels=True) if finetune else None
                request = {"model": str(sources[PLAIN]), "training": training, "epochs": epochs}
                compressed, refused = _compressed(toolkit, request, recipes, draft, about=model, show=show)
                sources |= compressed
                skipped += refused
            rows, refused = _converted(main, jobs, sources, draft, records, about=model, show=show)
            skipped += refused
            if not rows:
                raise ArtifactError(f"{model}: no file could be converted: {skipped[0]['reason']}")
            for file in (*(f"{row['name']}.tflite" for row in rows), *(f"{r}.keras" for r in recipes if r in sources)):
                (draft / file).replace(out / file)
    except OSError as error:
        raise StorageError(f"{out}: {error.strerror}", hint="free space on the disk, or name another folder") from error
    return {"schema": SCHEMA, "model": str(model), "folder": str(out), "files": rows, "skipped": skipped}


def sentences(conversion: Mapping[str, Any]) -> list[str]:
    """One line for each converted file and for each skipped one."""
    lines = []
    for row in conversion["files"]:
        weights = row["weights"]
        kinds = ", ".join(f"{n} {dtype}" for dtype, n in Counter(w["dtype"] for w in weights).items())
        zeros = sum(w["share_zeros"] * np.prod(w["shape"]) for w in weights) / sum(np.prod(w["shape"]) for w in weights)
        lines.append(
            f"{row['name']}.tflite: {row['size_bytes']:,} bytes, {row['size_zip_bytes']:,} zipped; weight tensors: "
            f"{kinds}; {zeros:.1%} zeros, at most {max(w['distinct_values'] for w in weights):,} distinct values in one"
        )
    return lines + [f"skipped: {row['name']}: {row['reason']}" for row in conversion["skipped"]]


def _modes(modes: Sequence[str] | None, *, calibrated: bool) -> tuple[list[str], list[Row]]:
    """The modes to convert in, and the skipped ones with the reason."""
    reason = "it measures ranges of activations on records, and none are given"
    for mode in modes or ():
        if mode not in MODES:
            raise ConfigError(f"mode {mode!r} is not known", hint=f"one or more of {','.join(MODES)}")
        if mode in STATIC and not calibrated:
            raise ConfigError(f"mode {mode}: {reason}", hint="add --calibration RECORDS.npz")
    if modes:
        return list(dict.fromkeys(modes)), []
    skipped = [] if calibrated else [{"name": mode, "reason": f"{reason}: add --calibration"} for mode in STATIC]
    return [mode for mode in MODES if calibrated or mode not in STATIC], skipped


def _recipes(prune: Sequence[float], cluster: Sequence[int]) -> dict[str, Row]:
    for share in prune:
        if not 0 < share < 1:
            raise ConfigError(f"--prune {share:g}: expected a share between 0 and 1", hint="e.g. --prune 0.8")
    for number in cluster:
        if not 2 <= number <= 256:
            raise ConfigError(f"--cluster {number}: expected a number from 2 to 256", hint="e.g. --cluster 16")
    return {f"prune-{s:g}": {"prune": s} for s in prune} | {f"cluster-{k}": {"cluster": k} for k in cluster}


def _require_model(model: Path) -> None:
    """Raise unless the file is a Keras 3 model without Python code in it; does not need TensorFlow."""
    if not model.is_file():
        raise ArtifactError(f"{model}: no such file", hint=SAVE_HINT)
    try:
        with zipfile.ZipFile(model) as archive:
            if archive.getinfo(CONFIG).file_size > CONFIG_BYTES_MAX:
                raise ArtifactError(f"{model}: its {CONFIG} has more than {CONFIG_BYTES_MAX:,} bytes", hint=SAVE_HINT)
            config = json.loads(archive.read(CONFIG))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError, NotImplementedError, RecursionError):
        raise ArtifactError(f"{model}: not a .keras file", hint=SAVE_HINT) from None
    layer = next((item for item in _objects(config) if item.get("class_name") == "Lambda"), None)
    if layer is not None:
        name = layer["config"].get("name") if isinstance(layer.get("config"), dict) else None
        raise ArtifactError(
            f"{model}: layer {name!r} is a Lambda, Python code inside the file, which is not run",
            hint="replace it with layers of Keras, e.g. Rescaling, and save the model again",
        )


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in a value."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield item
        if isinstance(item, (dict, list)):
            pending.extend(item.values() if isinstance(item, dict) else item)


def _stored(path: Path, destination: Path, *, labels: bool) -> str:
    """Write checked records for the scripts: the first ones to measure ranges on, or all members to train on."""
    records, membership = read(path, labelled=labels)
    rows = np.arange(len(records))[:CALIBRATION_RECORDS]
    if labels:
        rows = np.arange(len(records)) if membership is None else np.flatnonzero(membership)
    if not len(rows):
        raise ConfigError(f"--finetune {path}: key membership names no members to train on")
    chosen = records.take(rows)
    table = dict(chosen.inputs) | ({"labels": chosen.labels} if labels else {})
    np.savez(destination, **table)  # type: ignore[arg-type]  # numpy types its own option as a key
    return str(destination)


def _compressed(
    python: Path, request: Row, recipes: Mapping[str, Row], draft: Path, *, about: Path, show: Progress
) -> tuple[dict[str, Path], list[Row]]:
    """Recipe -> the compressed model, and the recipes that the toolkit refused."""
    jobs = [{"name": recipe, "path": str(draft / f"{recipe}.keras"), **how} for recipe, how in recipes.items()]
    compressed: dict[str, Path] = {}
    refused: list[Row] = []
    for answer in ask(python, "compress", request | {"jobs": jobs}, about=about):
        if "done" in answer:
            compressed[answer["done"]] = draft / f"{answer['done']}.keras"
        else:
            refused.append({"name": answer["skipped"], "reason": answer["reason"]})
        show("compress", len(compressed) + len(refused), len(jobs))
    return compressed, refused


def _converted(
    python: Path,
    jobs: Sequence[_Job],
    sources: Mapping[str, Path],
    draft: Path,
    calibration: str | None,
    *,
    about: Path,
    show: Progress,
) -> tuple[list[Row], list[Row]]:
    """The description of each converted file, and the reasons of the refused ones."""
    possible = {job.name: job for job in jobs if job.recipe in sources}
    rows: list[Row] = []
    refused: list[Row] = []
    for recipe, source in sources.items():
        requested = [
            {"name": name, "mode": job.mode, "path": str(draft / f"{name}.tflite")}
            for name, job in possible.items()
            if job.recipe == recipe
        ]
        request = {"model": str(source), "calibration": calibration, "jobs": requested}
        for answer in ask(python, "convert", request, about=about):
            if "done" in answer:
                row = _checked(possible[answer["done"]], draft / f"{answer['done']}.tflite")
            else:
                row = {"name": answer["skipped"], "reason": answer["reason"]}
            (refused if "reason" in row else rows).append(row)
            show("convert", len(rows) + len(refused), len(possible))
    return rows, refused


def _checked(job: _Job, path: Path) -> Row:
    """The description of a file, read from its bytes; or the reason why its name is wrong."""
    content = path.read_bytes()
    if content[4:8] != MAGIC:
        return {"name": job.name, "reason": "the converter did not write a LiteRT file"}
    weights = weight_summary(path, "litert")
    if reason := _mismatch(job, weights):
        return {"name": job.name, "reason": reason}
    return {
        "name": job.name,
        "recipe": job.recipe,
        "mode": job.mode,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        "size_zip_bytes": sizes(path).zipped,
        "weights": [summary.to_json() for summary in weights],
    }


def _mismatch(job: _Job, weights: Sequence[WeightSummary]) -> str | None:
    """Why the weights do not have the number format of the file's name; None where they have."""
    if not weights:
        return "the file holds no weights"
    expected = MODES.get(job.mode, "float32")
    if all(weight.dtype != expected for weight in weights):
        return f"no weight became {expected}: TensorFlow does not convert tensors of fewer than {SMALL:,} numbers"
    return None
