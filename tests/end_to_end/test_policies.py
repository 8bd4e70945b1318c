"""Policies through the real command: names, waivers, presets, baselines, and one verdict in every file."""

from __future__ import annotations

import json
import math
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.audit.check import check
from harness.audit.context import Context
from harness.audit.plan import run_stage
from harness.config import AnswersConfig, AttackConfig, AuditConfig, load_policy
from harness.errors import ConfigError, RunError
from harness.policy import Verdict
from harness.store import Run
from harness.subject.draft import Draft
from tests.end_to_end.conftest import ANSWERS_OPTIONS, Cli

ANSWERS = AuditConfig(name="answers", attack=AttackConfig(names=ANSWERS_OPTIONS[1::2]))

RULE = '[[rules]]\nid = "auc"\nmax = 0.5\n'
WAIVER = '[[waiver]]\nrule = "auc"\nowner = "A. Person"\nreason = "known since 1.0"\nexpires = {}\n'
NAMES = {
    "a variant": ('variants = ["int9"]', "variants: 'int9' is no variant of this audit"),
    "an attack": ('attacks = ["rmai"]', "attacks: 'rmai' does not run in this audit; did you mean 'rmia'?"),
    "a device": ('device = "phone"', "device: 'phone'"),
    "a runtime": ('runtime = "litert"', "runtime: 'litert'"),
    "a class": ("classes = 99", "classes: no audited record has class '99'"),
    "a group": ('group = { column = "site" }', "group: 'site' is no column of groups of this audit"),
    "a quantizer": ('metric = "mis_delta"', "predicted for quantizers, and this audit probes none"),
}


class Judged:
    """A finished run of one's own, judged as the command would.

    Args:
        folder: holds it, and the policies.
        file: the answers.
    """

    def __init__(self, folder: Path, file: Path) -> None:
        self.folder, self.run, self._file = folder, folder / "run", file

    def config(self, policy: str) -> AuditConfig:
        """The audit with a policy's own file."""
        (self.folder / "policy.toml").write_text(policy)
        return ANSWERS.with_changes(
            answers=AnswersConfig(file=str(self._file)), gate=load_policy(self.folder / "policy.toml")
        )

    def verdict(self, policy: str) -> Verdict:
        """Judge by a policy."""
        config = self.config(policy)
        with Run.open(self.run, config) as run, Context(lambda *_: None, config.device) as context:
            return Verdict.from_json(run_stage("gate", config, run, context))

    def read(self, name: str) -> Any:
        return json.loads((self.run / name).read_text())


@pytest.fixture
def judged(answers_run: Path, answers_file: Path, tmp_path: Path) -> Judged:
    shutil.copytree(answers_run, tmp_path / "run")
    return Judged(tmp_path, answers_file)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_the_audit_does_not_have_is_refused_before_and_after(judged: Judged, name: str) -> None:
    key, message = NAMES[name]
    before = judged.read("results/gate.json")
    policy = f'[[rules]]\nid = "auc"\nmax = 0.9\n{key}\n'
    with pytest.raises(ConfigError) as caught:
        check(judged.config(policy))
    assert message in str(caught.value)
    if name == "a quantizer":
        # No name is wrong here: nothing was probed, which is open and passes nothing.
        assert judged.verdict(policy).outcome == "inconclusive"
        return
    with pytest.raises(ConfigError) as caught:
        judged.verdict(policy)
    assert f"gate rule 'auc' ({judged.folder / 'policy.toml'}, line 1): {message}" in str(caught.value)
    assert caught.value.exit_code == 4
    assert judged.read("results/gate.json") == before


def test_a_waiver_decides_by_the_day(judged: Judged) -> None:
    today = datetime.now(tz=UTC).date()
    assert judged.verdict(RULE).outcome == "fail"
    waived = judged.verdict(RULE + WAIVER.format(today + timedelta(days=2)))
    assert waived.outcome == "pass"
    assert f"waived by A. Person until {today + timedelta(days=2)}" in waived.rules[0].reason
    over = judged.verdict(RULE + WAIVER.format(today - timedelta(days=2)))
    assert over.outcome == "fail"
    assert f"the waiver of A. Person expired on {today - timedelta(days=2)}" in over.rules[0].reason


