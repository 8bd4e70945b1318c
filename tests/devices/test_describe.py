"""What a file takes and answers, asked of a real agent about real files of every runtime."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import grpc
import numpy as np
import pytest

from harness.devices import Device, Signature, TensorInfo, open_device
from harness.errors import DeviceError, ProtocolError
from protos import PROTOCOL_VERSION
from protos.edgeleak.v1 import agent_pb2, agent_pb2_grpc
from protos.tensors import data_type_of, name_of
from tests.device_agent.exported import Exported

IMAGE = TensorInfo("args_0", "float32", (1, 8, 8))
LOGITS = TensorInfo("output_0", "float32", (10,))
# Name of the file -> what its format declares. ExecuTorch knows no names and gives a bound where others have a free
# axis; ONNX names its output after the last layer; PyTorch Mobile's archives say what they take and nothing else.
SIGNATURES = {
    "net.tflite": Signature((IMAGE,), (LOGITS,)),
    "baked.tflite": Signature((IMAGE,), (LOGITS,)),
    "text.tflite": Signature(
        (TensorInfo("args_0", "int32", (6,)), TensorInfo("args_1", "int32", (6,))),
        (TensorInfo("output_0", "float32", (3,)),),
    ),
    "net.pte": Signature((replace(IMAGE, name=""),), (replace(LOGITS, name=""),), batch_size_max=256),
    "baked.pte": Signature((replace(IMAGE, name=""),), (replace(LOGITS, name=""),), batch_size_max=4),
    "text.pte": Signature((TensorInfo("", "int64", (6,)),) * 2, (TensorInfo("", "float32", (3,)),), batch_size_max=256),
    "net.onnx": Signature((IMAGE,), (TensorInfo("linear", "float32", (10,)),)),
    "baked.onnx": Signature((IMAGE,), (TensorInfo("linear", "float32", (10,)),), batch_size_max=4),
    "text.onnx": Signature(
        (TensorInfo("args_0", "int64", (6,)), TensorInfo("args_1", "int64", (6,))),
        (TensorInfo("linear", "float32", (3,)),),
    ),
    "net.ptl": Signature((IMAGE,), (), outputs_known=False),
    "text.ptl": Signature(
        (TensorInfo("args_0", "int64", (6,)), TensorInfo("args_1", "int64", (6,))), (), outputs_known=False
    ),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_an_artifact_is_described_as_its_format_declares_it(
    local_device: Device, exported: Exported, name: str
) -> None:
    artifact = exported.artifact(name)
    local_device.deploy(artifact)
    assert local_device.describe(artifact) == SIGNATURES[name]


@pytest.mark.parametrize(("name", "dtype", "zero_point"), [("int8.tflite", "int8", -128), ("uint8.tflite", "uint8", 0)])
def test_a_quantized_input_has_its_type_scale_and_zero_point(
    local_device: Device, exported: Exported, name: str, dtype: str, zero_point: int
) -> None:
    artifact = exported.artifact(name)
    local_device.deploy(artifact)
    signature = local_device.describe(artifact)
    (image,), (logits,) = signature.inputs, signature.outputs
    # The calibration records are pixels from 0 to 1.
    assert image == TensorInfo("args_0", dtype, (1, 8, 8), image.scale, zero_point)
    assert image.scale == pytest.approx(1 / 255, rel=1e-3)
    assert (logits.name, logits.dtype, logits.shape) == ("output_0", "int8", (10,))
    assert logits.scale is not None
    (answer,) = local_device.invoke([artifact], [(0, exported.records())])
    steps = answer.outputs[artifact.key] / logits.scale
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
    np.testing.assert_allclose(answer.outputs[artifact.key], exported.logits, atol=0.05)


def test_a_uint8_input_takes_pixels_as_bytes_and_as_floats(local_device: Device, exported: Exported) -> None:
    artifact = exported.artifact("uint8.tflite")
    local_device.deploy(artifact)
    (image,) = local_device.describe(artifact).inputs
    assert image.scale is not None
    records = exported.records()
    integers = np.clip(np.round(exported.images / image.scale), 0, 255).astype(np.uint8)
    for values in (exported.images, integers):
        (answer,) = local_device.invoke([artifact], [(0, replace(records, inputs={"args_0": values}))])
        np.testing.assert_allclose(answer.outputs[artifact.key], exported.logits, atol=0.05)


def test_what_is_not_deployed_is_not_described(local_device: Device, exported: Exported) -> None:
    with pytest.raises(DeviceError, match="upload it first"):
        local_device.describe(exported.artifact("sqrt.tflite"))


def test_an_impossible_number_of_threads_is_refused(local_device: Device, exported: Exported) -> None:
    artifact = exported.artifact("net.tflite")
    local_device.deploy(artifact)
    assert local_device.describe(artifact, threads=2) == SIGNATURES["net.tflite"]
    with pytest.raises(DeviceError, match="1000 threads: this device has"):
        local_device.describe(artifact, threads=1000)


class _Stub(agent_pb2_grpc.AgentServiceServicer):
    """An agent that is only asked who it is: an older one, which has no DescribeArtifact."""

    def GetDeviceInfo(self, request: object, context: object) -> agent_pb2.GetDeviceInfoResponse:  # noqa: N802
        return agent_pb2.GetDeviceInfoResponse(protocol_version=PROTOCOL_VERSION)


class _Describing(_Stub):
    def __init__(self, response: agent_pb2.DescribeArtifactResponse) -> None:
        self._response = response

    def DescribeArtifact(self, request: object, context: object) -> agent_pb2.DescribeArtifactResponse:  # noqa: N802
        return self._response


@contextmanager
def served(servicer: agent_pb2_grpc.AgentServiceServicer) -> Iterator[Device]:
    server = grpc.server(ThreadPoolExecutor(1))
    agent_pb2_grpc.add_AgentServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with open_device(f"grpc://127.0.0.1:{port}") as opened:
            yield opened
    finally:
        server.stop(0).wait()


def test_an_agent_without_the_call_is_a_protocol_error_with_the_upgrade(exported: Exported) -> None:
    with served(_Stub()) as old, pytest.raises(ProtocolError, match="cannot describe artifacts") as error:
        old.describe(exported.artifact("net.tflite"))
    assert error.value.hint == "upgrade edgeleak on the agent"


def _of(tensor: agent_pb2.TensorInfo) -> agent_pb2.DescribeArtifactResponse:
    return agent_pb2.DescribeArtifactResponse(inputs=[tensor], inputs_known=True)


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (_of(agent_pb2.TensorInfo(names=["x"], shape=[3, -2])), r"tensor 'x' has shape \[3, -2\]"),
        (_of(agent_pb2.TensorInfo(names=["x"], scale=0.0, zero_point=0)), "tensor 'x' has a scale of 0"),
        (_of(agent_pb2.TensorInfo(names=["x"], scale=float("nan"), zero_point=0)), "tensor 'x' has a scale of nan"),
        (agent_pb2.DescribeArtifactResponse(batch_size_max=0), "a largest batch of 0"),
    ],
)
def test_an_impossible_description_is_a_protocol_error(
    exported: Exported, response: agent_pb2.DescribeArtifactResponse, message: str
) -> None:
    with served(_Describing(response)) as device, pytest.raises(ProtocolError, match=message):
        device.describe(exported.artifact("net.tflite"))


def test_an_unknown_element_type_has_no_name(exported: Exported) -> None:
    # As it comes from an agent of a later version: this side has no enumerator of that number.
    known = agent_pb2.TensorInfo(names=["x", "y"], shape=[-1]).SerializeToString()
    newer = agent_pb2.TensorInfo.FromString(known + b"\x10\x4d")
    with served(_Describing(_of(newer))) as device:
        assert device.describe(exported.artifact("net.tflite")).inputs == (TensorInfo("x", "", (-1,)),)


@pytest.mark.parametrize("name", ["float32", "int32", "int64", "int8", "uint8", "float16", "float64", "int16", "bool"])
def test_element_types_keep_their_names_over_the_contract(name: str) -> None:
    assert name_of(data_type_of(np.dtype(name))) == name


def test_an_element_type_without_a_name_is_unspecified() -> None:
    assert data_type_of(np.dtype("complex64")) == agent_pb2.DATA_TYPE_UNSPECIFIED
