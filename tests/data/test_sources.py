"""A warning where members and non-members come from different files, and none where they do not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from harness import report
from harness.data import datasets
from harness.types import IntArray


def data_of(sources: IntArray | None, names: tuple[str, ...]) -> datasets.Dataset:
    inputs = np.arange(100, dtype=np.float32)[:, np.newaxis]
    labels = np.arange(100) % 2
    return datasets.Dataset("own", inputs, labels, np.arange(100), 2, sources=sources, source_names=names)


def split_of(members: IntArray, nonmembers: IntArray) -> datasets.Split:
    nobody = np.array([], dtype=np.int64)
    return datasets.Split("own", 0, False, members, members, nonmembers, nobody, nobody, (), 0)


def test_a_source_of_members_or_of_nonmembers_alone_is_warned_about() -> None:
    data = data_of(np.repeat([0, 1], 50), ("train.csv", "test.csv"))
    warnings = datasets.source_warnings(data, split_of(np.arange(20), np.arange(50, 70)))
    assert warnings == (
        "100% of the members come from train.csv, and 0% of the non-members: an attack may recognise the file and "
        "not the membership.",
        "100% of the non-members come from test.csv, and 0% of the members: an attack may recognise the file and "
        "not the membership.",
    )


@pytest.mark.parametrize(
    ("in_members", "in_nonmembers", "count"),
    [(19, 9, 1), (18, 0, 0), (19, 10, 0), (20, 20, 0), (10, 10, 0), (9, 19, 1)],
)
def test_a_source_of_most_of_one_role_and_few_of_the_other_is_warned_about(
    in_members: int, in_nonmembers: int, count: int
) -> None:
    sources = np.zeros(100, dtype=np.int64)
    sources[:in_members] = 1
    sources[50 : 50 + in_nonmembers] = 1
    data = data_of(sources, ("other.csv", "one.csv"))
    warnings = datasets.source_warnings(data, split_of(np.arange(20), np.arange(50, 70)))
    assert len([line for line in warnings if "one.csv" in line]) == count


def test_a_random_split_of_mixed_files_gives_no_warning() -> None:
    data = data_of(np.repeat([0, 1], [80, 20]), ("train.csv", "test.csv"))
    for seed in range(20):
        assert (
            datasets.source_warnings(data, datasets.split(data, members=30, nonmembers=30, shadows=1, seed=seed)) == ()
        )
    alone = data_of(None, ())
    assert datasets.source_warnings(alone, datasets.split(alone, members=30, nonmembers=30, shadows=1, seed=0)) == ()


def test_a_warning_and_the_copies_removed_reach_page_and_terminal(tmp_path: Path) -> None:
    data = data_of(np.repeat([0, 1], 50), ("<b>train</b>.csv", "test.csv"))
    warnings = datasets.source_warnings(data, split_of(np.arange(20), np.arange(50, 70)))
    whole = report.Report(data={"name": "own", "duplicates_removed": 7, "warnings": list(warnings)})
    report.write(whole, curves={}, folder=tmp_path)
    page = " ".join((tmp_path / "report.html").read_text().split())
    assert "7 duplicates removed" in page
    assert "100% of the non-members come from test.csv, and 0% of the members" in page
    assert "&lt;b&gt;train" in page
    out = io.StringIO()
    Console(file=out, width=400).print(report.summary(whole))
    assert "100% of the non-members come from test.csv" in out.getvalue()
