"""The synthetic study from its laws to its page: finished parts are kept, and not done again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from joblib import delayed

import harness.mis
from harness.audit import engine
from studies._shared.cache import cached_json, digest, file_digest
from studies.kit.pages import publish
from studies.mis_synthetic.claims import claims
from studies.mis_synthetic.judged import judged
from studies.mis_synthetic.laws import Case, Settings, cases, coordinates, probed, true
from studies.mis_synthetic.page import page
from studies.mis_synthetic.pictures import pictures

__all__ = ["Settings", "conduct"]

SCHEMA = "edgeleak.mis-synthetic/2"
Progress = Callable[[str, int, int], None]
Row = dict[str, Any]
PARTS: dict[str, Callable[[Settings, Case], Row]] = {"true": true, "probed": probed, "coordinates": coordinates}
# Settings that do not change the results of a part.
FOR_TRUTH = ("trainings", "targets", "counts", "pairs", "retrainings")
FOR_CANDIDATES = ("candidates", "side_by_side", "points")
IDLE = {"true": FOR_CANDIDATES, "probed": FOR_TRUTH, "coordinates": FOR_TRUTH}
# What says which laws there are; each has its own file.
LAWS = ("laws", "logistic_laws", "correlations", "modes", "logistic")
# Files of the library that only the law of undecided coordinates rests on; predictions from candidates rest on others.
COORDINATES = ("_cells.py", "_coordinates.py")


def conduct(
    folder: Path, *, out: Path, settings: Settings, jobs: int | None, progress: Progress
) -> tuple[Row, tuple[Path, ...]]:
    """Do the study, or what is left of it, and write its page.

    Args:
        folder: finished parts are kept here and not done again; predictions are done again where the library changed.
        out: the Markdown page; pictures are written beside it.
        settings: how large.
        jobs: processes at once; None takes one a core. The results do not depend on it.
        progress: called with (label, done, total).

    Returns:
        The findings as JSON, and the files that were written.

    Raises:
        RunError: a kept file is damaged.
        StorageError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    code = _library()
    wanted = [(part, case, _place(folder, settings, part, case, code)) for part in PARTS for case in cases(settings)]
    missing = [one for one in wanted if not one[2].exists()]
    done = len(wanted) - len(missing)
    progress("laws", done, len(wanted))
    for finished in engine.run((delayed(_part)(settings, *one) for one in missing), jobs=jobs):
        progress("laws", done + finished, len(wanted))
    results: dict[str, list[Row]] = {part: [] for part in PARTS}
    for part, case, place in wanted:
        results[part] += _part(settings, part, case, place)["rows"]
    rows = _joined(results["true"], results["probed"], results["coordinates"])
    findings: Row = {"schema": SCHEMA, "settings": asdict(settings), "rows": rows}
    findings |= {"generators": judged(rows), "claims": claims(rows)}
    drawn = pictures(rows)
    text = page(findings, pictures=[picture.markdown(out) for picture in drawn])
    files = publish(out, text, findings=findings, data=folder / "findings.json", pictures=drawn)
    return findings, files


def _part(settings: Settings, part: str, case: Case, place: Path) -> Row:
    """One part of one law: kept, or made now."""
    return cached_json(place, partial(PARTS[part], settings, case))


def _place(folder: Path, settings: Settings, part: str, case: Case, code: Mapping[str, str]) -> Path:
    """Where a part is kept; what changes its result changes its place."""
    parts = {k: v for k, v in asdict(settings).items() if k not in LAWS and k not in IDLE[part]}
    return folder / f"{part}-{case.name}-{digest([parts, code.get(part)])}.json"


def _library() -> Mapping[str, str]:
    """Digest of the code that predicts, by part."""
    files = sorted(Path(harness.mis.__path__[0]).glob("*.py"))
    of = {"coordinates": [p for p in files if p.name in COORDINATES]}
    of["probed"] = [p for p in files if p.name not in (*COORDINATES, "__init__.py")]
    return {part: digest([file_digest(path) for path in paths]) for part, paths in of.items()}


def _joined(true_rows: list[Row], *predicted: list[Row]) -> list[Row]:
    """Every quantizer, learner and size of every law, with its truth, its attacker and what is printed."""
    printed: dict[tuple[str, int, str], Row] = {}
    for row in (row for rows in predicted for row in rows):
        printed.setdefault((row["law"], row["n"], row["quantizer"]), {}).update(row["printed"])
    return [row | {"printed": printed[row["law"], row["n"], row["quantizer"]]} for row in true_rows]
