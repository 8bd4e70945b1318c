"""Votes in a file of answers: what an app that answers the label alone gave away, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import arrays
from harness.config import AttackConfig, parse
from harness.data import answers
from harness.data.exposed_outputs import Exposure, Votes, top_k, vote_shares
from harness.errors import InputError, UsageError
from harness.subject.answers import AnswersSubject
from tests.attacks.bad_arrays import CLASSES, Arrays, N, full_table, write

LABEL, COPIES = AttackConfig(answers="label"), 12
VARIANT = "target/votes/original"


def counts_of(confidences: NDArray[np.float32], seed: int) -> NDArray[np.int64]:
    """Votes of copies whose class is drawn from the confidences."""
    rng = np.random.default_rng(seed)
    precise = confidences.astype(np.float64)
    return np.stack([rng.multinomial(COPIES, row / row.sum()) for row in precise])


@pytest.fixture(scope="module")
def table() -> Arrays:
    """Every set of answers with its votes; of the confidences only the class is left."""
    full = {key: values for key, values in full_table().items() if "sensitivity" not in key}
    sets = [key for key in full if "confidences" in key]
    votes = {key.replace("confidences", "votes"): counts_of(full[key], seed) for seed, key in enumerate(sets)}
    return full | {key: np.eye(CLASSES)[full[key].argmax(axis=1)] for key in sets} | votes


def loaded(table: Arrays, folder: Path, settings: AttackConfig = LABEL) -> AnswersSubject:
    file = write(folder / "answers.npz", table)
    config = parse({"name": "x", "answers": {"file": str(file)}})
    return AnswersSubject.load(config.with_changes(attack=settings))


def test_every_set_of_answers_is_seen_through_its_votes(table: Arrays, tmp_path: Path) -> None:
    audited = loaded(table, tmp_path)
    target, (shadow, _) = audited.target, audited.shadows
    assert target.population is not None
    for seen, place in (
        (target, "target"),
        (target.references[1], "cross/1"),
        (target.population, "population/target"),
        (target.population.references[0], "population/shadow/0"),
        (shadow, "shadow/0"),
        (shadow.references[0], "shadow/0/cross/1"),
    ):
        top = table[f"{place}/confidences/original"].argmax(axis=1)
        votes = Votes(table[f"{place}/votes/original"].astype(np.float64), float(COPIES))
        np.testing.assert_allclose(seen.confidences_of("original"), vote_shares(top, CLASSES, votes))


def test_accuracy_stays_that_of_the_answers(table: Arrays, tmp_path: Path) -> None:
    audited = loaded(table, tmp_path)
    top = table["target/confidences/original"].argmax(axis=1)
    assert (audited.target.confidences_of("original").argmax(axis=1) != top).any()
    np.testing.assert_array_equal(audited.whole().confidences["original"].argmax(axis=1), top)


def test_the_summary_counts_the_queries_of_a_record(table: Arrays, tmp_path: Path) -> None:
    summary = loaded(table, tmp_path).summary()
    assert summary["exposure"] == {"answers": "label", "copies": COPIES, "queries": COPIES + 1}
    assert summary["warnings"] == []
    shares = {key: values / COPIES if "votes" in key else values for key, values in table.items()}
    assert loaded(shares, tmp_path).exposure.to_json()["queries"] is None, "shares do not say of how many copies"
    assert loaded(table, tmp_path, AttackConfig(answers="top-k")).exposure.to_json()["queries"] == 1


def test_without_votes_the_class_is_all_that_is_seen_and_the_summary_says_so(table: Arrays, tmp_path: Path) -> None:
    audited = loaded({key: values for key, values in table.items() if "votes" not in key}, tmp_path)
    assert len(np.unique(audited.target.confidences_of("original"))) == 2
    assert audited.exposure.to_json()["queries"] == 1
    assert "target/votes/<variant>" in str(audited.summary()["warnings"])


def test_votes_lie_unused_where_more_is_shown(tmp_path: Path) -> None:
    full = full_table()
    votes = {key.replace("confidences", "votes"): values for key, values in full.items() if "confidences" in key}
    file = write(tmp_path / "answers.npz", full | votes)
    whole, _ = answers.load(file)
    np.testing.assert_array_equal(whole.confidences["original"], full["target/confidences/original"])
    shown, _ = answers.load(file, Exposure("top-k", 2))
    np.testing.assert_allclose(shown.confidences_of("original"), top_k(full["target/confidences/original"], 2))


def test_shares_and_counts_rank_alike(table: Arrays, tmp_path: Path) -> None:
    shares = {key: values / COPIES if "votes" in key else values for key, values in table.items()}
    one, other = (loaded(each, tmp_path).target.confidences_of("original")[:, 0] for each in (table, shares))
    # A record's own answer weighs a little more beside twelve votes than beside the sixteen that shares stand for.
    assert np.corrcoef(np.log(one), np.log(other))[0, 1] > 0.99


@pytest.mark.parametrize(
    ("key", "votes", "named"),
    [
        (VARIANT, np.ones((N, CLASSES + 1)), r"has shape \[120, 5\], expected \[120, 4\]"),
        (VARIANT, np.ones((N - 1, CLASSES)), "has shape"),
        (VARIANT, np.full((N, CLASSES), np.nan), "holds NaN"),
        (VARIANT, np.full((N, CLASSES), -1), "negative"),
        (VARIANT, np.zeros((N, CLASSES)), "row 0 sums to 0.*at least one a record"),
        (VARIANT, np.full((N, CLASSES), 0.4), "row 0 sums to 1.6.*shares that sum to one"),
        (VARIANT, np.full((N, CLASSES), "a"), "has type"),
        ("target/votes/other", np.ones((N, CLASSES)), "there are no answers of this variant"),
        ("cross/1/votes/original", None, "is missing; the target has votes of this variant"),
        ("population/shadow/0/votes/original", None, "is missing; the target has votes of this variant"),
    ],
)
@pytest.mark.parametrize("settings", [LABEL, AttackConfig()])
def test_bad_votes_are_refused_with_their_key_in_every_mode(
    table: Arrays, tmp_path: Path, key: str, votes: NDArray[np.float64] | None, named: str, settings: AttackConfig
) -> None:
    bad = {place: values for place, values in table.items() if place != key}
    with pytest.raises(InputError, match=rf"answers\.npz: key {re.escape(key)}.*{named}"):
        loaded(bad if votes is None else bad | {key: votes}, tmp_path, settings)


def test_a_look_at_arrays_says_what_was_shown_and_refuses_samia(table: Arrays, tmp_path: Path) -> None:
    file = write(tmp_path / "answers.npz", table)
    found = arrays.attack(file, attacks=["confidence", "lira"], shown="label", fprs=(0.05,))
    assert found.exposure.to_json()["queries"] == COPIES + 1
    assert {row.attack for row in found.results} == {"confidence", "lira"}
    with pytest.raises(UsageError, match="samia"):
        arrays.attack(file, attacks=["samia"], shown="label")
