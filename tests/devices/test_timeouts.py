"""How long to wait for a device: what may be set, and that what the configuration says arrives."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.audit.context import Context
from harness.config import parse
from harness.devices import FakeAgent, Timeouts
from harness.errors import ConfigError, DeviceLostError, UsageError
from harness.types import Records
from tests.devices.files import placeholder


def test_what_the_configuration_gives_arrives_at_the_device(tmp_path: Path) -> None:
    artifact, done = placeholder(tmp_path, "original"), threading.Event()

    def silent(sha256: str, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.generic]:
        done.wait(60)
        return np.zeros((1, 3), np.float32)

    agent = FakeAgent(silent)
    device = {"url": agent.url, "timeouts": {"idle": 0.25, "connect": 7}}
    config = parse({"name": "x", "device": device})
    assert Timeouts(**config.device.timeouts.given()) == Timeouts(idle=0.25, connect=7.0)
    records = Records({"args_0": np.zeros((1, 1), np.float32)}, np.zeros(1, dtype=np.int64), np.arange(1))
    with agent, Context(lambda *_: None, config.device) as context:
        context.device.deploy(artifact)
        with pytest.raises(DeviceLostError, match=r"no answer for 0\.25 s"):
            list(context.device.invoke([artifact], [(0, records)]))
        done.set()


def test_without_a_section_the_defaults_stand() -> None:
    assert Timeouts(**parse({"name": "x"}).device.timeouts.given()) == Timeouts()


def test_timeouts_do_not_change_the_digest_of_a_run() -> None:
    patient = parse({"name": "x", "device": {"timeouts": {"idle": 600}}})
    assert patient.digest() == parse({"name": "x"}).digest()


@pytest.mark.parametrize(
    ("timeouts", "message"),
    [
        ({"idle": 0}, '[device.timeouts], key "idle": must be above 0 (got 0)'),
        ({"connect": -1.5}, '[device.timeouts], key "connect": must be above 0 (got -1.5)'),
        ({"upload": 1e9}, '[device.timeouts], key "upload": must be at most 31536000'),
        ({"upload": float("inf")}, '[device.timeouts], key "upload": must be a finite number'),
        ({"upload": float("nan")}, '[device.timeouts], key "upload": must be a finite number'),
        ({"invoke": "60"}, '[device.timeouts], key "invoke": expected a number (got "60")'),
        ({"conect": 60}, '[device.timeouts], key "conect": unknown key; did you mean "connect"?'),
    ],
)
def test_an_impossible_time_is_refused_by_name(timeouts: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse({"name": "x", "device": {"timeouts": timeouts}})
    assert message in str(error.value)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_an_impossible_number_of_seconds_is_a_usage_error(seconds: float) -> None:
    with pytest.raises(UsageError, match=r"timeout idle is \S+ seconds"):
        Timeouts(idle=seconds)
