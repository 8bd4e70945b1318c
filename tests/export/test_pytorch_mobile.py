"""PyTorch Mobile archives: no path of this machine in them, and no code run while they are read."""

from __future__ import annotations

import json
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from harness import export
from harness.errors import ArtifactError, ConfigError
from harness.export._pickled import Call, Name, parsed, renumbered
from tests.export.fixture_types import Formats, Runners


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("numerics", ["fp32", "int8"])
def test_an_archive_holds_what_the_interpreter_reads_and_no_paths(formats: Formats, numerics: str) -> None:
    held = members(formats["pytorch-mobile", numerics].path)
    kinds = {name.partition("/")[0] for name in held}
    assert kinds == {"data", "data.pkl", "bytecode.pkl", "constants.pkl", "extra", "version", "byteorder", ".data"}
    whole = b"".join(held.values())
    for trace in (str(Path(torch.__file__).parent), str(Path(export.__file__).parent), Path(sys.prefix).name):
        assert trace.encode() not in whole


def test_an_archive_describes_the_models_inputs(formats: Formats) -> None:
    held = members(formats["pytorch-mobile", "int8"].path)
    description = {"name": "args_0", "dtype": "float32", "shape": [1, 8, 8]}
    assert json.loads(held["extra/inputs.json"]) == {"inputs": [description]}


def test_convolutions_are_quantized_too(formats: Formats) -> None:
    summaries = export.weight_summary(formats["pytorch-mobile", "int8"].path, "pytorch-mobile")
    assert [s.name for s in summaries] == [
        "features.0.weight",
        "features.3.weight",
        "features.6.weight",
        "head.weight",
    ]
    assert {s.dtype for s in summaries} == {"int8"}


def test_exporting_leaves_torchs_quantized_engine_as_it_was(
    network: nn.Module, calibration: NDArray[np.float32], tmp_path: Path
) -> None:
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = "x86"
    try:
        export.export(
            network, runtime="pytorch-mobile", numerics="int8", sample_shape=(1, 8, 8), path=tmp_path / "f",
            calibration=calibration,
        )  # fmt: skip
        assert torch.backends.quantized.engine == "x86"
    finally:
        torch.backends.quantized.engine = before


class Text(nn.Module):
    """Token ids of six tokens, three logits; the mask is made of them."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 8)
        self.linear = nn.Linear(8, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        mask = (ids != 0).unsqueeze(-1).to(torch.float32)
        logits: torch.Tensor = self.linear((self.embedding(ids) * mask).sum(1))
        return logits


@pytest.mark.parametrize("runtime", ["pytorch-mobile", "onnx", "executorch"])
@pytest.mark.parametrize("numerics", ["fp32", "int8-dynamic"])
def test_a_file_for_text_takes_token_ids(run: Runners, tmp_path: Path, runtime: str, numerics: str) -> None:
    if reason := export.supports(runtime, numerics, convolutions=False):
        pytest.skip(reason)
    model = Text().eval()
    artifact = export.export(
        model, runtime=runtime, numerics=numerics, sample_shape=(6,), sample_dtype="int64", path=tmp_path / "text"
    )
    assert [(i.dtype, i.shape) for i in artifact.inputs] == [("int64", (6,))]
    ids = np.random.default_rng(0).integers(0, 50, (9, 6))
    with torch.no_grad():
        expected = model(torch.from_numpy(ids)).numpy()
    if numerics != "fp32":
        weights: Any = artifact.provenance["weights"]
        assert {w["bits"] for w in weights} == {8, 32} - ({32} if runtime == "onnx" else set())
    tolerance = 1e-5 if numerics == "fp32" else 0.02
    np.testing.assert_allclose(run[runtime](artifact.path, ids), expected, atol=tolerance * np.abs(expected).max())


def test_dynamic_formats_are_for_linear_layers(network: nn.Module, tmp_path: Path) -> None:
    assert export.supports("pytorch-mobile", "int8-dynamic", convolutions=False) is None
    assert "torch.fx" in str(export.supports("pytorch-mobile", "int8", text=True))
    assert export.supports("pytorch-mobile", "int8") is None
    with pytest.raises(ConfigError, match=r"variant 'original' on pytorch-mobile: .*linear layers only"):
        export.export(
            network, runtime="pytorch-mobile", numerics="int8-dynamic", sample_shape=(1, 8, 8), path=tmp_path / "f"
        )


class _Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(x) if float(x.sum()) > 0 else self.head(-x)
        return logits


def test_a_branch_that_depends_on_the_records_is_refused(tmp_path: Path) -> None:
    """Traced, it would answer every record as the example's side of the branch does."""
    asked: dict[str, Any] = {"runtime": "pytorch-mobile", "sample_shape": (4,), "path": tmp_path / "f"}
    with pytest.raises(
        ArtifactError,
        match=r"cannot be traced: test_pytorch_mobile\.py line \d+: Converting a tensor to a Python float",
    ):
        export.export(_Branching().eval(), numerics="fp32", **asked)
    records = np.ones((8, 4), np.float32)
    with pytest.raises(ArtifactError, match=r"needs a network that torch\.fx can trace"):
        export.export(_Branching().eval(), numerics="int8", calibration=records, **asked)
    assert list(tmp_path.iterdir()) == []


