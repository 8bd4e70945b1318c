"""A phone, emulated, through a real adb: from nothing to audited models with one command, and found again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from harness.bundle import found_bundle
from harness.emulator import Emulator
from tests.emulator.phone import BATTERY, PROPERTIES, booted, skip_unless_made
from tests.end_to_end.conftest import Cli, answers, ended, files, start, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("phone")]

# Small: an emulated processor takes some hundred times as long as this one.
AUDIT = """
name = "phone"
seed = 5

[data]
members = 120
nonmembers = 120
population = 40

[model]
width = 8

[training]
epochs = 12
shadows = 0

[compression]
variants = ["original", "int8"]

[export]
runtimes = ["litert", "executorch", "onnx"]

[collect]
batch_size = 8

[attack]
names = ["confidence", "modified-entropy-class", "sr2-lr"]

[mis]
enabled = false

[bench]
runs = 3
rounds = 1
warmup = 1
duration_s = 0.0

[device]
url = "arm64-emulated"

[device.timeouts]
connect = 60

[[gate.rules]]
max = 0.99
"""
HOME = "/data/local/tmp/edgeleak"
VARIANTS, RUNTIMES = ("original", "int8"), ("litert", "executorch", "onnx")
SECONDS = 60.0


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The phone: nothing of ours is on it."""
    skip_unless_made()
    if found_bundle("arm64") is None:
        pytest.skip("no bundle of this agent for arm64 has been made yet (make phone)")
    with booted(tmp_path_factory.mktemp("phone") / "cache") as started:
        yield started


@pytest.fixture(scope="module")
def toml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audit") / "audit.toml"
    path.write_text(AUDIT)
    return path


@pytest.fixture(scope="module")
def audited(phone: Emulator, toml: Path, edgeleak: Cli) -> Path:
    """The run of one command, which found a phone with nothing on it; read it, do not change it."""
    folder = toml.parent / "run"
    began = time.monotonic()
    done = edgeleak("audit", toml, "--run", folder)
    print(f"audited on the phone in {time.monotonic() - began:.1f} s")
    print(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def report(audited: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((audited / "report.json").read_text())
    return loaded


def of_agent(phone: Emulator, edgeleak: Cli) -> dict[str, Any]:
    done = edgeleak("agent", "status", "--device", "arm64-emulated", "--json")
    assert done.returncode == 0, done.stderr
    status: dict[str, Any] = json.loads(done.stdout)
    return status


def collected_anew(audited: Path, folder: Path) -> Path:
    """A copy of the run with everything exported and nothing collected."""
    shutil.copytree(audited, folder)
    for path in ("answers.zarr", "stages/collect.json", "results/collect.json"):
        place = folder / path
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    return folder


def test_one_command_audits_every_runtime_on_an_arm64_phone(report: dict[str, Any]) -> None:
    rows = {(row["variant"], row["runtime"]) for row in report["artifacts"]}
    assert rows == {(variant, runtime) for variant in VARIANTS for runtime in RUNTIMES}
    assert {row["runtime"] for row in report["attacks"]["results"]} == set(RUNTIMES)
    assert report["device"]["emulated"] is True
    assert report["device"]["machine"] == "aarch64"
    # Nothing of the cage is missing on this kernel.
    assert report["device"]["sandbox"]["missing"] == []


def test_the_phone_is_described_by_its_own_tools(report: dict[str, Any]) -> None:
    board, telemetry = report["device"]["board"], report["device"]["telemetry"]
    assert board["model"] == PROPERTIES["ro.product.model"]
    assert board["os_build"] == "Android 15 (SDK 35)"
    assert board["abi"] == "arm64-v8a"
    assert telemetry["battery_level"] == BATTERY["level"] / BATTERY["scale"]
    assert telemetry["battery_temperature_celsius"] == BATTERY["temperature"] / 10


def test_latency_is_shown_as_that_of_an_emulator(audited: Path) -> None:
    page = (audited / "report.html").read_text()
    assert "emulat" in page


def test_the_phone_answers_what_this_machine_does_up_to_rounding(
    audited: Path, toml: Path, edgeleak: Cli, tmp_path: Path
) -> None:
    here = collected_anew(audited, tmp_path / "here")
    done = edgeleak("collect", toml, "--run", here, "--device", "local")
    assert done.returncode == 0, done.stderr
    places = list(answers(audited))
    assert len(places) == 2 * len(VARIANTS) * len(RUNTIMES)  # the audited records and the population
    for place in places:
        ours, theirs = (
            np.asarray(zarr.open_array(run / "answers.zarr" / place, mode="r")[:]) for run in (here, audited)
        )
        assert ours.shape == theirs.shape, place
        largest = float(np.abs(ours - theirs).max())
        print(f"{place}: {largest:.2e}, {int((ours.argmax(1) != theirs.argmax(1)).sum())} flips")
        assert largest <= (0.05 if "int8" in place else 1e-5), place


def test_a_host_that_is_killed_finds_the_agent_again_and_goes_on(
    phone: Emulator, audited: Path, toml: Path, edgeleak: Cli, tmp_path: Path
) -> None:
    before = of_agent(phone, edgeleak)
    assert before["running"]
    again = collected_anew(audited, tmp_path / "again")
    running = start("collect", toml, "--run", again)
    wait_for(lambda: len(files(again)) > 3)
    os.killpg(running.pid, signal.SIGKILL)
    ended(running)
    kept = files(again)
    assert kept
    done = edgeleak("collect", toml, "--run", again)
    assert done.returncode == 0, done.stderr
    assert "sending the agent" not in done.stderr
    assert answers(again) == answers(audited)
    assert of_agent(phone, edgeleak)["pid"] == before["pid"]


def test_a_purge_leaves_nothing_on_the_phone(phone: Emulator, audited: Path, edgeleak: Cli) -> None:
    assert of_agent(phone, edgeleak)["installed"]
    logs = edgeleak("agent", "logs", "--device", "arm64-emulated")
    assert logs.returncode == 0, logs.stderr
    assert "listening on" in logs.stdout
    purged = edgeleak("agent", "purge", "--device", "arm64-emulated")
    assert purged.returncode == 0, purged.stderr
    left = phone.adb().run(f"ls -A /data/local/tmp; ps | grep -c '{HOME}/[b]undles'", seconds=SECONDS)
    assert left.out.split() == ["0"]
    status = of_agent(phone, edgeleak)
    assert (status["running"], status["installed"]) == (False, {})
