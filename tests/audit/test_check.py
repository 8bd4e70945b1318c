"""What can be known to be wrong with an audit is refused before anything is begun, for every kind of subject."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.audit.check import check
from harness.config import AuditConfig, parse
from harness.errors import ArtifactError, ConfigError, InputError, UnresolvedError, UsageError
from tests.attacks.bad_arrays import full_table, write

Table = dict[str, Any]


@pytest.fixture
def answers(tmp_path: Path) -> Table:
    file = write(tmp_path / "answers.npz", full_table())
    return {"name": "x", "answers": {"file": str(file)}, "attack": {"names": ("confidence", "sr2-lr")}}


@pytest.fixture
def supplied(tmp_path: Path) -> Table:
    """Two files that nobody loads yet: a check needs no device."""
    for name in ("original", "int8"):
        (tmp_path / f"{name}.tflite").write_bytes(name.encode())
    for k, side in enumerate(("members", "nonmembers")):
        np.savez(
            tmp_path / f"{side}.npz", inputs=np.random.default_rng(k).normal(size=(30, 3)), labels=np.arange(30) % 2
        )
    return {
        "name": "x",
        "artifact": tuple({"variant": v, "file": str(tmp_path / f"{v}.tflite")} for v in ("original", "int8")),
        "records": {side: str(tmp_path / f"{side}.npz") for side in ("members", "nonmembers")},
        "attack": {"names": ("confidence", "sr2-lr")},
    }


TRAINED: Table = {"name": "x", "mis": {"enabled": False}, "attack": {"names": ("confidence", "sr2-lr")}}


def with_rule(table: Table, rule: Table) -> AuditConfig:
    return parse(table | {"gate": {"rules": (rule,)}})


@pytest.mark.parametrize("kind", ["answers", "supplied"])
def test_an_audit_that_can_be_done_passes(kind: str, request: pytest.FixtureRequest) -> None:
    table: Table = request.getfixturevalue(kind)
    check(parse(table))
    check(with_rule(table, {"max": 0.6, "variants": ("original",), "attacks": ("confidence",)}))


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ({"max": 0.6, "variants": ("int3",)}, "'int3' is no variant of this audit"),
        ({"max": 0.6, "attacks": ("gbt",)}, "'gbt' does not run in this audit"),
        ({"max": 0.6, "adversary": ("MR",)}, "MR"),
        ({"max": 0.6, "metric": "tpr_at_fpr", "at_fpr": 0.5}, "0.5"),
        ({"max": 0.6, "variants": ("original",), "attacks": ("sr2-lr",)}, "sr2-lr"),
    ],
    ids=["a variant", "an attack", "an adversary", "a false-positive rate", "a view"],
)
@pytest.mark.parametrize("kind", ["answers", "supplied", "trained"])
def test_a_rule_that_no_result_can_answer_is_refused_with_its_id(
    kind: str, request: pytest.FixtureRequest, rule: Table, word: str
) -> None:
    table: Table = TRAINED if kind == "trained" else request.getfixturevalue(kind)
    config = with_rule(table, rule)
    with pytest.raises(ConfigError) as caught:
        check(config)
    assert f"gate rule {config.gate.rules[0].id!r}" in str(caught.value)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["answers", "supplied"])
def test_a_limit_on_flips_needs_a_reference(kind: str, request: pytest.FixtureRequest) -> None:
    table: Table = request.getfixturevalue(kind)
    with pytest.raises(ConfigError, match="parity"):
        check(parse(table | {"gate": {"max_flip_share": 0.1}}))
    check(parse(TRAINED | {"gate": {"max_flip_share": 0.1}}))


def test_an_attack_whose_need_is_not_met_answers_no_rule(answers: Table) -> None:
    """Arrays without references: RMIA will be skipped, and a rule about it could only end inconclusive."""
    table = {key: value for key, value in full_table().items() if key.startswith("target/")}
    file = write(Path(answers["answers"]["file"]), table)
    alone = answers | {"answers": {"file": str(file)}, "attack": {"names": ("confidence", "rmia")}}
    check(parse(alone))
    with pytest.raises(ConfigError, match="rmia"):
        check(with_rule(alone, {"max": 0.6, "attacks": ("rmia",)}))


def test_an_unknown_attack_is_refused(answers: Table, supplied: Table) -> None:
    for table in (answers, supplied, TRAINED):
        with pytest.raises(UsageError, match="sorcery"):
            check(parse(table | {"attack": {"names": ("sorcery",)}}))


def test_a_device_of_no_known_form_is_refused_and_answers_need_none(answers: Table, supplied: Table) -> None:
    device = {"device": {"url": "usb"}}
    with pytest.raises(UsageError, match="'usb' has no known form"):
        check(parse(supplied | device))
    check(parse(answers | device))


def test_files_that_are_missing_or_too_few_records_are_refused(supplied: Table, tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", inputs=np.ones((24, 3)), labels=np.zeros(24, dtype=np.int64))
    few = supplied | {"records": supplied["records"] | {"members": str(tmp_path / "few.npz")}}
    with pytest.raises(UnresolvedError, match=r"few\.npz: 24 members"):
        check(parse(few))
    (tmp_path / "int8.tflite").unlink()
    with pytest.raises(ArtifactError, match=r"int8\.tflite: No such file"):
        check(parse(supplied))
    with pytest.raises(InputError, match=r"absent\.npz: no such file"):
        check(parse({"name": "x", "answers": {"file": str(tmp_path / "absent.npz")}}))
