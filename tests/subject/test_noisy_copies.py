"""Noisy copies for SAMIA: the same bytes for every file, and a sensitivity that is its definition."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.audit.context import Context
from harness.audit.stages.collect import _questions, gather
from harness.config import AuditConfig, parse
from harness.devices import FakeDevice
from harness.store import Run
from harness.subject.noisy_copies import Noise, sensitivity
from harness.subject.trained import TrainedSubject
from harness.types import Artifact, Records, TensorSpec

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


def noise_of(one: TrainedSubject) -> Noise:
    found = Noise.of(one)
    assert found is not None
    return found


def linear(artifact: Artifact, records: Records) -> np.ndarray:
    (images,) = records.inputs.values()
    return images.reshape(len(images), -1) @ WEIGHTS * (0.5 if artifact.variant == "prune-0.6" else 1.0)


def artifact(model: str, variant: str) -> Artifact:
    inputs, output = (TensorSpec("args_0", "float32", (1, 8, 8)),), TensorSpec("output_0", "float32", (10,))
    return Artifact(model, variant, "litert", Path("x.tflite"), variant * 8, 1, inputs, output)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run.open(tmp_path / "run", config()) as opened:
        yield opened


def ask(run: Run, one: TrainedSubject, model: str, artifacts: list[Artifact]) -> dict[str, list[bytes]]:
    """Collect everything that a model is asked about; what each artifact was fed, batch by batch."""
    fed: dict[str, list[bytes]] = {a.key: [] for a in artifacts}

    def answer(which: Artifact, records: Records) -> np.ndarray:
        fed[which.key].append(b"".join(values.tobytes() for values in records.inputs.values()))
        return linear(which, records)

    context = Context(lambda *_: None, "local")
    context._device = FakeDevice(answer)
    for name, records, label in _questions(one, Noise.of(one), model):
        gather(one.config, run, context, artifacts, name, records, info=context.device.info(), label=label)
    return fed


def test_sensitivity_is_its_definition(run: Run) -> None:
    one, artifacts = subject(), [artifact("target", v) for v in ("original", "prune-0.6")]
    noise, audit = noise_of(one), one.population("audit")
    ask(run, one, "target", artifacts)
    copies = [noise.copy_of("audit", audit, draw) for draw in range(3)]
    for asked in artifacts:
        got = noise.sensitivity_of(run, "audit", asked.key)
        assert got.shape == (60, 10)
        for i in (0, 7, 59):
            for k in range(10):
                moved = 0.0
                for noisy in copies:
                    p = [np.exp(linear(asked, r)[i].astype(np.float64)) for r in (noisy, audit)]
                    moved += abs(p[0][k] / p[0].sum() - p[1][k] / p[1].sum()) / 1e-3
                assert got[i, k] == pytest.approx(moved / 3, rel=1e-6, abs=1e-9)
        assert got.max() > 0.1


def test_every_variant_and_every_shadow_is_fed_the_same_bytes(run: Run) -> None:
    one = subject()
    fed = [
        ask(run, one, model, [artifact(model, v) for v in ("original", "prune-0.6")])
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
            unit = ((noisy - plain) / 0.5).ravel()
            assert abs(unit.mean()) < 5 / np.sqrt(len(unit))
            assert unit.std() == pytest.approx(1.0, abs=0.05)
            draws.append(unit[:3000])
    assert np.abs(np.corrcoef(draws) - np.eye(6)).max() < 0.1


def test_the_seed_decides() -> None:
    one, other = subject(), TrainedSubject.load(config().with_changes(seed=4))
    records = one.population("audit")

    def first(of: TrainedSubject) -> bytes:
        (values,) = noise_of(of).copy_of("audit", records, 0).inputs.values()
        return values.tobytes()

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
    assert noise_of(TrainedSubject.load(asked)).epsilon == 2e-4, "who names a size gets it"


def test_without_samia_nothing_more_is_asked() -> None:
    one = TrainedSubject.load(parse({"name": "x"}))
    assert Noise.of(one) is None
    assert [name for name, _, _ in _questions(one, None, "shadow-0")] == ["audit", "population", "shadow"]


def test_copies_are_read_one_at_a_time() -> None:
    answers = np.zeros((4, 3), dtype=np.float32)
    alive: list[int] = []

    def copies() -> Iterator[np.ndarray]:
        for k in range(5):
            alive.append(k)
            yield answers + np.eye(4, 3, dtype=np.float32)

    got = sensitivity(answers, copies(), epsilon=0.1)
    assert alive == list(range(5))
    expected = abs(np.e / (np.e + 2) - 1 / 3) / 0.1
    assert got[0, 0] == pytest.approx(expected)
    assert (got[3] == 0).all()
