"""Records of a finished run, one by one: who stands out, by how much, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.audit.records import keep_exposed, write_all
from harness.config import parse
from harness.errors import RunError, UsageError
from harness.results import AttackFindings, RecordFindings
from harness.stats import clopper_pearson
from harness.store import Run
from tests.audit.test_slices import result

N = 100
RESULTS = (
    result("confidence", "original", shadow_auc=0.6, runtime="litert"),
    result("rmia", "original", shadow_auc=0.7, runtime="litert"),
    result("confidence", "int8", shadow_auc=0.8, runtime="litert"),
    result("confidence", "int8", shadow_auc=0.5, runtime="onnx"),
)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A run of answers with scores and nothing else; records are known by ids from 1000."""
    with Run.open(tmp_path / "run", parse({"name": "x", "answers": {"file": "a.npz"}})) as run:
        rng = np.random.default_rng(0)
        membership = np.arange(N) % 2
        run.arrays.write_population("audit", labels=np.arange(N) % 3, ids=1000 + np.arange(N))
        run.arrays.write_membership("audit", "target", membership=membership, training=membership)
        for one in RESULTS:
            run.arrays.write_scores(one.view.key, np.round(rng.normal(size=N) + membership, 1))
        run.write_json("results/attack.json", AttackFindings(RESULTS).to_json())
        run.finish("attack", 1.0)
        yield run


def scores_of(run: Run, key: str) -> NDArray[np.float64]:
    return run.arrays.read_scores(key)


def test_the_view_that_did_best_on_the_shadows_ranks_and_the_original_stands_beside_it(run: Run) -> None:
    found = keep_exposed(run, (), top=10)
    assert [view.key for view in found.views] == ["litert/NR/confidence/int8", "litert/NR/rmia/original"]
    assert RecordFindings.from_json(json.loads((run.folder / "results/records.json").read_text())) == found
    assert (found.n_members, found.n_nonmembers, len(found.records)) == (50, 50, 10)
    rates = [one.readings[0].fpr.value for one in found.records]
    assert rates == sorted(rates)
    assert all(one.is_member for one in found.records)


def test_a_rate_is_the_share_of_non_members_that_score_at_least_as_high(run: Run) -> None:
    found = keep_exposed(run, (), top=N)
    assert len(found.records) == N
    assert [one.is_member for one in found.records] == [True] * 50 + [False] * 50
    for place, view in enumerate(found.views):
        scores = scores_of(run, view.key)
        others = scores[np.arange(N) % 2 == 0]
        for one in found.records:
            reading, row = one.readings[place], one.id - 1000
            assert one.label == row % 3
            assert reading.score == scores[row]
            count = int((others >= reading.score).sum())
            assert reading.fpr.value == count / 50
            assert (reading.fpr.low, reading.fpr.high) == clopper_pearson(count, 50)
            assert one.is_member or count >= 1, "a non-member is among those that score as high as itself"


@pytest.mark.parametrize(
    ("text", "key"),
    [("original", "litert/NR/rmia/original"), ("onnx/NR/int8", "onnx/NR/confidence/int8")],
)
def test_a_view_is_named_by_its_variants_or_by_its_whole_key(run: Run, text: str, key: str) -> None:
    assert [view.key for view in keep_exposed(run, (text,), top=1).views] == [key]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("int8", "several views are called so .give one of litert/NR/int8, onnx/NR/int8"),
        ("nothing", "the run has no such view .it has litert/NR/original, litert/NR/int8, onnx/NR/int8"),
    ],
)
def test_a_view_that_is_not_one_is_refused_with_those_that_there_are(run: Run, text: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        keep_exposed(run, (text,), top=1)


def test_all_scores_go_into_one_private_file(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "all.npz"
    keys = write_all(run, out)
    assert keys == ("litert/NR/rmia/original", "litert/NR/confidence/int8", "onnx/NR/confidence/int8")
    assert out.stat().st_mode & 0o077 == 0
    table: dict[str, Any] = dict(np.load(out))
    assert set(table) == {"ids", "labels", "membership", *(f"scores/{key}" for key in keys)}
    for key in keys:
        np.testing.assert_array_equal(table[f"scores/{key}"], scores_of(run, key))


def test_a_run_without_results_is_refused(run: Run, tmp_path: Path) -> None:
    run.write_json("results/attack.json", AttackFindings().to_json())
    with pytest.raises(RunError, match="no attack has a result"):
        keep_exposed(run, (), top=1)
    run.forget("attack")
    with pytest.raises(RunError, match="the stage 'attack' is missing"):
        write_all(run, tmp_path / "all.npz")
