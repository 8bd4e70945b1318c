"""The runs of a folder: listed whatever is damaged, pruned only where they are runs, unused, and meant."""

from __future__ import annotations

import fcntl
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.compare.run_list import listed, prunable, prune
from harness.compare.trend import picture, sparkline, trend
from harness.errors import RunError, UsageError
from harness.store import Run
from tests.compare.finished_runs import INT8, RMIA, finished

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def begun(run: Run, days_ago: int) -> Path:
    """The run as if it had been begun so long ago."""
    manifest = run.read_json("manifest.json")
    run.write_json("manifest.json", manifest | {"created": (NOW - timedelta(days=days_ago)).isoformat()})
    return run.folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three runs of one audit: 1, 40 and 50 days old."""
    folder = tmp_path / "runs"
    for days, shift in ((1, 0.9), (40, 0.5), (50, 0.2)):
        begun(finished(folder / f"old-{days}", {RMIA: shift, INT8: 0.1}), days)
    return folder


def names(rows: object) -> list[str]:
    return [one.run.folder.name for one in rows if not one.why_kept]  # type: ignore[attr-defined]


def test_runs_are_listed_newest_first_with_their_strongest_attack(runs: Path) -> None:
    found = listed(runs)
    assert [one.folder.name for one in found] == ["old-1", "old-40", "old-50"]
    assert all(one.name == "compared" and not one.problem for one in found)
    assert found[0].attack == str(RMIA)
    assert found[0].auc is not None
    assert found[0].auc.low < found[0].auc.value < found[0].auc.high
    inside = [path for path in (runs / "old-1").rglob("*") if path.is_file()]
    assert found[0].size_bytes == sum(path.stat().st_size for path in inside)


def test_damage_is_told_and_hides_no_other_run(runs: Path) -> None:
    (runs / "old-40" / "results" / "attack.json").write_text("{")
    (runs / "old-50" / "manifest.json").write_text("not JSON")
    (runs / "no-run").mkdir()
    (runs / "a-file").write_text("")
    found = {one.folder.name: one for one in listed(runs)}
    assert set(found) == {"old-1", "old-40", "old-50"}
    assert "attack.json is damaged" in found["old-40"].problem
    assert found["old-50"].name == ""
    assert not found["old-1"].problem


def test_the_newest_stay_and_the_old_go(runs: Path) -> None:
    assert names(prunable(runs, keep=1, older_than=None, now=NOW)) == ["old-50", "old-40"]
    assert names(prunable(runs, keep=None, older_than=timedelta(days=45), now=NOW)) == ["old-50"]
    assert names(prunable(runs, keep=2, older_than=timedelta(days=30), now=NOW)) == ["old-50"]
    assert names(prunable(runs, keep=3, older_than=timedelta(days=0), now=NOW)) == []


def test_a_run_in_use_is_never_deleted(runs: Path) -> None:
    with (runs / "old-50" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (row,) = prunable(runs, keep=2, older_than=None, now=NOW)
        assert "another process" in row.why_kept
        assert "another process" in prune(row.run)
    assert (runs / "old-50" / "manifest.json").exists()
    assert prune(row.run) == ""
    assert not (runs / "old-50").exists()


def test_links_are_not_followed(runs: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (runs / "old-50" / "link").symlink_to(outside)
    elsewhere = begun(finished(tmp_path / "elsewhere", {RMIA: 0.1}), 90)
    (runs / "linked").symlink_to(elsewhere)
    rows = prunable(runs, keep=0, older_than=None, now=NOW)
    assert "linked" not in [one.run.folder.name for one in rows]
    for one in rows:
        assert prune(one.run) == ""
    assert (outside / "kept").read_text() == "kept"
    assert (elsewhere / "manifest.json").exists()
    assert sorted(path.name for path in runs.iterdir()) == ["linked"]


def test_what_is_no_run_is_never_deleted(runs: Path) -> None:
    for name, text in (("damaged", "{"), ("other", '{"schema": "something/1", "created": "2020-01-01"}')):
        (runs / name).mkdir()
        (runs / name / "manifest.json").write_text(text)
    rows = prunable(runs, keep=0, older_than=None, now=NOW)
    assert names(rows) == ["old-50", "old-40", "old-1"]
    assert {one.run.folder.name for one in rows if one.why_kept} == {"damaged", "other"}


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such folder"):
        listed(tmp_path / "none")


def test_a_trend_compares_each_run_with_the_one_before(runs: Path) -> None:
    (runs / "old-40" / "stages" / "attack.json").unlink()
    made = trend(runs, None, lambda *_: None)
    assert [one.run.folder.name for one in made.releases] == ["old-50", "old-40", "old-1"]
    assert made.releases[0].change is None
    assert "not compared" in made.releases[1].how
    # The run that cannot be read is skipped, and the next is compared with the last one that can.
    last = made.releases[2].change
    assert last is not None
    assert last.change.low > 0
    svg = picture(made)
    assert svg.startswith("<svg")
    assert "prefers-color-scheme" in svg
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
    json.dumps(made.to_json(), allow_nan=False)


def test_several_audits_need_a_name(runs: Path) -> None:
    manifest = json.loads((runs / "old-1" / "manifest.json").read_text())
    manifest["config"]["name"] = "another"
    (runs / "old-1" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="another"):
        trend(runs, None, lambda *_: None)
    with pytest.raises(RunError, match="nobody"):
        trend(runs, "nobody", lambda *_: None)


def test_a_sparkline_has_one_bar_a_value() -> None:
    assert len(sparkline([0.5, 0.6, 0.9])) == 3
    assert sparkline([0.5, 1.0]) == "▁█"
