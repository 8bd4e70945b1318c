"""What goes into a bundle: the versions that the project is tested with, and only what the agent uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_agent.runtimes.executorch import build
from harness.bundle._contents import (
    EXECUTORCH_VERSION,
    WHEELS,
    architecture,
    is_kept,
    of_standard_library,
)
from harness.bundle._manifest import version_of
from harness.bundle._wheels import licence_of
from harness.errors import UsageError
from protos.runtimes import RUNTIMES

ROOT = Path(__file__).parent.parent.parent
BY_NAME = {wheel.name: wheel for wheel in WHEELS}


def test_wheels_have_the_versions_that_the_project_pins() -> None:
    lines = (line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    pinned = dict(line.split("==") for line in lines)
    assert {wheel.name: wheel.version for wheel in WHEELS} == {wheel.name: pinned[wheel.name] for wheel in WHEELS}


def test_the_shim_is_compiled_over_the_version_that_its_command_knows() -> None:
    assert build._VERSION == EXECUTORCH_VERSION


def test_every_runtime_but_torch_s_own_is_in_a_bundle() -> None:
    assert set(RUNTIMES) == {"litert", "executorch", "onnx", "pytorch-mobile"}
    assert {"ai-edge-litert", "onnxruntime"} <= set(BY_NAME)


@pytest.mark.parametrize(
    ("name", "path", "kept"),
    [
        ("numpy", "numpy/_core/numeric.py", True),
        ("numpy", "numpy.libs/libscipy_openblas64_-7220728c.so", True),
        ("numpy", "numpy/_core/tests/test_multiarray.py", False),
        ("numpy", "numpy/_core/include/numpy/arrayobject.h", False),
        ("numpy", "numpy/__init__.pyi", False),
        ("numpy", "numpy-2.4.6.dist-info/METADATA", True),
        ("numpy", "numpy-2.4.6.dist-info/licenses/LICENSE.txt", True),
        ("numpy", "numpy-2.4.6.dist-info/RECORD", False),
        ("ai-edge-litert", "ai_edge_litert/libpywrap_litert_common.so", True),
        ("ai-edge-litert", "ai_edge_litert/libLiteRtWebGpuAccelerator.so", False),
        ("ai-edge-litert", "ai_edge_litert/vendors/qualcomm/dispatch.so", False),
        ("onnxruntime", "onnxruntime/ThirdPartyNotices.txt", True),
        ("onnxruntime", "onnxruntime/capi/libonnxruntime.so.1.31.1", False),
        ("onnxruntime", "onnxruntime/transformers/optimizer.py", False),
        ("protobuf", "protobuf-7.36.2.dist-info/LICENSE", True),
    ],
)
def test_what_is_taken_of_a_wheel(name: str, path: str, kept: bool) -> None:
    assert is_kept(path, BY_NAME[name]) is kept


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("os.py", True),
        ("importlib/metadata/__init__.py", True),
        ("lib-dynload/_hashlib.cpython-311-aarch64-linux-gnu.so", True),
        ("_sysconfigdata__aarch64-linux-gnu.py", True),
        ("test/support/__init__.py", False),
        ("lib-dynload/_sqlite3.cpython-311-aarch64-linux-gnu.so", False),
        ("lib-dynload/_testcapi.cpython-311-aarch64-linux-gnu.so", False),
        ("sitecustomize.py", False),
        ("email/architecture.rst", False),
        ("__pycache__/os.cpython-311.pyc", False),
    ],
)
def test_what_is_taken_of_the_standard_library(path: str, kept: bool) -> None:
    assert of_standard_library(path) is kept


def test_an_unknown_architecture_is_told_which_there_are() -> None:
    with pytest.raises(UsageError, match=r"armv7.*arm64 and x86_64"):
        architecture("armv7")


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        (["License-Expression: Apache-2.0", "License: all of its text"], "Apache-2.0"),
        (["License: MIT License"], "MIT License"),
        (["License: " + "long " * 40, "Classifier: License :: OSI Approved :: BSD License"], "BSD License"),
        (["Name: none"], "see its licence files"),
    ],
)
def test_a_wheel_s_licence_is_read_from_its_description(lines: list[str], licence: str) -> None:
    assert licence_of("\n".join([*lines, "", "a description"])) == licence


def test_the_version_is_that_of_the_project_s_description() -> None:
    assert version_of([("edgeleak-9.dist-info/METADATA", b"Name: edgeleak\nVersion: 9.1\n\n")]) == "9.1"
    assert version_of([("device_agent/cli.py", b"")]) == "unknown"
