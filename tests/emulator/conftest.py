"""One phone for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.emulator import Emulator
from tests.emulator.phone import booted


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with booted(tmp_path_factory.mktemp("phone") / "cache") as started:
        yield started
