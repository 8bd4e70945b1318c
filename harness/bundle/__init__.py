"""The bundle: the agent as a folder that runs on any Linux of its architecture, with nothing of that machine."""

from harness.bundle._bundle import Bundle, Progress, cached_bundle, found_bundle, make_bundle
from harness.bundle._contents import ARCHITECTURES
from harness.bundle._sizes import Sizes, sizes_of

__all__ = ["ARCHITECTURES", "Bundle", "Progress", "Sizes", "cached_bundle", "found_bundle", "make_bundle", "sizes_of"]
