"""Exported files answer as the network does, for every batch size, and exporting prints nothing."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from harness import export, models, training
from harness.errors import ArtifactError, ConfigError, InputError, StorageError
from protos.runtimes import RUNTIMES
from tests.architectures import PIXELS
from tests.export.fixture_types import Exported, Formats, Runners
from tests.export.pairs import PAIRS, TOLERANCES

SHAPE = (1, 8, 8)


@pytest.mark.parametrize(("runtime", "numerics"), PAIRS)
def test_answers_are_the_networks_for_every_batch_size(
    network: nn.Module, formats: Formats, run: Runners, runtime: str, numerics: str
) -> None:
    path = formats[runtime, numerics].path
    x = PIXELS[600:856]
    expected = training.predict(network, x)
    scale = np.abs(expected).max()
    for size in (1, 7, 64, 256):
        answers = run[runtime](path, x[:size])
        assert answers.dtype == np.float32
        assert answers.shape == (size, 10)
        difference = np.abs(answers - expected[:size]).max() / scale
        assert difference < TOLERANCES[numerics], f"batch {size}: {difference}"
        if numerics not in ("fp32", "fp16"):
            assert difference > 1e-5  # the numbers really were quantized
    assert (run[runtime](path, x).argmax(1) == expected.argmax(1)).mean() > 0.95


@pytest.mark.parametrize("variant", ["prune-0.6", "prune-0.9", "cluster-16"])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_files_of_compressed_networks_answer_as_the_networks_do(
    variants: Mapping[str, Exported], run: Runners, runtime: str, variant: str
) -> None:
    exported = variants[variant]
    x = PIXELS[600:664]
    expected = training.predict(exported.model, x)
    answers = run[runtime](exported.artifacts[runtime].path, x)
    np.testing.assert_allclose(answers, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("runtime", "numerics"), PAIRS)
def test_an_artifact_records_its_digest_size_recipe_and_packages(
    formats: Formats, calibration: NDArray[np.float32], runtime: str, numerics: str
) -> None:
    artifact = formats[runtime, numerics]
    content = artifact.path.read_bytes()
    assert artifact.sha256 == hashlib.sha256(content).hexdigest()
    assert artifact.size_bytes == len(content)
    assert [(i.dtype, i.shape) for i in artifact.inputs] == [("float32", SHAPE)]
    assert (artifact.output.dtype, artifact.output.shape) == ("float32", (10,))
    recorded: Any = artifact.provenance
    assert recorded["recipe"] == {"note": numerics}
    assert recorded["numerics"] == numerics
    assert recorded["packages"]["torch"].startswith("2.")
    assert "not installed" not in recorded["packages"].values()
    assert len(recorded["weights"]) == 4
    assert recorded["size_zip_bytes"] == export.sizes(artifact.path).zipped
    assert ("calibration" in recorded) == (numerics in ("int8", "int16x8"))
    if "calibration" in recorded:
        assert recorded["calibration"] == {"n": 128, "sha256": hashlib.sha256(calibration.tobytes()).hexdigest()}


def test_litert_files_declare_a_dynamic_batch(formats: Formats) -> None:
    from ai_edge_litert.interpreter import Interpreter

    for (runtime, _), artifact in formats.items():
        if runtime == "litert":
            (source,) = Interpreter(model_path=str(artifact.path)).get_input_details()
            assert source["shape_signature"].tolist() == [-1, *SHAPE]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_rerun_gives_the_same_bytes_and_prints_nothing(
    network: nn.Module,
    calibration: NDArray[np.float32],
    formats: Formats,
    runtime: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    artifact = export.export(
        network,
        runtime=runtime,
        numerics="int8",
        sample_shape=SHAPE,
        calibration=calibration,
        path=tmp_path / "again",
        variant="int8",
    )
    assert artifact.sha256 == formats[runtime, "int8"].sha256
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
    assert [p.name for p in tmp_path.iterdir()] == ["again"]


def test_conversions_run_in_worker_processes(network: nn.Module, formats: Formats, tmp_path: Path) -> None:
    (sha,) = joblib.Parallel(n_jobs=2)(
        joblib.delayed(_export_elsewhere)(network, tmp_path / name) for name in ("one.tflite",)
    )
    assert sha == formats["litert", "fp32"].sha256


def _export_elsewhere(network: nn.Module, path: Path) -> str:
    return export.export(network, runtime="litert", numerics="fp32", sample_shape=SHAPE, path=path).sha256


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_files_of_a_residual_network_answer_as_the_network_does(run: Runners, runtime: str, tmp_path: Path) -> None:
    shape = (3, 16, 16)
    model = models.build("resnet18", n_classes=5, in_shape=shape, width=4)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, *shape)).astype(np.float32), rng.integers(0, 5, 64)
    training.train(model, x, y, epochs=1, batch_size=32, learning_rate=1e-2, seed=0)
    names = ["fp32", "int8"]
    artifacts = export.export_many(
        model,
        runtime=runtime,
        targets=[export.Target(n, n, tmp_path / n) for n in names],
        sample_shape=shape,
        calibration=x,
    )
    expected = training.predict(model, x)
    for artifact, tolerance in zip(artifacts, (1e-5, 0.15), strict=True):
        for size in (1, 64):
            answers = run[runtime](artifact.path, x[:size])
            assert np.abs(answers - expected[:size]).max() < tolerance * np.abs(expected).max()


def test_an_unsupported_format_or_runtime_is_refused_before_a_file_is_written(
    network: nn.Module, tmp_path: Path
) -> None:
    assert export.supports("litert", "int4") is None
    assert "linear layers only" in str(export.supports("executorch", "int4"))
    asked: dict[str, Any] = {"sample_shape": SHAPE, "path": tmp_path / "f"}
    with pytest.raises(ConfigError, match=r"variant 'original' on executorch: .*linear layers only"):
        export.export(network, runtime="executorch", numerics="int8-dynamic", **asked)
    with pytest.raises(ConfigError, match="runtime 'tvm' is not known"):
        export.export(network, runtime="tvm", numerics="fp32", **asked)
    with pytest.raises(ConfigError, match="number format 'int3'"):
        export.supports("litert", "int3")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (None, "'small' needs calibration records"),
        (np.zeros((0, 1, 8, 8), np.float32), "needs calibration records"),
        (np.zeros((4, 8, 8), np.float32), "shape \\(8, 8\\), the model takes \\(1, 8, 8\\)"),
    ],
)
def test_static_quantization_without_fitting_calibration_is_refused(
    network: nn.Module, tmp_path: Path, records: NDArray[np.float32] | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        export.export(
            network,
            runtime="litert",
            numerics="int8",
            sample_shape=SHAPE,
            path=tmp_path / "f",
            calibration=records,
            variant="small",
        )


def test_a_calibration_record_with_nan_is_refused_with_its_number(network: nn.Module, tmp_path: Path) -> None:
    records = np.zeros((4, *SHAPE), np.float32)
    records[2, 0, 3, 3] = np.nan
    with pytest.raises(InputError, match="calibration record 3 holds NaN"):
        export.export(
            network, runtime="litert", numerics="int8", sample_shape=SHAPE, path=tmp_path / "f", calibration=records
        )
    assert list(tmp_path.iterdir()) == []


class _Unconvertible(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        print("a converter's own output", file=sys.stderr)
        return torch.fft.fft(x.flatten(1)).real[:, :3] if float(x.sum()) > 0 else x.flatten(1)[:, :3]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_failed_conversion_is_one_line_with_the_converters_words_as_a_note(
    runtime: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = _Unconvertible()
    capfd.readouterr()
    with pytest.raises(ArtifactError, match=f"^shadow-0 to {runtime}, original: the conversion failed") as caught:
        export.export(
            model, runtime=runtime, numerics="fp32", sample_shape=SHAPE, path=tmp_path / "f", model_name="shadow-0"
        )
    assert "\n" not in str(caught.value)
    assert caught.value.__notes__
    assert list(tmp_path.iterdir()) == []


class _Rare(nn.Module):
    """An operation that no converter knows."""

    def forward(self, x: torch.Tensor) -> Any:
        return torch.linalg.svdvals(x[:, 0])


class _Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            x = x * 2
        return x.flatten(1)[:, :3]


@pytest.mark.parametrize("runtime", ["litert", "executorch", "onnx"])
def test_an_operation_that_a_converter_lacks_names_its_layer_and_line(runtime: str, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Identity(), _Rare())
    with pytest.raises(
        ArtifactError, match=r"_linalg_svd.*; at layer '1' \(_Rare\), test_export\.py line \d+: return "
    ):
        export.export(model, runtime=runtime, numerics="fp32", sample_shape=SHAPE, path=tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_branch_that_depends_on_the_records_names_its_line(runtime: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"test_export\.py line \d+") as caught:
        export.export(_Branching(), runtime=runtime, numerics="fp32", sample_shape=SHAPE, path=tmp_path / "f")
    assert "\x1b" not in str(caught.value)


def test_a_folder_that_is_not_there_is_a_storage_error(network: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere/f\.tflite: cannot be written"):
        export.export(
            network, runtime="litert", numerics="fp32", sample_shape=SHAPE, path=tmp_path / "nowhere" / "f.tflite"
        )
