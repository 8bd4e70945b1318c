"""Noisy copies for SAMIA: the same bytes for every file, and a sensitivity that is its definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from harness.audit.context import Context
from harness.audit.stages.collect import _queries, _questions, gather
from harness.config import AuditConfig, DeviceConfig, parse
from harness.devices import FakeAgent
from harness.store import Run
from harness.subject.queries import QUERIES
from harness.subject.queries.noisy_copies import NoisyCopies, sensitivity
from harness.subject.trained import TrainedSubject
from harness.types import Artifact, FloatArray, Observations
from tests.devices.files import placeholder

WEIGHTS = np.random.default_rng(2).normal(size=(64, 10)).astype(np.float32)


def config(**attack: object) -> AuditConfig:
    return parse(
        {
            "name": "noise",
            "seed": 3,
            "data": {"members": 30, "nonmembers": 30, "population": 20},
            "training": {"shadows": 2},
            "compression": {"variants": ("original", "prune-0.6")},
            "mis": {"enabled": False},
            "attack": {"names": ("samia",), "samia_draws": 3, **attack},
        }
    )


def subject(**attack: object) -> TrainedSubject:
    return TrainedSubject.load(config(**attack))


def noise_of(one: TrainedSubject) -> NoisyCopies:
    return NoisyCopies.of(one, one.evidence().fitted_on)


def linear(artifact: Artifact, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
    (images,) = inputs.values()
    flat = images.astype(np.float32).reshape(len(images), -1)
    return np.asarray(flat @ WEIGHTS * (0.5 if artifact.variant == "prune-0.6" else 1.0))


def artifact(run: Run, model: str, variant: str) -> Artifact:
    return placeholder(run.folder, variant, model=model, shape=(1, 8, 8), classes=10)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run.open(tmp_path / "run", config()) as opened:
        yield opened


def ask(run: Run, one: TrainedSubject, model: str, artifacts: list[Artifact]) -> dict[str, list[bytes]]:
    """Collect everything that a model is asked about; what each artifact was fed, batch by batch."""
    fed: dict[str, list[bytes]] = {a.key: [] for a in artifacts}

    by_digest = {a.sha256: a for a in artifacts}

    def answers(sha256: str, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        which = by_digest[sha256]
        fed[which.key].append(b"".join(values.tobytes() for values in inputs.values()))
        return linear(which, inputs)

    evidence = one.evidence()
    with FakeAgent(answers) as device, Context(lambda *_: None, DeviceConfig(url=device.url)) as context:
        for name, records, label in _questions(one, evidence, _queries(one, evidence), model):
            gather(one.config, run, context, artifacts, name, records, info=context.device.info(), label=label)
    return fed


def test_sensitivity_is_its_definition(run: Run) -> None:
    one, artifacts = subject(), [artifact(run, "target", v) for v in ("original", "prune-0.6")]
    noise, audit = noise_of(one), one.population("audit")
    ask(run, one, "target", artifacts)
    copies = [noise.copy_of("audit", audit, draw) for draw in range(3)]

    def confidences(population: str, variant: str) -> FloatArray:
        answers = run.arrays.read_answers(population, f"target/{variant}/litert")
        return np.asarray(softmax(answers.astype(np.float64), axis=1))

    logits = {a.variant: run.arrays.read_answers("audit", a.key) for a in artifacts}
    own = noise.observe(Observations(labels=audit.labels, logits=logits), "audit", confidences)
    for asked in artifacts:
        got = own.sensitivity[asked.variant]
        assert got.shape == (60, 10)
        for i in (0, 7, 59):
            for k in range(10):
                moved = 0.0
                for noisy in copies:
                    p = [np.exp(linear(asked, r.inputs)[i].astype(np.float64)) for r in (noisy, audit)]
                    moved += abs(p[0][k] / p[0].sum() - p[1][k] / p[1].sum()) / 1e-3
                assert got[i, k] == pytest.approx(moved / 3, rel=1e-6, abs=1e-9)
        assert got.max() > 0.1


def test_every_variant_and_every_shadow_is_fed_the_same_bytes(run: Run) -> None:
    one = subject()
    fed = [
        ask(run, one, model, [artifact(run, model, v) for v in ("original", "prune-0.6")])
        for model in ("shadow-0", "shadow-1")
    ]
    seen = [batches for model in fed for batches in model.values()]
    assert len(seen) == 4
    assert all(batches == seen[0] for batches in seen)
    assert len(set(seen[0])) == len(seen[0])


def test_noise_is_standard_normal_and_new_in_each_draw_and_population() -> None:
    one = subject(samia_epsilon=0.5)
    noise = noise_of(one)
    draws = []
    for population in ("audit", "shadow"):
        records = one.population(population)
        (plain,) = records.inputs.values()
        for draw in range(3):
            copy = noise.copy_of(population, records, draw)
            (noisy,) = copy.inputs.values()
            assert noisy.dtype == plain.dtype
            np.testing.assert_array_equal(copy.ids, records.ids)
            unit = (np.subtract(noisy, plain, dtype=np.float32) / 0.5).ravel()
            assert abs(unit.mean()) < 5 / np.sqrt(len(unit))
            assert unit.std() == pytest.approx(1.0, abs=0.05)
            draws.append(unit[:3000])
    assert np.abs(np.corrcoef(draws) - np.eye(6)).max() < 0.1


def test_the_seed_decides() -> None:
    one, other = subject(), TrainedSubject.load(config().with_changes(seed=4))
    records = one.population("audit")

    def first(of: TrainedSubject) -> bytes:
        (values,) = noise_of(of).copy_of("audit", records, 0).inputs.values()
        return bytes(values.tobytes())

    assert first(one) == first(subject())
    assert first(one) != first(other)


@pytest.mark.parametrize("variant", ["int8", "int8-dynamic"])
def test_noise_reaches_one_step_where_a_variant_computes_in_8_bits(variant: str) -> None:
    compression = config().compression.model_copy(update={"variants": ("original", variant)})
    coarse = config().with_changes(compression=compression)
    one = TrainedSubject.load(coarse)
    (images,) = one.dataset.take(one.split.calibration).inputs.values()
    assert images.min() < 0 < images.max()
    assert noise_of(one).epsilon == pytest.approx((images.max() - images.min()) / 255)
    assert noise_of(one).epsilon > 1e-3
    assert noise_of(subject()).epsilon == 1e-3
    asked = coarse.with_changes(attack=coarse.attack.model_copy(update={"samia_epsilon": 2e-4}))
    assert noise_of(TrainedSubject.load(asked)).epsilon == 2e-4, "a size that is named is used"


def test_without_samia_nothing_more_is_asked() -> None:
    one = TrainedSubject.load(parse({"name": "x"}))
    queries = _queries(one, one.evidence())
    assert queries == {}
    asked = [name for name, _, _ in _questions(one, one.evidence(), queries, "shadow-0")]
    assert asked == ["audit", "population", "shadow"]


def test_settings_survive_a_run() -> None:
    noise = noise_of(subject(samia_epsilon=0.25))
    assert QUERIES["noisy_copies"].from_json(noise.to_json()) == noise


def test_copies_are_read_one_at_a_time() -> None:
    logits = np.zeros((4, 3))
    alive: list[int] = []

    def copies() -> Iterator[FloatArray]:
        for k in range(5):
            alive.append(k)
            yield np.asarray(softmax(logits + np.eye(4, 3), axis=1))

    got = sensitivity(np.asarray(softmax(logits, axis=1)), copies(), epsilon=0.1)
    assert alive == list(range(5))
    expected = abs(np.e / (np.e + 2) - 1 / 3) / 0.1
    assert got[0, 0] == pytest.approx(expected)
    assert (got[3] == 0).all()
