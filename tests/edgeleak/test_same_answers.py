"""The same answers give the same result through every door: a file of arrays, tables, a DataFrame, arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest

import edgeleak
from tests.edgeleak.tables import ATTACKS, Bundle, bundle

Door = Callable[[Bundle, Path], Any]
DOORS: dict[str, Door] = {
    "npz": lambda one, folder: one.npz(folder / "answers.npz"),
    "npz by text": lambda one, folder: str(one.npz(folder / "answers.npz")),
    "csv": lambda one, folder: one.csv(folder / "answers.csv"),
    "parquet": lambda one, folder: one.parquet(folder / "answers.parquet"),
    "DataFrame": lambda one, _: one.frame(),
    "pyarrow": lambda one, _: pyarrow.Table.from_pandas(one.frame()),
    "keys": lambda one, _: one.keys(),
}
# Text has no type: what pandas writes of a float32 is the shortest text of it, which is another float64.
EXACT_IN_FLOAT32 = ("npz", "parquet", "DataFrame")


def figures(found: edgeleak.ArrayFindings) -> dict[str, Any]:
    """Everything that was found, without the digest of the file that it came from."""
    return {key: value for key, value in found.to_json().items() if key != "inputs_sha256"}


def require_equal(found: edgeleak.ArrayFindings, expected: edgeleak.ArrayFindings) -> None:
    """Bit for bit."""
    assert found.scores.keys() == expected.scores.keys()
    for view, scores in expected.scores.items():
        np.testing.assert_array_equal(found.scores[view], scores)
    assert figures(found) == figures(expected)
    assert found.ids == expected.ids


@pytest.fixture(scope="module")
def of_floats() -> dict[str, tuple[Bundle, edgeleak.ArrayFindings]]:
    """Answers in each precision, and what attacks find of them as arrays."""
    both = {"float64": bundle(dtype=np.float64), "float32": bundle(dtype=np.float32)}
    return {name: (one, edgeleak.attack(**one.parts, attacks=ATTACKS, jobs=1)) for name, one in both.items()}


@pytest.mark.parametrize(
    ("dtype", "door"), [*(("float64", door) for door in DOORS), *(("float32", door) for door in EXACT_IN_FLOAT32)]
)
def test_the_same_answers_give_the_same_bits_through_every_door(
    of_floats: dict[str, tuple[Bundle, edgeleak.ArrayFindings]], dtype: str, door: str, tmp_path: Path
) -> None:
    one, wanted = of_floats[dtype]
    require_equal(edgeleak.attack(DOORS[door](one, tmp_path), attacks=ATTACKS, jobs=1), wanted)


def test_a_csv_of_float32_numbers_in_full_gives_the_bits_of_the_float32_arrays(tmp_path: Path) -> None:
    one = bundle(dtype=np.float32)
    frame = one.frame()
    answers = [column for column in frame if ":" in str(column)]
    frame[answers] = frame[answers].astype(np.float64)
    frame.to_csv(tmp_path / "answers.csv", index=False)
    wanted = edgeleak.attack(**one.parts, attacks=ATTACKS, jobs=1)
    require_equal(edgeleak.attack(tmp_path / "answers.csv", attacks=ATTACKS, jobs=1), wanted)


def test_a_csv_of_shortened_float32_numbers_agrees_to_their_precision(tmp_path: Path) -> None:
    one = bundle(dtype=np.float32)
    wanted = edgeleak.attack(**one.parts, attacks=("confidence",), jobs=1)
    found = edgeleak.attack(one.csv(tmp_path / "answers.csv"), attacks=("confidence",), jobs=1)
    for view, scores in wanted.scores.items():
        np.testing.assert_allclose(found.scores[view], scores, rtol=1e-6, atol=1e-6)
        assert not np.array_equal(found.scores[view], scores), "the exact case would be the rule then"
    for ours, theirs in zip(found.results, wanted.results, strict=True):
        assert ours.auc.value == pytest.approx(theirs.auc.value, abs=1e-9), "no record changed its rank"


@pytest.mark.parametrize("door", ["npz", "csv", "parquet", "DataFrame", "arrays"])
def test_shadows_give_the_same_bits_through_every_door(door: str, tmp_path: Path) -> None:
    target, shadows = bundle(), [bundle(seed=6), bundle(seed=7)]
    wanted = edgeleak.attack(target.keys() | shadows[0].keys("shadow/0") | shadows[1].keys("shadow/1"), attacks=ATTACKS)
    assert {row.trained_on for row in wanted.results} == {"shadows"}
    if door == "npz":
        given: dict[str, Any] = {"answers": target.npz(tmp_path / "a.npz", *shadows)}
    elif door == "arrays":
        given = {**target.parts, "shadows": [one.parts for one in shadows]}
    else:
        given = {
            "answers": DOORS[door](target, tmp_path),
            "shadows": [DOORS[door](one, _folder(tmp_path / str(k))) for k, one in enumerate(shadows)],
        }
    require_equal(edgeleak.attack(**given, attacks=ATTACKS), wanted)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_columns_in_another_order_and_named_classes_are_the_same_answers(tmp_path: Path) -> None:
    one = bundle()
    wanted = edgeleak.attack(**one.parts, attacks=ATTACKS, jobs=1)
    names = ("cat", "dog", "elk", "wolf")
    frame = one.frame()
    shuffled = edgeleak.attack(frame[list(frame)[::-1]], attacks=("confidence", "gbt"), jobs=1)
    for view, scores in shuffled.scores.items():
        np.testing.assert_array_equal(scores, wanted.scores[view])
    named = frame.rename(columns={f"{v}:{k}": f"{v}:{names[k]}" for v in one.confidences for k in range(4)})
    named["label"] = [names[k] for k in one.labels]
    named["membership"] = np.where(one.membership == 1, "Member", "non-member")
    named.to_csv(tmp_path / "named.csv", index=False)
    require_equal(edgeleak.attack(tmp_path / "named.csv", attacks=ATTACKS, jobs=1), wanted)


def test_one_variant_may_be_written_without_its_name() -> None:
    one = bundle()
    p = one.confidences["original"]
    wanted = edgeleak.attack(
        labels=one.labels, membership=one.membership, confidences={"original": p}, attacks=("confidence",)
    )
    for name in ("p{}", "prob_{}", "original:{}", "confidences/original:{}"):
        frame = pd.DataFrame({name.format(k): p[:, k] for k in range(p.shape[1])})
        frame["label"], frame["membership"] = one.labels, one.membership.astype(bool)
        require_equal(edgeleak.attack(frame, attacks=("confidence",)), wanted)


def test_logits_are_read_from_columns_of_their_own() -> None:
    one = bundle()
    logits = {"original": np.log(one.confidences["original"]) + 3}
    wanted = edgeleak.attack(labels=one.labels, membership=one.membership, logits=logits, attacks=("confidence",))
    frame = pd.DataFrame({f"logits/original:{k}": logits["original"][:, k] for k in range(4)})
    frame["label"], frame["membership"] = one.labels, one.membership
    require_equal(edgeleak.attack(frame, attacks=("confidence",)), wanted)


def test_ids_that_are_texts_match_records_of_target_and_shadow_and_come_back_as_written(tmp_path: Path) -> None:
    """The folds are those of the same records by number; what a person gets back is what a person wrote."""
    one, shadow = bundle(), bundle(seed=6)
    frames = [one.frame(), shadow.frame()]
    for frame in frames:
        frame["id"] = [f"rec-{number % 997}" for number in frame["id"]]
    found = edgeleak.attack(frames[0], shadows=[frames[1]], attacks=("confidence", "gbt"))
    assert found.ids == tuple(frames[0]["id"])
    saved = pd.read_csv(found.save(tmp_path / "scores.csv"))
    assert saved["id"].tolist() == frames[0]["id"].tolist()