def test_reading_a_pickle_runs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "made"
    command = f"touch {trace}".encode()
    hostile = b"\x80\x02cposix\nsystem\nX" + struct.pack("<I", len(command)) + command + b"\x85R."
    assert parsed(hostile) == Call(Name("posix system"), (f"touch {trace}",))
    assert not trace.exists()
    with pytest.raises(ValueError, match="operation INST"):
        parsed(b"\x80\x02(iposix\nsystem\n.")
    with pytest.raises(LookupError):
        parsed(b"\x80\x02h\x05.")


def test_reading_a_hostile_archive_runs_nothing(formats: Formats, tmp_path: Path) -> None:
    path, trace = tmp_path / "hostile.ptl", tmp_path / "made"
    command = f"touch {trace}".encode()
    held = members(formats["pytorch-mobile", "fp32"].path)
    held["data.pkl"] = b"\x80\x02cposix\nsystem\nX" + struct.pack("<I", len(command)) + command + b"\x85R."
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in held.items():
            archive.writestr(f"archive/{name}", content)
    assert export.read_weights(path, "pytorch-mobile") == {}
    assert not trace.exists()


@pytest.mark.parametrize(("size", "stride"), [(10**6, 1), (16, 10**6), (-1, 1), (16, -1)])
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(
    formats: Formats, tmp_path: Path, size: int, stride: int
) -> None:
    def tensor(at: int, step: int) -> bytes:
        number = b"J" + struct.pack("<i", at)
        return (
            b"\x80\x02}(X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
            b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x90tQK\x00(" + number + b"K\x02t(J" + struct.pack("<i", step)
            + b"K\x01t\x89ccollections\nOrderedDict\n)RtRu."
        )  # fmt: skip

    held = members(formats["pytorch-mobile", "fp32"].path)
    path = tmp_path / "reaching.ptl"
    for pickle, fits in ((tensor(16, 2), True), (tensor(size, stride), False)):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in (held | {"data.pkl": pickle}).items():
                archive.writestr(f"archive/{name}", content)
        if fits:
            (values,) = export.read_weights(path, "pytorch-mobile").values()
            assert values.shape == (16, 2)
        else:
            with pytest.raises(ArtifactError, match="not a whole pytorch-mobile file"):
                export.read_weights(path, "pytorch-mobile")


def test_class_numbers_start_anew_in_every_archive() -> None:
    """The process's own counter goes on from model to model; an archive's names must not depend on it."""

    def pickles(first: str, second: str) -> dict[str, bytes]:
        method = f"__torch__.a{second}.B.forward".encode()
        data = b"\x80\x02" + b"".join(f"c__torch__.a{m}\nB\n)".encode() + b"\x81" for m in (first, second)) + b"."
        return {"data.pkl": data, "bytecode.pkl": b"\x80\x02X" + struct.pack("<I", len(method)) + method + b"."}

    early = renumbered(pickles("", ".___torch_mangle_0"))
    late = renumbered(pickles(".___torch_mangle_41", ".___torch_mangle_57"))
    assert early == late
    assert early["data.pkl"].count(b"___torch_mangle_0") == 1
    assert b"__torch__.a.___torch_mangle_0.B.forward" in early["bytecode.pkl"]
    assert early["data.pkl"].startswith(b"\x80\x02c__torch__.a\nB\n")
