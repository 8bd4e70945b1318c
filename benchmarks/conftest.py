"""The peers as fixtures, and tables without dots between them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks._peers import Peer, skip_without


@pytest.fixture(scope="session")
def art() -> Iterator[Peer]:
    skip_without("art")
    with Peer("art") as peer:
        yield peer


@pytest.fixture(scope="session")
def tfp() -> Iterator[Peer]:
    skip_without("tfp")
    with Peer("tfp") as peer:
        yield peer


@pytest.fixture(scope="session")
def tvm() -> Iterator[Peer]:
    skip_without("tvm")
    with Peer("tvm") as peer:
        yield peer


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """A benchmark that passes prints its table and nothing else."""
    return ("passed", "", "PASSED") if report.when == "call" and report.passed else None
