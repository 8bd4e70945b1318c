"""Pairings on the host: what is made and where it lies, which one an address means, and what each failure says."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from harness.devices import check_url, open_device, pairing
from harness.devices.pairing import Paired
from harness.errors import DeviceUnavailableError, PairingError, StorageError, UsageError
from protos.pairing import Pairing, read
from tests.device_agent.exported import Agent
from tests.devices.streams import START

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EDGELEAK = [sys.executable, "-m", "harness"]


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's configuration that is empty at first; returns where its pairings lie."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "edgeleak" / "pairings"


def paired(tmp_path: Path, name: str = "pi", *hosts: str, days: int = 365, shift_days: int = 0) -> Paired:
    clock = lambda: datetime.now(UTC) + timedelta(days=shift_days)  # noqa: E731
    return pairing.pair(name, hosts or (f"{name}.example",), days=days, out=tmp_path, clock=clock)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_pairing_is_private_and_both_sides_belong_together(tmp_path: Path, config: Path) -> None:
    made = pairing.pair("pi", ["Pi.Example.", "192.168.1.20", "[FE80::1]"], days=100, out=tmp_path, clock=lambda: NOW)
    assert [mode(config), mode(config / "pi")] == [0o700, 0o700]
    assert {path.name: mode(path) for path in (config / "pi").iterdir()} == {
        "authority.key": 0o600,
        "host.pairing": 0o600,
    }
    assert made.device_file == tmp_path / "pi.pairing"
    assert mode(made.device_file) == 0o600
    host, device = made.pairing, read(made.device_file, role="device")
    assert host == read(config / "pi" / "host.pairing", role="host") == pairing.named("pi")
    assert host.hosts == ("pi.example", "192.168.1.20", "fe80::1")
    assert (host.token, host.authority, host.expires) == (device.token, device.authority, NOW + timedelta(days=100))
    assert len({host.key, device.key, (config / "pi" / "authority.key").read_text()}) == 3
    assert "PRIVATE" not in repr(host)
    assert host.token not in repr(host)


def test_certificates_are_what_tls_needs_and_nothing_more(tmp_path: Path, config: Path) -> None:
    made = pairing.pair("pi", ["pi.example"], days=100, out=tmp_path, clock=lambda: NOW)
    device = read(made.device_file, role="device")
    authority, host, agent = (
        x509.load_pem_x509_certificate(text.encode())
        for text in (made.pairing.authority, made.pairing.certificate, device.certificate)
    )
    for certificate, usage in ((host, "clientAuth"), (agent, "serverAuth")):
        certificate.verify_directly_issued_by(authority)
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert isinstance(key.curve, ec.SECP256R1)
        assert certificate.not_valid_before_utc == NOW - timedelta(days=1)
        assert certificate.not_valid_after_utc == NOW + timedelta(days=100)
        assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert [one._name for one in usages] == [usage]
    names = agent.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["pi"]
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


def test_a_renewal_keeps_the_authority_and_the_addresses_and_changes_the_rest(tmp_path: Path) -> None:
    old = paired(tmp_path).pairing
    new = pairing.renew("pi", out=tmp_path)
    assert new.pairing == pairing.named("pi")
    assert (new.pairing.authority, new.pairing.hosts) == (old.authority, old.hosts)
    for part in ("token", "key", "certificate"):
        assert getattr(new.pairing, part) != getattr(old, part)
    assert read(new.device_file, role="device").token == new.pairing.token
    assert pairing.renew("pi", ["10.0.0.9"], out=tmp_path).pairing.hosts == ("10.0.0.9",)


@pytest.mark.parametrize(
    ("name", "hosts", "days", "message"),
    [
        ("pi", ["pi.example"], 365, "pi is paired already.*--renew"),
        ("Pi", ["a"], 365, "'Pi' cannot name a device"),
        ("../pi", ["a"], 365, "cannot name a device"),
        ("a" * 64, ["a"], 365, "cannot name a device"),
        ("-a", ["a"], 365, "cannot name a device"),
        ("a", [], 365, "needs an address"),
        ("a", ["127.0.0.1"], 365, "loopback"),
        ("a", ["localhost"], 365, "loopback"),
        ("a", ["[::1]"], 365, "loopback"),
        ("a", ["h:50051"], 365, "is no host.*without a port"),
        ("a", ["a b"], 365, "is no host"),
        ("a", [""], 365, "is no host"),
        ("a", ["x@y"], 365, "is no host"),
        ("a", ["a"], 0, "--days 0"),
        ("a", ["a"], 3651, "--days 3651"),
    ],
)
def test_what_cannot_be_paired_is_refused_and_leaves_nothing(
    tmp_path: Path, config: Path, name: str, hosts: list[str], days: int, message: str
) -> None:
    paired(tmp_path)
    before = sorted(config.iterdir())
    with pytest.raises(PairingError, match=message):
        pairing.pair(name, hosts, days=days, out=tmp_path / "out")
    assert sorted(config.iterdir()) == before


def test_a_device_file_that_cannot_be_written_leaves_no_pairing(tmp_path: Path, config: Path) -> None:
    with pytest.raises(StorageError, match="missing"):
        pairing.pair("pi", ["pi.example"], out=tmp_path / "missing")
    assert list(config.iterdir()) == []
    old = paired(tmp_path).pairing
    with pytest.raises(StorageError, match="missing"):
        pairing.renew("pi", out=tmp_path / "missing")
    assert pairing.named("pi") == old


def test_damaged_open_and_missing_pairings_say_so(tmp_path: Path, config: Path) -> None:
    with pytest.raises(PairingError, match=r"no pairing is named pi \(there are: none\).*edgeleak agent pair pi"):
        pairing.named("pi")
    paired(tmp_path)
    with pytest.raises(PairingError, match=r"there are: pi\)"):
        pairing.renew("po")
    file = config / "pi" / "host.pairing"
    file.chmod(0o640)
    with pytest.raises(PairingError, match=f"open to other users: run chmod 600 {re.escape(str(file))}"):
        pairing.named("pi")
    file.chmod(0o600)
    (config / "pi" / "authority.key").write_text("none")
    with pytest.raises(PairingError, match=r"authority\.key cannot be used.*pair again"):
        pairing.renew("pi", out=tmp_path)
    file.write_text("{}")
    with pytest.raises(PairingError, match="cannot be used as a pairing"):
        pairing.pairings()


def test_an_address_off_loopback_means_the_one_pairing_that_names_it(tmp_path: Path) -> None:
    one = paired(tmp_path, "one", "pi.example", "10.0.0.9").pairing
    two = paired(tmp_path, "two", "fe80::1", "10.0.0.9").pairing
    assert pairing.of_host("PI.example") == one
    assert pairing.of_host("[FE80:0::1]") == two
    for loopback in ("127.0.0.1", "127.1.2.3", "[::1]", "localhost"):
        assert pairing.of_host(loopback) is None
    with pytest.raises(PairingError, match=r"paired as one, two.*grpc://one@10\.0\.0\.9:PORT"):
        pairing.of_host("10.0.0.9")
    for stranger in ("10.0.0.8", "localhost.example", "127.0.0.1.example", "0.0.0.0"):  # noqa: S104
        with pytest.raises(PairingError, match="edgeleak agent pair NAME --host"):
            pairing.of_host(stranger)


def test_without_a_pairing_nothing_is_sent_off_loopback() -> None:
    for refuse in (check_url, open_device):
        with pytest.raises(
            UsageError, match=r"192\.0\.2\.1 is not paired.*edgeleak agent pair NAME --host 192\.0\.2\.1"
        ):
            refuse("grpc://192.0.2.1:50051")
        with pytest.raises(UsageError, match="no pairing is named pi"):
            refuse("grpc://pi@127.0.0.1:50051")


def test_an_expired_pairing_is_refused_and_one_about_to_expire_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paired(tmp_path, "old", days=1, shift_days=-3)
    day = pairing.named("old").expires.date()
    with pytest.raises(PairingError, match=f"old expired on {day}.*edgeleak agent pair old --renew"):
        open_device("grpc://old@127.0.0.1:1")
    one = paired(tmp_path).pairing
    with caplog.at_level(logging.WARNING, logger="edgeleak.devices"):
        pairing.usable(one, now=one.expires - timedelta(days=31))
        assert caplog.messages == []
        pairing.usable(one, now=one.expires - timedelta(days=29))
    assert caplog.messages == [f"the pairing pi expires on {one.expires.date()} (edgeleak agent pair pi --renew)"]
    with pytest.raises(PairingError):
        pairing.usable(one, now=one.expires)


def reached(target: str, name: str = "pi") -> str:
    """The device's hostname, or what the failure says."""
    try:
        with open_device(f"grpc://{name}@{target}", timeouts=START) as device:
            return device.info().hostname
    except DeviceUnavailableError as error:
        return str(error)


