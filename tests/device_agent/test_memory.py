"""Memory of the worker under many models: deleted ones leave it, and those not asked for the longest time make room."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from protos import CHUNK_BYTES
from protos.edgeleak.v1 import agent_pb2
from protos.tensors import from_tensor
from tests.device_agent.exported import Agent

MODEL_BYTES = 40 * 1024**2
FEATURES = 64
COUNT = 13


def model(folder: Path, number: int) -> tuple[Path, NDArray[np.float32]]:
    """A layer of random weights, and what it answers to ones."""
    width = MODEL_BYTES // 4 // FEATURES
    weights = np.random.default_rng(number).random((FEATURES, width), dtype=np.float32)
    # A large layer and a short answer: the sum over all of it.
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["wide"]),
            helper.make_node("ReduceSum", ["wide", "axes"], ["y"], keepdims=1),
        ],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", FEATURES])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.array([1], np.int64), "axes")],
    )
    path = folder / f"{number}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path, weights.sum(dtype=np.float32).reshape(1, 1)


def upload(agent: Agent, path: Path) -> str:
    """Put a file on the agent in chunks, and remove it here."""
    data = path.read_bytes()
    path.unlink()
    digest = hashlib.sha256(data).hexdigest()
    header = agent_pb2.UploadHeader(sha256=digest, size_bytes=len(data), runtime=agent_pb2.RUNTIME_ONNX)
    chunks = (data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES))
    parts = (agent_pb2.UploadArtifactRequest(chunk=chunk) for chunk in chunks)
    agent.stub.UploadArtifact(itertools.chain([agent_pb2.UploadArtifactRequest(header=header)], parts), timeout=60)
    return digest


def resident(agent: Agent) -> int:
    return sum(child.memory_info().rss for child in psutil.Process(agent.process.pid).children())


def answers_rightly(agent: Agent, digest: str, wanted: NDArray[np.float32]) -> bool:
    (answer,) = agent.invoke([digest], [{"x": np.ones((1, FEATURES), np.float32)}])
    return np.allclose(from_tensor(answer.answers[0].outputs[0]), wanted, rtol=1e-3)


@pytest.mark.slow
def test_deleted_models_leave_memory(agent: Agent, tmp_path: Path) -> None:
    sizes = []
    for number in range(5):
        path, wanted = model(tmp_path, number)
        digest = upload(agent, path)
        assert answers_rightly(agent, digest, wanted)
        agent.stub.DeleteArtifact(agent_pb2.DeleteArtifactRequest(sha256=digest), timeout=60)
        sizes.append(resident(agent))
    # Less than one model, of the four that came and went since the first; a spare worker may have come beside.
    assert sizes[-1] - sizes[1] < MODEL_BYTES


@pytest.mark.slow
def test_thirteen_models_of_which_few_fit_all_answer(start_agent: Callable[..., Agent], tmp_path: Path) -> None:
    """Those that were not asked for the longest time are dropped, and loaded again where they are asked for."""
    limit = 1024**3
    agent = start_agent("--worker-memory-bytes", str(limit))
    models = []
    for number in range(COUNT):
        path, wanted = model(tmp_path, number)
        models.append((upload(agent, path), wanted))
        assert max(child.memory_info().rss for child in psutil.Process(agent.process.pid).children()) < limit
    for digest, wanted in [*models, *models[::-1]]:
        assert answers_rightly(agent, digest, wanted)
    assert agent.process.poll() is None
