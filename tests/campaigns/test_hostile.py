"""Hostile calls and damaged models, the short forms of the campaigns `fuzz_requests` and `mutate_models`."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from protos.edgeleak.v1 import agent_pb2
from tests.campaigns.fuzz_requests import fuzz
from tests.campaigns.hostile import PREFACE, damaged, http2_junk, random_message
from tests.campaigns.mutate_models import COUNTS, mutate
from tests.campaigns.watched import reveals
from tests.device_agent.exported import Exported, exported

__all__ = ["exported"]

CALLS = 3000
FILES = {".tflite": 60, ".pte": 20, ".ptl": 20, ".onnx": 60}


@pytest.mark.slow
def test_hostile_calls_are_the_callers_fault_and_leave_nothing(exported: Exported, tmp_path: Path) -> None:
    report = fuzz(exported, tmp_path, seed=11, count=CALLS)
    print(report.table())
    assert report.failures() == []
    assert report.calls == CALLS
    assert {status for _, status in report.statuses} >= {"OK", "INVALID_ARGUMENT", "DATA_LOSS", "NOT_FOUND"}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", COUNTS)
def test_damaged_models_are_refused_by_name_and_leave_nothing(exported: Exported, tmp_path: Path, suffix: str) -> None:
    report = mutate(exported, tmp_path, suffix=suffix, seed=11, count=FILES[suffix])
    print(report.table())
    assert report.failures() == []
    assert report.files == FILES[suffix]
    assert report.outcomes["upload: INVALID_ARGUMENT"] > 0


def test_a_seed_gives_the_same_input_again() -> None:
    def made(seed: int) -> list[bytes]:
        rng = random.Random(seed)
        message = random_message(rng, agent_pb2.BenchmarkRequest(), ["0" * 64])
        return [message.SerializeToString(), damaged(rng, b"model" * 50), http2_junk(rng, "/x/Y")]

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_damage_and_junk_are_of_several_kinds() -> None:
    rng = random.Random(0)
    lengths = {len(damaged(rng, bytes(100))) for _ in range(200)}
    assert min(lengths) < 100 < max(lengths)
    assert 100 in lengths
    assert sum(http2_junk(rng, "/x/Y").startswith(PREFACE) for _ in range(100)) > 30


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("No such file: '/tmp/edgeleak-agent-x/1.tflite'", True),
        ("Traceback (most recent call last)", True),
        ("server.py line 7", True),
        ("artifact 0123456789ab is not on this device; upload it first", False),
        ("runs is 4294967295, outside 1..1000000", False),
    ],
)
def test_paths_and_tracebacks_are_noticed(message: str, expected: bool) -> None:
    assert reveals(message) is expected
