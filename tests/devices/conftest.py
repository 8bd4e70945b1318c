from collections.abc import Iterator

import pytest

from harness.devices import Device, open_device
from tests.device_agent.exported import agent, exported, shared_agent, start_agent, watched_agent
from tests.devices.streams import START

__all__ = ["agent", "exported", "local_device", "shared_agent", "start_agent", "watched_agent"]


@pytest.fixture(scope="session")
def local_device() -> Iterator[Device]:
    """A real agent on this machine for all tests that leave it as it was, but for what they deploy."""
    with open_device("local", timeouts=START) as opened:
        yield opened
