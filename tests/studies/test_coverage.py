"""The study of coverage: its laws' leakage is known, it resumes, and its page says what the figures say."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.mis import exact_delta
from studies.mis_coverage.command import conduct
from studies.mis_coverage.laws import LAWS, Codes, Normal, true_log_delta
from studies.mis_coverage.page import page, sentences


def silent(_label: str, _done: int, _total: int) -> None:
    """No progress shown."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Two laws and two pairs, three audits each."""
    folder = tmp_path_factory.mktemp("coverage")
    parts = ["leakage", "comparisons"]
    return folder, conduct(folder, audits=3, seed=1, parts=parts, quick=True, progress=silent)


def test_a_tie_of_two_normal_losses_leaks_as_its_closed_form_says() -> None:
    for n, value in zip((250, 4000), true_log_delta(Normal("tie", (0.0,)), (250, 4000)), strict=True):
        assert value == pytest.approx(math.log(math.asin(1.0 / math.sqrt(n)) / math.pi), abs=0.003)


def test_the_gaps_of_the_codes_are_those_of_their_losses() -> None:
    (law,) = [law for law in LAWS if isinstance(law, Codes)]
    losses = law.losses(np.random.default_rng(0), 200_000)
    means, errors = losses.mean(axis=1), (losses - losses[0]).std(axis=1) / math.sqrt(200_000)
    assert (np.abs(means - means[0] - law.gaps) <= 4.5 * errors).all()
    assert law.gaps[0] == 0.0
    assert (np.diff(law.gaps) >= 0.0).all()


def test_the_truth_of_two_normal_losses_is_that_of_a_fine_grid_of_atoms() -> None:
    # Loss differences of -1 and 1 in unequal shares have nearly the leakage of normal ones of the same moments.
    n, q = 101, 0.45
    atoms, shares = np.array([[0.0, 0.0], [1.0, -1.0]]), np.array([1.0 - q, q])
    mean, spread = 1.0 - 2.0 * q, math.sqrt(1.0 - (1.0 - 2.0 * q) ** 2)
    normal = math.exp(true_log_delta(Normal("like it", (mean / spread,)), (n,))[0])
    # The mean deviation of two points is larger than that of a normal law: sqrt(pi / 2) at q = 1/2.
    assert exact_delta(atoms, shares, n=n)[0] == pytest.approx(normal * math.sqrt(math.pi / 2.0), rel=0.05)


def test_finished_cases_are_taken_from_the_folder(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, findings = finished
    assert len(findings["leakage"]) == len(findings["comparisons"]) == 2
    assert findings["rate"] == findings["differences"] == []
    file = folder / "leakage-0-3-1.json"
    held = json.loads(file.read_text())
    file.write_text(json.dumps(held | {"law": "held before"}))
    again = conduct(folder, audits=3, seed=1, parts=["leakage"], quick=True, progress=silent)
    assert again["leakage"][0]["law"] == "held before"
    assert again["comparisons"] == findings["comparisons"]
    file.write_text(json.dumps(held))


def test_the_page_counts_what_lies_outside_and_names_it(finished: tuple[Path, dict[str, Any]]) -> None:
    _, findings = finished
    for row in findings["leakage"]:
        for size in row["sizes"]:
            held = row["audits"] - size["unsafe"] - size["safe"]
            assert size["coverage"]["value"] == pytest.approx(held / row["audits"])
    text = page(findings)
    assert "## The predicted leakage" in text
    assert "## The indicator r" not in text
    assert all(row["law"] in text for row in findings["leakage"])
    worse = json.loads(json.dumps(findings))
    worse["leakage"][0]["sizes"][0]["coverage"]["value"] = 0.5
    assert any("50.0%, too narrow" in line for line in sentences(worse))
