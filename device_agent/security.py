"""Who may call the agent: mutual TLS and a token on every method, read again when the pairing's file changes."""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc

from protos.pairing import Pairing, PairingFileError, read

__all__ = ["OPEN", "Door", "RefusalRate", "WatchedPairing", "door_of"]

_log = logging.getLogger("edgeleak.agent")

# Wrong tokens that one peer may send a second before it is told to stop; an honest host sends one and gives up.
_REFUSALS_PER_SECOND = 10.0
# Peers whose wrong tokens are counted, about 200 bytes each; beyond them the one that was quiet longest is forgotten.
_PEERS_MAX = 1024


@dataclass(frozen=True, eq=False)
class Door:
    """What stands between an address and the service.

    Args:
        credentials: of TLS; None for plaintext, which only loopback may have.
        interceptors: looked at before every method, health and reflection included.
        reflection: whether a caller may ask what the service is made of.
    """

    credentials: grpc.ServerCredentials | None = None
    interceptors: tuple[grpc.ServerInterceptor[Any, Any], ...] = ()
    reflection: bool = True


# Loopback without ceremony: whoever may connect there may run programs on this machine anyway.
OPEN = Door()


def door_of(path: Path) -> Door:
    """The door that lets one paired host in: mutual TLS under the pairing's own authority, and its token.

    Args:
        path: the device's side of the pairing. It is looked at in every handshake and call, so that a new one works
            without a restart.

    Raises:
        PairingFileError: the file is not private, or no pairing.
    """
    pairing = WatchedPairing(path)
    if pairing.current().expires < datetime.now(UTC):
        # It starts all the same: the clock of a board may be wrong until the network has set it.
        _log.warning("by this device's clock the pairing %s expired on %s", path, pairing.current().expires.date())
    credentials = grpc.dynamic_ssl_server_credentials(
        _certificates(pairing.current()),
        lambda: _certificates(pairing.current()),
        require_client_authentication=True,
    )
    return Door(credentials, (_TokenCheck(pairing),), reflection=False)


class WatchedPairing:
    """The device's side of a pairing as its file has it now; a file that became unusable leaves the last in force.

    Args:
        path: of the file.

    Raises:
        PairingFileError: it cannot be used at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        # Before reading: a change while it is read is seen by the next look.
        self._mark = _mark(path)
        self._pairing = read(path, role="device")

    def current(self) -> Pairing:
        """The pairing in force."""
        mark = _mark(self._path)
        with self._lock:
            if mark != self._mark:
                self._mark = mark
                self._read_again()
            return self._pairing

    def _read_again(self) -> None:
        try:
            pairing = read(self._path, role="device")
        except PairingFileError as error:
            _log.warning("%s (the pairing that was read before stays in force)", error)
            return
        if pairing != self._pairing:
            self._pairing = pairing
            _log.warning("a new pairing is in force until %s", pairing.expires.date())


class RefusalRate:
    """Counts refused tokens a peer, in bounded memory.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # Peer -> how many refusals it has left, and when that was so; the peer that was refused last comes last.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def left(self, peer: str) -> float:
        """Count one refusal of a peer; how many it had left before, below 1 where it has sent too many."""
        now = self._clock()
        with self._lock:
            left, then = self._left.pop(peer, (_REFUSALS_PER_SECOND, now))
            left = min(_REFUSALS_PER_SECOND, left + (now - then) * _REFUSALS_PER_SECOND)
            self._left[peer] = (max(0.0, left - 1.0), now)
            while len(self._left) > _PEERS_MAX:
                self._left.popitem(last=False)
        return left


class _TokenCheck(grpc.ServerInterceptor):  # type: ignore[type-arg]
    """Lets a call pass that bears the pairing's token, and refuses every other before it reads a message."""

    def __init__(self, pairing: WatchedPairing) -> None:
        self._pairing = pairing
        self._rate = RefusalRate()
        # Of streams, whatever the method is: gRPC reads a unary method's message before it calls the handler.
        self._refusal = grpc.stream_stream_rpc_method_handler(self._refuse)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The method's own handler, or the refusal."""
        if _bears(handler_call_details, self._pairing.current().token):
            return continuation(handler_call_details)
        return self._refusal

    def _refuse(self, _requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        # Without the port: a new connection is the same peer.
        peer = context.peer().rpartition(":")[0]
        left = self._rate.left(peer)
        if left < 1.0:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls without this pairing's token; wait")
        if left >= _REFUSALS_PER_SECOND:
            # Once a burst: a peer cannot fill the device's log.
            _log.warning("%s: calls without this pairing's token are refused", peer)
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "this pairing's token is missing or wrong")


def _bears(details: grpc.HandlerCallDetails, token: str) -> bool:
    values = [value for key, value in details.invocation_metadata or () if key == "authorization"]
    if len(values) != 1:
        return False
    value = values[0].encode() if isinstance(values[0], str) else values[0]
    return hmac.compare_digest(value, f"Bearer {token}".encode())


def _certificates(pairing: Pairing) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(pairing.key.encode(), pairing.certificate.encode())], root_certificates=pairing.authority.encode()
    )


def _mark(path: Path) -> tuple[int, ...] | None:
    """What changes when a file does; None where it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
