"""How all tests are spread over processes and threads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import threadpoolctl  # type: ignore[import-untyped]  # it has no annotations

# What processes that a test starts read; in this one the libraries are loaded already, see `pytest_collection_finish`.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

ROOT = Path(__file__).parent
# Tests of these folders share fixtures that take long to make, exported models or a whole run: made in one process.
TOGETHER = {
    "bundle": "agent",
    "device_agent": "agent",
    "devices": "agent",
    "end_to_end": "end_to_end",
    "export": "export",
}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Put every test into a group for `--dist loadgroup`: its folder's where fixtures are shared, else its file's."""
    place = item.path.relative_to(ROOT)
    if item.get_closest_marker("xdist_group") is None:
        item.add_marker(pytest.mark.xdist_group(TOGETHER.get(place.parts[0], str(place))))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups are handed out in this order: the longest first, so that no process is left with it at the end."""
    items.sort(key=lambda item: "end_to_end" not in item.path.parts)


def pytest_collection_finish() -> None:
    """One thread for BLAS and OpenMP: on small arrays a second one mostly waits for the first, and takes a processor.

    With two threads the tests of MIS and of boosting took twice the processor time. What a test asks for itself, such
    as two threads of torch, is not touched.
    """
    threadpoolctl.threadpool_limits(limits=1)
