"""Answers in an .npz file: what is read, and one line that names the key of everything that is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.attacks import evaluate
from harness.data import answers
from harness.errors import EdgeleakError
from tests.attacks.bad_arrays import BAD, CLASSES, Arrays, N, full_table, write
from tests.attacks.simulated import SimulatedAudit, simulate_audit


@pytest.fixture(scope="module")
def audit() -> SimulatedAudit:
    return simulate_audit(leak=1.5, n=N, n_shadow=100, n_population=50, classes=CLASSES, kind="confidences")


@pytest.fixture(scope="module")
def full() -> Arrays:
    return full_table()


def written(tmp_path: Path, table: Arrays) -> Path:
    return write(tmp_path / "answers.npz", table)


def test_a_full_file_gives_the_same_evaluation_as_the_observations(
    audit: SimulatedAudit, full: Arrays, tmp_path: Path
) -> None:
    target, shadows = answers.load(written(tmp_path, full))
    assert len(shadows) == 2
    assert len(target.references) == 2
    assert len(shadows[0].references) == 1
    names = ("confidence", "rmia", "lira", "lira-joint")
    expected, got = evaluate(audit.target, audit.shadows, attacks=names), evaluate(target, shadows, attacks=names)
    assert not got.skipped
    for a, b in zip(expected.results, got.results, strict=True):
        np.testing.assert_array_equal(a.scores, b.scores)
        assert a.threshold == b.threshold


def test_labels_membership_and_one_variant_are_enough(full: Arrays, tmp_path: Path) -> None:
    keys = ("target/labels", "target/membership", "target/confidences/int8-ptq")
    target, shadows = answers.load(written(tmp_path, {k: full[k] for k in keys}))
    assert shadows == []
    assert target.variants == ("int8-ptq",)
    assert evaluate(target, attacks=("confidence",)).results[0].trained_on == "members"


def test_a_file_may_hold_logits_instead_of_confidences(full: Arrays, tmp_path: Path) -> None:
    table = {k: full[k] for k in ("target/labels", "target/membership")}
    table["target/logits/original"] = np.log(full["target/confidences/original"]).astype(np.float32) + 7
    target, _ = answers.load(written(tmp_path, table))
    np.testing.assert_allclose(target.confidences_of("original"), full["target/confidences/original"], rtol=1e-4)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_on_one_line_with_its_path_and_key(full: Arrays, tmp_path: Path, name: str) -> None:
    bad, path = BAD[name], tmp_path / "answers.npz"
    bad.make(full, path)
    with pytest.raises(EdgeleakError) as caught:
        answers.load(path)
    assert bad.named in str(caught.value)
    assert str(path) in caught.value.message
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == bad.code


def test_a_missing_key_is_refused_with_the_keys_that_are_present(full: Arrays, tmp_path: Path) -> None:
    """The refusal lists the keys that the file has."""
    few = {k: v for k, v in full.items() if k in ("target/membership", "target/ids")}
    with pytest.raises(EdgeleakError, match=r"target/labels is missing \(present: target/membership, target/ids\)"):
        answers.load(written(tmp_path, few))


def test_a_file_with_a_flipped_bit_is_read_or_refused_with_a_typed_error(full: Arrays, tmp_path: Path) -> None:
    """Wherever the bit is: no other exception than the project's own."""
    path = written(tmp_path, {k: v for k, v in full.items() if k.startswith("target")})
    whole = path.read_bytes()
    rng = np.random.default_rng(9)
    refused = 0
    for at in rng.integers(0, len(whole), 150):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << int(rng.integers(8)))]) + whole[at + 1 :])
        try:
            answers.load(path)
        except EdgeleakError:
            refused += 1
    assert refused > 100
