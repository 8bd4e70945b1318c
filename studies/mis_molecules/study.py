"""The molecules study: quantized linear heads on frozen molecular features, case by case, and one page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl  # type: ignore[import-untyped]

from harness import __version__
from harness.packages import require
from harness.types import Array, FloatArray
from studies._shared.cache import cached_arrays, cached_json, digest, file_digest
from studies.kit.pages import publish
from studies.mis_molecules.answers import answers
from studies.mis_molecules.case import Settings, study
from studies.mis_molecules.claims import claims, degradations
from studies.mis_molecules.embedder import WEIGHTS, chemnet
from studies.mis_molecules.judged import judged, taus_by_representation
from studies.mis_molecules.page import page
from studies.mis_molecules.pictures import pictures
from studies.mis_molecules.representation import BITS, KINDS, RADIUS, Raw, raw_features
from studies.mis_molecules.tasks import Dropped, Task, read, tasks_of

__all__ = ["QUICK", "SEED", "Settings", "conduct"]

SCHEMA = "edgeleak.mis-molecules/2"
# Ridge, the attacker's statistics and the law were settled on the splits of seeds 0 and 1.
SEED = 2
COMMAND = "python -m studies.mis_molecules --data DIR"
# A look at how it runs: too small to conclude from.
QUICK = Settings(candidates=8, retrainings=16, draws=200, dimensions=16, representations=("both", "descriptors"))
# What a finished case's figures depend on besides its data and settings.
LIBRARIES = ("numpy", "rdkit", "scikit-learn", "scipy")
Progress = Callable[[str, int, int], None]
Row = dict[str, Any]


def conduct(
    data_dir: Path,
    folder: Path,
    *,
    out: Path,
    seed: int,
    tasks: Sequence[str] | None,
    progress: Progress,
    settings: Settings | None = None,
) -> tuple[Row, tuple[Path, ...]]:
    """Do the study, or what is left of it, and write its page.

    Args:
        data_dir: folder with MoleculeNet's CSV files.
        folder: features and finished cases are kept here, and not made again from the same file and settings.
        out: the Markdown page; pictures are written beside it, named after it.
        seed: of everything; the same seed gives the same findings.
        tasks: names of tasks; None takes all.
        progress: called with (label, done, total).
        settings: how large; None takes the defaults.

    Returns:
        The findings as JSON, and the files that were written.

    Raises:
        DependencyError: RDKit, pandas, or what the embedder needs is not installed.
        InputError: a task is not known, or its file, column or values cannot be used.
        RunError: a kept file is damaged.
        StorageError: a file cannot be written.
    """
    chosen, size = tasks_of(None if tasks is None else tuple(tasks)), settings or Settings()
    require("rdkit", "pandas", extra="molecules")
    # A missing file is refused before anything is done.
    hashes = {task.file: file_digest(data_dir / task.file) for task in chosen}
    cases = []
    # One thread: matrices are small, threads would wait for one another and their number would change the bits.
    with threadpoolctl.threadpool_limits(limits=1):
        for done, task in enumerate(chosen):
            progress("tasks", done, len(chosen))
            cases += _finished(task, data_dir, folder, hashes[task.file], size, seed, progress)
    progress("tasks", len(chosen), len(chosen))
    level = size.level
    found: Row = {
        "generators": judged(cases, level=level),
        "taus": taus_by_representation(cases, level=level),
        "claims": claims(cases, level=level),
        "degradations": {
            kind: {name: e.to_json() for name, e in degradations(some, level=level).items()}
            for kind in size.representations
            if (some := [case for case in cases if case["representation"] == kind])
        },
    }
    findings: Row = {
        "schema": SCHEMA,
        "command": COMMAND,
        "seed": seed,
        "settings": asdict(size) | {"representations": list(size.representations), "parts": list(size.parts)},
        "cases": cases,
        **found,
        "answers": list(answers(cases, found)),
    }
    drawn = pictures(cases)
    text = page(findings, pictures=[picture.markdown(out) for picture in drawn])
    return findings, publish(out, text, findings=findings, data=folder / "findings.json", pictures=drawn)


def _finished(
    task: Task, data_dir: Path, folder: Path, sha256: str, settings: Settings, seed: int, progress: Progress
) -> list[Row]:
    """A task's rows, one a representation: kept, or done now."""
    ingredients = {"task": asdict(task), "sha256": sha256, "seed": seed if task.most is not None else None}
    of_features = digest(ingredients | {"rdkit": version("rdkit"), "bits": BITS, "radius": RADIUS})
    versions = {name: version(name) for name in LIBRARIES}
    # A case does not depend on which others are done.
    size = {key: value for key, value in asdict(settings).items() if key != "representations"}

    def make(kind: str) -> Row:
        arrays = cached_arrays(
            folder / f"features-{task.name}-{of_features}.npz", lambda: _features(task, data_dir, seed, progress)
        )
        bits = np.unpackbits(arrays["bits"].astype(np.uint8), axis=1)
        embedding = _embedding(task, data_dir, folder, of_features, seed, progress) if _is_learned(kind) else None
        raw = Raw(bits, arrays["descriptors"].astype(np.float64), embedding)
        progress(f"{task.name}: {kind}", 0, 1)
        row = study(task, raw, arrays["labels"].astype(np.float64), kind=kind, settings=settings, seed=seed)
        progress(f"{task.name}: {kind}", 1, 1)
        return row | {"dropped": asdict(Dropped(*map(int, arrays["dropped"].astype(np.int64))))}

    rows = []
    for kind in settings.representations:
        learned = {"fcd": version("fcd"), "torch": version("torch")} if _is_learned(kind) else {}
        of_case = digest(
            {"features": of_features, "settings": size, "seed": seed, "edgeleak": __version__, **versions, **learned}
        )
        rows.append(cached_json(folder / f"case-{task.name}-{kind}-{of_case}.json", partial(make, kind)))
    return rows


def _is_learned(kind: str) -> bool:
    """Whether a representation needs the embedder."""
    return "embedding" in KINDS[kind]


def _embedding(task: Task, data_dir: Path, folder: Path, of_features: str, seed: int, progress: Progress) -> FloatArray:
    """ChemNet's embedding of a task's molecules, kept or made now; float32, as it comes."""
    of_embedding = digest({"features": of_features, "fcd": version("fcd"), "torch": version("torch"), "of": WEIGHTS})

    def make() -> dict[str, Array]:
        structures = read(task, data_dir, seed=seed).structures
        shown = partial(progress, f"{task.name}: embedding")
        return {"embedding": chemnet(structures, shown).astype(np.float32)}

    arrays = cached_arrays(folder / f"embedding-{task.name}-{of_embedding}.npz", make)
    return arrays["embedding"].astype(np.float64)


def _features(task: Task, data_dir: Path, seed: int, progress: Progress) -> dict[str, Array]:
    molecules = read(task, data_dir, seed=seed)
    raw = raw_features(molecules.structures, lambda done, total: progress(f"{task.name}: features", done, total))
    labels: FloatArray = molecules.labels
    dropped = np.array(list(asdict(molecules.dropped).values()), dtype=np.int64)
    return {
        "bits": np.packbits(raw.bits, axis=1),
        "descriptors": raw.descriptors,
        "labels": labels,
        "dropped": dropped,
    }
