"""What adb prints when something is wrong: each text, what it means, what edgeleak does, and what the user can do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from harness.errors import DeviceError, DeviceUnavailableError, UsageError
from harness.plain import plain

__all__ = [
    "TROUBLES",
    "AdbAmbiguousError",
    "AdbBootError",
    "AdbBrokenError",
    "AdbError",
    "AdbForwardError",
    "AdbMissingDeviceError",
    "AdbNoSpaceError",
    "AdbOfflineError",
    "AdbPermissionsError",
    "AdbReadOnlyError",
    "AdbServerError",
    "AdbTimeoutError",
    "AdbUnauthorizedError",
    "Trouble",
    "classify",
]


class AdbError(DeviceError):
    """A command of adb failed.

    Args:
        message: what is wrong.
        device: the device as the user named it.
        command: the command of adb, without the binary.
        serial: of the device; empty where none was chosen.
        output: what adb printed, fit for a terminal.
        hint: what the user can do.
    """

    # Whether the same command may do its work a moment later, on the device as it is.
    passing: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        device: str,
        command: str = "",
        serial: str = "",
        output: str = "",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, device=device, hint=hint)
        self.command = command
        self.serial = serial
        self.output = output


class AdbMissingDeviceError(AdbError, DeviceUnavailableError):
    """No such device is connected."""


class AdbOfflineError(AdbError, DeviceUnavailableError):
    """The device is connected, and its adbd does not answer."""

    passing = True


class AdbUnauthorizedError(AdbError, DeviceUnavailableError):
    """The device has not allowed this computer."""


class AdbPermissionsError(AdbError, DeviceUnavailableError):
    """This user may not open the USB device."""


class AdbBrokenError(AdbError, DeviceUnavailableError):
    """The connection broke while a command ran."""

    passing = True


class AdbServerError(AdbError, DeviceUnavailableError):
    """The adb server of this computer does not run as it must."""


class AdbBootError(AdbError, DeviceUnavailableError):
    """The device did not boot in time."""


class AdbTimeoutError(AdbError, DeviceUnavailableError):
    """A command of adb did not end in time."""


class AdbNoSpaceError(AdbError):
    """The device's storage is full."""


class AdbReadOnlyError(AdbError):
    """The device does not let the shell's user write there."""


class AdbForwardError(AdbError):
    """The port cannot be forwarded."""


class AdbAmbiguousError(AdbError, UsageError):
    """Several devices are connected, and none was chosen."""


@dataclass(frozen=True)
class Trouble:
    """One text that adb prints.

    Args:
        text: as adb prints it; X stands for the device's serial, P for a path.
        pattern: what is found in such a text.
        error: that is raised.
        means: what is wrong, to follow the device's name.
        does: what edgeleak does by itself.
        hint: what the user can do.
    """

    text: str
    pattern: re.Pattern[str]
    error: type[AdbError]
    means: str
    does: str
    hint: str


_STOPS = "stops"
_ONCE_MORE = "resets the connection (`adb reconnect offline`), waits up to 10 s, and repeats what may be repeated, once"
_PLUG = "check the cable and that USB debugging is on; edgeleak devices lists what is connected"
_ALLOW = "unlock the phone and allow USB debugging for this computer"
_FORGET = "if no question appears: developer options, revoke USB debugging authorisations, plug in again"
_ROOM = "make room on the device; edgeleak agent purge --device DEVICE removes all that edgeleak left there"
_UDEV = (
    "add your user to the group plugdev, install the udev rules (Debian: android-sdk-platform-tools-common), and plug "
    "it in again"
)
_ONE_ADB = "use one adb: name the newer one in $ADB"
_PORT = "end what holds the port, or the adb server of another user, and rerun the same command"


def _row(text: str, pattern: str, error: type[AdbError], means: str, does: str, hint: str) -> Trouble:
    return Trouble(text, re.compile(pattern, re.IGNORECASE), error, means, does, hint)


