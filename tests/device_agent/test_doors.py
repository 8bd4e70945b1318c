"""Whom an agent with a pairing lets in: nobody but the paired host, by any method; and what it refuses even to it."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from device_agent.security import RefusalRate
from harness.devices import pairing
from protos.edgeleak.v1 import agent_pb2
from protos.pairing import Pairing, tls_context
from tests.device_agent.exported import Agent, Exported, header, run_agent

SECURITY = Path(__file__).parents[2] / "SECURITY.md"
SERVICE = agent_pb2.DESCRIPTOR.services_by_name["AgentService"]
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]
REFLECTION = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]
# A little more than the time after which one more wrong token is told so, and not told to wait.
PAUSE_SECONDS = 0.11
# A handshake for every channel: by default those of one target share one, and the pause after a failure.
OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)


@dataclass(frozen=True)
class Method:
    """One method of a service, called with an empty first message."""

    path: str
    client_streaming: bool
    server_streaming: bool

    def status(self, channel: grpc.Channel, *tokens: str, messages: Iterable[bytes] = (b"",)) -> str:
        """The status of one call that bears the tokens; OK at the first answer."""
        kind = f"{'stream' if self.client_streaming else 'unary'}_{'stream' if self.server_streaming else 'unary'}"
        call = getattr(channel, kind)(self.path)
        request = iter(messages) if self.client_streaming else next(iter(messages))
        try:
            answer = call(request, timeout=30, metadata=[("authorization", f"Bearer {token}") for token in tokens])
            if self.server_streaming:
                next(answer, None)
                answer.cancel()
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"


def method(name: str) -> Method:
    return next(one for one in METHODS if one.path == f"/{SERVICE.full_name}/{name}")


METHODS = [
    Method(f"/{service.full_name}/{method.name}", method.client_streaming, method.server_streaming)
    for service in (SERVICE, HEALTH, REFLECTION)
    for method in service.methods
] + [Method(f"/{SERVICE.full_name}/Unheard", False, False)]


@dataclass(frozen=True)
class Pairings:
    """What a stranger, or a host that was paired once, may hold.

    Args:
        folder: of the files for devices.
        own: the host's side of the agent's pairing.
        device: the agent's own side.
        expired, early: of the same authority, with certificates that have ended and that have not begun.
        other: of another authority.
    """

    folder: Path
    own: Pairing
    device: Pairing
    expired: Pairing
    early: Pairing
    other: Pairing


def shifted(days: int) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + timedelta(days=days)


@pytest.fixture(scope="module")
def pairings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pairings]:
    folder, renewed = tmp_path_factory.mktemp("doors"), tmp_path_factory.mktemp("renewed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        own = pairing.pair("pi", ["pi.example"], out=folder)
        yield Pairings(
            folder,
            own.pairing,
            Pairing.from_bytes(own.device_file.read_bytes()),
            pairing.renew("pi", days=1, out=renewed, clock=shifted(-3)).pairing,
            pairing.renew("pi", out=renewed, clock=shifted(3)).pairing,
            pairing.pair("other", ["other.example"], out=folder).pairing,
        )


@pytest.fixture
def paired_agent(start_agent: Callable[..., Agent], pairings: Pairings) -> Agent:
    return start_agent("--pairing", str(pairings.folder / "pi.pairing"))


def secured(target: str, side: Pairing, *, certificate: bool = True, name: str = "pi") -> grpc.Channel:
    key, chain = (side.key.encode(), side.certificate.encode()) if certificate else (None, None)
    credentials = grpc.ssl_channel_credentials(side.authority.encode(), key, chain)
    return grpc.secure_channel(target, credentials, options=[("grpc.ssl_target_name_override", name), OWN_CONNECTION])


def strangers(target: str, those: Pairings) -> dict[str, tuple[Callable[[], grpc.Channel], tuple[str, ...]]]:
    """Every way to come without being the paired host: how it connects, and the tokens that it sends."""
    own, token = those.own, (those.own.token,)

    def bearing(side: Pairing) -> Pairing:
        return replace(own, certificate=side.certificate, key=side.key)

    def by(side: Pairing = own, **changes: Any) -> Callable[[], grpc.Channel]:
        return lambda: secured(target, side, **changes)

    return {
        "plaintext": (lambda: grpc.insecure_channel(target, options=[OWN_CONNECTION]), token),
        "no client certificate": (by(certificate=False), token),
        "another authority's certificate": (by(bearing(those.other)), token),
        "another authority trusted by the client": (by(those.other), token),
        "expired certificate": (by(bearing(those.expired)), token),
        "certificate not yet valid": (by(bearing(those.early)), token),
        "the device's certificate in a client's place": (by(bearing(those.device)), token),
        "another server name": (by(name="other"), token),
        "no token": (by(), ()),
        "another pairing's token": (by(), (those.other.token,)),
        "the token but for its last letter": (by(), (token[0][:-1],)),
        "an empty token": (by(), ("",)),
        "the token and another": (by(), (*token, those.other.token)),
    }


def table(rows: Sequence[tuple[str, dict[str, str]]]) -> str:
    """The statuses of each row as Markdown; services whose methods answered alike take one cell."""
    services = {service.full_name: f"{service.full_name} ({len(service.methods)})" for service in (SERVICE, HEALTH)}
    services[REFLECTION.full_name] = f"{REFLECTION.full_name} ({len(REFLECTION.methods)})"
    lines = ["| caller | " + " | ".join(services.values()) + " |", "|---|" + "---|" * len(services)]
    for caller, statuses in rows:
        cells = [sorted({status for path, status in statuses.items() if f"/{name}/" in path}) for name in services]
        lines.append(f"| {caller} | " + " | ".join(", ".join(cell) for cell in cells) + " |")
    return "\n".join(lines)


def test_nobody_but_the_paired_host_reaches_any_method(paired_agent: Agent, pairings: Pairings) -> None:
    rows = []
    for caller, (connected, tokens) in strangers(paired_agent.target, pairings).items():
        statuses = {}
        for each in METHODS:
            with connected() as channel:
                statuses[each.path] = each.status(channel, *tokens)
            if statuses[each.path] == "UNAUTHENTICATED":
                time.sleep(PAUSE_SECONDS)
        rows.append((caller, statuses))
    drawn = table(rows)
    print(f"\n{drawn}")
    for caller, statuses in rows:
        assert set(statuses.values()) in ({"UNAVAILABLE"}, {"UNAUTHENTICATED"}), (caller, statuses)
    assert drawn in SECURITY.read_text(), "SECURITY.md shows another table than this"
    # The same calls by the paired host get as far as the methods: it was the credentials that they failed of.
    with secured(paired_agent.target, pairings.own) as channel:
        statuses = {each.path: each.status(channel, pairings.own.token) for each in METHODS}
    assert {"UNAVAILABLE", "UNAUTHENTICATED"}.isdisjoint(statuses.values())
    assert [statuses[f"/{HEALTH.full_name}/{name}"] for name in ("Check", "Watch")] == ["OK", "OK"]
    assert statuses[f"/{SERVICE.full_name}/GetDeviceInfo"] == "OK"
    assert statuses[f"/{REFLECTION.full_name}/ServerReflectionInfo"] == "UNIMPLEMENTED"
    assert statuses[f"/{SERVICE.full_name}/Unheard"] == "UNIMPLEMENTED"


def test_a_call_without_the_token_is_refused_before_a_message_is_read(paired_agent: Agent, pairings: Pairings) -> None:
    """Two uploads: one that never sends its first message, and one that never stops sending."""
    answered = threading.Event()

    def silent() -> Iterator[bytes]:
        answered.wait(60)
        yield b""

    upload = method("UploadArtifact")
    with secured(paired_agent.target, pairings.own) as channel:
        assert upload.status(channel, "wrong", messages=silent()) == "UNAUTHENTICATED"
        answered.set()
        assert upload.status(channel, "wrong", messages=itertools.repeat(bytes(1 << 20))) == "UNAUTHENTICATED"


def test_a_flood_of_wrong_tokens_is_told_to_wait_and_does_not_lock_the_host_out(
    paired_agent: Agent, pairings: Pairings
) -> None:
    info = method("GetDeviceInfo")
    with secured(paired_agent.target, pairings.own) as channel:
        statuses = [info.status(channel, "wrong") for _ in range(100)]
        assert info.status(channel, pairings.own.token) == "OK"
    assert statuses[0] == "UNAUTHENTICATED"
    assert set(statuses) == {"UNAUTHENTICATED", "RESOURCE_EXHAUSTED"}
    assert statuses.count("RESOURCE_EXHAUSTED") > 50
    paired_agent.process.terminate()
    _, log = paired_agent.process.communicate(timeout=20)
    assert log.count("are refused") == 1
    assert pairings.own.token not in log


def test_refusals_are_counted_in_bounded_memory_and_forgiven_with_time() -> None:
    now = 0.0
    rate = RefusalRate(clock=lambda: now)
    assert [rate.left("a") >= 1 for _ in range(12)] == [True] * 10 + [False] * 2
    now += 0.5
    assert [rate.left("a") >= 1 for _ in range(6)] == [True] * 5 + [False]
    for number in range(100_000):
        assert rate.left(f"peer {number}") == 10
    assert len(rate) == 1024


def test_connections_that_never_shake_hands_do_not_keep_the_host_out(paired_agent: Agent, pairings: Pairings) -> None:
    host, _, port = paired_agent.target.rpartition(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(200)]
    try:
        for each in idle[::2]:
            each.sendall(b"\x16\x03\x01\x02\x00\x01")
        with secured(paired_agent.target, pairings.own) as channel:
            assert method("GetDeviceInfo").status(channel, pairings.own.token) == "OK"
    finally:
        for each in idle:
            each.close()


def test_a_renewed_pairing_is_in_force_without_a_restart_and_a_damaged_one_is_not(
    start_agent: Callable[..., Agent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    old = pairing.pair("pi", ["pi.example"], out=tmp_path)
    place = old.device_file.rename(tmp_path / "device")
    agent = start_agent("--pairing", str(place))

    def statuses(side: Pairing, channel: grpc.Channel | None = None) -> str:
        with secured(agent.target, side) as own:
            return method("GetDeviceInfo").status(channel or own, side.token)

    with secured(agent.target, old.pairing) as connected:
        assert statuses(old.pairing, connected) == "OK"
        good = place.read_bytes()
        place.write_bytes(good[:500])
        assert statuses(old.pairing) == "OK"
        place.write_bytes(good)
        place.chmod(0o644)
        assert statuses(old.pairing) == "OK"
        place.unlink()
        assert statuses(old.pairing) == "OK"
        new = pairing.renew("pi", out=tmp_path)
        assert statuses(new.pairing) == "UNAUTHENTICATED"
        new.device_file.rename(place)
        assert statuses(new.pairing) == "OK"
        # A connection that was made before, and the old certificate, which has not expired: the token decides.
        assert statuses(old.pairing, connected) == "UNAUTHENTICATED"
        assert statuses(old.pairing) == "UNAUTHENTICATED"
    # Another authority altogether: handshakes follow the file, too.
    place.write_bytes(pairing.pair("other", ["other.example"], out=tmp_path).device_file.read_bytes())
    assert statuses(pairing.named("other")) == "UNAVAILABLE"  # by the name of pi
    with secured(agent.target, pairing.named("other"), name="other") as channel:
        assert method("GetDeviceInfo").status(channel, pairing.named("other").token) == "OK"
    assert statuses(new.pairing) == "UNAVAILABLE"
    agent.process.terminate()
    _, log = agent.process.communicate(timeout=20)
    assert log.count("stays in force") == 3
    assert f"run chmod 600 {place}" in log
    assert not any(secret in log for secret in (old.pairing.token, new.pairing.token, "PRIVATE KEY"))


def spoilt(those: Pairings, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Files that no agent may start with, and what it must say about each."""
    good = (those.folder / "pi.pairing").read_bytes()
    contents = {
        "is open to other users: run chmod 600": good,
        "fields are missing": good.replace(b'"token"', b'"tokem"'),
        "is no pairing": b"[]",
        "the token is malformed": good.replace(those.own.token.encode(), b"short"),
        "KEY_VALUES_MISMATCH": replace(those.device, key=those.own.key).to_bytes(),
        "PEM": replace(those.device, certificate="none").to_bytes(),
        "the host's side of a pairing": those.own.to_bytes(),
        "larger than 65536 bytes": good + b" " * 65_536,
    }
    for number, (message, content) in enumerate(contents.items()):
        path = tmp_path / f"{number}.pairing"
        path.write_bytes(content)
        path.chmod(0o640 if "chmod" in message else 0o600)
        yield message, path
    yield "cannot be read: No such file", tmp_path / "missing"
    yield "is no file", tmp_path
    os.mkfifo(tmp_path / "pipe", 0o600)
    yield "is no file", tmp_path / "pipe"
    if os.geteuid() == 0:
        foreign = tmp_path / "foreign"
        foreign.write_bytes(good)
        foreign.chmod(0o600)
        os.chown(foreign, 65534, 65534)
        yield "belongs to another user: run chown", foreign


