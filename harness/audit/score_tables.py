"""The scores of a finished run as a table for data frames: one row a record and view, written view by view."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import files
from harness.audit.findings import attack_findings
from harness.audit.of_devices import runs_of_devices
from harness.audit.replicas import is_replicated
from harness.config import AuditConfig
from harness.store import Run
from harness.subject import AUDIT
from harness.types import View

__all__ = ["FILE", "MISSING", "write_scores"]

FILE = "scores.parquet"
MISSING = 'scores.parquet is left out: pyarrow is not installed (pip install "edgeleak[parquet]")'
# Texts that say which view a row is of; each is kept once a view and not once a row.
_OF_VIEW = ("adversary", "attack", "variants", "runtime", "device")


def write_scores(config: AuditConfig, run: Run) -> Path | None:
    """Write ``scores.parquet`` into a run's folder, readable by its owner alone: it tells who is a member.

    Its columns are ``id``, ``label``, ``member``, ``adversary``, ``attack``, ``variants`` (joined by commas),
    ``runtime``, ``device``, ``is_control`` and ``score``, where a larger score means more likely a member.

    Args:
        config: the audit.
        run: its open folder, with everything attacked.

    Returns:
        The file; None where pyarrow is not installed.

    Raises:
        RunError: scores are missing or damaged.
        StorageError: the file cannot be written.
    """
    if importlib.util.find_spec("pyarrow") is None:
        return None
    import pyarrow as pa
    from pyarrow import parquet

    text = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema(
        [("id", pa.int64()), ("label", pa.int64()), ("member", pa.bool_())]
        + [(name, text) for name in _OF_VIEW]
        + [("is_control", pa.bool_()), ("score", pa.float64())]
    )
    place = run.folder / FILE
    with files.replacing(place) as stream, parquet.ParquetWriter(stream, schema) as writer:
        for columns in _views(config, run):
            n = len(columns["score"])
            arrays = [_column(pa, field.type, columns[field.name], n) for field in schema]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return place


def _views(config: AuditConfig, run: Run) -> Iterator[dict[str, Any]]:
    """The columns of one view after the other: arrays, and single values that all of its rows have."""
    several = is_replicated(config, run)
    runs = [(one.name, own) for one, own in runs_of_devices(run)] if several else [("", run)]
    for device, own in runs:
        own.require("attack")
        arrays = own.arrays
        member = arrays.read_membership() == 1
        records = {"id": arrays.read_ids(AUDIT), "label": arrays.read_labels(AUDIT), "member": member}
        for result in attack_findings(own).results:
            named = {**_named(result.view, device), "is_control": result.is_control}
            yield {**records, **named, "score": arrays.read_scores(result.view.key)}


def _named(view: View, device: str) -> dict[str, str]:
    texts = (view.adversary, view.attack, ",".join(view.variants), view.runtime, device or view.device)
    # What a file named is text of any kind; the format holds what UTF-8 can.
    return {name: text.encode(errors="replace").decode() for name, text in zip(_OF_VIEW, texts, strict=True)}


def _column(pa: Any, kind: Any, value: Any, n: int) -> Any:
    if isinstance(value, str):
        return pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), [value])
    if isinstance(value, bool):
        return pa.array([value] * n, kind)
    return pa.array(value, kind)
