"""The bundle for ARM64 on this processor, by qemu's user mode, without root, chroot or a registered interpreter."""

from __future__ import annotations

import os
import platform
import shutil
import tarfile
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness.bundle import Bundle
from harness.devices import Timeouts, open_device
from tests.bundle.cached import SECONDS, answer, cached, emulated, listening
from tests.bundle.traced import foreign_libraries, opened, strace
from tests.device_agent.exported import Exported, exported

__all__ = ["exported"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() in ("aarch64", "arm64"), reason="this processor needs no emulation"),
]
START = Timeouts(connect=SECONDS)
NOBODY = 65534


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return cached("arm64")


# In user mode Debian 12's qemu ends the interpreters of LiteRT and ONNX Runtime by a fault, with whole wheels too; as a
# whole machine it does not.
@pytest.mark.parametrize("name", ["net.pte"])
def test_it_answers_as_this_machine_s_agent_does(bundle: Bundle, exported: Exported, tmp_path: Path, name: str) -> None:
    with open_device("local", timeouts=START) as local:
        ours = answer(local, exported, name)
    with (
        listening([emulated(bundle, tmp_path)]) as target,
        open_device(f"grpc://{target}", timeouts=START) as device,
    ):
        theirs = answer(device, exported, name)
        assert device.info().machine == "aarch64"
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-5)


def test_agent_and_worker_open_no_library_of_this_machine(bundle: Bundle, exported: Exported, tmp_path: Path) -> None:
    log, qemu = tmp_path / "log", shutil.which("qemu-aarch64")
    run = emulated(bundle, tmp_path)
    with (
        listening([*strace(log), run]) as target,
        open_device(f"grpc://{target}", timeouts=START) as device,
    ):
        answer(device, exported, "net.pte")
    paths = opened(log, by=str(qemu))
    within = {Path(path).name for path in paths if Path(path).resolve().is_relative_to(bundle.folder)}
    assert {"libc.so.6", "libstdc++.so.6", "libedgeleak_executorch.so"} <= within, "it was traced"
    # What qemu itself is linked to is this machine's, as it is a program of this machine.
    foreign = foreign_libraries(paths, bundle.folder)
    assert {path for path in foreign if "x86_64" not in path and "ld.so.cache" not in path} == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_a_user_without_any_right_runs_it(bundle: Bundle) -> None:
    # The cache may lie in a folder of root's.
    place = Path("/var/tmp") / f"edgeleak-test-{os.getpid()}"  # noqa: S108
    place.mkdir(mode=0o755)
    try:
        with tarfile.open(bundle.archive) as archive:
            archive.extractall(place / "bundle", filter="data")
        unpacked = Bundle(bundle.arch, place / "bundle", bundle.archive, bundle.digest, bundle.manifest)
        (place / "emulated").mkdir()
        with (
            listening([emulated(unpacked, place / "emulated")], user=NOBODY) as target,
            open_device(f"grpc://{target}", timeouts=START) as device,
        ):
            assert "executorch" in device.info().runtimes
    finally:
        shutil.rmtree(place)


def test_bytecode_more_than_halves_the_processor_time_to_start(bundle: Bundle, tmp_path: Path) -> None:
    run = emulated(bundle, tmp_path)
    without: list[str | Path] = [run, "-B", "-X", f"pycache_prefix={tmp_path / 'empty'}"]
    before = {child.pid for child in psutil.Process().children()}
    seconds = {}
    for kind, command in (("with", [run]), ("without", without)):
        with listening(command):
            (agent,) = (child for child in psutil.Process().children() if child.pid not in before)
            # Not by the clock: what else runs here would decide.
            seconds[kind] = sum(agent.cpu_times()[:2])
    assert seconds["without"] > 2 * seconds["with"], seconds
