"""The stages' side of the indicator's candidates: which are made, kept, made again, and loaded for export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness import compression, training
from harness.audit.context import Context
from harness.audit.stages.train import train
from harness.config import AuditConfig, parse
from harness.errors import ConfigError
from harness.store import Run
from harness.subject import candidates
from harness.subject.exported import check_jobs
from harness.subject.trained import TrainedSubject

QUANTIZERS = {"flips": ("sign", "int8"), "calibration": ("fp32", "int8")}
GENERATORS = ("trajectory", "bootstrap-last", "bootstrap", "perturbation", "flips", "calibration")


def _config(generator: str, **mis: Any) -> AuditConfig:
    quantizers = QUANTIZERS.get(generator, ("fp32", "ternary-0.9", "cluster-4", "prune-0.5"))
    return parse(
        {
            "name": "tiny",
            "seed": 2,
            "jobs": 1,  # in this process
            "data": {"members": 64, "nonmembers": 64, "population": 32, "calibration": 10, "shadow_pool": 64},
            "model": {"width": 4},
            "training": {"epochs": 3, "shadows": 1},
            "compression": {"variants": ("original",)},
            "mis": {"generator": generator, "quantizers": quantizers, "candidates": 3} | mis,
        }
    )


def _train(config: AuditConfig, folder: Path) -> Run:
    steps: list[tuple[str, int, int]] = []
    with (
        Run.open(folder, config) as run,
        Context(lambda label, done, total: steps.append((label, done, total)), config.device) as context,
    ):
        train(config, run, context)
    made = [(done, total) for label, done, total in steps if label == "train variants"]
    assert made[0][0] == 0
    assert made[-1][0] == made[-1][1]  # whatever was to be made was counted
    return run


def _kept(run: Run) -> dict[str, bytes]:
    folder = run.folder / "models" / "target"
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.safetensors"))}


@pytest.mark.parametrize("generator", GENERATORS)
def test_candidates_are_made_once_and_again_where_they_are_missing(generator: str, tmp_path: Path) -> None:
    config = _config(generator)
    run = _train(config, tmp_path / "run")
    numbers = {"trajectory": (0, 1, 2), "calibration": ()}.get(generator, (1, 2))
    folders = ("sign/", "int8/") if generator == "flips" else ("",)
    kept = _kept(run)
    assert set(kept) == {f"candidates/{f}{n:03}.safetensors" for f in folders for n in numbers} | {
        "original.safetensors",
        *(["candidates/last-layer.safetensors"] if generator == "bootstrap-last" else []),
    }
    assert len({content for name, content in kept.items() if "int8/" not in name}) == len(
        [name for name in kept if "int8/" not in name]
    ) - (generator == "trajectory")  # its last candidate is the original
    for name in kept:
        if name.endswith("002.safetensors") and generator != "trajectory":
            (run.folder / "models" / "target" / name).unlink()
    before = {p: p.stat().st_mtime_ns for p in run.folder.rglob("original.safetensors")}
    assert _kept(_train(config, run.folder)) == kept
    assert {p: p.stat().st_mtime_ns for p in before} == before  # no model was trained again


@pytest.mark.parametrize("generator", GENERATORS)
def test_the_deployed_candidate_is_the_target_as_each_quantizer_leaves_it(generator: str, tmp_path: Path) -> None:
    config = _config(generator)
    run = _train(config, tmp_path / "run")
    subject = TrainedSubject.load(config, run)
    target, shape = subject.load_model(run, "target", "original"), subject.dataset.in_shape
    (x,) = subject.population("mis").inputs.values()
    for quantizer in config.mis.quantizers:
        made = [candidates.load(run, subject, quantizer, number) for number in range(config.mis.candidates)]
        answers = [training.predict(model, np.asarray(x, dtype=np.float32)) for model in made]
        shipped = compression.quantize(target, quantizer, sample_shape=shape).model
        deployed = candidates.deployed(config)
        np.testing.assert_array_equal(answers[deployed], training.predict(shipped, np.asarray(x, dtype=np.float32)))
        for number, other in enumerate(answers):
            assert np.array_equal(other, answers[deployed]) == (number == deployed or generator == "calibration")


def test_every_candidate_of_calibration_sees_other_records() -> None:
    config = _config("calibration")
    records = np.arange(10, dtype=np.float32)[:, None]
    seen = [candidates.calibration(config, records, number) for number in range(3)]
    assert np.array_equal(seen[0], records)
    assert [len(half) for half in seen[1:]] == [5, 5]
    assert not np.array_equal(seen[1], seen[2])
    assert np.array_equal(candidates.calibration(_config("flips"), records, 1), records)


def test_number_formats_share_weights_but_for_flips() -> None:
    mixed = ("fp32", "sign", "int8", "cluster-4")
    names = [[q.name for q in group] for group in candidates.groups(_config("trajectory", quantizers=mixed))]
    assert names == [["fp32", "int8"], ["sign"], ["cluster-4"]]
    names = [[q.name for q in group] for group in candidates.groups(_config("flips", quantizers=("sign", "int8")))]
    assert names == [["sign"], ["int8"]]


@pytest.mark.parametrize(
    ("generator", "mis", "message"),
    [
        ("trajectory", {"quantizers": ("int3",)}, r"mis\.quantizers: variant 'int3' is not known .one of: fp32, "),
        ("trajectory", {"quantizers": ("prune-2",)}, r"mis\.quantizers: variant 'prune-2': the share of zeros"),
        ("bootstrap", {"quantizers": ("original",)}, r"mis\.quantizers: 'original' is no quantizer"),
        ("flips", {"quantizers": ("int8", "fp32")}, r"mis\.quantizers: 'fp32' on litert has no codes.*sign or ternary"),
        ("flips", {"quantizers": ("prune-0.5",)}, r"mis\.quantizers: 'prune-0\.5' on litert has no codes"),
        ("calibration", {"quantizers": ("int4",), "runtime": "executorch"}, r"mis\.quantizers: 'int4' on executorch"),
    ],
)
def test_quantizers_are_checked_before_anything_is_begun(generator: str, mis: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_jobs(_config(generator, **mis))


def test_bootstrap_retrains_from_the_same_weights_on_its_sample(tmp_path: Path) -> None:
    config = _config("bootstrap")
    run = _train(config, tmp_path / "run")
    subject = TrainedSubject.load(config, run)
    inputs, labels = subject.training_arrays("target")
    rows = compression.candidates.bootstrap_rows(len(labels), seed=config.seed, number=1)
    again = subject.build(seed=subject.seed_of("target"))
    training.train(
        again, inputs[rows], labels[rows], epochs=3, batch_size=64, learning_rate=2e-3,
        seed=subject.seed_of("target"),
    )  # fmt: skip
    kept = candidates.load(run, subject, "fp32", 1).state_dict()
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in kept.items())
