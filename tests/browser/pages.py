"""Pages for a browser: of reports that have everything, hostile texts, attacks alone, and 30 variants on 5 devices."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from harness.report import Report, write
from tests.report import sample

__all__ = ["SCALE_DEVICES", "SCALE_VARIANTS", "example", "parts", "scaled", "small", "write_page"]

SCALE_VARIANTS, SCALE_DEVICES = 30, 5
# The attacks of the example: of each kind as many as its own report has.
ATTACKS = {
    "NR": ("confidence", "modified-entropy-class", "gbt", "rmia", "lira", "base", "band"),
    "SR": ("sr-gbt", "sr-ref"),
    "MR": ("mr-gbt", "mr-ref"),
}


def write_page(node: dict[str, Any], folder: Path, *, curves: int = 8) -> Path:
    """The page of a report in a folder."""
    names = [f"{runtime} {name}" for runtime in sample.RUNTIMES for name in ("MR", "NR", "NR original", "SR")]
    drawn = dict(zip(names, sample.curves(8).values(), strict=True)) if curves else {}
    (path,) = write(Report.from_json(node), curves=drawn, folder=folder, formats=("html",))
    return path


def parts() -> dict[str, Any]:
    """The sample with parts of the records, privacy, and records by id: every section that a page can have."""
    from tests.report.test_slice_tables import report

    whole, more = sample.report(), report().to_json()
    view = {"adversary": "NR", "attack": "rmia", "variants": ["int8-ptq"], "runtime": "litert", "device": None}
    readings = [{"score": 2.0, "fpr": sample.estimate(0.01)}]
    records = [{"id": k, "class": 3, "is_member": True, "readings": readings} for k in range(5)]
    whole["records"] = {"views": [view], "n_members": 400, "n_nonmembers": 400, "records": records}
    return whole | {key: more[key] for key in ("slices", "privacy")}


def small() -> dict[str, Any]:
    """Every section with few rows: what looks at each cell for a while has less to look at."""
    whole = parts()
    attacks = whole["attacks"]
    attacks["results"] = [row for row in attacks["results"] if row["runtime"] == "litert"][-8:]
    attacks["increases"], whole["artifacts"] = attacks["increases"][:4], whole["artifacts"][:4]
    return whole


def example() -> dict[str, Any]:
    """Such a report as the bundled example makes: parts of the records, and what a device honestly says of itself."""
    whole = parts() | {"gate": sample.report()["gate"] | {"policy": "audit.toml"}}
    whole["device"] |= {"url": "local", "hostname": "host", "cpu_model": "Cortex-A76"}
    del whole["records"]
    return whole


def scaled(variants: int = SCALE_VARIANTS, devices: int = SCALE_DEVICES) -> dict[str, Any]:
    """As many results of each variant as the example has, for many variants on many devices, two runtimes each."""
    whole = sample.report()
    names = ["original", *(f"prune-{k / 100:.2f}" for k in range(1, variants))]
    places = [(f"adb:phone-{d}", runtime) for d in range(devices) for runtime in sample.RUNTIMES]
    results = {row["adversary"]: row for row in whole["attacks"]["results"] if row["variants"] != ["original"]}
    artifact, increase = whole["artifacts"][1], whole["attacks"]["increases"][1]
    artifacts, rows, increases, cases = [], [], [], []
    for device, runtime in places:
        where = {"device": device, "runtime": runtime}
        for k, name in enumerate(names):
            artifacts.append(copy.deepcopy(artifact) | where | {"variant": name, "size_bytes": 200_000 - 5_000 * k})
            for adversary, seen in (("NR", [name]), ("SR", ["original", name])):
                if adversary == "SR" and name == "original":
                    continue
                for j, attack in enumerate(ATTACKS[adversary]):
                    rows.append(
                        _moved(results[adversary], 0.002 * k + 0.001 * j) | where | {"attack": attack, "variants": seen}
                    )
                increases.append(increase | where | {"adversary": adversary, "variants": seen, "is_control": False})
                cases.append(
                    {"about": {"adversary": adversary, "attack": "rmia", "variants": seen} | where, "outcome": "pass",
                     "reason": "stays within 0.85", "estimate": sample.estimate(0.6)}
                )  # fmt: skip
        for attack in ATTACKS["MR"]:
            rows.append(copy.deepcopy(results["MR"]) | where | {"attack": attack, "variants": names[1:]})
    whole["artifacts"] = artifacts
    whole["attacks"] |= {"results": rows, "increases": increases, "skipped": [], "corrections": {}}
    whole["gate"] = {"outcome": "pass", "rules": [whole["gate"]["rules"][0] | {"outcome": "pass", "cases": cases}]}
    finished = [
        {"name": f"adb:phone-{d}", "folder": f"device-{d}", "status": "finished", "missing": [], "reason": "",
         "losses": 0, "device": whole["device"], "null_calibration": None}
        for d in range(devices)
    ]  # fmt: skip
    differences = [row | {"against": "adb:phone-0", "difference": sample.estimate(0.0, 0.01)} for row in rows[:400]]
    whole["devices"] = {"devices": finished, "answers": [], "attacks": differences}
    return whole | {"device": None, "slices": None, "mis": None}


def _moved(row: dict[str, Any], by: float) -> dict[str, Any]:
    """A result with other figures: rows that are all the same would compress in a reader's head, not in a file."""
    moved = copy.deepcopy(row)
    for measures in (moved, moved["simultaneous"]):
        for end in ("value", "low", "high"):
            measures["auc"][end] += by
    return moved
