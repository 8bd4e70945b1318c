"""The whole audit on real parts: what the report must hold, and that the same audit runs anywhere."""

from __future__ import annotations

import json
import os
import shutil
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import Cli, agent, files

pytestmark = pytest.mark.slow

RUNTIMES = ("litert", "executorch")
VARIANTS = ("original", "finetuned", "prune-0.6", "prune-0.9", "cluster-16", "int8", "fp16")


@pytest.fixture(scope="module")
def report(finished: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((finished / "report.json").read_text())
    return loaded


def interval(estimate: dict[str, Any]) -> bool:
    return bool(estimate["n"] > 0 and estimate["low"] <= estimate["value"] <= estimate["high"])


def test_every_variant_and_runtime_has_its_row(report: dict[str, Any]) -> None:
    rows = {(row["variant"], row["runtime"]): row for row in report["artifacts"]}
    assert set(rows) == {(v, r) for v in VARIANTS for r in RUNTIMES}
    for row in rows.values():
        assert row["size_bytes"] > row["zip_bytes"] > 0
        assert interval(row["accuracy_members"])
        assert interval(row["accuracy_nonmembers"])
        assert row["latency"]["runs"] == 30
        assert 0 < row["latency"]["p50_ns"]["value"] <= row["latency"]["p95_ns"]["value"]
        assert row["parity"]["n"] == 600


def test_every_variant_and_runtime_is_attacked(report: dict[str, Any]) -> None:
    results = report["attacks"]["results"]
    attacked = {(r["adversary"], tuple(r["variants"]), r["runtime"]) for r in results}
    for runtime in RUNTIMES:
        for variant in VARIANTS:
            assert ("NR", (variant,), runtime) in attacked
            assert variant == "original" or ("SR", ("original", variant), runtime) in attacked
        assert any(a == "MR" and r == runtime for a, _, r in attacked)
    for row in results:
        assert row["n_members"] == row["n_nonmembers"] == 300
        assert row["trained_on"] == "shadows"
        assert interval(row["auc"])
        assert row["simultaneous"]["auc"]["low"] <= row["auc"]["low"]
        assert interval(row["balanced_accuracy"])
        assert not row["tpr_at_fpr"]["0.01"]["resolvable"]  # 300 non-members cannot say
        assert row["tpr_at_fpr"]["0.01"]["needed_n"] == 1000


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_files_hold_what_their_names_say(report: dict[str, Any], runtime: str) -> None:
    rows = {row["variant"]: row for row in report["artifacts"] if row["runtime"] == runtime}
    for variant, share in (("prune-0.6", 0.6), ("prune-0.9", 0.9)):
        for tensor in rows[variant]["weights"]:
            size = 1
            for extent in tensor["shape"]:
                size *= extent
            assert tensor["share_zeros"] == pytest.approx(int(share * size) / size, abs=1e-9)
    assert rows["cluster-16"]["distinct_values"] == [16] * 4
    assert {t["dtype"] for t in rows["int8"]["weights"]} == {"int8"}
    assert rows["int8"]["size_bytes"] < 0.75 * rows["original"]["size_bytes"]


def test_the_device_computes_what_torch_does(report: dict[str, Any]) -> None:
    for row in report["artifacts"]:
        limit = {"int8": 3.0, "fp16": 0.05}.get(row["variant"], 1e-4)
        assert row["parity"]["max_abs_difference"] < limit, row["variant"]
        assert row["parity"]["flips"] <= 0.2 * row["parity"]["n"]


def test_the_agent_is_another_process(report: dict[str, Any]) -> None:
    assert report["device"]["pid"] not in (os.getpid(), None)
    assert set(report["device"]["runtimes"]) >= set(RUNTIMES)


def test_mis_ranks_the_quantizers(report: dict[str, Any]) -> None:
    rows = report["mis"]["quantizers"]
    assert {row["quantizer"] for row in rows} == {"fp32", "int8"}
    for row in rows:
        assert row["k_eff"] >= 1
        assert row["ci"][0] <= row["r"] <= row["ci"][1]


def test_the_page_is_one_file_with_both_pictures(finished: Path) -> None:
    class Page(HTMLParser):
        pictures, outside, scripts = 0, 0, 0

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.pictures += tag == "svg"
            self.outside += tag in ("link", "img", "iframe") or "src" in dict(attrs)
            self.scripts += tag == "script"

    page = Page()
    page.feed((finished / "report.html").read_text())
    assert page.pictures >= 2
    assert (page.outside, page.scripts) == (0, 1)


def test_a_finished_run_is_not_done_again(finished: Path, small: Path, edgeleak: Cli, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    before = files(folder)
    first = json.loads((folder / "report.json").read_text())
    began = time.monotonic()
    done = edgeleak("audit", small, "--run", folder, "--json", "--device", "grpc://127.0.0.1:1")
    resumed = time.monotonic() - began
    assert done.returncode == 0, done.stderr  # a finished run needs no device
    assert resumed < sum(first["timings"].values())
    again = json.loads(done.stdout)
    assert again["attacks"] == first["attacks"]
    assert files(folder) == before


def test_an_agent_started_by_hand_gives_the_same_audit(
    finished: Path, small: Path, copied: Path, edgeleak: Cli
) -> None:
    with agent() as mine:
        done = edgeleak("audit", small, "--run", copied, "--device", mine.url, "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["device"]["pid"] == mine.process.pid
        assert mine.end() == 0
    assert files(copied) == files(finished)
    undisturbed = json.loads((finished / "report.json").read_text())
    assert report["attacks"] == undisturbed["attacks"]
    assert report["gate"] == undisturbed["gate"]


def test_a_run_is_private_and_holds_no_records(finished: Path) -> None:
    from sklearn.datasets import load_digits

    assert finished.stat().st_mode & 0o077 == 0
    image = load_digits().images[0].astype("float32")
    assert not any(image.tobytes() in p.read_bytes() for p in finished.rglob("*") if p.is_file())
