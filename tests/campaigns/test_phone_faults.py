"""Faults over adb on an emulated phone, the short form of ``python -m tests.campaigns.phone_faults``."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.bundle import found_bundle
from tests.campaigns.phone_faults import PhoneCampaign, table
from tests.device_agent.exported import Exported, exported
from tests.emulator.phone import skip_unless_made

__all__ = ["exported"]

# Where the models have been exported already.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("agent")]

# Those of which each needs another part to work: the stream, adb's connection, and what a run keeps.
KINDS = ("link off, on again", "adbd ended, started again", "host killed")


@pytest.fixture
def own_adb_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Faults of it are nobody else's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(probe.getsockname()[1]))
    yield
    subprocess.run(["adb", "kill-server"], check=True, capture_output=True, timeout=60)


@pytest.mark.usefixtures("own_adb_server")
def test_faults_over_adb_change_no_answer(exported: Exported, tmp_path: Path) -> None:
    skip_unless_made()
    if found_bundle("arm64") is None:
        pytest.skip("no bundle of this agent for arm64 has been made yet (make phone)")
    with PhoneCampaign(exported, tmp_path, seed=11, say=print) as campaign:
        outcomes = list(campaign.strikes(len(KINDS), KINDS))
    print(table(outcomes))
    assert [outcome for outcome in outcomes if outcome.end == "wrong"] == []
    assert "host killed" in {outcome.kind for outcome in outcomes if outcome.end == "resumed"}