# The first that is found decides: what says more comes first.
TROUBLES: tuple[Trouble, ...] = (
    _row(
        "error: device unauthorized. This adb server's $ADB_VENDOR_KEYS is not set ...",
        r"device unauthorized",
        AdbUnauthorizedError,
        "has not allowed this computer to debug it",
        _STOPS,
        f"{_ALLOW}; {_FORGET}",
    ),
    _row(
        "error: device still authorizing",
        r"device still authorizing",
        AdbUnauthorizedError,
        "is asking its user whether this computer may debug it, or is still booting",
        "an emulator: waits for `connect` seconds; a phone: stops",
        f"{_ALLOW}; for an emulator that boots: connect = 300 under [device.timeouts]",
    ),
    _row(
        "failed to authenticate to X",
        r"failed to authenticate",
        AdbUnauthorizedError,
        "has not allowed this computer to debug it over the network",
        _STOPS,
        f"{_ALLOW}; on Android 11 and later pair first: adb pair HOST:PORT",
    ),
    _row(
        "error: device offline",
        r"device offline|transport offline",
        AdbOfflineError,
        "is connected, and its adbd does not answer",
        _ONCE_MORE,
        "plug it in again, or switch USB debugging off and on; an emulator that boots: connect = 300 under "
        "[device.timeouts]",
    ),
    _row(
        "error: insufficient permissions for device: user in plugdev group; are your udev rules wrong?",
        r"insufficient permissions|no permissions|not in the plugdev group",
        AdbPermissionsError,
        "is connected, and this user may not open it",
        _STOPS,
        _UDEV,
    ),
    _row(
        "error: more than one device/emulator",
        r"more than one (device|emulator)",
        AdbAmbiguousError,
        "stands for one of several devices",
        "stops, and lists them",
        "write adb:SERIAL, or set ANDROID_SERIAL",
    ),
    _row(
        "error: no devices/emulators found",
        r"no devices(/emulators)? found|no emulators? (found|detected|connected)",
        AdbMissingDeviceError,
        "no device is connected",
        _STOPS,
        _PLUG,
    ),
    _row(
        "error: device 'X' not found",
        r"device '[^']*' not found|device not found|no such device '|unknown device",
        AdbMissingDeviceError,
        "is not connected",
        "HOST:PORT: runs `adb connect` once; otherwise stops, and lists what is connected",
        _PLUG,
    ),
    _row(
        "failed to connect to 'X': Connection refused",
        r"(failed|unable) to connect to",
        AdbMissingDeviceError,
        "nobody answers adb at this address",
        _STOPS,
        "check the address; on the phone: wireless debugging, or adb tcpip 5555 over USB once",
    ),
    _row(
        "failed to resolve host: 'X': Name or service not known",
        r"failed to resolve host|unknown host",
        AdbMissingDeviceError,
        "the host's name is not known",
        _STOPS,
        "check the name, or write the IP address",
    ),
    _row(
        "adb: error: failed to copy 'P' to 'P': remote write failed: No space left on device",
        r"no space left on device|not enough space",
        AdbNoSpaceError,
        "its storage is full",
        "checks the room before it sends; stops",
        _ROOM,
    ),
    _row(
        "adb: error: failed to copy 'P' to 'P': remote couldn't create file: Permission denied",
        r"couldn't create file: (permission denied|operation not permitted)",
        AdbReadOnlyError,
        "the shell's user may not write there",
        _STOPS,
        "edgeleak writes to /data/local/tmp/edgeleak only: adb shell rm -r /data/local/tmp/edgeleak where another user "
        "(root) made it",
    ),
    _row(
        "adb: error: failed to copy 'P' to 'P': remote couldn't create file: Read-only file system",
        r"read-only file system",
        AdbReadOnlyError,
        "its storage is read-only",
        _STOPS,
        "restart the device; a storage that is damaged is mounted read-only",
    ),
    _row(
        "adb: error: failed to copy 'P' to 'P': remote secure_mkdirs failed: Permission denied",
        r"secure_mkdirs failed",
        AdbReadOnlyError,
        "the folder cannot be made there",
        _STOPS,
        "adb shell ls -ld /data/local/tmp shows who may write there",
    ),
    _row(
        "adb: error: remote object 'P' does not exist",
        r"remote object '[^']*' does not exist|failed to stat remote object",
        AdbError,
        "there is no such file there",
        _STOPS,
        "edgeleak agent install --device DEVICE puts the agent there",
    ),
    _row(
        "adb: error: cannot stat 'P': No such file or directory",
        r"cannot stat '|cannot lstat '",
        AdbError,
        "a file of this computer is missing",
        _STOPS,
        "rerun the same command, which makes the bundle again",
    ),
    _row(
        "adb server version (41) doesn't match this client (39); killing...",
        r"server version \(\d+\) doesn't match this client",
        AdbServerError,
        "two versions of adb run on this computer, and each ends the other's server",
        "goes on where adb itself does; stops where it does not",
        _ONE_ADB,
    ),
    _row(
        "error: could not install *smartsocket* listener: Address already in use",
        r"could not install \*smartsocket\* listener",
        AdbServerError,
        "another program holds the port of the adb server",
        _STOPS,
        "end it, or choose another port: ANDROID_ADB_SERVER_PORT",
    ),
    _row(
        "* failed to start daemon; error: cannot connect to daemon",
        r"cannot connect to daemon|failed to start daemon|failed to check server|daemon still not running"
        r"|cannot start server",
        AdbServerError,
        "the adb server of this computer does not start",
        _STOPS,
        "adb start-server shows why; another user's server may hold port 5037",
    ),
    _row(
        "error: cannot bind listener: Address already in use",
        r"cannot bind listener|cannot rebind",
        AdbForwardError,
        "the port to forward is taken on this computer",
        "takes a free port at the start; where a broken link is made again, tries until `reconnect` is over",
        _PORT,
    ),
    _row(
        "error: listener 'tcp:N' not found",
        r"listener '[^']*' not found",
        AdbForwardError,
        "the port is not forwarded any more",
        "nothing: it was to be removed",
        "nothing",
    ),
    _row(
        "error: protocol fault (couldn't read status): Connection reset by peer",
        r"protocol fault",
        AdbBrokenError,
        "the connection to the adb server broke",
        _ONCE_MORE,
        "rerun the same command; another program may have ended the adb server",
    ),
    _row(
        "error: closed",
        r"error: closed|connection reset by peer|couldn't read from device|connect failed: closed"
        r"|device disconnected",
        AdbBrokenError,
        "the connection to the device broke",
        _ONCE_MORE,
        "plug it in again, and rerun the same command",
    ),
    _row(
        "adb: error: failed to get feature set: closed",
        r"failed to get feature set",
        AdbBrokenError,
        "the device went away before the command began",
        _ONCE_MORE,
        _PLUG,
    ),
    _row(
        "error: shell command too long",
        r"shell command too long",
        AdbError,
        "its adbd is older than Android 7, and takes no long commands",
        _STOPS,
        "use a device with Android 7 or later",
    ),
)


def classify(output: str, *, device: str, command: str, serial: str) -> AdbError:
    """The error that a text of adb stands for.

    Args:
        output: what adb printed, standard error first.
        device: the device as the user named it.
        command: the command of adb, without the binary.
        serial: of the device; empty where none was chosen.
    """
    said = plain(without_notices(output), length=300)
    for trouble in TROUBLES:
        if trouble.pattern.search(output):
            return trouble.error(
                f"{trouble.means}; adb says: {said}",
                device=device,
                command=command,
                serial=serial,
                output=said,
                hint=trouble.hint,
            )
    return AdbError(
        f"adb {command.split(' ', 1)[0]} failed: {said or 'it said nothing'}",
        device=device,
        command=command,
        serial=serial,
        output=said,
        hint="edgeleak devices lists what is connected",
    )


def without_notices(output: str) -> str:
    """What adb printed, without its lines about the start of its server."""
    return "\n".join(line for line in output.splitlines() if not line.startswith("* daemon ")).strip()
