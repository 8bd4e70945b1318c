"""Supplied records and files: known by their content and their place, checked against each other, mixed by the seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config import AuditConfig, RecordsConfig, ShadowConfig, load, parse
from harness.errors import ConfigError, InputError, RunError, UnresolvedError
from harness.store import Run
from harness.subject._inputs import keep_inputs, require_unchanged
from harness.subject._pools import Pool, read_pools, with_ids
from harness.subject.draft import Draft
from harness.subject.supplied import SuppliedSubject
from harness.types import Records
from tests.end_to_end.hand_made import litert_float, litert_uint8
from tests.end_to_end.supplied import linear_of

N = 30
LINEAR = linear_of(0, (4,))


def store(path: Path, seed: int, n: int = N, **changes: Any) -> str:
    inputs = np.random.default_rng(seed).uniform(size=(n, 4)).astype(np.float32)
    table: dict[str, Any] = {"inputs": inputs, "labels": np.arange(n) % 4}
    np.savez(path, **table | changes)
    return str(path)


@pytest.fixture
def config(tmp_path: Path) -> AuditConfig:
    """A target and a shadow whose members are among the target's non-members."""
    litert_float(tmp_path / "original.tflite", LINEAR)
    litert_uint8(tmp_path / "int8.tflite", LINEAR)
    artifacts = tuple({"variant": v, "file": str(tmp_path / f"{v}.tflite")} for v in ("original", "int8"))
    sides = {name: store(tmp_path / f"{name}.npz", seed) for seed, name in enumerate(("members", "nonmembers"))}
    shadow = {"members": sides["nonmembers"], "nonmembers": store(tmp_path / "others.npz", 2), "artifact": artifacts}
    return parse({"name": "x", "artifact": artifacts, "records": sides, "shadow": (shadow,)})


def pools_of(config: AuditConfig, seed: int = 0) -> dict[str, Pool]:
    assert config.records is not None
    return read_pools(config.records, config.shadow, audit="audit", outside="population", seed=seed)


def test_a_record_has_one_id_in_whichever_pool_it_lies(config: AuditConfig) -> None:
    pools = pools_of(config)
    audit, shadow = pools["audit"], pools["shadow-0"]
    assert len(audit.records) == len(shadow.records) == 2 * N
    shared = np.intersect1d(audit.records.ids, shadow.records.ids)
    assert sorted(shared) == sorted(shadow.members)
    inputs = {
        pool.name: dict(zip(pool.records.ids, pool.records.inputs["inputs"], strict=True)) for pool in (audit, shadow)
    }
    for one in shared:
        np.testing.assert_array_equal(inputs["audit"][one], inputs["shadow-0"][one])


def test_the_seed_mixes_members_and_others_and_keeps_records_together(config: AuditConfig) -> None:
    pool, again, other = (pools_of(config, seed)["audit"] for seed in (0, 0, 1))
    assert pool.membership is not None
    assert 0 < pool.membership[:10].sum() < 10
    np.testing.assert_array_equal(pool.records.inputs["inputs"], again.records.inputs["inputs"])
    assert other.membership is not None
    assert not np.array_equal(pool.membership, other.membership)
    assert config.records is not None
    stored = np.load(str(config.records.members))
    rows = {values.tobytes(): label for values, label in zip(stored["inputs"], stored["labels"], strict=True)}
    for k in np.flatnonzero(pool.membership == 1):
        assert rows[pool.records.inputs["inputs"][k].tobytes()] == pool.records.labels[k]


@given(st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=2), min_size=1, max_size=8))
def test_two_records_share_an_id_exactly_where_their_content_is_the_same(rows: list[list[int]]) -> None:
    values = np.array(rows, dtype=np.float32)
    labels = np.zeros(len(rows), dtype=np.int64)
    records = Records({"a": values[:, :1], "b": values[:, 1:]}, labels, np.arange(len(rows)))
    (pool,) = with_ids([Pool("audit", "a.npz", records, None)])
    same = (values[:, None] == values[None]).all(axis=2)
    np.testing.assert_array_equal(pool.records.ids[:, None] == pool.records.ids[None], same)


def test_zero_and_minus_zero_are_the_same_value() -> None:
    """Otherwise a record could be a member and, with other signs, a non-member."""
    values = np.array([[0.0], [-0.0]], dtype=np.float32)
    records = Records({"a": values}, np.zeros(2, dtype=np.int64), np.arange(2))
    (pool,) = with_ids([Pool("audit", "a.npz", records, None)])
    assert len(set(pool.records.ids)) == 1
    assert np.signbit(pool.records.inputs["a"]).tolist() == [[False], [True]], "files are fed what was stored"


