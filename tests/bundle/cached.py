"""Bundles that `make phone` has put into the cache: tests make none, since that takes a network."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.bundle import Bundle, found_bundle
from harness.devices import Device
from tests.device_agent.exported import Exported

# Far more than any start here takes: an emulated processor on a busy machine.
SECONDS = 300.0
LISTENING = "listening on "


def cached(arch: str) -> Bundle:
    """The bundle, or the test is skipped."""
    bundle = found_bundle(arch)
    if bundle is None:
        pytest.skip(f"the bundle of this checkout for {arch} is not in the cache; make phone makes it")
    return bundle


def emulated(bundle: Bundle, folder: Path) -> Path:
    """The program `run` of an ARM64 bundle on this processor: the same script, with qemu's user mode before the loader.

    Args:
        bundle: for arm64.
        folder: in which a folder like the bundle is made, of links into it.
    """
    qemu = shutil.which("qemu-aarch64")
    if qemu is None:
        pytest.skip("qemu-aarch64 is not installed: apt-get install qemu-user")
    for name in ("lib", "py", "site"):
        (folder / name).symlink_to(bundle.folder / name)
    script = (bundle.folder / "run").read_text()
    before = 'exec "$here/lib/'
    assert script.count(before) == 1
    run = folder / "run"
    run.write_text(script.replace(before, f'exec env QEMU_CPU=cortex-a76 {qemu} "$here/lib/'))
    run.chmod(0o755)
    return run


@contextmanager
def listening(command: Sequence[str | Path], *, user: int | None = None, **variables: str) -> Iterator[str]:
    """An agent that a command starts; where it listens, ``host:port``.

    Args:
        command: that starts Python.
        user: that it runs as; None for this one.
        variables: of its environment, beside ``PATH``.
    """
    # Its end of standard input ends it, whoever started whom.
    agent = subprocess.Popen(
        [*command, "-m", "device_agent.cli", "--listen", "127.0.0.1:0", "--exit-on-stdin-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env={"PATH": os.environ["PATH"], **variables},
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    with agent:
        assert agent.stdin is not None
        assert agent.stdout is not None
        assert agent.stderr is not None
        try:
            line = agent.stdout.readline().decode()
            if not line.startswith(LISTENING):
                agent.kill()
                pytest.fail(f"it did not start: {line}{agent.stderr.read().decode()[-2000:]}")
            yield line.removeprefix(LISTENING).strip()
        finally:
            agent.stdin.close()
            try:
                agent.wait(SECONDS)
            finally:
                agent.kill()


def answer(device: Device, exported: Exported, name: str, records: int = 8) -> NDArray[np.float32]:
    """What a device answers about records, after the model was sent to it.

    Args:
        device: any.
        exported: small models.
        name: of one of them.
        records: how many are asked about.
    """
    artifact = exported.artifact(name)
    device.deploy(artifact)
    (batch,) = device.invoke([artifact], [(0, exported.records(records))])
    return batch.outputs[artifact.key]
