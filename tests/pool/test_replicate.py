"""An audit of several devices: each does everything, one that is lost is named, and a rerun completes it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.audit.replicas import folder_name
from tests.end_to_end.conftest import Agent, Cli, agent, answers, ended, files, start, wait_for
from tests.pool.agents import altered

pytestmark = pytest.mark.slow


def report_of(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def own(folder: Path, url: str) -> Path:
    return folder / "devices" / folder_name(url)


def named(*urls: str) -> list[str]:
    return [word for url in urls for word in ("--device", url)]


def test_every_device_does_everything_and_they_are_compared(
    audit_toml: Path, undisturbed_run: Path, agents: Callable[[], Agent], edgeleak: Cli, tmp_path: Path
) -> None:
    urls = [agents().url, agents().url]
    run = tmp_path / "run"
    done = edgeleak("audit", audit_toml, "--run", run, *named(*urls))
    assert done.returncode == 0, done.stdout + done.stderr
    report = report_of(run)
    assert [one["name"] for one in report["devices"]["devices"]] == urls
    assert [one["status"] for one in report["devices"]["devices"]] == ["finished", "finished"]
    for url in urls:
        assert answers(own(run, url)) == answers(undisturbed_run)
        assert (own(run, url) / "report.html").exists()
        assert f"{url}: collect 1 of 5, target" in done.stderr
    assert {row["device"] for row in report["artifacts"]} == set(urls)
    assert {row["device"] for row in report["attacks"]["results"]} == set(urls)
    assert all(row["latency"] for row in report["artifacts"])
    parities = [row["parity"] for row in report["devices"]["answers"]]
    assert [(one["max_abs_difference"], one["flips"], one["n"]) for one in parities] == [(0.0, 0, 3000)] * 2
    differences = [row["difference"] for row in report["devices"]["attacks"]]
    assert differences
    assert all(one["value"] == 0.0 and one["low"] < 0.0 < one["high"] for one in differences)
    page = (run / "report.html").read_text()
    assert all(url in page and f"{own(run, url).relative_to(run)}/report.html" in page for url in urls)


def test_a_device_killed_half_way_is_lost_and_a_rerun_completes(
    audit_toml: Path, undisturbed_run: Path, agents: Callable[[], Agent], edgeleak: Cli, tmp_path: Path
) -> None:
    steady, killed = agents(), agents()
    run = tmp_path / "run"
    running = start("audit", audit_toml, "--run", run, *named(killed.url, steady.url))
    wait_for(lambda: bool(files(own(run, killed.url))))
    killed.end(signal.SIGKILL)
    out, said = ended(running, seconds=120)
    assert running.returncode == 2, out + said
    kept = files(own(run, killed.url))
    assert 0 < len(kept) < len(files(undisturbed_run))
    assert f"{killed.url} was lost, and is tried again" in said
    assert f"{killed.url} takes no part any more" in said
    report = report_of(run)
    lost, finished = report["devices"]["devices"]
    assert (lost["name"], lost["status"], lost["missing"]) == (killed.url, "lost", ["collect", "bench", "attack"])
    assert lost["losses"] == 3
    assert (finished["name"], finished["status"]) == (steady.url, "finished")
    assert [rule["outcome"] for rule in report["gate"]["rules"]] == ["pass", "inconclusive"]
    assert killed.url in report["gate"]["rules"][1]["name"]
    assert answers(own(run, steady.url)) == answers(undisturbed_run)

    with agent(killed.port):
        done = edgeleak("audit", audit_toml, "--run", run, *named(killed.url, steady.url))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{steady.url}: collect" not in done.stderr  # it had finished, and is not asked again
    for url in (steady.url, killed.url):
        assert answers(own(run, url)) == answers(undisturbed_run)
    assert all(kept[name] == data for name, data in files(own(run, killed.url)).items() if name in kept)


def test_an_interrupted_audit_of_two_devices_resumes_to_the_same_bytes(
    audit_toml: Path, undisturbed_run: Path, agents: Callable[[], Agent], edgeleak: Cli, tmp_path: Path
) -> None:
    urls = [agents().url, agents().url]
    run = tmp_path / "run"
    running = start("audit", audit_toml, "--run", run, *named(*urls))
    wait_for(lambda: all(files(own(run, url)) for url in urls))
    os.killpg(running.pid, signal.SIGINT)
    out, said = ended(running)
    assert running.returncode == 3, out + said
    assert "the same command resumes" in said
    assert "Traceback" not in said
    done = edgeleak("audit", audit_toml, "--run", run, *named(*urls))
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(answers(own(run, url)) == answers(undisturbed_run) for url in urls)


def test_a_device_that_answers_otherwise_is_found_and_named(
    audit_toml: Path, agents: Callable[[], Agent], edgeleak: Cli, tmp_path: Path
) -> None:
    one, other = agents(), agents()
    run = tmp_path / "run"
    with altered(other.url.removeprefix("grpc://"), by=0.125) as url:
        done = edgeleak("audit", audit_toml, "--run", run, "--verbose", *named(one.url, url))
    # Its numbers no longer sum to one: they are read as logits, and whatever is found is of that device.
    assert done.returncode in (0, 1, 2), done.stdout + done.stderr
    rows = report_of(run)["devices"]["answers"]
    assert {(row["device"], row["against"]) for row in rows} == {(url, one.url)}
    assert all(row["parity"]["max_abs_difference"] > 0.01 for row in rows)
    assert f"{url} against {one.url}: confidences differ by up to" in " ".join(done.stdout.split())


def test_a_rule_judges_the_device_that_it_names(
    audit_toml: Path, agents: Callable[[], Agent], edgeleak: Cli, tmp_path: Path
) -> None:
    urls = [agents().url, agents().url]
    run = tmp_path / "run"
    strict = audit_toml.with_name("strict.toml")
    strict.write_text(
        f'{audit_toml.read_text()}device = "{urls[0]}"\n\n[[gate.rules]]\nmax = 0.5\ndevice = ["{urls[1]}"]\n'
    )
    done = edgeleak("audit", strict, "--run", run, *named(*urls), "--json")
    assert done.returncode == 1, done.stdout + done.stderr
    passed, failed = json.loads(done.stdout)["gate"]["rules"]
    assert (passed["outcome"], passed["worst"]["device"]) == ("pass", urls[0])
    assert (failed["outcome"], failed["worst"]["device"]) == ("fail", urls[1])
    verdicts = [json.loads((own(run, url) / "report.json").read_text())["gate"]["outcome"] for url in urls]
    assert verdicts == ["pass", "fail"]
    # A finished run is judged anew without the devices being named again.
    again = edgeleak("gate", audit_toml, "--run", run)
    assert again.returncode == 0, again.stdout + again.stderr
    places = (run, *(own(run, url) for url in urls))
    stated = [json.loads((place / "report.json").read_text())["gate"]["outcome"] for place in places]
    assert stated == ["pass"] * 3, "every report tells the verdict of this policy"


def test_a_pool_that_splits_the_work_collects_the_same_bytes(
    audit_toml: Path, undisturbed_run: Path, agents: Callable[[], Agent], edgeleak: Cli, tmp_path: Path
) -> None:
    urls = [agents().url, agents().url]
    run = tmp_path / "run"
    done = edgeleak("audit", audit_toml, "--run", run, *named(*urls), "--mode", "split")
    assert done.returncode == 0, done.stdout + done.stderr
    assert answers(run) == answers(undisturbed_run)
    shares = report_of(run)["device"]["shared_by"]
    assert [share["url"] for share in shares] == urls
    assert all(share["batches"] > 0 for share in shares)


def test_an_agent_killed_half_way_in_a_split_audit_costs_nothing(
    audit_toml: Path, undisturbed_run: Path, agents: Callable[[], Agent], tmp_path: Path
) -> None:
    steady, killed = agents(), agents()
    run = tmp_path / "run"
    running = start("audit", audit_toml, "--run", run, *named(killed.url, steady.url), "--mode", "split")
    wait_for(lambda: bool(files(run)))
    killed.end(signal.SIGKILL)
    out, said = ended(running, seconds=120)
    assert running.returncode == 0, out + said
    assert answers(run) == answers(undisturbed_run)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--device", "local", "--device", "local"), "'local' is named twice"),
        (("--device", "local", "--device", "nowhere"), "device 'nowhere' has no known form"),
        (("--device", "local", "--mode", "split"), "there is one device"),
        (("--device", "local", "--device", "all"), "'all' stands beside local"),
    ],
)
def test_devices_that_do_not_go_together_are_refused_before_anything_runs(
    audit_toml: Path, edgeleak: Cli, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    done = edgeleak("audit", audit_toml, "--run", tmp_path / "run", *options)
    assert done.returncode == 4
    assert words in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_rule_about_a_device_that_is_not_asked_is_refused(audit_toml: Path, edgeleak: Cli, tmp_path: Path) -> None:
    wrong = audit_toml.with_name("wrong.toml")
    wrong.write_text(audit_toml.read_text() + 'device = "adb:PHONE"\n')
    done = edgeleak("audit", wrong, "--run", tmp_path / "run")
    assert done.returncode == 4
    assert "device: 'adb:PHONE' is no device of this audit" in done.stderr
    assert not (tmp_path / "run").exists()
