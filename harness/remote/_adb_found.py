"""The adb binary of this computer, and the rows in which its server lists devices."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DependencyError
from harness.plain import plain

__all__ = ["AdbDevice", "find_adb", "row_of"]

# A serial may hold spaces, as that of a phone over wireless debugging does; a state is one of adb's own words.
_ROW = re.compile(
    r"(?P<serial>\S.*?)\s+(?P<state>device|offline|unauthorized|authorizing|connecting|no permissions|bootloader"
    r"|recovery|rescue|sideload|host|detached|unknown)\b(?P<rest>.*)"
)


@dataclass(frozen=True)
class AdbDevice:
    """A device that the adb server knows. Its texts come from the device, and are fit for a terminal.

    Args:
        serial: as ``adb -s`` takes it.
        state: ``device`` where it can be used; ``offline``, ``unauthorized``, ``no permissions`` and others.
        model: as it calls itself; empty where it does not say.
    """

    serial: str
    state: str
    model: str = ""

    @property
    def usable(self) -> bool:
        """Whether it takes commands."""
        return self.state == "device"


def find_adb() -> str:
    """The adb binary: ``$ADB``, that of ``$ANDROID_HOME``, or the one on the path.

    Raises:
        DependencyError: there is none.
    """
    chosen = os.environ.get("ADB")
    if chosen:
        found = shutil.which(chosen)
        if found is None:
            raise DependencyError(f"ADB={chosen} is no program", hint="name the adb binary, or unset ADB")
        return found
    for root in (os.environ.get("ANDROID_HOME"), os.environ.get("ANDROID_SDK_ROOT")):
        if root and (found := shutil.which(str(Path(root) / "platform-tools" / "adb"))):
            return found
    found = shutil.which("adb")
    if found is None:
        raise DependencyError(
            "adb is not installed",
            hint="Debian and Ubuntu: apt-get install adb; elsewhere install the platform-tools of Android, then put "
            "adb on the path or set ANDROID_HOME",
        )
    return found


def row_of(line: str) -> AdbDevice | None:
    """The device in a row of ``adb devices -l``; None for its headline and its notices.

    Args:
        line: as adb prints it.
    """
    row = None if line.startswith(("List of devices", "* ", "adb server")) else _ROW.fullmatch(line.strip())
    if row is None:
        return None
    model = re.search(r"\bmodel:(\S+)", row["rest"])
    return AdbDevice(plain(row["serial"], length=100), row["state"], plain(model[1], length=60) if model else "")
