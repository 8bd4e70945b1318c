"""The lease: one session at a time may hold the device for timing, and for no longer than it says."""

from __future__ import annotations

import hmac
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from device_agent.errors import AgentError, BusyError

__all__ = ["Lease", "Leases"]

_ID = re.compile(r"[0-9a-f]{32}")
_HOLDER_MAX = 128
# A host that dies keeps the device from others for at most this long; one that lives prolongs its lease.
_SECONDS_MAX = 600.0
# How long an upload may take that is under way: all that is known of it.
_UPLOAD_SECONDS = 60.0


@dataclass(frozen=True)
class Lease:
    """A reservation of the device.

    Args:
        lease_id: what the holder's calls carry.
        holder: who it is, as others read it.
        ends: by the clock of `Leases`.
    """

    lease_id: str
    holder: str
    ends: float


class Leases:
    """At most one lease at a time.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        # Lease ids, or nothing, of calls that cannot pause.
        self._users: list[str] = []

    def acquire(self, lease_id: str, *, holder: str, seconds: float) -> float:
        """Reserve the device, or prolong the same lease; seconds that it lasts from now.

        Raises:
            AgentError: INVALID_ARGUMENT for an impossible id, holder or time.
            BusyError: somebody else holds the device.
        """
        if not _ID.fullmatch(lease_id):
            raise AgentError("INVALID_ARGUMENT", "a lease's id is 32 lower-case hexadecimal digits")
        if not (0 < len(holder) <= _HOLDER_MAX and holder.isprintable()):
            raise AgentError(
                "INVALID_ARGUMENT", f"a lease's holder is a printable text of 1 to {_HOLDER_MAX} characters"
            )
        if not 0 < seconds <= _SECONDS_MAX:
            raise AgentError("INVALID_ARGUMENT", f"a lease lasts up to {_SECONDS_MAX:g} s, {seconds:g} were asked for")
        with self._lock:
            self._refuse_others(lease_id)
            if any(not _same(user, lease_id) for user in self._users):
                raise BusyError(holder="another host's upload", seconds=_UPLOAD_SECONDS)
            self._lease = Lease(lease_id, holder, self._clock() + seconds)
        return seconds

    def release(self, lease_id: str) -> bool:
        """End a lease; whether it was the present one."""
        with self._lock:
            lease = self._present()
            if lease is None or not _same(lease.lease_id, lease_id):
                return False
            self._lease = None
            return True

    def present(self) -> tuple[str, float] | None:
        """Who holds the device and for how many seconds yet; None where nobody does."""
        with self._lock:
            lease = self._present()
            return None if lease is None else (lease.holder, lease.ends - self._clock())

    def held_against(self, lease_id: str) -> tuple[str, float] | None:
        """Who holds the device instead of this session, and for how many seconds yet; None where nobody else does."""
        with self._lock:
            lease = self._present()
            if lease is None or _same(lease.lease_id, lease_id):
                return None
            return lease.holder, lease.ends - self._clock()

    @contextmanager
    def using(self, lease_id: str) -> Iterator[None]:
        """A call that cannot pause, an upload for example: none begins under somebody else's lease, nor the reverse.

        Args:
            lease_id: what the call carries, empty where it carries none.

        Raises:
            BusyError: somebody else holds the device.
        """
        with self._lock:
            self._refuse_others(lease_id)
            self._users.append(lease_id)
        try:
            yield
        finally:
            with self._lock:
                self._users.remove(lease_id)

    def require(self, lease_id: str) -> None:
        """Raise where somebody else holds the device.

        Args:
            lease_id: what the call carries, empty where it carries none.

        Raises:
            BusyError: it is held, by whom and for how long.
        """
        with self._lock:
            self._refuse_others(lease_id)

    def _present(self) -> Lease | None:
        if self._lease is not None and self._clock() >= self._lease.ends:
            self._lease = None
        return self._lease

    def _refuse_others(self, lease_id: str) -> None:
        lease = self._present()
        if lease is not None and not _same(lease.lease_id, lease_id):
            raise BusyError(holder=lease.holder, seconds=lease.ends - self._clock())


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
