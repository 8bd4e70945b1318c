"""The agent's parts that need no process: quantization, batching, reading ahead, telemetry, first bytes of files."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent import board, telemetry
from device_agent.errors import AgentError
from device_agent.frames import FrameSocket
from device_agent.incoming import Budget, Incoming
from device_agent.runtimes import Quantization, check_magic
from device_agent.runtimes._batching import Batcher, BatchSizeError
from device_agent.runtimes._model import Array
from protos.edgeleak.v1 import agent_pb2
from protos.tensors import fill_tensor, from_tensor

INT8 = Quantization(scale=0.05, zero_point=3, dtype=np.dtype(np.int8))


@given(st.lists(st.floats(-6.5, 6.0, width=32), min_size=1))
def test_quantization_is_off_by_half_a_step_at_most(values: list[float]) -> None:
    real = np.asarray(values, dtype=np.float32)
    back = INT8.dequantize(INT8.quantize(real))
    assert np.abs(np.subtract(back, real, dtype=np.float32)).max() <= INT8.scale / 2 + 1e-5


def test_quantization_saturates_and_rounds_ties_away_from_zero() -> None:
    half = Quantization(scale=1.0, zero_point=0, dtype=np.dtype(np.int8))
    values = np.asarray([1e9, -1e9, 0.5, 1.5, -0.5, -2.5], dtype=np.float32)
    np.testing.assert_array_equal(half.quantize(values), [127, -128, 1, 2, -1, -3])


@given(n=st.integers(1, 40), native=st.integers(1, 12), data=st.data())
def test_batcher_answers_each_record_once(n: int, native: int, data: st.DataObject) -> None:
    """Whatever sizes a file takes, record i's answer stands at i."""
    baked = data.draw(st.booleans())
    limit = native if data.draw(st.booleans()) else None

    def run_once(inputs: Sequence[Array]) -> tuple[list[Array], int]:
        size = len(inputs[0])
        if (baked and size != native) or (limit is not None and size > limit):
            raise BatchSizeError("no")
        return [inputs[0] * 2], 1

    batcher = Batcher(native=native, limit=limit)
    for _ in range(2):
        (output,), kernel_ns = batcher.run(run_once, [np.arange(n)])
        np.testing.assert_array_equal(output, np.arange(n) * 2)
        pieces = 1 if limit is None and not baked else -(-n // native)
        assert kernel_ns == pieces


def test_batcher_blames_the_batch_when_no_size_runs() -> None:
    def run_once(inputs: Sequence[Array]) -> tuple[list[Array], int]:
        raise BatchSizeError("kernel is broken")

    with pytest.raises(AgentError, match="kernel is broken") as error:
        Batcher(native=2).run(run_once, [np.arange(5)])
    assert error.value.code == "INVALID_ARGUMENT"


def test_incoming_receives_two_requests_ahead_at_most() -> None:
    asked = 0
    too_early: list[tuple[int, int]] = []
    second = threading.Event()

    def requests() -> Iterator[bytes]:
        for number in range(100):
            # One is worked on, and the next two may have been received.
            if number > asked + 1:
                too_early.append((number, asked))
            if number == 1:
                second.set()
            yield bytes([number])

    with Incoming(requests()) as incoming:
        for number in range(100):
            asked += 1
            assert incoming.get(20) == bytes([number])
            assert second.wait(20), "the second request is taken while the first is worked on"
    assert too_early == []


def test_the_thread_of_incoming_ends_when_it_is_closed() -> None:
    before = set(threading.enumerate())
    with Incoming(bytes([number]) for number in range(100)) as incoming:
        incoming.get(20)
        (thread,) = set(threading.enumerate()) - before
    thread.join(20)
    assert not thread.is_alive()


def test_incoming_raises_the_requests_error() -> None:
    def requests() -> Iterator[bytes]:
        yield b"x"
        raise OSError("gone")

    with Incoming(requests()) as incoming:
        assert incoming.get(10) == b"x"
        with pytest.raises(OSError, match="gone"):
            incoming.get(10)


def test_incoming_says_when_the_requests_have_ended() -> None:
    with Incoming(iter([b"x"])) as incoming:
        assert incoming.get(10) == b"x"
        assert incoming.get(10) is None
        assert incoming.ended


def test_streams_together_hold_no_more_than_the_budget() -> None:
    budget = Budget(100)
    with Incoming(iter([b"x" * 60]), budget) as first, Incoming(iter([b"y" * 60]), budget) as second:
        (one, other) = (first, second) if first.get(0.5) is not None else (second, first)
        assert other.get(0.5) is None
        one.done_with(60)
        assert other.get(10) is not None


def test_a_message_over_the_budget_comes_alone() -> None:
    with Incoming(iter([b"x" * 200]), Budget(100)) as incoming:
        assert incoming.get(10) == b"x" * 200


def test_a_stream_that_ends_gives_its_room_back() -> None:
    budget = Budget(100)
    with Incoming(iter([b"x" * 60]), budget) as first:
        assert first.get(10) is not None
    with Incoming(iter([b"y" * 100]), budget) as second:
        assert second.get(10) is not None


@given(st.lists(st.tuples(st.binary(max_size=50), st.integers(0, 700_000)), min_size=1, max_size=4))
def test_frames_arrive_whole_and_in_order(frames: list[tuple[bytes, int]]) -> None:
    left, right = socket.socketpair()
    with left, right:
        sender, receiver = FrameSocket(left), FrameSocket(right)
        sent = [(header, bytes(size % 251 for _ in range(min(size, 1))) * size) for header, size in frames]

        def send() -> None:
            for frame in sent:
                sender.send(*frame)

        thread = threading.Thread(target=send)
        thread.start()
        got = [(header, bytes(payload)) for header, payload in (receiver.receive() or (b"", bytearray()) for _ in sent)]
        thread.join()
    assert got == sent


@pytest.mark.parametrize("lengths", [(2**31, 0), (0, 2**62)])
def test_a_frame_of_an_impossible_length_is_refused(lengths: tuple[int, int]) -> None:
    """A worker that a model has taken over could otherwise fill the agent's memory."""
    left, right = socket.socketpair()
    with left, right:
        left.sendall(struct.pack("<IQ", *lengths) + b"x" * 100)
        with pytest.raises(OSError, match="a frame claims"):
            FrameSocket(right).receive(10)


@given(
    dtype=st.sampled_from(["float32", "int32", "int64", "int8", "uint8"]),
    shape=st.lists(st.integers(0, 4), max_size=4),
)
def test_tensors_survive_the_wire(dtype: str, shape: list[int]) -> None:
    values = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    tensor = agent_pb2.Tensor()
    fill_tensor(tensor, "x", values)
    back = from_tensor(agent_pb2.Tensor.FromString(tensor.SerializeToString()))
    assert back.dtype == values.dtype
    np.testing.assert_array_equal(back, values)


def test_float64_is_not_a_type_of_the_contract() -> None:
    with pytest.raises(ValueError, match="float32"):
        fill_tensor(agent_pb2.Tensor(), "x", np.zeros(2))


def test_telemetry_reads_a_phones_files(tmp_path: Path) -> None:
    proc, sys = tmp_path / "proc", tmp_path / "sys"
    files = {
        proc / "meminfo": "MemTotal:     2000 kB\nMemAvailable:     1000 kB\n",
        proc / "cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n",
        proc / "7/status": "Name:\tx\nVmRSS:\t     12 kB\n",
        sys / "class/thermal/thermal_zone0/temp": "41000\n",
        sys / "class/thermal/thermal_zone1/temp": "-273000\n",
        sys / "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "300000\n",
        sys / "devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "2400000\n",
        sys / "devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil\n",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    read = telemetry.read(7, proc=proc, sys=sys)
    assert read.temperature_celsius == 41.0
    assert read.cpu_frequency_hz == 2_400_000_000
    assert read.cpu_governor == "schedutil"
    assert (read.memory_available_bytes, read.worker_resident_bytes) == (1_024_000, 12 * 1024)
    assert board.cpu_model(proc=proc, sys=sys) == "implementer 0x41 part 0xd0b"
    assert telemetry.memory_total_bytes(proc=proc) == 2_048_000


def test_what_a_board_does_not_report_is_absent(tmp_path: Path) -> None:
    read = telemetry.read(1, proc=tmp_path, sys=tmp_path)
    assert {field.name for field, _ in read.ListFields()} == {"time_unix_ns"}


@pytest.mark.parametrize(
    ("cpuinfo", "compatible", "variable", "expected"),
    [
        ("model name: AMD EPYC", "", "", False),
        ("model name: QEMU Virtual CPU", "", "", True),
        ("CPU part: 0xd0b", "linux,dummy-virt", "", True),
        ("CPU part: 0xd0b", "raspberrypi,4-model-b", "", False),
        ("model name: AMD EPYC", "", "1", True),
    ],
)
def test_emulators_are_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpuinfo: str, compatible: str, variable: str, expected: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    tree = tmp_path / "firmware/devicetree/base"
    tree.mkdir(parents=True)
    (tree / "compatible").write_text(compatible + "\0")
    monkeypatch.setenv("EDGELEAK_EMULATED", variable)
    assert board.emulated(android={}, proc=tmp_path, sys=tmp_path) is expected


@pytest.mark.parametrize(
    ("head", "guess"),
    [
        (b"\x1c\0\0\0ET12", "looks like an ExecuTorch program"),
        (b"PK\3\4....", "looks like a PyTorch Mobile archive"),
        (b"\x08\x0a\x12\7pytor", "looks like an ONNX model"),
        (b"\x08\x0a\x08\x0a....", "no format"),
        (b"\x08", "no format"),
        (b"", "no format"),
    ],
)
def test_magic_says_what_a_file_looks_like(tmp_path: Path, head: bytes, guess: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(head)
    with pytest.raises(AgentError, match=guess):
        check_magic(path, runtime="litert")
