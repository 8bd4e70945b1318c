"""The folder of what takes long to make and can be made again: bundles of the agent, images of the emulated phone."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_dir"]


def cache_dir() -> Path:
    """``$EDGELEAK_CACHE_DIR``, or ``edgeleak`` in the user's cache folder; it may not exist yet."""
    chosen = os.environ.get("EDGELEAK_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edgeleak"
