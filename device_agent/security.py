"""Who may call the agent: mutual TLS and a token on every method, read again when the pairing file changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc

__all__ = ["OPEN", "Door"]


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
