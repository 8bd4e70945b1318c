"""The agent over adb: its life in the phone's folder, the forwarded port, and what a selector that cannot work is told.

The phone's shell is this machine's, behind the fake adb; an emulated phone with a real adbd has tests of its own.
"""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import __version__, doctor
from harness.devices import Timeouts, check_url, machine
from harness.devices.client import AgentClient
from harness.devices.listing import listed
from harness.devices.transports.adb import open_serial
from harness.errors import DeviceLostError, DeviceUnavailableError, UsageError
from harness.remote import install
from harness.remote.adb import Adb
from harness.remote.adb_errors import AdbBootError, AdbNoSpaceError
from tests.remote.bundles import MadeUp, made_up
from tests.remote.conftest import Fake

TIMEOUTS = Timeouts(connect=60.0)


@pytest.fixture
def bundle(tmp_path: Path) -> MadeUp:
    """One that runs this checkout's agent."""
    return made_up(tmp_path)


@pytest.fixture
def led(fake: Fake) -> Iterator[int]:
    """A port of loopback that leads to the socket of the fake's phone, as adb's would."""
    path = fake.folder / "edgeleak" / "agent.sock"
    code = (
        "import asyncio, sys\n"
        "async def pipe(reader, writer):\n"
        "    try:\n"
        "        while data := await reader.read(65536):\n"
        "            writer.write(data); await writer.drain()\n"
        "    finally:\n"
        "        writer.close()\n"
        "async def lead(reader, writer):\n"
        "    try:\n"
        f"        there = await asyncio.open_unix_connection({str(path)!r})\n"
        "    except OSError:\n"
        "        writer.close(); return\n"
        "    await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer), return_exceptions=True)\n"
        "async def main():\n"
        "    server = await asyncio.start_server(lead, '127.0.0.1', 0)\n"
        "    print(server.sockets[0].getsockname()[1], flush=True)\n"
        "    await server.serve_forever()\n"
        "asyncio.run(main())"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def opened(bundle: MadeUp, timeouts: Timeouts = TIMEOUTS) -> AgentClient:
    shell = machine("adb:PHONE1")
    assert isinstance(shell, Adb)
    return AgentClient(
        "adb:PHONE1", open_serial(shell, timeouts=timeouts, bundle_of=lambda _: bundle), timeouts=timeouts
    )


def test_doctor_looks_at_a_phone_and_installs_nothing_on_it(fake: Fake) -> None:
    checks = {check.name: check for check in doctor.examine("adb:PHONE1")}
    assert "no agent yet" in checks["device"].found
    assert (checks["agent"].found, checks["agent"].breaks) == ("does not run there", False)
    assert "edgeleak agent install" in checks["agent"].advice
    assert not any(call.startswith(("push", "forward")) for call in fake.calls())
    assert not (fake.folder / "edgeleak").exists()


def test_opening_installs_starts_and_forwards_and_closing_leaves_the_agent(
    fake: Fake, led: int, bundle: MadeUp
) -> None:
    fake.answers({"command": "forward tcp:0", "out": f"{led}\n"})
    home = fake.folder / "edgeleak"
    with opened(bundle) as device:
        info = device.info()
        assert info.url == "adb:PHONE1"
        assert stat.S_IMODE((home / "agent.sock").stat().st_mode) == 0o600
    calls = fake.calls()
    assert sum(call.startswith("push") for call in calls) == 1
    assert "forward tcp:0 localfilesystem:/data/local/tmp/edgeleak/agent.sock" in calls
    assert calls[-1] == f"forward --remove tcp:{led}"
    with opened(bundle) as device:
        assert device.info().pid == info.pid
    assert sum(call.startswith("push") for call in fake.calls()) == 1
    with machine("adb:PHONE1") as shell:
        assert install.purge(shell) == ()
    assert not home.exists()


def test_a_forward_that_adb_forgot_is_made_again_on_the_same_port(fake: Fake, led: int, bundle: MadeUp) -> None:
    fake.answers({"command": "forward tcp:0", "out": f"{led}\n"})
    timeouts = Timeouts(connect=60.0, reconnect=30.0)
    with opened(bundle, timeouts) as device:
        pid = device.info().pid
        # The agent is ended as adbd's restart ends it on a phone; adb lists no forwarded port any more.
        with machine("adb:PHONE1") as shell:
            install.stop(shell)
        assert device.info().pid != pid
        assert f"forward tcp:{led} localfilesystem:/data/local/tmp/edgeleak/agent.sock" in fake.calls()
        with machine("adb:PHONE1") as shell:
            install.purge(shell)


def test_a_device_that_stays_away_is_lost_with_adbs_reason(fake: Fake, led: int, bundle: MadeUp) -> None:
    fake.answers({"command": "forward tcp:0", "out": f"{led}\n"})
    with opened(bundle, Timeouts(connect=60.0, reconnect=1.0)) as device:
        with machine("adb:PHONE1") as shell:
            install.purge(shell)
        fake.answers({"command": "devices", "out": "List of devices attached\nPHONE1\toffline\n"})
        with pytest.raises(DeviceLostError, match="its adbd does not answer"):
            device.info()
        fake.answers()


def test_a_phone_whose_storage_fills_while_the_agent_is_sent_says_so(fake: Fake, bundle: MadeUp) -> None:
    text = "adb: error: failed to copy 'a' to 'b': remote write failed: No space left on device\n"
    fake.answers({"command": "push", "err": text, "code": 1})
    with machine("adb:PHONE1") as shell, pytest.raises(AdbNoSpaceError, match="its storage is full"):
        install.install(shell, bundle_of=lambda _: bundle)


def test_a_machine_of_another_architecture_is_told_which_there_are(fake: Fake, bundle: MadeUp) -> None:
    fake.answers({"command": "shell", "out": "machine armv7l\nedgeleak-status:0\n"})
    with machine("adb:PHONE1") as shell, pytest.raises(Exception, match=r"a machine armv7l \(.*aarch64"):
        install.install(shell, bundle_of=lambda _: bundle)


def test_the_rows_of_df_are_read_as_android_and_busybox_write_them(fake: Fake) -> None:
    for row, free in (
        ("/dev/fuse 111000000 50000000 61000000 45% /storage/emulated", 61000000),
        ("tmpfs                   716800      8 716792   0% /data/local/tmp", 716792),
        ("  103081248  12345 90735903  12% /data", 90735903),
        ("df: not there", None),
    ):
        fake.answers({"command": "shell", "out": f"machine aarch64\nfree {row}\nedgeleak-status:0\n"})
        with machine("adb:PHONE1") as shell:
            found = install.status(shell).free_bytes
        assert found == (None if free is None else free * 1024)


def test_an_agent_of_another_bundle_is_used_until_start_replaces_it(fake: Fake, bundle: MadeUp, tmp_path: Path) -> None:
    other = made_up(tmp_path / "other", comment="other")
    with machine("adb:PHONE1") as shell:
        first = install.start(shell, bundle_of=lambda _: bundle)
        assert install.ensure(shell, bundle_of=lambda _: other).pid == first.pid
        assert install.start(shell, bundle_of=lambda _: other).bundle == other.digest[:16]
        assert "listening on" in install.logs(shell, before=True)[-1]
        install.purge(shell)


def test_an_agent_of_another_version_is_replaced(fake: Fake, bundle: MadeUp, tmp_path: Path) -> None:
    older = made_up(tmp_path / "older", comment="older", version="0.0.1")
    told: list[str] = []
    with machine("adb:PHONE1") as shell:
        first = install.start(shell, bundle_of=lambda _: older)
        assert first.version == "0.0.1"
        found = install.ensure(shell, bundle_of=lambda _: bundle, progress=told.append)
        assert (found.bundle, found.version) == (bundle.digest[:16], __version__)
        assert "0.0.1" in told[0]
        install.purge(shell)


def test_two_starts_at_once_give_one_agent(fake: Fake, bundle: MadeUp) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def start() -> int | None:
        with machine("adb:PHONE1") as shell:
            return install.start(shell, bundle_of=lambda _: bundle).pid

    with ThreadPoolExecutor(2) as threads:
        pids = [future.result() for future in (threads.submit(start), threads.submit(start))]
    assert pids[0] is not None
    assert pids[0] == pids[1]
    with machine("adb:PHONE1") as shell:
        install.purge(shell)


def test_a_start_that_died_half_way_stands_in_nobodys_way(fake: Fake, bundle: MadeUp) -> None:
    starting = fake.folder / "edgeleak" / "starting"
    starting.mkdir(parents=True)
    done = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
    (starting / "pid").write_text(done.stdout)
    with machine("adb:PHONE1") as shell:
        assert install.start(shell, bundle_of=lambda _: bundle).running
        install.purge(shell)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("emulator:5555", "write emulator:5554"),
        ("emulator:80", "even port from 5554"),
        ("adb:", "adb for the only device"),
        ("adb: ", "adb for the only device"),
        ("emulator-5554", "emulator:PORT"),
    ],
)
def test_a_selector_that_cannot_work_is_told_what_would(fake: Fake, url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_url(url)
    assert fake.calls() == []


def test_an_agent_is_installed_where_that_is_possible_alone(fake: Fake) -> None:
    for url in ("local", "grpc://127.0.0.1:50051"):
        with pytest.raises(UsageError, match="installs no agent there"):
            machine(url)


def test_an_emulator_that_boots_is_given_the_time_to_connect(fake: Fake) -> None:
    fake.answers({"command": "devices", "out": "emulator-5554\toffline\n"})
    from harness.devices import open_device

    with pytest.raises(AdbBootError, match=r"did not boot within 0\.5 s") as raised:
        open_device("emulator:5554", timeouts=Timeouts(connect=0.5))
    assert isinstance(raised.value, DeviceUnavailableError)


def test_the_list_has_every_phone_with_its_agent_or_what_stands_in_the_way(fake: Fake, bundle: MadeUp) -> None:
    with machine("adb:PHONE1") as shell:
        install.install(shell, bundle_of=lambda _: bundle)
    fake.answers(
        {"command": "devices", "out": "PHONE1\tdevice usb:1-1 model:Pixel_9\nPHONE2\tunauthorized\nEMU\toffline\n"}
    )
    rows = {row.device: row for row in listed()}
    assert rows["adb:PHONE1"].line().startswith("adb:PHONE1  device  Pixel_9, ")
    assert rows["adb:PHONE1"].line().endswith(f"agent {__version__} is installed")
    assert "allow USB debugging" in rows["adb:PHONE2"].line()
    assert "its adbd does not answer" in rows["adb:EMU"].line()
    assert rows["local"].state == "ready"
    table = json.loads(json.dumps([row.to_json() for row in rows.values()]))
    assert table[0]["agent"]["installed"] == {bundle.digest[:16]: __version__}


def test_the_list_goes_on_without_adb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADB", "/no/such/adb")
    rows = listed()
    assert (rows[0].device, rows[0].state, rows[-1].device) == ("adb", "not installed", "local")


@pytest.mark.parametrize("verb", ["status", "logs", "stop", "purge"])
def test_the_verbs_say_what_they_found(fake: Fake, verb: str) -> None:
    command = [sys.executable, "-m", "harness", "agent", verb]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = {
        "status": "adb: the agent is not installed",
        "logs": "",
        "stop": "adb: no agent ran",
        "purge": "adb: /data/local/tmp/edgeleak is removed",
    }
    assert done.stdout.startswith(said[verb])
    table = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True, check=True).stdout)
    assert table["device"] == "adb"