def test_a_pairing_that_is_open_foreign_or_damaged_is_refused_with_what_to_do(
    pairings: Pairings, tmp_path: Path
) -> None:
    for message, path in spoilt(pairings, tmp_path):
        process = run_agent("--pairing", str(path))
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err.count("\n")) == (4, "", 1), (message, err)
        assert message in err
        assert str(path) in err
        assert pairings.own.token not in err


HOSTILE_DIGESTS = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a" * 63 + "/",
    "../" + "a" * 61,
    "A" * 64,
    "a" * 63,
    "a" * 65,
    "a" * 63 + "\n",
    "a" * 63 + "\0",
    "a" * 1_000_000,
    "٠" * 64,
]


def test_digests_that_are_none_are_refused_by_every_method(paired_agent: Agent, pairings: Pairings) -> None:
    for digest in HOSTILE_DIGESTS:
        named = {
            name: getattr(agent_pb2, f"{name}Request")(sha256=digest)
            for name in ("QueryArtifact", "DeleteArtifact", "DescribeArtifact")
        }
        requests = {
            **named,
            "Benchmark": agent_pb2.BenchmarkRequest(sha256=digest, runs=1, batch_size=1),
            "Invoke": header([digest]),
            "UploadArtifact": upload_header(digest),
        }
        with secured(paired_agent.target, pairings.own) as channel:
            for name, request in requests.items():
                messages = [request.SerializeToString()]
                status = method(name).status(channel, pairings.own.token, messages=messages)
                assert status in ("INVALID_ARGUMENT", "NOT_FOUND"), (digest, name)
                assert status == "INVALID_ARGUMENT" or name != "UploadArtifact", digest


