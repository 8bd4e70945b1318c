"""Disturbed copies: the same bytes for every file, each kind of input in its own way, and votes that are counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import attacks
from harness.audit.context import Context
from harness.audit.stages.collect import _keep_populations, _queries, _questions, gather
from harness.config import AuditConfig, DeviceConfig, parse
from harness.data.exposed_outputs import VECTOR, Exposure
from harness.devices import FakeAgent
from harness.store import Run
from harness.subject import observations
from harness.subject.queries import QUERIES, needed
from harness.subject.queries._disturbance import disturbances, moved
from harness.subject.queries.disturbed_copies import DisturbedCopies
from harness.subject.trained import TrainedSubject
from harness.types import Array, Artifact, FloatArray, Records
from tests.devices.files import placeholder

WEIGHTS = np.random.default_rng(2).normal(size=(64, 10)).astype(np.float32)
COPIES = 8
VARIANTS = ("original", "prune-0.6")


def config(**attack: object) -> AuditConfig:
    return parse(
        {
            "name": "votes",
            "seed": 3,
            "data": {"members": 40, "nonmembers": 40, "population": 30},
            "training": {"shadows": 2},
            "compression": {"variants": VARIANTS},
            "mis": {"enabled": False},
            "attack": {"answers": "label", "label_copies": COPIES, **attack},
        }
    )


def subject(**attack: object) -> TrainedSubject:
    return TrainedSubject.load(config(**attack))


def copies_of(one: TrainedSubject) -> DisturbedCopies:
    return DisturbedCopies.of(one, one.evidence().fitted_on)


def linear(artifact: Artifact, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
    (images,) = inputs.values()
    flat = images.astype(np.float32).reshape(len(images), -1)
    return np.asarray(flat @ WEIGHTS * (0.5 if artifact.variant == "prune-0.6" else 1.0))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run.open(tmp_path / "run", config()) as opened:
        yield opened


def ask(run: Run, one: TrainedSubject, model: str) -> dict[str, dict[str, bytes]]:
    """Collect everything that a model is asked about: variant -> name in the run -> the bytes that it was fed."""
    artifacts = [placeholder(run.folder, v, model=model, shape=(1, 8, 8), classes=10) for v in VARIANTS]
    by_digest = {a.sha256: a for a in artifacts}
    fed: dict[str, dict[str, bytes]] = {v: {} for v in VARIANTS}
    place = ""

    def answers(sha256: str, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        which = by_digest[sha256]
        batch = b"".join(values.tobytes() for values in inputs.values())
        fed[which.variant][place] = fed[which.variant].get(place, b"") + batch
        return linear(which, inputs)

    evidence = one.evidence()
    with FakeAgent(answers) as device, Context(lambda *_: None, DeviceConfig(url=device.url)) as context:
        for name, records, label in _questions(one, evidence, _queries(one, evidence), model):
            place = name
            gather(one.config, run, context, artifacts, name, records, info=context.device.info(), label=label)
    return fed


def test_the_need_is_the_apps_and_no_attacks() -> None:
    assert needed(config().attack) - attacks.needs_of(attacks.headline()) == {"disturbed_copies"}
    assert "disturbed_copies" not in needed(config(answers="top-k").attack)
    assert list(_queries(subject(answers="vector"), subject().evidence())) == []
    assert list(_queries(subject(), subject().evidence())) == ["disturbed_copies"]


def test_every_model_is_asked_about_copies_of_every_population_that_it_answers(run: Run) -> None:
    fed = ask(run, subject(), "shadow-0")
    asked = [f"{p}-disturbed-{k:03}" for p in ("audit", "population", "shadow") for k in range(COPIES)]
    assert sorted(fed["original"]) == sorted(["audit", "population", "shadow", *asked])
    assert len(fed["original"]) == (COPIES + 1) * 3, "copies + 1 queries a record"


def test_every_variant_and_every_model_is_fed_the_same_bytes(run: Run) -> None:
    one = subject()
    fed = {model: ask(run, one, model) for model in ("target", "shadow-0", "shadow-1")}
    for model in fed.values():
        assert model["original"] == model["prune-0.6"]
    assert fed["shadow-0"] == fed["shadow-1"]
    for place, batches in fed["target"]["original"].items():
        assert fed["shadow-0"]["original"][place] == batches
    batches_of = fed["shadow-0"]["original"].values()
    assert len(set(batches_of)) == len(batches_of), "no two copies are equal"


def test_the_seed_and_the_population_decide() -> None:
    one, other = subject(), TrainedSubject.load(config().with_changes(seed=4))
    records = one.population("audit")

    def first(of: TrainedSubject, population: str = "audit") -> bytes:
        (values,) = copies_of(of).copy_of(population, records, 0).inputs.values()
        return bytes(values.tobytes())

    assert first(one) == first(subject())
    assert first(one) != first(other)
    assert first(one) != first(one, "shadow")


def test_the_models_are_seen_through_their_votes(run: Run) -> None:
    """Vote shares of the target, the references and the population are what a count by hand gives."""
    one = subject()
    for model in ("target", "shadow-0", "shadow-1"):
        ask(run, one, model)
    evidence = one.evidence()
    queries = {need: query.to_json() for need, query in _queries(one, evidence).items()}
    label = Exposure.of(one.config.attack)
    keep(run, one, queries, label)
    target, shadows = observations.read(run, "litert")
    copies = copies_of(one)
    weights = 1 / copies.sizes
    for seen, name in (
        (target, "audit"),
        (target.references[1], "audit"),
        (target.population, "population"),
        (shadows[0], "shadow"),
        (shadows[0].references[0], "shadow"),
    ):
        assert seen is not None
        records = one.population(name)
        tops = [
            linear(placeholder(run.folder, "original"), r.inputs).argmax(axis=1) for r in all_of(copies, name, records)
        ]
        votes = np.zeros((len(records), 10))
        for top, weight in zip(tops, (weights.max() / weights.mean(), *weights / weights.mean()), strict=True):
            votes[np.arange(len(top)), top] += weight
        expected = (votes + 0.05) / (votes.sum(axis=1) + 0.5)[:, None]
        np.testing.assert_allclose(seen.confidences_of("original"), expected, rtol=1e-12)
        np.testing.assert_array_equal(seen.confidences_of("original"), seen.confidences_of("prune-0.6"))
    shares = target.confidences_of("original").max(axis=1)
    assert len(np.unique(shares)) > 30, "sizes of their own leave few ties"


def test_one_collection_is_seen_in_every_mode(run: Run) -> None:
    one = subject()
    for model in ("target", "shadow-0", "shadow-1"):
        ask(run, one, model)
    keep(run, one, {need: q.to_json() for need, q in _queries(one, one.evidence()).items()}, VECTOR)
    whole, _ = observations.read(run, "litert")
    assert set(whole.logits) == set(VARIANTS)
    shown, _ = observations.read(run, "litert", Exposure("top-k", 2))
    assert (np.sort(np.unique(shown.confidences_of("original").round(12), axis=0)[:, :7]) >= 0).all()
    assert all(len(np.unique(row.round(12))) <= 3 for row in shown.confidences_of("original"))
    votes, _ = observations.read(run, "litert", Exposure("label", copies=COPIES))
    assert votes.confidences_of("original").max() < 1
    alone, _ = observations.read(run, "litert", Exposure("label"))
    assert len(np.unique(alone.confidences_of("original"))) == 2, "without copies there is one vote a record"


def test_settings_survive_a_run() -> None:
    copies = copies_of(subject(label_noise=0.5))
    assert copies.moves == ("mirror",)
    assert QUERIES["disturbed_copies"].from_json(copies.to_json()) == copies
    assert copies.sizes[-2] == pytest.approx(0.5)


def keep(run: Run, one: TrainedSubject, queries: Mapping[str, Mapping[str, object]], exposure: Exposure) -> None:
    """What stage collect writes beside the answers."""
    _keep_populations(run, one, one.evidence())
    replace(one.evidence(), queries=queries, exposure=exposure).write(run)


def all_of(copies: DisturbedCopies, name: str, records: Records) -> list[Records]:
    return [records, *(copies.copy_of(name, records, draw) for draw in range(COPIES))]


# -- kinds of inputs ---------------------------------------------------------------------------------------------------


def disturbed(size: float, /, **inputs: Array) -> dict[str, Array]:
    n = len(next(iter(inputs.values())))
    records = Records(inputs, np.zeros(n, dtype=np.int64), np.arange(n))
    rng = np.random.default_rng(0)
    return {name: one(records.inputs[name], size, rng) for name, one in disturbances(records).items()}


def test_numbers_move_by_their_own_deviation() -> None:
    scale = np.array([0.01, 1.0, 300.0])
    values = (np.random.default_rng(1).normal(size=(4000, 3)) * scale + 5).astype(np.float32)
    moved_by = disturbed(0.5, x=values)["x"] - values
    assert moved_by.dtype == np.float32
    np.testing.assert_allclose(moved_by.std(axis=0), 0.5 * scale, rtol=0.05)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64", "bool"])
def test_two_valued_features_change_over_with_the_square_of_the_size(dtype: str) -> None:
    bits = (np.random.default_rng(1).random((2000, 50)) < 0.1).astype(dtype)
    bits[:, 0] = 0  # a rare feature that no record of these has
    for size in (0.5, 1.0):
        changed = disturbed(size, x=bits)["x"]
        assert changed.dtype == bits.dtype
        assert set(np.unique(changed).tolist()) == {0, 1}
        assert (changed != bits).mean() == pytest.approx(0.1 * size**2, rel=0.1)
        assert (changed != bits)[:, 0].any()


def test_columns_of_bits_beside_numbers_stay_bits() -> None:
    rng = np.random.default_rng(1)
    table = np.column_stack([rng.normal(size=3000), rng.random(3000) < 0.3, np.full(3000, 7.0)]).astype(np.float32)
    changed = disturbed(1.0, x=table)["x"]
    assert set(np.unique(changed[:, 1])) == {0.0, 1.0}
    assert (changed[:, 1] != table[:, 1]).mean() == pytest.approx(0.1, abs=0.02)
    assert (changed[:, 0] != table[:, 0]).all()
    np.testing.assert_array_equal(changed[:, 2], table[:, 2])


@pytest.mark.parametrize(("shape", "dtype"), [((3, 8, 8), "float32"), ((8, 8, 1), "uint8"), ((8, 8, 3), "int8")])
def test_images_stay_within_their_range_and_type(shape: tuple[int, ...], dtype: str) -> None:
    low, high = (-128, 128) if dtype == "int8" else (0, 256)
    images = np.random.default_rng(1).integers(low, high, (50, *shape)).astype(dtype)
    changed = disturbed(1.0, x=images)["x"]
    assert changed.dtype == images.dtype
    assert changed.min() >= images.min()
    assert changed.max() <= images.max()
    assert (changed != images).mean() > 0.5


def test_tokens_are_replaced_and_padding_structure_and_masks_are_not() -> None:
    rng = np.random.default_rng(1)
    ids = rng.integers(10, 100, (500, 40))
    length = rng.integers(5, 36, 500)
    ids[:, 0] = 2
    ids[np.arange(500), length] = 3
    for row, end in zip(ids, length, strict=True):
        row[end + 1 :] = 1  # another id than 0 pads too
    mask, segment = (ids != 1).astype(np.int64), np.zeros_like(ids)
    changed = disturbed(1.0, ids=ids, mask=mask, segment=segment)
    np.testing.assert_array_equal(changed["mask"], mask)
    np.testing.assert_array_equal(changed["segment"], segment)
    got = changed["ids"]
    assert got.dtype == ids.dtype
    assert set(np.unique(got)) <= set(np.unique(ids))
    structure = np.isin(ids, (1, 2, 3))
    np.testing.assert_array_equal(got[structure], ids[structure])
    assert (got != ids)[~structure].mean() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_with_0_or_a_run_at_either_end_is_left_alone(side: str) -> None:
    ids = np.random.default_rng(1).integers(10, 100, (300, 20))
    rows = slice(0, 6) if side == "left" else slice(14, 20)
    ids[:150, rows] = 7
    ids[150:, 10] = 0
    got = disturbed(2.0, ids=ids)["ids"]
    np.testing.assert_array_equal(got[:150, rows], ids[:150, rows])
    assert (got[150:, 10] == 0).all()
    assert (got != ids).mean() > 0.2


def test_images_are_mirrored_and_shifted_with_the_border_repeated() -> None:
    image: FloatArray = np.arange(9.0).reshape(1, 1, 3, 3)
    np.testing.assert_array_equal(moved(image, "mirror")[0, 0, 0], [2, 1, 0])
    np.testing.assert_array_equal(moved(image, "left")[0, 0, 0], [1, 2, 2])
    np.testing.assert_array_equal(moved(image, "right")[0, 0, 0], [0, 0, 1])
    np.testing.assert_array_equal(moved(image, "up")[0, 0, :, 0], [3, 6, 6])
    np.testing.assert_array_equal(moved(image, "down")[0, 0, :, 0], [0, 0, 3])
    last = np.arange(30.0).reshape(1, 6, 5, 1)
    np.testing.assert_array_equal(moved(last, "left")[0, 0, :, 0], [1, 2, 3, 4, 4])
    table = np.arange(6.0).reshape(2, 3)
    assert moved(table, "left") is table
