"""The device `all`: every device that this host can name and use now."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import UsageError

__all__ = ["ALL", "expanded"]

ALL = "all"
# Of a list of devices, what states that one can be asked; a phone can where it said something about itself.
_READY = frozenset({"ready", "paired"})


def expanded(names: Sequence[str]) -> tuple[str, ...]:
    """The devices' names, with `all` replaced by those that are there.

    Args:
        names: as the user wrote them.

    Raises:
        UsageError: `all` stands beside others, or no device is ready.
    """
    if ALL not in names:
        return tuple(names)
    if len(names) > 1:
        raise UsageError(
            f"device {ALL!r} stands beside {', '.join(name for name in names if name != ALL)}",
            hint="give all alone, or each device by its name",
        )
    # adb and the emulated phone are looked for where somebody asks for all devices only.
    from harness.devices.listing import listed

    ready = tuple(row.device for row in listed() if row.agent is not None or row.state in _READY)
    if not ready:
        raise UsageError("device 'all': no device is ready", hint="edgeleak devices shows what each one lacks")
    return ready