def test_a_paired_device_is_reached_through_a_forwarded_port(start_agent: Callable[..., Agent], tmp_path: Path) -> None:
    agent = start_agent("--pairing", str(paired(tmp_path).device_file))
    assert reached(agent.target) == os.uname().nodename


def test_each_failure_of_a_handshake_says_what_it_failed_of_and_what_to_do(
    start_agent: Callable[..., Agent], tmp_path: Path
) -> None:
    one = paired(tmp_path)
    other = paired(tmp_path, "other")
    agent, plain = start_agent("--pairing", str(one.device_file)), start_agent()
    assert "speaks no TLS, and nothing was sent" in reached(plain.target)
    assert "start the agent with --pairing pi.pairing" in reached(plain.target)
    assert "certificate is not of the pairing other" in reached(agent.target, "other")
    with pytest.raises(DeviceUnavailableError, match=r"speaks TLS, and this address selects no pairing.*NAME@"):
        open_device(f"grpc://{agent.target}", timeouts=START)
    # The device still has the pairing of before.
    pairing.renew("pi", out=tmp_path / "config")
    assert "token is missing or wrong" in reached(agent.target)
    assert "copy the pi.pairing that was made last to the device" in reached(agent.target)
    agent.process.terminate()
    agent.process.wait(20)
    assert "nothing answers" in reached(agent.target)
    assert "edgeleak-agent --listen 0.0.0.0:" in reached(agent.target)
    assert other.device_file.exists()


