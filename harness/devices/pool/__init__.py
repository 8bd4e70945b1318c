"""Pools: several devices that answer as one, each a share of the batches, and only those whose answers are equal."""

from harness.devices.pool._all import ALL, expanded
from harness.devices.pool._members import LOSSES_MAX
from harness.devices.pool.split import SplitDevice

__all__ = ["ALL", "LOSSES_MAX", "SplitDevice", "expanded"]
