"""The door for arrays: what it reads, and one clear line naming the key for everything it refuses."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from harness.attacks import arrays, evaluate
from harness.errors import EdgeleakError, InputError, UnresolvedError
from tests.attacks.worlds import World, make_world

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(leak=1.5, n=120, n_shadow=100, n_population=50, classes=4, kind="confidences")


@pytest.fixture
def full(world: World) -> Arrays:
    """Every key that the format has."""
    table: Arrays = {"population/labels": world.target.population.labels}
    for name, o in (("target", world.target), *((f"shadow/{k}", s) for k, s in enumerate(world.shadows))):
        table |= {f"{name}/labels": o.labels, f"{name}/membership": o.membership, f"{name}/ids": np.arange(len(o))}
        table |= {f"{name}/confidences/{v}": p for v, p in o.confidences.items()}
        where = f"population/{name}"
        table |= {f"{where}/confidences/{v}": p for v, p in o.population.confidences.items()}
    for k, r in enumerate(world.target.references):
        table |= {f"cross/{k}/confidences/{v}": p for v, p in r.confidences.items()}
    for k, j in ((0, 1), (1, 0)):
        reference = world.shadows[k].references[0]
        table |= {f"shadow/{k}/cross/{j}/confidences/{v}": p for v, p in reference.confidences.items()}
    return table


def written(tmp_path: Path, table: Arrays) -> Path:
    path = tmp_path / "answers.npz"
    np.savez(path, **table)
    return path


def test_a_full_file_gives_the_same_evaluation_as_the_observations(world: World, full: Arrays, tmp_path: Path) -> None:
    target, shadows = arrays.load(written(tmp_path, full))
    assert len(shadows) == 2
    assert len(target.references) == 2
    assert len(shadows[0].references) == 1
    names = ("confidence", "rmia", "lira", "lira-joint")
    expected, got = evaluate(world.target, world.shadows, attacks=names), evaluate(target, shadows, attacks=names)
    assert not got.skipped
    for a, b in zip(expected.results, got.results, strict=True):
        np.testing.assert_array_equal(a.scores, b.scores)
        assert a.threshold == b.threshold


def test_the_least_file_is_labels_membership_and_one_variant(full: Arrays, tmp_path: Path) -> None:
    keys = ("target/labels", "target/membership", "target/confidences/int8-ptq")
    target, shadows = arrays.load(written(tmp_path, {k: full[k] for k in keys}))
    assert shadows == []
    assert target.variants == ("int8-ptq",)
    assert evaluate(target, attacks=("confidence",)).results[0].trained_on == "members"


def test_logits_are_taken_as_well(full: Arrays, tmp_path: Path) -> None:
    table = {k: full[k] for k in ("target/labels", "target/membership")}
    table["target/logits/original"] = np.log(full["target/confidences/original"]).astype(np.float32) + 7
    target, _ = arrays.load(written(tmp_path, table))
    np.testing.assert_allclose(target.confidences_of("original"), full["target/confidences/original"], rtol=1e-4)


def changed(full: Arrays, key: str, change: str) -> Arrays:
    table = dict(full)
    value = table[key].copy()
    if change == "missing":
        del table[key]
        return table
    if change == "nan":
        value[3, 1] = np.nan
    elif change == "sums":
        value[3] *= 1.5
    elif change == "negative":
        value[3] = [-0.5, 0.5, 0.5, 0.5]
    elif change == "shorter":
        value = value[:-1]
    elif change == "constant":
        value[:] = 1
    elif change == "text":
        value = np.array(["a"] * len(value))
    elif change == "fractions":
        value = value + 0.5
    elif change == "large":
        value[0] = 99
    elif change == "flat":
        value = value[:, 0]
    table[key] = value
    return table


@pytest.mark.parametrize(
    ("key", "change", "named"),
    [
        ("target/labels", "missing", "target/labels"),
        ("target/labels", "large", "target/labels"),
        ("target/labels", "text", "target/labels"),
        ("target/labels", "fractions", "target/labels"),
        ("target/labels", "shorter", "target/confidences/original"),
        ("target/membership", "missing", "target/membership"),
        ("target/membership", "constant", "target/membership: there are no non-members"),
        ("target/membership", "fractions", "target/membership"),
        ("target/membership", "shorter", "target/membership"),
        ("target/ids", "shorter", "target/ids"),
        ("target/confidences/original", "nan", "target/confidences/original: row 3 holds NaN"),
        ("target/confidences/original", "sums", "target/confidences/original: row 3 sums to 1.5"),
        ("target/confidences/original", "negative", "target/confidences/original"),
        ("target/confidences/original", "shorter", "target/confidences/original"),
        ("target/confidences/original", "flat", "target/confidences/original"),
        ("target/confidences/original", "text", "target/confidences/original"),
        ("shadow/1/confidences/prune-0.6", "missing", "shadow/1/confidences/prune-0.6"),
        ("shadow/1/confidences/prune-0.6", "nan", "shadow/1/confidences/prune-0.6"),
        ("shadow/0/labels", "missing", "shadow/0/labels"),
        ("shadow/0/membership", "missing", "shadow/0/membership"),
        ("shadow/0/membership", "constant", "shadow/0/membership"),
        ("cross/0/confidences/original", "shorter", "cross/0/confidences/original"),
        ("population/labels", "missing", "population/labels"),
        ("population/target/confidences/original", "nan", "population/target/confidences/original"),
    ],
)
def test_a_bad_array_is_refused_by_its_key(full: Arrays, tmp_path: Path, key: str, change: str, named: str) -> None:
    with pytest.raises(InputError) as caught:
        arrays.load(written(tmp_path, changed(full, key, change)))
    assert named in caught.value.message
    assert "\n" not in str(caught.value)


def test_objects_are_never_unpickled(full: Arrays, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path(tmp_path / "exploded").write_text, ("boom",))

    bomb = np.empty(1, dtype=object)
    bomb[0] = Bomb()
    path = tmp_path / "bomb.npz"
    np.savez(path, **(full | {"target/membership": bomb}))
    with pytest.raises(InputError, match=r"target/membership .*unpickled"):
        arrays.load(path)
    plain = tmp_path / "plain.npz"
    plain.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match=r"plain\.npz"):
        arrays.load(plain)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text", "npy", "absent"])
def test_a_damaged_file_is_refused_by_its_name(full: Arrays, tmp_path: Path, damage: str) -> None:
    path = written(tmp_path, full)
    whole = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        at = whole.index(b"target/confidences/original.npy") + 400
        path.write_bytes(whole[:at] + bytes(255 - b for b in whole[at : at + 40]) + whole[at + 40 :])
    elif damage == "npy":
        with path.open("wb") as file:
            np.save(file, np.zeros(4))
    elif damage == "absent":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "empty" else b"labels,membership\n1,0\n")
    with pytest.raises(InputError, match=r"answers\.npz"):
        arrays.load(path)


def test_three_records_are_too_few_and_the_message_says_how_many_are_not(tmp_path: Path) -> None:
    table = {
        "target/labels": np.array([0, 1, 0]),
        "target/membership": np.array([1, 0, 1]),
        "target/confidences/original": np.full((3, 2), 0.5),
    }
    with pytest.raises(UnresolvedError, match="50 records") as caught:
        arrays.load(written(tmp_path, table))
    assert caught.value.exit_code == 2


def test_nothing_but_our_own_errors_leaves_the_door(full: Arrays, tmp_path: Path) -> None:
    """Flip bytes anywhere: the file is read, or refused in our words."""
    path = written(tmp_path, {k: v for k, v in full.items() if k.startswith("target")})
    whole = path.read_bytes()
    rng = np.random.default_rng(9)
    refused = 0
    for at in rng.integers(0, len(whole), 150):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << int(rng.integers(8)))]) + whole[at + 1 :])
        try:
            arrays.load(path)
        except EdgeleakError:
            refused += 1
    assert refused > 100