def test_the_command_line_shows_a_refused_handshake_in_its_own_words_alone(
    start_agent: Callable[..., Agent], tmp_path: Path
) -> None:
    agent = start_agent("--pairing", str(paired(tmp_path).device_file))
    paired(tmp_path, "other")
    command = [*EDGELEAK, "doctor", "--json", "--device", f"grpc://other@{agent.target}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    (check,) = (one for one in json.loads(done.stdout) if one["name"] == "agent")
    assert "certificate is not of the pairing other" in check["found"]
    assert "edgeleak agent pair other --renew" in check["advice"]


def test_a_device_whose_certificate_is_out_of_its_time_or_of_another_name_says_so(
    start_agent: Callable[..., Agent], tmp_path: Path, config: Path
) -> None:
    paired(tmp_path)
    for shift_days, message in ((-3, "the agent's certificate has expired"), (3, "is not valid yet.*clocks")):
        clock = lambda days=shift_days: datetime.now(UTC) + timedelta(days=days)  # noqa: E731
        folder = tmp_path / f"shifted{shift_days}"
        folder.mkdir()
        device_file = pairing.renew("pi", days=1, out=folder, clock=clock).device_file
        device_token = read(device_file, role="device").token
        here = pairing.renew("pi", out=tmp_path).pairing
        (config / "pi" / "host.pairing").write_bytes(with_token(here, device_token).to_bytes())
        agent = start_agent("--pairing", str(device_file))
        assert re.search(message, reached(agent.target))
    # This host's own certificate is out of its time for the device: a device with a wrong date sees it so.
    early = pairing.renew("pi", days=1, out=folder, clock=lambda: datetime.now(UTC) + timedelta(days=3))
    valid = pairing.renew("pi", out=tmp_path)
    agent = start_agent("--pairing", str(valid.device_file))
    (config / "pi" / "host.pairing").write_bytes(with_token(early.pairing, valid.pairing.token).to_bytes())
    assert "the agent refuses this host's certificate" in reached(agent.target)
    # A pairing under another name than its certificate's.
    shutil.copytree(config / "pi", config / "po")
    named = valid.pairing.to_bytes().replace(b'"name": "pi"', b'"name": "po"')
    (config / "po" / "host.pairing").write_bytes(named)
    assert "names another device than po" in reached(agent.target, "po")


def with_token(side: Pairing, token: str) -> Pairing:
    return Pairing.from_bytes(side.to_bytes().replace(side.token.encode(), token.encode()))


def test_the_command_pairs_lists_and_renews(tmp_path: Path) -> None:
    def edgeleak(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*EDGELEAK, "agent", *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
        )

    made = edgeleak("pair", "pi", "--host", "10.0.0.9", "--host", "pi.example")
    assert (made.returncode, made.stderr) == (0, "")
    assert "scp pi.pairing 10.0.0.9:" in made.stdout
    assert "edgeleak-agent --listen 0.0.0.0:50051 --pairing pi.pairing" in made.stdout
    token = pairing.named("pi").token
    assert token not in made.stdout
    again = edgeleak("pair", "pi", "--host", "10.0.0.9")
    assert again.returncode == 4
    assert again.stderr.count("\n") == 1
    listed = json.loads(edgeleak("pairings", "--json").stdout)
    assert [(one["name"], one["hosts"]) for one in listed] == [("pi", ["10.0.0.9", "pi.example"])]
    assert datetime.fromisoformat(listed[0]["expires"]) == pairing.named("pi").expires
    (tmp_path / "out").mkdir()
    renewed = json.loads(edgeleak("pair", "pi", "--renew", "--days", "30", "--out", "out", "--json").stdout)
    assert read(tmp_path / renewed["device_file"], role="device").token == pairing.named("pi").token != token
    assert "10.0.0.9, pi.example" in edgeleak("pairings").stdout


IN_A_NAMESPACE = """
import subprocess, sys
from harness.devices import Timeouts, open_device, pairing
from harness.errors import DeviceUnavailableError, UsageError

made = pairing.pair("pi", ["10.77.0.1"])
command = [sys.executable, "-m", "device_agent.cli", "--listen", "0.0.0.0:0", "--pairing", "pi.pairing"]
agent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
try:
    line = agent.stdout.readline()
    assert line.startswith("listening on 0.0.0.0:"), line
    port = line.rpartition(":")[2].strip()
    with open_device(f"grpc://10.77.0.1:{port}", timeouts=Timeouts(connect=60)) as device:
        print("reached", device.info().pid == agent.pid)
    try:
        open_device(f"grpc://10.77.0.2:{port}")
    except UsageError as error:
        print(error)
finally:
    agent.terminate()
    agent.wait(20)
"""


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode != 0,
    reason="network namespaces cannot be made here",
)
def test_a_device_on_a_network_is_reached_by_its_pairing_alone(tmp_path: Path) -> None:
    """In a network namespace of its own: nothing else can reach the address."""
    script = f'ip link set lo up && ip address add 10.77.0.1/24 dev lo && exec {sys.executable} -c "$CODE"'
    done = subprocess.run(
        ["unshare", "-rn", "sh", "-c", script],
        env={**os.environ, "CODE": IN_A_NAMESPACE, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "reached True"
    assert "10.77.0.2 is not paired" in done.stdout