def test_the_command_judges_by_a_policy_and_every_file_tells_its_verdict(
    judged: Judged, answers_file: Path, edgeleak: Cli
) -> None:
    audit, policy = judged.folder / "audit.toml", judged.folder / "policy.toml"
    assert edgeleak("init", audit, "--answers", answers_file, *ANSWERS_OPTIONS).returncode == 0
    audit.write_text(audit.read_text() + '\n[gate]\npolicy = "policy.toml"\n')
    policy.write_text(RULE)
    (judged.folder / "lax.toml").write_text(RULE.replace("0.5", "0.99"))
    for options, outcome in (((), "fail"), (("--policy", judged.folder / "lax.toml"), "pass"), ((), "fail")):
        done = edgeleak("gate", audit, "--run", judged.run, *options)
        assert done.returncode == {"fail": 1, "pass": 0}[outcome], done.stdout + done.stderr
        stated = judged.read("report.json")["gate"]
        assert judged.read("results/gate.json") == stated
        assert stated["outcome"] == outcome
        file = options[1] if options else policy
        assert (stated["rules"][0]["file"], stated["rules"][0]["line"]) == (str(file), 1)


@pytest.mark.parametrize("preset", ["strict", "standard", "report-only"])
def test_a_preset_judges_what_the_audit_measured(judged: Judged, preset: str) -> None:
    verdict = judged.verdict(f'preset = "{preset}"\n')
    assert verdict.policy.startswith(f"preset {preset}, ")
    assert [note for note in verdict.notes if "parity" in note and "left out" in note], "answers have no reference"
    assert [rule.quantity for rule in verdict.rules][:1] == ["auc"]
    assert verdict.decides_nothing == (preset == "report-only")


def test_a_run_is_held_against_another_one_and_against_its_report(judged: Judged) -> None:
    shutil.copytree(judged.run, judged.folder / "last")
    rule = '[[rules]]\nid = "over"\nmax_increase = 0.1\nagainst = "baseline"\n'
    paired = judged.verdict(rule + '[baseline]\nrun = "last"\nname = "1.0"\n')
    assert (paired.outcome, paired.baseline) == ("pass", "1.0: paired, record by record")
    apart = judged.verdict(rule + '[baseline]\nreport = "last/report.json"\n')
    assert apart.outcome == "inconclusive"  # 240 records do not tell so small a change of two independent audits
    assert "a report holds no scores" in apart.baseline
    gone = judged.config(rule + '[baseline]\nrun = "gone"\n')
    with pytest.raises(RunError, match="gone: not a run"):
        check(gone)


@pytest.mark.parametrize("limit", [math.nan, math.inf, -math.inf, 85.0, 0.2])
def test_a_limit_that_decides_nothing_is_refused_as_an_option_too(answers_file: Path, limit: float) -> None:
    with pytest.raises(ConfigError, match=r"max: .* give a number of 0\.5 or more and below 1"):
        Draft(artifacts={}, answers=answers_file, max_auc=limit).config()


def test_options_that_cannot_be_meant_end_the_command_before_anything_is_begun(
    answers_file: Path, edgeleak: Cli, tmp_path: Path
) -> None:
    (tmp_path / "policy.toml").write_text(RULE)
    policy = ("--policy", tmp_path / "policy.toml")
    for command, message in (
        (("audit", answers_file, "--max-auc", "nan"), "max: nan is no limit"),
        (("audit", answers_file, "--max-auc", "0.9", *policy), "leave --max-auc and --max-increase out"),
        (("demo", "--device", ""), "device"),
    ):
        done = edgeleak(*command, "--run", tmp_path / "run")
        assert done.returncode == 4, done.stdout + done.stderr
        assert message in done.stderr
        assert not (tmp_path / "run").exists()
