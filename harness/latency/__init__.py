"""Latency: raw device-side samples -> percentiles with intervals, and a flag where the board throttled.

Latency never gates privacy; it is reported beside it. A file is timed in rounds, in each of which every other file has
its turn, too: the runs of one round share the board's heat and its neighbours, so a round counts as one observation
wherever rounds differ by more than chance.
"""

from harness.latency._percentiles import percentile
from harness.latency._ratio import ratio
from harness.latency._summary import compared, summarise
from harness.latency._throttling import throttling

__all__ = ["compared", "percentile", "ratio", "summarise", "throttling"]
