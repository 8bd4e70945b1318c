"""Clients that come and go, the short form of ``python -m tests.campaigns.soak``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaigns.soak import Soak
from tests.device_agent.exported import Exported, exported

__all__ = ["exported"]

# What a leak of one small model, or of one message, a session would exceed many times.
GROWTH_BYTES = 48 * 1024**2


@pytest.mark.slow
def test_an_agent_under_clients_that_come_and_go_keeps_its_memory_and_descriptors(
    exported: Exported, tmp_path: Path
) -> None:
    soaked = Soak(exported, tmp_path, seed=1).run(seconds=30, inferences=1000)
    print("\n".join(soaked.lines()))
    assert soaked.failures == []
    assert soaked.sessions > 20
    before, after = soaked.descriptors
    assert after <= before
    third = len(soaked.samples) // 3
    for name in ("agent_bytes", "worker_bytes"):
        early, late = (
            max(getattr(sample, name) for sample in part)
            for part in (soaked.samples[third : 2 * third], soaked.samples[2 * third :])
        )
        assert late - early < GROWTH_BYTES, name