def test_ten_gigabytes_are_refused_before_they_come(paired_agent: Agent, pairings: Pairings) -> None:
    with secured(paired_agent.target, pairings.own) as channel:
        for size in (10 * 1024**3, 2**63 - 1):
            messages = [upload_header("a" * 64, size_bytes=size).SerializeToString()]
            status = method("UploadArtifact").status(channel, pairings.own.token, messages=messages)
            assert status in ("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"), size


def upload_header(digest: str, *, size_bytes: int = 1) -> agent_pb2.UploadArtifactRequest:
    header = agent_pb2.UploadHeader(sha256=digest, size_bytes=size_bytes, runtime=agent_pb2.RUNTIME_LITERT)
    return agent_pb2.UploadArtifactRequest(header=header)


def test_a_link_in_the_store_is_not_followed(
    start_agent: Callable[..., Agent], exported: Exported, pairings: Pairings, tmp_path: Path
) -> None:
    """Whoever can write into the store can point a name anywhere: the agent neither writes nor serves what is there."""
    data = exported.path("net.tflite").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    store, outside, listed = tmp_path / "store", tmp_path / "outside", tmp_path / "model"
    store.mkdir(mode=0o700)
    outside.write_bytes(b"untouched")
    listed.write_bytes(exported.path("baked.tflite").read_bytes())
    other = hashlib.sha256(listed.read_bytes()).hexdigest()
    for name in (f"{digest}.part", f"{digest}.tflite", f"{digest}.litert.part", f"{digest}.tflite.part"):
        (store / name).symlink_to(outside)
    (store / f"{other}.tflite").symlink_to(listed)
    agent = start_agent("--pairing", str(pairings.folder / "pi.pairing"), "--store", str(store))
    messages = [
        upload_header(digest, size_bytes=len(data)).SerializeToString(),
        agent_pb2.UploadArtifactRequest(chunk=data).SerializeToString(),
    ]
    with secured(agent.target, pairings.own) as channel:
        method("UploadArtifact").status(channel, pairings.own.token, messages=messages)
        request = agent_pb2.DescribeArtifactRequest(sha256=other).SerializeToString()
        described = method("DescribeArtifact").status(channel, pairings.own.token, messages=[request])
    assert outside.read_bytes() == b"untouched"
    assert described in ("NOT_FOUND", "INVALID_ARGUMENT")


