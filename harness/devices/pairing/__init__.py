"""Pairings on the host: made once for each device, read for every connection to it.

A pairing is an authority of its own, which signs one certificate for the device and one for this host, and a token.
"""

from __future__ import annotations

from harness.devices.pairing._make import Paired, pair, renew
from harness.devices.pairing._pairings import named, of_host, pairings, usable

__all__ = ["Paired", "named", "of_host", "pair", "pairings", "renew", "usable"]
