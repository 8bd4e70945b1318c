"""The arrays of a run: what was written comes back bit for bit, and what is damaged or foreign never does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.attacks import Fit
from harness.errors import RunError
from harness.store._arrays import Arrays, FitStore
from harness.types import Artifact, TensorSpec

KEY = "litert/SR/sr2-rf/original,int8"
FIT = Fit(
    np.random.default_rng(0).normal(size=50), np.full(50, 0.25), 0.75, "rests on one shadow", {"a": 0.3, "on": "rf"}
)


@pytest.fixture
def arrays(tmp_path: Path) -> Arrays:
    return Arrays(tmp_path)


@pytest.fixture
def fits(arrays: Arrays) -> FitStore:
    store = arrays.fits("evidence")
    store.write(KEY, FIT)
    return store


def test_a_fit_comes_back_bit_for_bit(fits: FitStore) -> None:
    fit = fits.read(KEY)
    assert fit is not None
    assert fit.scores.tobytes() == FIT.scores.tobytes()
    assert fit.cut.tobytes() == FIT.cut.tobytes()
    assert (fit.shadow_auc, fit.cut_note, fit.chosen) == (FIT.shadow_auc, FIT.cut_note, FIT.chosen)


def test_a_cut_and_an_auc_that_are_not_known_come_back_as_nan(arrays: Arrays) -> None:
    store = arrays.fits("evidence")
    store.write(KEY, Fit(FIT.scores, np.full(50, np.nan), float("nan")))
    fit = store.read(KEY)
    assert fit is not None
    assert np.isnan([*fit.cut, fit.shadow_auc]).all()


def test_a_fit_that_was_never_written_is_none(arrays: Arrays) -> None:
    assert arrays.fits("evidence").read(KEY) is None


def test_a_fit_of_other_observations_is_none(arrays: Arrays, fits: FitStore) -> None:
    assert arrays.fits("other evidence").read(KEY) is None
    assert arrays.fits("evidence", place="confounded/").read(KEY) is None
    assert fits.read(KEY) is not None


def test_the_last_fit_under_a_key_counts(arrays: Arrays, fits: FitStore) -> None:
    arrays.fits("other evidence").write(KEY, Fit(FIT.scores[:10], np.zeros(10), 0.5))
    assert fits.read(KEY) is None
    fit = arrays.fits("other evidence").read(KEY)
    assert fit is not None
    assert len(fit.scores) == 10


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a flipped bit": ("c/0", _flip),
    "a truncated chunk": ("c/0", lambda path: path.write_bytes(path.read_bytes()[:-5])),
    "an empty chunk": ("c/0", lambda path: path.write_bytes(b"")),
    "a missing chunk": ("c/0", Path.unlink),
    "a description that is no JSON": ("zarr.json", lambda path: path.write_text("{")),
    "a description of something else": ("zarr.json", lambda path: path.write_text("{}")),
    "a missing description": ("zarr.json", Path.unlink),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_fit_is_none_and_can_be_written_again(fits: FitStore, tmp_path: Path, name: str) -> None:
    place, damage = DAMAGE[name]
    damage(tmp_path / "fits.zarr" / KEY / place)
    assert fits.read(KEY) is None
    fits.write(KEY, FIT)
    assert fits.read(KEY) is not None


def test_populations_and_memberships_come_back_as_they_were(arrays: Arrays) -> None:
    labels, ids = np.array([3, 0, 1]), np.array([30, 10, 20])
    membership, training = np.array([1, 0, 1]), np.array([0, 0, 0])
    arrays.write_population("audit", labels=labels, ids=ids)
    arrays.write_membership("audit", "target", membership=membership, training=training)
    arrays.write_population("shadow", labels=labels[::-1].copy(), ids=None)
    np.testing.assert_array_equal(arrays.read_labels("audit"), labels)
    np.testing.assert_array_equal(arrays.read_ids("audit"), ids)
    np.testing.assert_array_equal(arrays.read_membership(), membership)
    np.testing.assert_array_equal(arrays.read_training("audit", "target"), training)
    np.testing.assert_array_equal(arrays.read_labels("shadow"), labels[::-1])
    with pytest.raises(RunError, match=r"populations\.zarr/shadow/ids: missing.*edgeleak collect"):
        arrays.read_ids("shadow")


def test_scores_come_back_bit_for_bit_and_are_replaced_whole(arrays: Arrays) -> None:
    arrays.write_scores(KEY, FIT.scores)
    assert arrays.read_scores(KEY).tobytes() == FIT.scores.tobytes()
    arrays.write_scores(KEY, FIT.scores[:7])
    assert arrays.read_scores(KEY).tobytes() == FIT.scores[:7].tobytes()


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_scores_are_an_error_with_their_place(arrays: Arrays, tmp_path: Path, name: str) -> None:
    arrays.write_scores(KEY, FIT.scores)
    place, damage = DAMAGE[name]
    damage(tmp_path / "scores.zarr" / KEY / place)
    with pytest.raises(RunError) as caught:
        arrays.read_scores(KEY)
    assert str(tmp_path / "scores.zarr" / KEY) in str(caught.value)
    assert caught.value.hint is not None
    assert "\n" not in str(caught.value)


def test_the_same_array_is_the_same_bytes_on_disk(tmp_path: Path) -> None:
    """Two runs of one audit can be compared file by file."""
    stored = []
    for name in ("a", "b"):
        Arrays(tmp_path / name).write_scores(KEY, FIT.scores)
        root = tmp_path / name
        stored.append({str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()})
    assert stored[0] == stored[1]


ESCAPES = ("../victim", "a/../../victim", "/tmp/victim", "NR/confidence/../../../victim")  # noqa: S108 - never written


@pytest.mark.parametrize("name", ESCAPES)
def test_a_name_that_leads_out_of_the_run_is_refused_and_nothing_is_touched(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis.txt").write_text("years of work")
    arrays = Arrays(tmp_path / "run")
    output = TensorSpec("", "float32", (3,))
    artifact = Artifact("target", name, "litert", Path("x.tflite"), "a" * 64, 1, (), output)
    writes: tuple[Callable[[], object], ...] = (
        lambda: arrays.write_scores(f"../{name}" if name.startswith("/") else name, FIT.scores),
        lambda: arrays.write_population(f"x/../../{name}", labels=np.arange(3), ids=None),
        lambda: arrays.fits("evidence").write(name, FIT),
        lambda: arrays.answers("../../victim", artifact, n=3, batch=1, origin="here"),
    )
    for write in writes:
        with pytest.raises(RunError, match="names no place in it"):
            write()
    assert (victim / "thesis.txt").read_text() == "years of work"
    assert not (tmp_path / "run").exists()
