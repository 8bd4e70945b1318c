"""Batches through real models: right numbers, any batch size, clear refusals, and a worker that may die."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import grpc
import numpy as np
import psutil
import pytest

from protos.edgeleak.v1 import agent_pb2
from protos.tensors import from_tensor
from tests.device_agent.exported import (
    LIMIT_SECONDS,
    Agent,
    Exported,
    WatchedAgent,
    answered,
    batch,
    ended_by,
    header,
    status,
    with_checksum,
)

# Float kernels of two runtimes differ from eager torch by rounding only.
FLOAT_TOLERANCE = 1e-5
ALL_NETS = ("net.tflite", "net.pte", "net.ptl", "net.onnx", "baked.tflite", "baked.pte", "baked.onnx")
NETS = ["net.tflite", "net.pte", "net.ptl", "net.onnx"]


def output(answer: agent_pb2.ArtifactAnswer) -> np.ndarray:
    return from_tensor(answer.outputs[0])


def test_every_artifact_answers_every_batch_size(shared_agent: Agent, exported: Exported) -> None:
    digests = [shared_agent.upload(exported.path(name)) for name in ALL_NETS]
    sizes = [1, 64, 17, 1, 3]
    answers = shared_agent.invoke(digests, [{"args_0": exported.images[:n]} for n in sizes])
    assert [a.number for a in answers] == list(range(len(sizes)))
    for n, response in zip(sizes, answers, strict=True):
        assert [a.sha256 for a in response.answers] == digests
        for answer in response.answers:
            np.testing.assert_allclose(output(answer), exported.logits[:n], atol=FLOAT_TOLERANCE)
            assert answer.kernel_time_ns > 0


def test_a_batch_over_the_bound_is_fed_in_pieces(shared_agent: Agent, exported: Exported) -> None:
    digest = shared_agent.upload(exported.path("net.pte"))
    images = np.concatenate([exported.images] * 5)
    (response,) = shared_agent.invoke([digest], [{"args_0": images}])
    np.testing.assert_allclose(output(response.answers[0]), np.concatenate([exported.logits] * 5), atol=FLOAT_TOLERANCE)


def test_quantized_files_take_and_give_float32(shared_agent: Agent, exported: Exported) -> None:
    digest = shared_agent.upload(exported.path("int8.tflite"))
    responses = shared_agent.invoke([digest], [{"args_0": exported.images[:n]} for n in (64, 1)])
    values = output(responses[0].answers[0])
    assert values.dtype == np.float32
    # An int8 step of this output is a few thousandths; far from it would be a wrong scale or zero point.
    np.testing.assert_allclose(values, exported.logits, atol=0.05)
    np.testing.assert_array_equal(output(responses[1].answers[0]), values[:1])
    assert len(np.unique(values)) <= 256


@pytest.mark.parametrize("order", [("args_0", "args_1"), ("args_1", "args_0")])
def test_inputs_are_matched_by_name_and_ids_are_cast(
    shared_agent: Agent, exported: Exported, order: tuple[str, str]
) -> None:
    inputs = {"args_0": exported.ids, "args_1": exported.mask}
    litert = shared_agent.upload(exported.path("text.tflite"))
    (response,) = shared_agent.invoke([litert], [{name: inputs[name] for name in order}])
    np.testing.assert_allclose(output(response.answers[0]), exported.text_logits, atol=FLOAT_TOLERANCE)


@pytest.mark.parametrize("name", ["text.pte", "text.ptl", "text.onnx"])
def test_int32_ids_reach_a_program_that_wants_int64(shared_agent: Agent, exported: Exported, name: str) -> None:
    digest = shared_agent.upload(exported.path(name))
    inputs = {"args_0": exported.ids.astype(np.int32), "args_1": exported.mask.astype(np.int32)}
    # Named inputs may come in any order; ExecuTorch's programs have no names.
    sent = inputs if name == "text.pte" else dict(reversed(inputs.items()))
    (response,) = shared_agent.invoke([digest], [sent])
    np.testing.assert_allclose(output(response.answers[0]), exported.text_logits, atol=FLOAT_TOLERANCE)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(
    ("values", "got"),
    [
        (np.zeros((2, 3, 8, 8), np.float32), "float32 [2, 3, 8, 8]"),
        (np.zeros((2, 8, 8), np.float32), "float32 [2, 8, 8]"),
        (np.zeros((2, 1, 8, 8), np.int64), "int64 [2, 1, 8, 8]"),
        (np.zeros((0, 1, 8, 8), np.float32), "no records"),
    ],
)
def test_a_wrong_input_is_refused_with_what_is_expected_and_what_came(
    shared_agent: Agent, exported: Exported, name: str, values: np.ndarray, got: str
) -> None:
    digest = shared_agent.upload(exported.path(name))
    with pytest.raises(grpc.RpcError) as error:
        shared_agent.invoke([digest], [{"args_0": exported.images}, {"args_0": values}])
    code, message = status(error)
    assert code == "INVALID_ARGUMENT"
    assert "batch 1" in message
    assert got in message
    if "[" in got:
        assert "expected float32 [n, 1, 8, 8]" in message


def test_ids_beyond_int32_are_refused(shared_agent: Agent, exported: Exported) -> None:
    digest = shared_agent.upload(exported.path("text.tflite"))
    with pytest.raises(grpc.RpcError) as error:
        shared_agent.invoke([digest], [{"args_0": exported.ids + 2**40, "args_1": exported.mask}])
    assert status(error)[0] == "INVALID_ARGUMENT"


def test_a_batch_before_the_header_is_refused(shared_agent: Agent, exported: Exported) -> None:
    with pytest.raises(grpc.RpcError) as error:
        list(shared_agent.stub.Invoke(iter([batch(0, {"x": exported.images})]), timeout=10))
    assert status(error)[0] == "INVALID_ARGUMENT"


def test_bytes_that_do_not_fit_the_shape_are_refused(shared_agent: Agent, exported: Exported) -> None:
    digest = shared_agent.upload(exported.path("net.tflite"))
    request = batch(0, {"args_0": exported.images})
    request.batches[0].inputs[0].shape[0] = 63
    with pytest.raises(grpc.RpcError) as error:
        list(shared_agent.stub.Invoke(iter([header([digest]), with_checksum(request)]), timeout=10))
    assert status(error)[0] == "INVALID_ARGUMENT"


def test_an_unknown_digest_is_not_found(shared_agent: Agent) -> None:
    with pytest.raises(grpc.RpcError) as error:
        shared_agent.invoke(["0" * 64], [])
    assert status(error)[0] == "NOT_FOUND"


@pytest.mark.parametrize("name", NETS)
def test_threads_may_change_between_streams(shared_agent: Agent, exported: Exported, name: str) -> None:
    """ExecuTorch's pool is shared: resetting it under a loaded program crashes, so the worker loads anew."""
    digest = shared_agent.upload(exported.path(name))
    for threads in (1, 2, 1):
        opening = agent_pb2.InvokeHeader(sha256s=[digest], threads=threads)
        first = with_checksum(agent_pb2.InvokeRequest(header=opening))
        (response,) = answered(shared_agent.stub.Invoke(iter([first, batch(0, {"x": exported.images})]), timeout=30))
        np.testing.assert_allclose(output(response.answers[0]), exported.logits, atol=FLOAT_TOLERANCE)


