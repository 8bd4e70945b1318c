"""Every architecture in every runtime that is exported from torch directly: the answers are the network's."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from device_agent.runtimes import arrange, library
from harness import compression, export, models, training
from harness.errors import ArtifactError
from harness.export import _free_batch
from harness.export._source import Source
from harness.silence import converting
from protos.runtimes import RUNTIMES
from tests.architectures import build, digits

# The other two are exported in `test_export.py`.
NAMES = [name for name in models.names() if name not in ("cnn", "resnet18")]
N = 96
# Least share of records that a number format puts into the class that torch does, on networks that learned little; a
# tenth is chance.
AGREEMENT = {"fp32": 1.0, "fp16": 0.95, "int8": 0.8, "int8-dynamic": 0.8, "int4": 0.4}


# DenseNet takes two minutes, and the export matrix has it on every runtime.
CASES = [(name, runtime) for name in NAMES for runtime in ("litert", "executorch")]
CASES.remove(("densenet121", "executorch"))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "runtime"), CASES)
def test_files_answer_as_the_network_does(name: str, runtime: str, tmp_path: Path) -> None:
    model, inputs = _trained(name)
    # LiteRT's number formats share one conversion; ExecuTorch pays for each.
    numerics = [n for n in AGREEMENT if export.supports(runtime, n) is None and (runtime == "litert" or n == "fp32")]
    targets = [export.Target(n, n, tmp_path / f"{n}{RUNTIMES[runtime].suffix}") for n in numerics]
    artifacts = export.export_many(
        model,
        runtime=runtime,
        targets=targets,
        sample_shape=inputs.shape[1:],
        sample_dtype=str(inputs.dtype),
        calibration=inputs,
        max_batch=64,
    )
    expected = training.predict(model, inputs[:64])
    for artifact in artifacts:
        assert artifact.inputs[0].dtype == str(inputs.dtype)
        by_batch = _answers(runtime, artifact.path, [inputs[:size] for size in (64, 1, 5)])
        for answers in by_batch:
            assert answers.shape == (len(answers), 10)
            if artifact.variant == "fp32":
                near = expected[: len(answers)]
                np.testing.assert_allclose(answers, near, atol=1e-4 * max(1.0, np.abs(expected).max()))
        agreement = (by_batch[0].argmax(1) == expected.argmax(1)).mean()
        assert agreement >= AGREEMENT[artifact.variant], artifact.variant


@functools.cache
def _trained(name: str) -> tuple[nn.Module, training.Inputs]:
    """A network that learned a little, and its records; the same for all runtimes."""
    inputs, labels = digits(name, N)
    model = build(name, shape=inputs.shape[1:])
    training.train(model, inputs, labels, epochs=4, batch_size=16, learning_rate=5e-3, seed=0)
    return model, inputs


def _answers(runtime: str, path: Path, batches: list[training.Inputs]) -> list[NDArray[Any]]:
    """The agent's own way, which casts token ids to what the file takes."""
    model = library(runtime).load(path, threads=1)
    return [model.run(arrange(model.inputs, [("args_0", batch)]))[0][0] for batch in batches]


class _Flat(nn.Module):
    """What the converter cannot lower for a batch of any size: a flatten in front of a linear layer."""

    def __init__(self, scores: int) -> None:
        super().__init__()
        self.head = nn.Linear(12, scores)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(torch.softmax(x, -1).flatten(1))
        return logits


@pytest.mark.slow
def test_a_network_that_flattens_is_exported_for_any_batch_size(tmp_path: Path) -> None:
    """A user's network that flattens works, and 251, the batch size that marks its places, may be a size of its own."""
    for scores in (3, 251):
        model = _Flat(scores).eval()
        artifact = export.export(
            model, runtime="litert", numerics="fp32", sample_shape=(3, 4), path=tmp_path / f"{scores}.tflite"
        )
        records = np.random.default_rng(0).standard_normal((7, 3, 4)).astype(np.float32)
        (answers,) = _answers("litert", artifact.path, [records])
        np.testing.assert_allclose(answers, training.predict(model, records), atol=1e-5)


@pytest.mark.slow
def test_a_file_of_other_weights_fails_the_comparison_of_answers() -> None:
    plain, other = _Flat(3).eval(), _Flat(3).eval()
    with converting("a test"):
        content = _free_batch.convert(Source(plain, (3, 4), "float32", None, 8))
    assert _free_batch.answers_alike(content, Source(plain, (3, 4), "float32", None, 8))
    assert not _free_batch.answers_alike(content, Source(other, (3, 4), "float32", None, 8))


@pytest.mark.slow
def test_a_network_that_computes_with_its_batch_size_is_refused(tmp_path: Path) -> None:
    class Tiled(_Flat):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            # The number of records becomes a number that is computed with.
            return super().forward(x) * x.shape[0]

    with pytest.raises(ArtifactError, match="conversion failed: ValueError: the file answers batches of other sizes"):
        export.export(
            Tiled(3).eval(), runtime="litert", numerics="fp32", sample_shape=(3, 4), path=tmp_path / "x.tflite"
        )
    assert not list(tmp_path.iterdir())


class _Shared(nn.Module):
    """The layer before a batch norm has other readers, as in DenseNet: folding would change what they read."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.head = nn.Linear(8, 3)
        nn.init.uniform_(self.norm.weight, 3.0, 4.0)
        nn.init.uniform_(self.norm.bias, -4.0, -3.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        logits: torch.Tensor = self.head(torch.cat((x, self.norm(x)), 1).mean((2, 3)))
        return logits


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_batch_norm_is_not_folded_into_a_layer_that_others_read(runtime: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = _Shared().eval()
    records = np.random.default_rng(0).standard_normal((96, 1, 8, 8)).astype(np.float32)
    artifact = export.export(
        model, runtime=runtime, numerics="int8", sample_shape=(1, 8, 8), path=tmp_path / "x", calibration=records
    )
    (answers,) = _answers(runtime, artifact.path, [records])
    expected = training.predict(model, records)
    assert np.abs(answers - expected).max() < 0.1 * np.abs(expected).max()


@pytest.mark.slow
def test_compressed_networks_keep_their_zeros_in_the_file(tmp_path: Path) -> None:
    """Text, too: the layers' weights are pruned in the file, the tables are not."""
    inputs, labels = digits("gpt2", 64)
    compressed = compression.compress(
        build("gpt2", shape=inputs.shape[1:]), "prune-0.5", inputs=inputs, labels=labels, finetune_epochs=0,
        finetune_learning_rate=1e-3, batch_size=32, seed=0,
    )  # fmt: skip
    path = tmp_path / "pruned.tflite"
    artifact = export.export(
        compressed.model,
        runtime="litert",
        numerics="fp32",
        sample_shape=inputs.shape[1:],
        sample_dtype="int64",
        path=path,
    )
    weights: Any = artifact.provenance["weights"]
    shares = [w["share_zeros"] for w in weights]
    # Two blocks of six layers, and the last one.
    assert sum(share == 0.5 for share in shares) == 13
