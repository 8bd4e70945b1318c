"""Rules of the gate that name devices, configurations of several devices, and the device `all`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.audit.of_devices import with_lost
from harness.audit.replicas import folder_name
from harness.config import GateConfig, GateRule, parse
from harness.devices.pool import expanded
from harness.errors import ConfigError, UsageError
from harness.policy import check, for_device, judge
from harness.results import (
    AnswerDifference,
    AttackDifference,
    DeviceResult,
    DevicesFindings,
    Parity,
    Result,
)
from harness.types import Estimate, View
from tests.policy.sample import AUDIT, artifact, findings, result

PHONE, BOARD = "adb:PHONE", "grpc://[::1]:50051"


def on(device: str, value: float) -> Result:
    found = result(value)
    return replace(found, view=replace(found.view, device=device))


def outcome(rule: GateRule) -> tuple[str, str]:
    """Of a phone that leaks and a board that does not."""
    verdict = judge(findings(on(PHONE, 0.8), on(BOARD, 0.5)), (), GateConfig(rules=(rule,)))
    return verdict.rules[0].outcome, verdict.rules[0].reason


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (None, "fail"),
        ((PHONE,), "fail"),
        ((BOARD,), "pass"),
        (("adb:*",), "fail"),
        (("grpc://*",), "pass"),
        (("grpc://*", "adb:*"), "fail"),
    ],
)
def test_a_rule_judges_the_devices_that_it_names(device: tuple[str, ...] | None, expected: str) -> None:
    assert outcome(GateRule(max=0.6, device=device))[0] == expected


def test_a_named_device_without_a_result_is_no_pass() -> None:
    decided, reason = outcome(GateRule(max=0.95, device=(BOARD, "ssh:pi")))
    assert decided == "inconclusive"
    assert "'ssh:pi'" in reason


def test_flips_are_judged_on_the_devices_that_a_rule_names() -> None:
    rows = [replace(artifact(flips=flips, n=100), device=name) for name, flips in ((PHONE, 50), (BOARD, 0))]
    for device, expected in ((None, "inconclusive"), ((PHONE,), "inconclusive"), ((BOARD,), "pass")):
        rule = GateRule(max_flip_share=0.1, device=device)
        verdict = judge(findings(), rows, GateConfig(rules=(rule,)))
        assert verdict.rules[0].outcome == expected
    missing = judge(findings(), rows[1:], GateConfig(rules=(GateRule(max_flip_share=0.1, device=(BOARD, PHONE)),)))
    assert missing.outcome == "inconclusive"


@pytest.mark.parametrize(
    ("device", "known", "words"),
    [
        ("adb:PHON", (PHONE, BOARD), "'adb:PHON' is no device of this audit; did you mean 'adb:PHONE'?"),
        ("ssh:*", (PHONE,), "'ssh:*' is no device of this audit"),
        ("local", (), "the results of this audit name no device"),
    ],
)
@pytest.mark.parametrize("limit", [{"max": 0.6}, {"max_flip_share": 0.1}])
def test_devices_that_the_audit_does_not_ask_are_refused_beforehand(
    device: str, known: tuple[str, ...], words: str, limit: dict[str, float]
) -> None:
    policy = parse({"name": "x", "gate": {"rules": [{**limit, "device": device}]}}).gate
    with pytest.raises(ConfigError) as raised:
        check(policy, replace(AUDIT, devices=known))
    assert words in str(raised.value)


def test_a_known_device_is_accepted() -> None:
    policy = parse({"name": "x", "gate": {"rules": [{"max": 0.6, "device": [PHONE, "grpc://*"]}]}}).gate
    check(policy, replace(AUDIT, devices=(PHONE, BOARD)))


def test_each_device_of_several_has_the_rules_that_are_about_it() -> None:
    policy = GateConfig(
        rules=(GateRule(max=0.6, device=(PHONE,)), GateRule(max=0.7), GateRule(max=0.8, device=(BOARD,)))
    )
    own = for_device(policy, PHONE, alone=False)
    assert [(rule.limit, rule.device) for rule in own.rules] == [(0.6, None), (0.7, None)]


def test_a_rule_about_another_device_stays_unanswered_where_there_is_one() -> None:
    policy = for_device(GateConfig(rules=(GateRule(max=0.95, device=(BOARD,)),)), PHONE, alone=True)
    assert judge(findings(result(0.5)), (), policy).outcome == "inconclusive"


def test_rules_that_differ_by_device_alone_have_ids_of_their_own() -> None:
    rules = [{"max": 0.6, "device": PHONE}, {"max": 0.6, "device": BOARD}, {"max": 0.6}]
    ids = [rule.id for rule in parse({"name": "x", "gate": {"rules": rules}}).gate.rules]
    assert len(set(ids)) == 3
    assert "adb-PHONE" in ids[0]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"urls": ["local", " local"]}, "'local' is named twice"),
        ({"urls": ["local"], "url": "grpc://h:1"}, "url: does not go with urls"),
        ({"mode": "split"}, "'split' is for several devices"),
        ({"urls": []}, "urls"),
        ({"urls": ["local"], "mode": "both"}, "mode"),
    ],
)
def test_a_configuration_of_devices_that_makes_no_sense_is_refused(table: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse({"name": "x", "device": table})


def test_a_configuration_of_several_devices_comes_back_and_leaves_the_digest_alone() -> None:
    one, several = (parse({"name": "x", "device": table}) for table in ({}, {"urls": [PHONE, BOARD], "mode": "split"}))
    assert parse(several.to_json()) == several
    assert several.device.names == (PHONE, BOARD)
    assert (several.device.splits, several.device.replicates, one.device.replicates) == (True, False, False)
    assert several.digest() == one.digest()


def test_devices_of_similar_names_have_folders_of_their_own() -> None:
    names = ["local", "grpc://a:1", "grpc:/a:1", "grpc-a-1", "adb:PHONE", "../..", "grpc://[::1]:50051"]
    folders = [folder_name(name) for name in names]
    assert len(set(folders)) == len(names)
    assert folders[0] == "local"
    assert all(folder.strip(".-") == folder and "/" not in folder for folder in folders)


def test_findings_of_devices_come_back_from_json_as_they_were() -> None:
    view = View("NR", "rmia", ("int8",), "litert", BOARD)
    found = DevicesFindings(
        (
            DeviceResult(name=PHONE, folder="devices/a", device={"emulated": True}),
            DeviceResult(name=BOARD, folder="devices/b", missing=("bench",), reason="gone", losses=3),
        ),
        (AnswerDifference("int8", "litert", BOARD, PHONE, Parity(1e-3, 2, 100, PHONE)),),
        (AttackDifference(view, PHONE, Estimate(0.1, -0.1, 0.3, 100, "paired-delong")),),
    )
    assert DevicesFindings.from_json(found.to_json()) == found
    assert [one.name for one in found.lost] == [BOARD]


def test_a_device_of_which_nothing_is_stated_is_not_finished() -> None:
    assert not DeviceResult.from_json({"name": PHONE}).is_finished


@pytest.mark.parametrize(("value", "expected"), [(0.5, "inconclusive"), (0.9, "fail")])
def test_a_lost_device_passes_nothing_and_hides_no_failure(value: float, expected: str) -> None:
    found = DevicesFindings(
        (
            DeviceResult(name=PHONE, folder="devices/a"),
            DeviceResult(name=BOARD, folder="devices/b", missing=("mis",), reason="it was lost"),
        )
    )
    verdict = with_lost(judge(findings(on(PHONE, value)), (), GateConfig(rules=(GateRule(max=0.7),))), found)
    assert verdict.outcome == expected
    assert f"{BOARD} finished" in [rule.name for rule in verdict.rules]
    assert "it lacks mis: it was lost" in verdict.rules[-1].reason


def test_all_stands_alone_and_names_are_kept() -> None:
    assert expanded(["a", "b"]) == ("a", "b")
    with pytest.raises(UsageError, match="stands beside a"):
        expanded(["a", "all"])


def test_all_is_this_computer_where_nothing_else_is_there(tmp_path: Path) -> None:
    code = "from harness.devices.pool import expanded; print(expanded(['all']))"
    bare = {**os.environ, "PATH": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=bare, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "('local',)"