def test_the_unit_starts_the_agent_with_options_that_it_has() -> None:
    """Of systemd, as docs/agent.md has it installed."""
    unit = (SECURITY.parent / "examples" / "edgeleak-agent.service").read_text()
    (line,) = re.findall(r"^ExecStart=\S+/edgeleak-agent (.+)$", unit, flags=re.MULTILINE)
    arguments = [word if word != "/etc/edgeleak/device.pairing" else "/nowhere/device.pairing" for word in line.split()]
    process = run_agent(*arguments)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "--pairing: /nowhere/device.pairing cannot be read" in err


def test_the_agent_speaks_no_plaintext_and_no_tls_before_1_2(paired_agent: Agent, pairings: Pairings) -> None:
    """No HTTP/2 frame leaves the agent before TLS is up."""
    host, _, port = paired_agent.target.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as plain:
        plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        answer = plain.recv(100)
    # Nothing, or a TLS alert.
    assert answer == b"" or answer[0] == 0x15
    for version, spoken in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
        context = tls_context(pairings.own)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
        with socket.create_connection((host, int(port)), timeout=10) as plain:
            if spoken:
                with context.wrap_socket(plain, server_hostname="pi") as connected:
                    assert connected.version() == "TLSv1.2"
            else:
                with pytest.raises(ssl.SSLError):
                    context.wrap_socket(plain, server_hostname="pi")
