"""Compiled shims, over a wheel that an earlier build got, and programs of every kind: fixtures of the shim's tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from device_agent.runtimes.executorch.build import build, cached_wheel

__all__ = ["arm64_shim", "programs", "shim"]

_ROOT = Path(__file__).parents[2]


def _built(arch: str, factory: pytest.TempPathFactory) -> Path:
    folder = factory.getbasetemp() / "shims" / arch
    wheel = cached_wheel(arch)
    if wheel is None:
        command = f"python -m device_agent.runtimes.executorch.build --arch {arch}"
        pytest.skip(f"no wheel with ExecuTorch's libraries in the user's cache: run {command} once")
    return build(arch, executorch=wheel, out=folder)


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shim for x86-64."""
    return _built("x86_64", tmp_path_factory)


@pytest.fixture(scope="session")
def arm64_shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shim for arm64."""
    return _built("arm64", tmp_path_factory)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of programs, and what the Python runtime answers to them; see make_programs.py."""
    folder = tmp_path_factory.mktemp("programs")
    command = [sys.executable, "-m", "tests.device_agent.make_programs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_ROOT, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder
