"""The synthetic study from its laws to its page: finished laws are kept, and not done again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from joblib import delayed

from harness.audit import engine
from studies._shared.cache import cached_json, digest
from studies.kit.pages import publish
from studies.mis_synthetic.agreement import Ranked, kendall
from studies.mis_synthetic.laws import Settings, retraining_law, rounding_law
from studies.mis_synthetic.page import page
from studies.mis_synthetic.pictures import pictures

__all__ = ["Settings", "conduct"]

SCHEMA = "edgeleak.mis-synthetic/1"
Progress = Callable[[str, int, int], None]
Row = dict[str, Any]
LAWS: dict[str, Callable[[Settings, int], Row]] = {"rounding": rounding_law, "retraining": retraining_law}
FIGURES = ("r", "predicted", "product", "attacker")
REGIMES = ("tail", "moderate", "local")


def conduct(
    folder: Path, *, out: Path, settings: Settings, jobs: int | None, progress: Progress
) -> tuple[Row, tuple[Path, ...]]:
    """Do the study, or what is left of it, and write its page.

    Args:
        folder: finished laws are kept here and not done again.
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
    laws = [("rounding", k) for k in range(settings.rounding_laws)]
    laws += [("retraining", k) for k in range(settings.retraining_laws)]
    missing = [law for law in laws if not _place(folder, settings, *law).exists()]
    done = len(laws) - len(missing)
    progress("laws", done, len(laws))
    for finished in engine.run((delayed(_law)(folder, settings, *law) for law in missing), jobs=jobs):
        progress("laws", done + finished, len(laws))
    results = [_law(folder, settings, *law) for law in laws]
    rows = [row for result in results for row in result["rows"]]
    findings = {
        "schema": SCHEMA,
        "settings": asdict(settings),
        "rows": rows,
        "agreement": _agreement(rows),
        "curse": [row for result in results for row in result["curse"]],
        "generators": [row for result in results for row in result["generators"]],
    }
    drawn = pictures(rows)
    text = page(findings, pictures=[picture.markdown(out) for picture in drawn])
    files = publish(out, text, findings=findings, data=folder / "findings.json", pictures=drawn)
    return findings, files


def _law(folder: Path, settings: Settings, kind: str, number: int) -> Row:
    """One law's rows: kept, or made now."""
    return cached_json(_place(folder, settings, kind, number), partial(LAWS[kind], settings, number))


def _place(folder: Path, settings: Settings, kind: str, number: int) -> Path:
    """Where a law's results are kept; other settings have other places, except for how many laws there are."""
    parts = {k: v for k, v in asdict(settings).items() if not k.endswith("_laws")}
    return folder / f"{kind}-{number:02}-{digest(parts)}.json"


def _agreement(rows: list[Row]) -> list[Row]:
    """Kendall's tau of every figure with the truth, over all pairs and regime by regime."""
    table = []
    for kind in LAWS:
        of_kind = [row for row in rows if row["law"].startswith(kind)]
        for figure in FIGURES:
            ranked = [one for row in of_kind if (one := _ranked(row, figure)) is not None]
            if not ranked:
                continue
            for regime in (None, *REGIMES):
                tau = kendall(ranked, regime=regime)
                table.append({"laws": kind, "figure": figure, "regime": regime or "all", "tau": tau.to_json()})
    return table


def _ranked(row: Row, figure: str) -> Ranked | None:
    """A quantizer with one figure as its safety; None where the law does not have the figure."""
    if figure == "r":
        safety = math.inf if row["r"] is None else row["r"]
    elif figure == "predicted":
        safety = math.inf if row["best_log_delta"] is None else -row["best_log_delta"]
    elif figure == "product" and "product_log_delta" in row:
        safety = math.inf if row["product_log_delta"] is None else -row["product_log_delta"]
    elif figure == "attacker" and "attacker" in row:
        safety = -row["attacker"]["value"]
    else:
        return None
    return Ranked(row["law"], row["n"], row["regime"], safety, row["delta_low"], row["delta_high"])
