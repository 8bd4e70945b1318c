"""Roles of records: disjoint, stratified, reproducible, and the null twin."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.data import datasets
from harness.errors import ConfigError
from harness.types import IntArray
from tests.data.loading import arrays_of

DIGITS = arrays_of("digits")
COUNTS: dict[str, Any] = {"members": 400, "nonmembers": 300, "population": 200, "calibration": 64}


def _own(labels: IntArray, inputs: NDArray[np.float32] | None = None) -> datasets.Dataset:
    n = len(labels)
    if inputs is None:
        inputs = np.arange(n, dtype=np.float32).reshape(n, 1, 1, 1)
    return datasets.Dataset("own", inputs, labels, np.arange(n) * 3 + 5, int(labels.max()) + 1)


def _classes(ids: IntArray) -> IntArray:
    return np.bincount(DIGITS.labels[DIGITS.rows(ids)], minlength=10)


@pytest.mark.parametrize("null", [False, True])
def test_roles_have_their_sizes_and_share_nobody(null: bool) -> None:
    split = datasets.split(DIGITS, **COUNTS, shadows=3, seed=1, null=null)
    roles = [split.members, split.nonmembers, split.population, split.calibration]
    assert [len(r) for r in roles] == [400, 300, 200, 64]
    for shadow in split.shadows:
        apart = [*roles, shadow.members, shadow.nonmembers, *([split.training] if null else [])]
        everyone = np.concatenate(apart)
        assert len(np.unique(everyone)) == len(everyone)
        assert len(everyone) == len(DIGITS)


def test_the_target_and_each_shadow_train_on_their_own_members() -> None:
    split = datasets.split(DIGITS, **COUNTS, shadows=2, seed=1)
    np.testing.assert_array_equal(split.training, split.members)
    for shadow in split.shadows:
        np.testing.assert_array_equal(shadow.training, shadow.members)
        assert abs(len(shadow.members) - len(shadow.nonmembers)) <= 1
    assert set(split.shadows[0].members) != set(split.shadows[1].members)


@pytest.mark.parametrize("null", [False, True])
def test_a_smaller_pool_gives_shadows_the_targets_size(null: bool) -> None:
    split = datasets.split(DIGITS, **COUNTS, shadows=3, shadow_pool=500, seed=1, null=null)
    for shadow in split.shadows:
        assert len(shadow.members) == len(shadow.nonmembers) == len(shadow.training) == 250
        assert not np.intersect1d(shadow.members, shadow.nonmembers).size
        assert not np.intersect1d(shadow.members, np.concatenate([split.members, split.nonmembers])).size
    assert len(split.training) == (250 if null else 400)
    whole = datasets.split(DIGITS, **COUNTS, shadows=3, seed=1, null=null)
    np.testing.assert_array_equal(split.members, whole.members)
    with pytest.raises(ConfigError, match="training shadows is"):
        datasets.split(DIGITS, **COUNTS, shadows=1, shadow_pool=1200, seed=1, null=null)
    with pytest.raises(ConfigError, match="shadow_pool: 1 "):
        datasets.split(DIGITS, **COUNTS, shadows=1, shadow_pool=1, seed=1, null=null)


def test_in_the_null_twin_nobody_trained_on_an_audited_record() -> None:
    real = datasets.split(DIGITS, **COUNTS, shadows=2, seed=1)
    null = datasets.split(DIGITS, **COUNTS, shadows=2, seed=1, null=True)
    for role in ("members", "nonmembers", "population", "calibration"):
        np.testing.assert_array_equal(getattr(real, role), getattr(null, role))
    audited = {*null.members, *null.nonmembers, *null.population}
    for shadow in null.shadows:
        np.testing.assert_array_equal(shadow.training, null.training)
        audited |= {*shadow.members, *shadow.nonmembers}
    assert audited.isdisjoint(null.training)
    assert len(null.training) == (len(DIGITS) - 964) // 2


def test_every_role_has_the_class_shares_of_the_data_set() -> None:
    split = datasets.split(DIGITS, **COUNTS, shadows=2, seed=5)
    whole = np.bincount(DIGITS.labels) / len(DIGITS)
    pools = [split.members, split.nonmembers, split.population, split.calibration]
    pools += [p for s in split.shadows for p in (s.members, s.nonmembers)]
    for pool in pools:
        # Sequential largest-remainder draws: each class is within two records of its share.
        assert np.abs(_classes(pool) - whole * len(pool)).max() <= 2


@given(
    labels=st.lists(st.integers(0, 3), min_size=14, max_size=60),
    members=st.integers(1, 4),
    nonmembers=st.integers(1, 4),
    population=st.integers(0, 2),
    shadows=st.integers(0, 2),
    null=st.booleans(),
    seed=st.integers(0, 9),
)
def test_any_split_that_fits_is_drawn_exactly(
    labels: list[int], members: int, nonmembers: int, population: int, shadows: int, null: bool, seed: int
) -> None:
    data = _own(np.array([*labels, 3]))
    split = datasets.split(
        data, members=members, nonmembers=nonmembers, population=population, shadows=shadows, null=null, seed=seed
    )
    assert (len(split.members), len(split.nonmembers), len(split.population)) == (members, nonmembers, population)
    assert len(split.shadows) == shadows
    for shadow in split.shadows:
        assert len(shadow.members) > 0
        assert len(shadow.nonmembers) > 0
        assert len(shadow.training) > 0
        pools = Counter([*split.members, *split.nonmembers, *split.population, *shadow.members, *shadow.nonmembers])
        assert max(pools.values()) == 1
        assert set(pools) <= set(data.ids)


def test_copies_of_a_record_get_one_role_at_most() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(60, 1, 2, 2)).astype(np.float32)
    inputs[40:50] = inputs[:10]
    data = _own(rng.integers(0, 2, 60), inputs)
    split = datasets.split(data, members=20, nonmembers=20, shadows=1, seed=0)
    assert split.duplicates_removed == 10
    used = np.concatenate([split.members, split.nonmembers, split.shadows[0].members, split.shadows[0].nonmembers])
    assert len(used) == 50
    assert len({inputs[row].tobytes() for row in data.rows(used)}) == 50
    assert set(data.ids[40:50]).isdisjoint(used)


def test_too_few_records_and_bad_counts_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"1000 members \+ 900 nonmembers.*1902 records, there are 1797"):
        datasets.split(DIGITS, members=1000, nonmembers=900, shadows=1, seed=0)
    with pytest.raises(ConfigError, match="members: 0"):
        datasets.split(DIGITS, members=0, nonmembers=10, shadows=1, seed=0)
    with pytest.raises(ConfigError, match="population: -1"):
        datasets.split(DIGITS, members=1, nonmembers=1, population=-1, shadows=1, seed=0)
    with pytest.raises(ConfigError, match="shadows: -1"):
        datasets.split(DIGITS, members=1, nonmembers=1, shadows=-1, seed=0)


def test_equal_seeds_give_equal_splits_and_the_json_lists_every_role() -> None:
    first, again, other = (json.dumps(datasets.split(DIGITS, **COUNTS, shadows=2, seed=s).to_json()) for s in (3, 3, 4))
    assert first == again
    roles = json.loads(first)["roles"]
    assert roles["members"] != json.loads(other)["roles"]["members"]
    role = roles["shadow-1/nonmembers"]
    assert role["n"] == len(role["ids"])
    assert role["sha256"] == hashlib.sha256(np.array(role["ids"], dtype="<i8").tobytes()).hexdigest()
    assert roles.keys() >= {"training", "members", "nonmembers", "calibration", "population"}
