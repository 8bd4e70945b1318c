"""The table of runtimes: it agrees with the contract, and a row and its modules are all that a new runtime takes."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path

import numpy as np
import pytest

from harness import export
from harness.config import parse
from harness.devices import TensorInfo, Timeouts, open_device
from harness.errors import ArtifactError, ConfigError
from harness.query import query
from harness.types import Artifact, Records, TensorSpec
from protos.edgeleak.v1 import agent_pb2
from protos.runtimes import RUNTIMES, Runtime, by_number, by_suffix, recognised
from tests.device_agent.exported import Exported

START = Timeouts(connect=60.0)
# Files of this runtime hold two float32 numbers: an answer is records x numbers.
AGENT_MODULE = """
import time
import numpy as np
from device_agent.errors import AgentError
from device_agent.runtimes import InputSpec, TensorSpec

SHARES_THREADS = False


class Model:
    inputs = (InputSpec(("x",), np.dtype(np.float32), (1,)),)
    outputs = (TensorSpec(("y",), np.dtype(np.float32), (2,)),)
    batch_limit = None

    def __init__(self, numbers):
        self._numbers = numbers

    def run(self, inputs):
        start = time.perf_counter_ns()
        outputs = [inputs[0] * self._numbers]
        return outputs, time.perf_counter_ns() - start


def load(path, *, threads):
    data = path.read_bytes()[4:]
    if len(data) != 8:
        raise AgentError("INVALID_ARGUMENT", "a toy file holds two numbers")
    return Model(np.frombuffer(data, "<f4"))
"""
EXPORTER_MODULE = """
import numpy as np
from harness.export._support import Limits

PACKAGES = ("numpy",)
LIMITS = Limits(always={"int4": "toys have no 4-bit weights"})


def convert(source, numerics):
    weight = source.model[0].weight.detach().numpy().ravel()
    for _ in numerics:
        yield b"TOY1" + np.ascontiguousarray(weight, "<f4").tobytes()
"""
READER_MODULE = """
import numpy as np
from harness.export._stored import Stored


def read(data):
    if len(data) != 12:
        raise ValueError("a toy file has 12 bytes")
    return [Stored("numbers", np.frombuffer(data[4:], "<f4")[:, None], "float32")]
