"""One device over adb: selection, commands, retries, and every text that adb is known to print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.errors import DependencyError, EdgeleakError, UsageError
from harness.remote import adb as module
from harness.remote.adb import Adb, connected
from harness.remote.adb_errors import (
    TROUBLES,
    AdbAmbiguousError,
    AdbBootError,
    AdbBrokenError,
    AdbError,
    AdbForwardError,
    AdbMissingDeviceError,
    AdbNoSpaceError,
    AdbOfflineError,
    AdbPermissionsError,
    AdbReadOnlyError,
    AdbServerError,
    AdbTimeoutError,
    AdbUnauthorizedError,
    Trouble,
    classify,
)
from tests.remote.conftest import Fake

PAGE = Path(__file__).parent.parent.parent / "docs" / "phones.md"
KEYS = (
    "error: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set\nTry 'adb kill-server' if that seems "
    "wrong.\nOtherwise check for a confirmation dialog on your device.\n"
)
# Texts of adb 29 and 34, as they come: what it says beside the failure included.
TEXTS: list[tuple[str, type[AdbError]]] = [
    ("error: no devices/emulators found\n", AdbMissingDeviceError),
    ("adb: no devices/emulators found\n", AdbMissingDeviceError),
    ("error: device 'PHONE1' not found\n", AdbMissingDeviceError),
    ("adb: error: failed to get feature set: device 'PHONE1' not found\n", AdbMissingDeviceError),
    ("adb: error: failed to get feature set: no devices/emulators found\n", AdbMissingDeviceError),
    ("error: device offline\n", AdbOfflineError),
    ("adb: error: failed to get feature set: device offline\n", AdbOfflineError),
    (KEYS, AdbUnauthorizedError),
    ("adb: error: failed to get feature set: device unauthorized.\nThis adb server's ...", AdbUnauthorizedError),
    ("error: device still authorizing\n", AdbUnauthorizedError),
    ("adb: device still authorizing\n", AdbUnauthorizedError),
    ("failed to authenticate to 192.168.1.5:5555\n", AdbUnauthorizedError),
    ("error: more than one device/emulator\n", AdbAmbiguousError),
    ("error: more than one emulator\n", AdbAmbiguousError),
    ("error: closed\n", AdbBrokenError),
    ("error: protocol fault (couldn't read status): Connection reset by peer\n", AdbBrokenError),
    ("error: protocol fault (couldn't read status): Success\n", AdbBrokenError),
    ("error: protocol fault (status 00 00 00 00?!)\n", AdbBrokenError),
    ("adb: error: failed to copy 'a' to 'b': couldn't read from device\n", AdbBrokenError),
    ("adb: error: connect failed: closed\n", AdbBrokenError),
    ("adb: error: failed to copy 'a' to 'b': remote write failed: No space left on device\n", AdbNoSpaceError),
    ("adb: error: failed to copy 'a' to 'b': remote No space left on device\n", AdbNoSpaceError),
    ("adb: error: failed to copy 'a' to 'b': remote couldn't create file: Permission denied\n", AdbReadOnlyError),
    ("adb: error: failed to copy 'a' to 'b': remote couldn't create file: Read-only file system\n", AdbReadOnlyError),
    ("adb: error: failed to copy 'a' to 'b': remote secure_mkdirs failed: Permission denied\n", AdbReadOnlyError),
    ("* daemon not running; starting now at tcp:5037\nerror: cannot connect to daemon\n", AdbServerError),
    ("adb: cannot connect to daemon at tcp:5037: Connection refused\n", AdbServerError),
    ("adb server version (41) doesn't match this client (39); killing...\n* failed to start daemon\n", AdbServerError),
    ("error: could not install *smartsocket* listener: Address already in use\n", AdbServerError),
    ("ADB server didn't ACK\n* failed to start daemon *\nerror: cannot connect to daemon\n", AdbServerError),
    ("error: cannot bind listener: Address already in use\n", AdbForwardError),
    ("adb: error: cannot rebind existing socket\n", AdbForwardError),
    ("error: listener 'tcp:40123' not found\n", AdbForwardError),
    ("failed to connect to 'h:5555': Connection refused\n", AdbMissingDeviceError),
    ("unable to connect to h:5555: Connection timed out\n", AdbMissingDeviceError),
    ("failed to resolve host: 'h': Name or service not known\n", AdbMissingDeviceError),
    (
        "error: insufficient permissions for device: user in plugdev group; are your udev rules wrong?\nSee [http://...]",
        AdbPermissionsError,
    ),
    ("error: insufficient permissions for device: user me is not in the plugdev group\n", AdbPermissionsError),
    ("adb: error: remote object '/data/x' does not exist\n", AdbError),
    ("adb: error: failed to stat remote object '/data/x': Permission denied\n", AdbError),
    ("adb: error: cannot stat 'bundle.tar.gz': No such file or directory\n", AdbError),
    ("error: shell command too long\n", AdbError),
]


def phone() -> Adb:
    return Adb("PHONE1", device="adb:PHONE1")


@pytest.mark.parametrize(("text", "error"), TEXTS, ids=[text.strip()[:70] for text, _ in TEXTS])
def test_every_text_that_adb_prints_is_one_error_that_says_what_to_do(
    fake: Fake, tmp_path: Path, text: str, error: type[AdbError]
) -> None:
    fake.answers({"command": "pull", "err": text, "code": 1})
    with pytest.raises(AdbError) as raised:
        phone().pull("/data/x", tmp_path / "x", seconds=20)
    assert type(raised.value) is error
    assert raised.value.hint
    assert raised.value.serial == "PHONE1"
    assert raised.value.command.startswith("pull /data/x")
    assert raised.value.output
    assert str(raised.value).startswith("adb:PHONE1: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("trouble", TROUBLES, ids=[trouble.text[:60] for trouble in TROUBLES])
def test_every_row_of_the_table_is_found_by_its_own_text(trouble: Trouble) -> None:
    error = classify(trouble.text, device="adb:X", command="push", serial="X")
    assert (type(error), error.hint) == (trouble.error, trouble.hint)
    assert trouble.means in error.message


def test_the_page_has_the_table_of_the_code() -> None:
    rows = [f"| `{row.text}` | {row.means} | {row.does} | {row.hint} |" for row in TROUBLES]
    assert [line for line in PAGE.read_text().splitlines() if line in rows] == rows


def test_a_text_that_nobody_knows_is_shown_as_plain_text(fake: Fake) -> None:
    fake.answers({"command": "features", "err": "adb: \x1b]0;evil\x07 new\n", "code": 1})
    with pytest.raises(AdbError, match=re.escape("\\x1b]0;evil\\x07 new")):
        phone().features()


def test_notices_about_the_start_of_the_server_are_no_part_of_an_answer(fake: Fake) -> None:
    notice = "* daemon not running; starting now at tcp:5037\n* daemon started successfully\n"
    fake.answers({"command": "devices", "out": notice + "List of devices attached\nA B (2)._adb\toffline\n\n"})
    assert [(row.serial, row.state) for row in connected()] == [("A B (2)._adb", "offline")]


def test_a_server_of_another_version_that_adb_replaced_is_no_error(fake: Fake) -> None:
    fake.answers(
        {
            "command": "features",
            "out": "shell_v2\ncmd\n",
            "err": "adb server version (41) doesn't match ...; killing...",
        }
    )
    assert phone().features() == {"shell_v2", "cmd"}


def test_every_state_of_a_device_is_read(fake: Fake) -> None:
    fake.answers(
        {
            "command": "devices",
            "out": "List of devices attached\n"
            "emulator-5554          device product:sdk model:sdk_gphone64 device:emu transport_id:1\n"
            "0123456789ABCDEF       unauthorized usb:1-2 transport_id:3\n"
            "(no serial number)     no permissions (user in plugdev group; are your udev rules wrong?); see [http://x]\n"
            "192.168.100.200:55555123 offline\n",
        }
    )
    assert [(row.serial, row.state, row.model, row.usable) for row in connected()] == [
        ("emulator-5554", "device", "sdk_gphone64", True),
        ("0123456789ABCDEF", "unauthorized", "", False),
        ("(no serial number)", "no permissions", "", False),
        ("192.168.100.200:55555123", "offline", "", False),
    ]


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("unauthorized", AdbUnauthorizedError),
        ("authorizing", AdbUnauthorizedError),
        ("offline", AdbOfflineError),
        ("no permissions (x); see [y]", AdbPermissionsError),
        ("recovery", AdbOfflineError),
        ("sideload", AdbOfflineError),
    ],
)
def test_a_device_that_takes_no_commands_is_refused_by_its_state(fake: Fake, state: str, error: type[AdbError]) -> None:
    fake.answers({"command": "devices", "out": f"PHONE1                 {state} usb:1-1\n"})
    with pytest.raises(error) as raised:
        phone().require()
    assert raised.value.hint
    assert ("reconnect offline" in fake.calls()) == (state == "offline")


def test_a_serial_that_is_not_there_is_told_what_is(fake: Fake) -> None:
    with pytest.raises(AdbMissingDeviceError, match=r"OTHER is not connected; connected: PHONE1 \(write adb:PHONE1\)"):
        Adb("OTHER", device="adb:OTHER").require()
    fake.answers({"command": "devices", "out": "List of devices attached\n"})
    with pytest.raises(AdbMissingDeviceError, match="no device is connected"):
        Adb("OTHER", device="adb:OTHER").require()
    with pytest.raises(AdbMissingDeviceError, match="no device is connected"):
        Adb(None, device="adb").require()


def test_the_only_device_is_chosen_and_of_several_none(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Adb(None, device="adb").serial == "PHONE1"
    fake.answers({"command": "devices", "out": "A\tdevice\nB\toffline\n"})
    with pytest.raises(AdbAmbiguousError, match=r"adb:A \(device\), adb:B \(offline\)") as raised:
        Adb(None, device="adb").require()
    assert isinstance(raised.value, UsageError)
    assert raised.value.exit_code == 4
    monkeypatch.setenv("ANDROID_SERIAL", "B")
    assert Adb(None, device="adb").serial == "B"


def test_a_script_has_its_status_whatever_the_age_of_adbd(fake: Fake) -> None:
    done = phone().run("echo one; echo two >&2; exit 5", seconds=20)
    assert (done.status, done.out, done.err) == (5, "one\n", "two\n")
    # Without shell_v2: one output, the line ends of a terminal, and no status of its own.
    fake.answers({"command": "shell", "out": "one\r\ntwo\r\nedgeleak-status:5\r\n", "code": 0})
    done = phone().run("x", seconds=20)
    assert (done.status, done.out, done.err) == (5, "one\ntwo\n", "")


@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        ("kill -9 $BASHPID", 137, "Killed"),
        ("sh -c 'kill -11 $$'", 139, "Segmentation fault"),
        ("exit 3", 3, "exit status 3"),
    ],
)
def test_a_script_that_is_killed_says_so(fake: Fake, script: str, status: int, said: str) -> None:
    fake.answers({"command": "shell", "out": f"edgeleak-status:{status}\n"})
    done = phone().run(script, seconds=20)
    assert (done.status, done.said) == (status, said)


@pytest.mark.parametrize("half", [{"out": "machine aarch64\n"}, {"err": "sh: what the script said\n"}])
def test_a_script_that_is_cut_off_is_a_broken_connection_whatever_it_had_said(
    fake: Fake, half: dict[str, object]
) -> None:
    fake.answers({"command": "shell", "code": 1, **half})
    with pytest.raises(AdbBrokenError):
        phone().run("true", seconds=20)


def test_a_script_whose_end_did_not_come_is_a_broken_connection(fake: Fake) -> None:
    fake.answers({"command": "shell", "out": "", "code": 255})
    with pytest.raises(AdbBrokenError):
        phone().run("true", seconds=20)
    assert sum(call.startswith("shell") for call in fake.calls()) == 1


def test_what_may_be_repeated_is_repeated_once_after_a_reset(fake: Fake) -> None:
    fake.answers({"command": "shell", "err": "error: device offline\n", "code": 1, "times": 1})
    assert phone().run("echo back", seconds=20, again=True).out == "back\n"
    assert [call.split("\n")[0] for call in fake.calls()] == [
        "shell (",
        "reconnect offline",
        "wait-for-device",
        "shell (",
    ]
    fake.answers({"command": "push", "err": "error: closed\n", "code": 1, "times": 2})
    with pytest.raises(AdbBrokenError):
        phone().push(Path("x"), "/data/local/tmp/x", seconds=20)


def test_what_a_repetition_cannot_mend_is_not_repeated(fake: Fake, tmp_path: Path) -> None:
    fake.answers({"command": "push", "err": "adb: error: failed to copy: No space left on device\n", "code": 1})
    with pytest.raises(AdbNoSpaceError):
        phone().push(tmp_path / "x", "/data/local/tmp/x", seconds=20)
    assert len(fake.calls()) == 1


def test_a_command_that_hangs_is_ended(fake: Fake) -> None:
    fake.answers({"command": "shell", "seconds": 60})
    with pytest.raises(AdbTimeoutError, match=r"adb shell did not end within 0\.5 s"):
        phone().run("true", seconds=0.5)


def test_a_port_is_forwarded_and_made_anew_on_the_same_number(fake: Fake) -> None:
    device = phone()
    port = device.forward("/d/agent.sock")
    assert port == 40123
    assert not device.forwards(port, "/d/agent.sock")
    fake.answers(
        {"command": "forward --list", "out": "OTHER tcp:1 tcp:1\nPHONE1 tcp:40123 localfilesystem:/d/agent.sock\n"}
    )
    assert device.forwards(port, "/d/agent.sock")
    assert not device.forwards(port, "/d/other.sock")
    assert device.forward("/d/agent.sock", port=port) == port
    assert fake.calls()[-1] == "forward tcp:40123 localfilesystem:/d/agent.sock"
    fake.answers({"command": "forward", "err": "error: listener 'tcp:40123' not found\n", "code": 1})
    device.remove_forward(port)


def test_a_device_on_the_network_is_connected_once(fake: Fake) -> None:
    fake.answers(
        {"command": "devices", "out": "List of devices attached\n", "times": 1},
        {"command": "devices", "out": "h:5555\tdevice\n"},
        {"command": "connect h:5555", "out": "connected to h:5555\n"},
    )
    Adb("h:5555", device="adb:h:5555").require()
    fake.answers(
        {"command": "devices", "out": "List of devices attached\n"},
        {"command": "connect", "out": "failed to connect to 'h:5555': Connection refused\n"},
    )
    with pytest.raises(AdbMissingDeviceError, match="nobody answers adb at this address"):
        Adb("h:5555", device="adb:h:5555").require()


def test_a_device_on_the_network_that_is_offline_is_connected_anew(fake: Fake) -> None:
    fake.answers(
        {"command": "devices", "out": "h:5555\toffline\n", "times": 1},
        {"command": "devices", "out": "h:5555\tdevice\n"},
        {"command": "disconnect", "out": "disconnected h:5555\n"},
        {"command": "connect", "out": "connected to h:5555\n"},
    )
    Adb("h:5555", device="adb:h:5555").require()
    assert fake.calls() == ["devices -l", "disconnect h:5555", "connect h:5555", "devices -l"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"command": "devices", "out": "List of devices attached\n"}, "emulator-5554 is not connected"),
        ({"command": "devices", "out": "emulator-5554\toffline\n"}, "adbd does not answer"),
        ({"command": "devices", "out": "emulator-5554\tauthorizing\n"}, "is still booting"),
        ({"command": "shell", "out": "\nedgeleak-status:0\n"}, "sys.boot_completed is not yet 1"),
        ({"command": "shell", "err": "error: closed\n", "code": 1}, "the connection to the device broke"),
    ],
)
def test_an_emulator_that_does_not_boot_in_time_says_how_far_it_came(
    fake: Fake, answer: dict[str, object], reason: str
) -> None:
    fake.answers(answer, {"command": "devices", "out": "emulator-5554\tdevice\n"})
    with pytest.raises(AdbBootError, match=reason) as raised:
        Adb("emulator-5554", device="emulator:5554").wait_until_booted(0.6)
    assert "/dev/kvm" in str(raised.value.hint)


def test_an_emulator_is_waited_for_until_it_has_booted(fake: Fake) -> None:
    fake.answers(
        {"command": "devices", "out": "emulator-5554\toffline\n", "times": 2},
        {"command": "devices", "out": "emulator-5554\tauthorizing\n", "times": 1},
        {"command": "devices", "out": "emulator-5554\tdevice\n"},
        {"command": "shell", "out": "0\nedgeleak-status:0\n", "times": 1},
        {"command": "shell", "out": "1\nedgeleak-status:0\n"},
    )
    Adb("emulator-5554", device="emulator:5554").wait_until_booted(60)
    assert sum(call.startswith("shell") for call in fake.calls()) == 2


def test_a_machine_without_getprop_has_booted_where_it_takes_commands(fake: Fake) -> None:
    phone().wait_until_booted(20)


def test_the_binary_is_the_chosen_one_then_that_of_the_sdk_then_one_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def program(folder: Path) -> str:
        folder.mkdir(parents=True)
        path = folder / "adb"
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return str(path)

    chosen, sdk = program(tmp_path / "chosen"), program(tmp_path / "sdk" / "platform-tools")
    on_path = program(tmp_path / "path")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("ADB", chosen)
    monkeypatch.setenv("ANDROID_HOME", str(tmp_path / "sdk"))
    assert module.find_adb() == chosen
    monkeypatch.delenv("ADB")
    assert module.find_adb() == sdk
    monkeypatch.delenv("ANDROID_HOME")
    monkeypatch.delenv("ANDROID_SDK_ROOT", raising=False)
    assert module.find_adb() == on_path
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(DependencyError, match="apt-get install adb"):
        module.find_adb()
    monkeypatch.setenv("ADB", "no such adb")
    with pytest.raises(EdgeleakError, match="ADB=no such adb is no program"):
        module.find_adb()


def test_the_server_is_never_ended(fake: Fake) -> None:
    folder = Path(module.__file__).parent
    for source in folder.rglob("*.py"):
        assert '"kill-server"' not in source.read_text()