def test_a_record_of_both_sides_is_refused_with_the_files_and_the_number(tmp_path: Path) -> None:
    inside, outside = store(tmp_path / "m.npz", 0), tmp_path / "n.npz"
    mixed = np.concatenate([np.load(inside)["inputs"][:2], np.ones((N - 2, 4), dtype=np.float32)])
    settings = RecordsConfig(members=inside, nonmembers=store(outside, 1, inputs=mixed))
    with pytest.raises(InputError, match=r"m\.npz, .*n\.npz: 2 records are members and non-members at once"):
        read_pools(settings, (), audit="audit", outside="population", seed=0)
    settings = RecordsConfig(members=inside, nonmembers=store(outside, 1), population=inside)
    with pytest.raises(InputError, match=r"m\.npz: 30 records are members and in the population at once"):
        read_pools(settings, (), audit="audit", outside="population", seed=0)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"inputs": np.ones((N, 3), dtype=np.float32)}, r"float32 \[4\] a record.*float32 \[3\] a record"),
        ({"inputs": np.ones((N, 4), dtype=np.uint8)}, r"float32 \[4\] a record.*uint8 \[4\] a record"),
        ({"membership": np.ones(N)}, "key membership: this file holds one kind of record"),
    ],
)
def test_sides_that_are_not_alike_are_refused(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    settings = RecordsConfig(members=store(tmp_path / "m.npz", 0), nonmembers=store(tmp_path / "n.npz", 1, **changes))
    with pytest.raises(InputError, match=word) as caught:
        read_pools(settings, (), audit="audit", outside="population", seed=0)
    assert "n.npz" in str(caught.value)


def test_a_shadow_with_records_of_another_shape_is_refused_with_both_files(config: AuditConfig, tmp_path: Path) -> None:
    wide = np.random.default_rng(5).uniform(size=(N, 5)).astype(np.float32)
    narrow = ShadowConfig(
        members=store(tmp_path / "wide.npz", 0, inputs=wide),
        nonmembers=store(tmp_path / "wider.npz", 0, inputs=wide + 1),
        artifact=config.artifact,
    )
    assert config.records is not None
    with pytest.raises(InputError, match=r"members\.npz, .*nonmembers\.npz: input inputs is .*wide\.npz.*\[5\]"):
        read_pools(config.records, (narrow,), audit="audit", outside="population", seed=0)


@pytest.mark.parametrize("members", [5, 24])
def test_one_file_with_membership_needs_enough_of_both_kinds(tmp_path: Path, members: int) -> None:
    membership = (np.arange(60) < members).astype(int)
    settings = RecordsConfig(file=store(tmp_path / "both.npz", 0, 60, membership=membership))
    with pytest.raises(UnresolvedError, match=f"both.npz: {members} members and {60 - members} non-members"):
        read_pools(settings, (), audit="audit", outside="population", seed=0)
    with pytest.raises(InputError, match="key membership is missing"):
        read_pools(
            RecordsConfig(file=store(tmp_path / "none.npz", 0)), (), audit="audit", outside="population", seed=0
        )  # fmt: skip


def test_classes_of_a_table_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("kind,x\n" + "\n".join(f"{k % 2},{k}" for k in range(28)) + "\ncat,1\n")
    settings = RecordsConfig(members=str(path), nonmembers=str(path), label="kind")
    with pytest.raises(InputError, match=r"m\.csv: column kind: record 29 has the class 'cat', not a number"):
        read_pools(settings, (), audit="audit", outside="population", seed=0)


def test_the_subject_says_who_is_asked_about_what(config: AuditConfig) -> None:
    subject = SuppliedSubject.load(config)
    evidence = subject.evidence()
    assert evidence.variants == ("original", "int8")
    assert evidence.runtimes == ("litert",)
    assert evidence.populations_of("target") == ("audit",)
    assert evidence.populations_of("shadow-0") == ("audit", "shadow-0")
    assert evidence.fitted_on == ("audit", "shadow-0")
    ids = subject.population("audit").ids
    trained = subject.training("shadow-0", ids)
    np.testing.assert_array_equal(trained, 1 - subject.membership("target", ids))  # its members are the target's others


def test_repeated_records_are_a_warning(config: AuditConfig, tmp_path: Path) -> None:
    assert SuppliedSubject.load(config).summary()["warnings"] == []
    inputs = np.random.default_rng(0).uniform(size=(N, 4)).astype(np.float32)
    inputs[1] = inputs[0]
    store(tmp_path / "members.npz", 0, inputs=inputs)
    warnings = SuppliedSubject.load(config).summary()["warnings"]
    assert isinstance(warnings, list)
    assert len(warnings) == 1
    assert "1 of the audited records occur more than once" in warnings[0]


def test_the_step_of_noise_is_that_of_an_8_bit_input_where_a_file_holds_8_bit_weights(config: AuditConfig) -> None:
    (values,) = SuppliedSubject.load(config).population("audit").inputs.values()
    assert SuppliedSubject.load(config).input_step() == pytest.approx(float(values.max()) / 255)
    floats = config.with_changes(artifact=config.artifact[:1], shadow=())
    assert SuppliedSubject.load(floats).input_step() == 0.0


def test_a_shadow_of_another_runtime_is_refused(config: AuditConfig, tmp_path: Path) -> None:
    (tmp_path / "int8.onnx").write_bytes(b"a model")
    other = config.shadow[0].artifact[1].model_copy(update={"file": str(tmp_path / "int8.onnx")})
    shadow = config.shadow[0].model_copy(update={"artifact": (config.shadow[0].artifact[0], other)})
    with pytest.raises(ConfigError, match=r"int8\.onnx: is an ONNX model, the target's int8 int8\.tflite is a LiteRT"):
        SuppliedSubject.load(config.with_changes(shadow=(shadow,)))


def test_a_link_is_known_by_its_own_name(tmp_path: Path) -> None:
    """Model hubs keep files under their digests, and links to them under the names that users know."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "model").mkdir()
    litert_float(tmp_path / "blobs" / "0123abcd", LINEAR)
    (tmp_path / "model" / "original.tflite").symlink_to(Path("..") / "blobs" / "0123abcd")
    for seed, side in enumerate(("members", "nonmembers")):
        store(tmp_path / f"{side}.npz", seed)
    draft = Draft(
        artifacts={"original": tmp_path / "model" / "original.tflite"},
        members=tmp_path / "members.npz",
        nonmembers=tmp_path / "nonmembers.npz",
    )
    (tmp_path / "model" / "audit.toml").write_text(draft.toml(tmp_path / "model", {}))
    written = load(tmp_path / "model" / "audit.toml")
    assert written.digest() == draft.config().digest()
    (file,) = SuppliedSubject.load(written).files
    assert (file.path.name, file.runtime) == ("original.tflite", "litert")


INPUTS = [(Path("a"), "1"), (Path("b"), "2"), (Path("c"), "3")]


def test_a_run_takes_any_inputs_until_it_is_bound_to_some(tmp_path: Path, config: AuditConfig) -> None:
    run = Run(tmp_path / "run", config)
    require_unchanged(run, INPUTS)
    keep_inputs(run, INPUTS)
    require_unchanged(run, INPUTS)
    require_unchanged(run, [(Path("elsewhere") / path, digest) for path, digest in INPUTS])


@pytest.mark.parametrize(
    ("digests", "named"),
    [(("2", "1", "3"), "a"), (("1", "2", "4"), "c"), (("1", "3", "2"), "b"), (("1", "2", "3", "3"), "d")],
    ids=["two changed places", "one changed", "two others", "one more"],
)
def test_inputs_that_are_not_those_of_the_run_are_refused(
    tmp_path: Path, config: AuditConfig, digests: tuple[str, ...], named: str
) -> None:
    run = Run(tmp_path / "run", config)
    keep_inputs(run, INPUTS)
    with pytest.raises(RunError, match=f"^{named}: has changed since .*run was begun with it.*--fresh"):
        require_unchanged(run, list(zip(map(Path, "abcd"), digests, strict=False)))


@pytest.mark.parametrize("content", ['{"sha256": "123"}', "{}", '{"sha256": [1, 2, 3]}'])
def test_a_damaged_list_of_inputs_never_passes(tmp_path: Path, config: AuditConfig, content: str) -> None:
    run = Run(tmp_path / "run", config)
    run.path("inputs.json").write_text(content)
    with pytest.raises(RunError, match="a: has changed"):
        require_unchanged(run, INPUTS)