"""
# Python imports this at its start: the agent and its worker are processes of their own, which no test can patch.
SITE_MODULE = """
import hashlib
import re
from protos.runtimes import RUNTIMES, Runtime
RUNTIMES["toy"] = Runtime({fields})
"""


@dataclass(frozen=True)
class Toy:
    """The row of a runtime that this project does not have, and a file of it."""

    row: Runtime
    file: Path


def _source(row: Runtime) -> str:
    fields = {name: getattr(row, name) for name in row.__dataclass_fields__}
    return ", ".join(f"{name}={value!r}" for name, value in fields.items())


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toy]:
    row = Runtime(
        name="toy",
        number=99,
        suffix=".toy",
        title="a toy",
        packages=("numpy",),
        magic=re.compile(b"TOY1"),
        agent_extra="agent",
        host_extra="dev",
        agent_module="toy_agent",
        exporter="toy_exporter",
        weight_reader="toy_reader",
    )
    modules = tmp_path / "modules"
    modules.mkdir()
    for name, text in (
        ("toy_agent", AGENT_MODULE),
        ("toy_exporter", EXPORTER_MODULE),
        ("toy_reader", READER_MODULE),
        ("sitecustomize", SITE_MODULE.format(fields=_source(row))),
    ):
        (modules / f"{name}.py").write_text(text)
    monkeypatch.setitem(RUNTIMES, "toy", row)
    monkeypatch.setenv("PYTHONPATH", str(modules))
    monkeypatch.syspath_prepend(modules)
    file = tmp_path / "model.toy"
    file.write_bytes(b"TOY1" + np.asarray([1.5, -2.0], "<f4").tobytes())
    yield Toy(row, file)
    for name in ("toy_agent", "toy_exporter", "toy_reader"):
        sys.modules.pop(name, None)


def test_the_table_and_the_contract_name_the_same_runtimes() -> None:
    enumerators = dict(agent_pb2.Runtime.items())
    assert enumerators.pop("RUNTIME_UNSPECIFIED") == 0
    assert {f"RUNTIME_{row.name.upper().replace('-', '_')}": row.number for row in RUNTIMES.values()} == enumerators


def test_no_two_rows_share_what_identifies_them() -> None:
    rows = list(RUNTIMES.values())
    assert [row.name for row in rows] == list(RUNTIMES)
    for key in ("number", "suffix", "title", "agent_module", "exporter", "weight_reader"):
        assert len({getattr(row, key) for row in rows}) == len(rows)


def test_rows_are_found_by_number_suffix_and_first_bytes(exported: Exported) -> None:
    for row in RUNTIMES.values():
        assert by_number(row.number) is row
        assert by_suffix(row.suffix) is row
        assert recognised(exported.path(f"net{row.suffix}").read_bytes()) is row
    assert by_number(0) is by_number(99) is by_suffix(".h5") is recognised(b"") is None


def test_every_extra_and_every_module_of_the_table_exists() -> None:
    extras = set(metadata("edgeleak").get_all("Provides-Extra") or ())
    root = Path(__file__).parents[2]
    for row in RUNTIMES.values():
        assert {row.agent_extra, row.host_extra} <= extras
        for module in (row.agent_module, row.exporter, row.weight_reader):
            path = root / module.replace(".", "/")
            assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_an_unknown_runtime_is_refused_with_the_known_names() -> None:
    known = "litert, executorch, pytorch-mobile, onnx"
    with pytest.raises(ConfigError, match=f'key "runtimes", item 1: not a known runtime; known are {known}'):
        parse({"name": "x", "export": {"runtimes": ["coreml"]}})
    with pytest.raises(ConfigError, match=f"one of: {known}"):
        export.supports("coreml", "fp32")
    with pytest.raises(ConfigError, match=f"one of: {known}"):
        export.read_weights(Path("x"), "coreml")


def test_a_new_row_runs_on_agent_and_host(toy: Toy, tmp_path: Path) -> None:
    records = tmp_path / "records.npz"
    inputs = np.arange(5, dtype=np.float32)[:, None]
    np.savez(records, inputs=inputs, labels=np.zeros(5, dtype=np.int64))
    out = tmp_path / "answers.npz"
    answer = query(records, [f"original={toy.file}"], out=out)
    assert [row["runtime"] for row in answer["models"]] == ["toy"]
    assert answer["device"]["runtimes"]["toy"].startswith("numpy ")
    with np.load(out) as answers:
        np.testing.assert_array_equal(answers["target/logits/original"], inputs * [1.5, -2.0])


def test_a_new_row_is_exported_read_back_and_invoked(toy: Toy, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    assert parse({"name": "x", "export": {"runtimes": ["toy"]}}).export.runtimes == ("toy",)
    assert export.supports("toy", "int4") == "toys have no 4-bit weights"
    model = torch.nn.Sequential(torch.nn.Linear(1, 2, bias=False)).eval()
    artifact = export.export(model, runtime="toy", numerics="fp32", sample_shape=(1,), path=tmp_path / "made.toy")
    weight = model[0].weight.detach().numpy()
    np.testing.assert_array_equal(export.read_weights(artifact.path, "toy")["numbers"], weight)
    inputs = {"args_0": np.ones((3, 1), np.float32)}
    records = Records(inputs, np.zeros(3, dtype=np.int64), np.arange(3))
    with open_device("local", timeouts=START) as device:
        device.deploy(artifact)
        assert device.describe(artifact).outputs == (TensorInfo("y", "float32", (2,)),)
        (result,) = device.invoke([artifact], [(0, records)])
    np.testing.assert_array_equal(result.outputs[artifact.key], inputs["args_0"] * weight.ravel())


def test_the_agent_names_a_new_runtimes_files_in_its_refusals(toy: Toy, exported: Exported) -> None:
    truncated = toy.file.with_name("short.toy")
    truncated.write_bytes(b"TOY1")
    for path, reason in (
        (exported.path("net.tflite"), "the artifact is not a toy; it looks like a LiteRT file"),
        (truncated, "a toy file holds two numbers"),
    ):
        artifact = _artifact_of(path)
        with open_device("local", timeouts=START) as device, pytest.raises(ArtifactError, match=reason):
            device.deploy(artifact)


def _artifact_of(path: Path) -> Artifact:
    data = path.read_bytes()
    inputs, output = (TensorSpec("x", "float32", (1,)),), TensorSpec("", "float32", (2,))
    return Artifact("target", path.stem, "toy", path, hashlib.sha256(data).hexdigest(), len(data), inputs, output)
