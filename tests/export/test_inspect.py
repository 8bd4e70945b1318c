"""Weights in exported files, read back from their bytes: values, number formats, sparsity and sizes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from harness import export
from harness.compression import fuse
from harness.errors import ArtifactError, ConfigError
from harness.export._stored import Stored, unpack_int4
from protos.runtimes import RUNTIMES
from tests.export.fixture_types import Exported, Formats

WEIGHTS = ("features.0.weight", "features.3.weight", "features.6.weight", "head.weight")


def _float_weights(network: nn.Module) -> dict[str, NDArray[np.float32]]:
    folded, _ = fuse(network, sample_shape=(1, 8, 8))
    return {n: p.detach().numpy() for n, p in folded.named_parameters() if n in WEIGHTS}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_float_files_hold_the_folded_weights_number_for_number(
    network: nn.Module, formats: Formats, runtime: str
) -> None:
    stored = export.read_weights(formats[runtime, "fp32"].path, runtime)
    assert len(stored) == 4
    for ours, theirs in zip(_float_weights(network).values(), stored.values(), strict=True):
        assert theirs.dtype == np.float32
        np.testing.assert_array_equal(np.sort(theirs, axis=None), np.sort(ours, axis=None))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("sparsity", [0.6, 0.9])
def test_pruned_files_hold_the_stated_share_of_zeros(
    variants: Mapping[str, Exported], runtime: str, sparsity: float
) -> None:
    summaries = export.weight_summary(variants[f"prune-{sparsity}"].artifacts[runtime].path, runtime)
    assert len(summaries) == 4
    for summary in summaries:
        assert abs(summary.share_zeros - sparsity) <= 1 / np.prod(summary.shape)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_clustered_files_hold_exactly_the_stated_number_of_values(
    variants: Mapping[str, Exported], runtime: str
) -> None:
    summaries = export.weight_summary(variants["cluster-16"].artifacts[runtime].path, runtime)
    assert [s.distinct_values for s in summaries] == [16] * 4


@pytest.mark.parametrize(
    ("runtime", "numerics"),
    [
        ("litert", "int8"),
        ("litert", "int8-dynamic"),
        ("litert", "int8-weights"),
        ("litert", "int16x8"),
        ("executorch", "int8"),
        ("pytorch-mobile", "int8"),
        ("onnx", "int8"),
        ("onnx", "int8-dynamic"),
        ("onnx", "int16x8"),
    ],
)
def test_int8_files_hold_int8_and_scales_that_give_the_weights_back(
    network: nn.Module, formats: Formats, runtime: str, numerics: str
) -> None:
    path = formats[runtime, numerics].path
    stored, meant = export.read_weights(path, runtime), export.read_weights(path, runtime, dequantize=True)
    for name, ours in zip(WEIGHTS, _float_weights(network).values(), strict=True):
        place = WEIGHTS.index(name)
        codes, floats = list(stored.values())[place], list(meant.values())[place]
        assert codes.dtype == (np.uint8 if (runtime, numerics) == ("onnx", "int8-dynamic") else np.int8)
        assert floats.dtype == np.float32
        # Half a step a channel, the step being 1/127 of the channel's largest weight.
        np.testing.assert_allclose(
            np.sort(floats, axis=None), np.sort(ours, axis=None), atol=np.abs(ours).max() / 127 / 2 * 1.01
        )


def test_four_bit_files_hold_four_bits_but_in_the_first_layer(formats: Formats) -> None:
    summaries = export.weight_summary(formats["litert", "int4"].path, "litert")
    # A convolution over one channel becomes a depthwise one, which the quantizer leaves in float32.
    assert [(s.dtype, s.bits) for s in summaries] == [("float32", 32), ("int4", 4), ("int4", 4), ("int4", 4)]
    assert all(s.distinct_values <= 16 for s in summaries[1:])
    codes = list(export.read_weights(formats["litert", "int4"].path, "litert").values())[1]
    assert codes.min() >= -8
    assert codes.max() <= 7


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("numerics", "bits"), [("fp32", 32), ("int8", 8)])
def test_the_width_of_a_weight_is_read_from_the_file(formats: Formats, runtime: str, numerics: str, bits: int) -> None:
    summaries = export.weight_summary(formats[runtime, numerics].path, runtime)
    assert [s.bits for s in summaries] == [bits] * 4
    recorded: Any = formats[runtime, numerics].provenance["weights"]
    assert [w["bits"] for w in recorded] == [bits] * 4


@pytest.mark.parametrize("runtime", [r for r in RUNTIMES if export.supports(r, "fp16") is None])
def test_half_precision_files_hold_half_precision_numbers(formats: Formats, runtime: str) -> None:
    for values in export.read_weights(formats[runtime, "fp16"].path, runtime).values():
        np.testing.assert_array_equal(values, values.astype(np.float16).astype(values.dtype))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_sparsity_and_sharing_reduce_the_zipped_size_alone(
    formats: Formats, variants: Mapping[str, Exported], runtime: str
) -> None:
    plain = export.sizes(formats[runtime, "fp32"].path)
    assert plain.raw == formats[runtime, "fp32"].size_bytes
    for variant in ("prune-0.9", "cluster-16"):
        small = export.sizes(variants[variant].artifacts[runtime].path)
        assert abs(small.raw - plain.raw) < 0.02 * plain.raw
        assert small.zipped < 0.4 * plain.zipped


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("damage", ["empty", "garbage", "truncated", "other runtime"])
def test_damaged_and_foreign_files_are_refused_with_their_name(
    formats: Formats, tmp_path: Path, runtime: str, damage: str
) -> None:
    content = formats[runtime, "fp32"].path.read_bytes()
    other = "executorch" if runtime == "litert" else "litert"
    path = tmp_path / "file"
    path.write_bytes(
        {
            "empty": b"",
            "garbage": content[:8] + bytes(range(256)) * 40,
            "truncated": content[: len(content) // 3],
            "other runtime": formats[other, "fp32"].path.read_bytes(),
        }[damage]
    )
    with pytest.raises(ArtifactError, match="file: is not a whole"):
        export.read_weights(path, runtime)


def test_missing_files_and_unknown_runtimes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="nothing: cannot be read"):
        export.weight_summary(tmp_path / "nothing", "litert")
    with pytest.raises(ConfigError, match="runtime 'tvm'"):
        export.read_weights(tmp_path / "nothing", "tvm")


def test_four_bit_numbers_are_unpacked_low_half_first() -> None:
    packed = np.array([0x21, 0xF8, 0x07], dtype=np.uint8)
    assert unpack_int4(packed, 5).tolist() == [1, 2, -8, -1, 7]
    assert unpack_int4(packed, 5, offset=8).tolist() == [-7, -6, 0, 7, -1]


def test_scales_and_zero_points_run_along_their_axis() -> None:
    codes = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.int8)
    stored = Stored("w", codes, "int8", np.array([1.0, 10.0, 100.0], np.float32), np.array([1, 2, 6]), axis=1)
    assert stored.dequantized().tolist() == [[0, 0, -300], [3, 30, 0]]
    assert stored.zeros().tolist() == [[True, True, False], [False, False, True]]
    assert Stored("w", codes, "int8", np.array([2.0], np.float32)).dequantized()[1, 2] == 12