def test_two_hosts_at_once_get_their_own_answers(shared_agent: Agent, exported: Exported) -> None:
    digest = shared_agent.upload(exported.path("net.tflite"))
    failures: list[str] = []

    def host(row: int) -> None:
        for response in shared_agent.invoke([digest], [{"args_0": exported.images[row : row + 1]}] * 100):
            if not np.allclose(output(response.answers[0]), exported.logits[row : row + 1], atol=FLOAT_TOLERANCE):
                failures.append(f"row {row}")

    threads = [threading.Thread(target=host, args=(row,)) for row in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_an_idle_worker_that_died_is_replaced_without_an_error(watched_agent: WatchedAgent, exported: Exported) -> None:
    digest = watched_agent.upload(exported.path("net.tflite"))
    worker = watched_agent.supervisor.pid
    os.kill(worker, signal.SIGKILL)
    # It is dead, and left for the agent to collect.
    os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
    assert len(watched_agent.invoke([digest], [{"args_0": exported.images}])) == 1
    assert watched_agent.supervisor.pid != worker


def test_a_worker_that_dies_at_work_is_named_and_replaced(watched_agent: WatchedAgent, exported: Exported) -> None:
    digest = watched_agent.upload(exported.path("net.tflite"))
    with (
        watched_agent.supervisor.worker_under_request(ended_by(signal.SIGSEGV)) as worker,
        pytest.raises(grpc.RpcError) as error,
    ):
        watched_agent.invoke([digest], [{"x": exported.images}])
    code, message = status(error)
    assert code == "INTERNAL"
    assert "SIGSEGV" in message
    assert digest[:12] in message
    assert len(watched_agent.invoke([digest], [{"args_0": exported.images}])) == 1
    assert watched_agent.supervisor.pid != worker


def test_a_worker_that_hangs_is_replaced(watched_agent: WatchedAgent, exported: Exported) -> None:
    digest = watched_agent.upload(exported.path("net.tflite"))

    def let_the_limit_pass(_: int) -> None:
        watched_agent.supervisor.now += LIMIT_SECONDS + 1

    with (
        watched_agent.supervisor.worker_under_request(let_the_limit_pass) as worker,
        pytest.raises(grpc.RpcError) as error,
    ):
        watched_agent.invoke([digest], [{"x": exported.images}])
    assert status(error)[0] == "DEADLINE_EXCEEDED"
    assert f"{digest[:12]} did not answer within {LIMIT_SECONDS:g} s" in status(error)[1]
    assert len(watched_agent.invoke([digest], [{"args_0": exported.images}])) == 1
    assert watched_agent.supervisor.pid != worker


def test_the_limit_of_a_batch_is_an_option(start_agent: Callable[..., Agent], exported: Exported) -> None:
    agent = start_agent("--batch-seconds", "0.1")
    agent.worker().suspend()
    with pytest.raises(grpc.RpcError) as error:
        agent.upload(exported.path("net.tflite"))
    assert status(error)[0] == "DEADLINE_EXCEEDED"
    assert "did not answer within 0.1 s" in status(error)[1]


def test_no_thread_of_a_finished_stream_stays_behind(shared_agent: Agent, exported: Exported) -> None:
    digest = shared_agent.upload(exported.path("net.tflite"))
    for _ in range(3):
        shared_agent.invoke([digest], [{"args_0": exported.images}] * 2)
    process = psutil.Process(shared_agent.process.pid)
    before = process.num_threads()
    for _ in range(10):
        shared_agent.invoke([digest], [{"args_0": exported.images}] * 2)
    assert process.num_threads() <= before + 2


def test_benchmark_gives_every_sample(shared_agent: Agent, exported: Exported) -> None:
    for name in (*ALL_NETS, "text.pte", "text.ptl", "text.onnx", "int8.tflite"):
        digest = shared_agent.upload(exported.path(name))
        request = agent_pb2.BenchmarkRequest(sha256=digest, warmup_runs=2, runs=30, batch_size=4)
        parts = list(shared_agent.stub.Benchmark(request, timeout=60))
        assert [p.WhichOneof("part") for p in (parts[0], parts[-1])] == ["telemetry", "telemetry"]
        samples = [t for p in parts[1:-1] for t in p.samples.kernel_time_ns]
        assert len(samples) == 30
        assert min(samples) > 0


def test_a_left_benchmark_frees_the_worker(shared_agent: Agent, exported: Exported) -> None:
    digest = shared_agent.upload(exported.path("net.tflite"))
    call = shared_agent.stub.Benchmark(
        agent_pb2.BenchmarkRequest(sha256=digest, runs=1_000_000, batch_size=256), timeout=300
    )
    next(call)
    next(call)
    call.cancel()
    assert len(shared_agent.invoke([digest], [{"args_0": exported.images}])) == 1
