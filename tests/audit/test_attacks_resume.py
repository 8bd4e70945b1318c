"""An interrupted attack with shadows goes on from the stored fits: what was fitted is not fitted again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.attacks import BaseAttack, attack_class
from harness.audit.context import Context
from harness.audit.plan import run_stage
from harness.config import AuditConfig, parse
from harness.store import Run
from harness.types import Observations
from tests.attacks.bad_arrays import full_table, write

NAMES = ("confidence", "rmia", "sr1-lr", "sr2-lr")
# Four variants: NR sees each, SR the original and one of the others. MR would cost as much as all of these.
FITS = Counter({"confidence": 4, "rmia": 4, "sr1-lr": 3, "sr2-lr": 3})


class Calls:
    """Counts the fits of attacks, and interrupts one."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.fitted: Counter[str] = Counter()
        self.interrupted_at: int | None = None
        for name in NAMES:
            patch.setattr(attack_class(name), "fit", self._counting(name, attack_class(name).fit))

    def _counting(self, name: str, fit: Callable[..., BaseAttack]) -> Callable[..., BaseAttack]:
        def counted(attack: BaseAttack, shadows: Sequence[Observations]) -> BaseAttack:
            if self.fitted.total() == self.interrupted_at:
                raise KeyboardInterrupt
            self.fitted[name] += 1
            return fit(attack, shadows)

        return counted


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


@pytest.fixture
def config(tmp_path: Path) -> AuditConfig:
    table = {key: value for key, value in full_table().items() if "/sensitivity/" not in key}
    file = write(tmp_path / "answers.npz", table)
    return parse({"name": "x", "jobs": 1, "answers": {"file": str(file)}, "attack": {"names": NAMES}})


def attack(config: AuditConfig, folder: Path) -> dict[str, Any]:
    with Run.open(folder, config) as run, Context(lambda *_: None, config.device) as context:
        return run_stage("attack", config, run, context)


def test_an_undisturbed_attack_fits_every_view_once_and_a_second_time_none(
    calls: Calls, config: AuditConfig, tmp_path: Path
) -> None:
    first = attack(config, tmp_path / "run")
    assert calls.fitted == FITS
    assert {row["trained_on"] for row in first["results"]} == {"shadows"}
    calls.fitted.clear()
    assert attack(config, tmp_path / "run") == first
    assert calls.fitted == Counter()


@pytest.mark.parametrize("done", [1, 6, 12])
def test_an_interrupted_attack_fits_what_is_missing_and_finds_the_same(
    calls: Calls, config: AuditConfig, tmp_path: Path, done: int
) -> None:
    undisturbed = attack(config, tmp_path / "undisturbed")
    calls.fitted.clear()
    calls.interrupted_at = done
    with pytest.raises(KeyboardInterrupt):
        attack(config, tmp_path / "run")
    assert calls.fitted.total() == done
    assert not (tmp_path / "run" / "stages").exists()
    calls.fitted.clear()
    calls.interrupted_at = None
    assert attack(config, tmp_path / "run") == undisturbed
    assert calls.fitted.total() == FITS.total() - done
    files = [
        {str(p.relative_to(f)): p.read_bytes() for p in sorted((f / "scores.zarr").rglob("*")) if p.is_file()}
        for f in (tmp_path / "undisturbed", tmp_path / "run")
    ]
    assert files[0] == files[1]


def test_a_damaged_fit_is_fitted_again_and_no_other(calls: Calls, config: AuditConfig, tmp_path: Path) -> None:
    first = attack(config, tmp_path / "run")
    chunk = tmp_path / "run" / "fits.zarr" / "NR" / "rmia" / "original" / "c" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    calls.fitted.clear()
    assert attack(config, tmp_path / "run") == first
    assert calls.fitted == Counter({"rmia": 1})


def test_fits_of_another_seed_are_not_used(calls: Calls, config: AuditConfig, tmp_path: Path) -> None:
    attack(config, tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "run" / "fits.zarr").rename(tmp_path / "other" / "fits.zarr")
    other = config.with_changes(seed=1)
    Run.open(tmp_path / "fresh", other).__exit__()
    (tmp_path / "other" / "fits.zarr").rename(tmp_path / "fresh" / "fits.zarr")
    calls.fitted.clear()
    attack(other, tmp_path / "fresh")
    assert calls.fitted == FITS
