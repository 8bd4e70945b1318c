"""An agent that runs already and listens at an address: in plaintext on loopback, elsewhere by its pairing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import grpc

from harness.devices import pairing
from harness.devices._types import Timeouts
from harness.devices.transports._connection import ChannelOptions, Refusal
from harness.devices.transports._handshake import Handshake, tried
from protos.pairing import Pairing

__all__ = ["PairedAgent", "RunningAgent", "check", "open"]

_RESUME_HINT = "start the agent again and rerun the same command; collected batches are kept"
# A refused handshake may look as if nobody were there, or never end.
_NO_ANSWER = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass(frozen=True)
class RunningAgent:
    """The agent at an address, in plaintext; see `Connection`."""

    target: str
    start_hint: str
    resume_hint: str = _RESUME_HINT
    purge_on_close: bool = True

    def channel(self, options: ChannelOptions) -> grpc.Channel:
        """Plaintext."""
        return grpc.insecure_channel(self.target, options=options)

    def refusal(self, error: grpc.RpcError) -> Refusal | None:
        """That the agent wants a pairing."""
        if _code_of(error) in _NO_ANSWER and tried(self.target, None) in (Handshake.DONE, Handshake.HOST_REFUSED):
            return Refusal(
                "what listens there speaks TLS, and this address selects no pairing",
                f"write grpc://NAME@{self.target} with the pairing's name; edgeleak agent pairings lists them",
            )
        return None

    def alive(self) -> bool:
        """True: only a call can find out."""
        return True

    def restore(self) -> None:
        """Nothing: gRPC connects again by itself."""

    def close(self) -> None:
        """Nothing was started, so nothing ends."""


@dataclass(frozen=True)
class PairedAgent:
    """The agent at an address, by mutual TLS and the token of a pairing; see `Connection`."""

    target: str
    pairing: Pairing
    start_hint: str
    resume_hint: str = _RESUME_HINT
    purge_on_close: bool = True

    def channel(self, options: ChannelOptions) -> grpc.Channel:
        """TLS 1.2 or later; the agent's certificate must be the pairing's and name the device."""
        certificates = grpc.ssl_channel_credentials(
            self.pairing.authority.encode(), self.pairing.key.encode(), self.pairing.certificate.encode()
        )
        token = grpc.access_token_call_credentials(self.pairing.token)
        # Pinned: whatever address leads to the device, its certificate names the device and nobody else.
        pinned: Sequence[tuple[str, str | int]] = [("grpc.ssl_target_name_override", self.pairing.name)]
        credentials = grpc.composite_channel_credentials(certificates, token)
        return grpc.secure_channel(self.target, credentials, options=[*options, *pinned])

    def refusal(self, error: grpc.RpcError) -> Refusal | None:
        """What a handshake or the token failed of."""
        name = self.pairing.name
        code = _code_of(error)
        if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED):
            return Refusal(f"the agent says: {error.details()}", _copy_hint(name))
        return _REFUSALS[tried(self.target, self.pairing)](name) if code in _NO_ANSWER else None

    def alive(self) -> bool:
        """True: only a call can find out."""
        return True

    def restore(self) -> None:
        """Nothing: gRPC connects again by itself."""

    def close(self) -> None:
        """Nothing was started, so nothing ends."""


class _OfName(Protocol):
    def __call__(self, name: str, /) -> Refusal | None: ...


def _copy_hint(name: str) -> str:
    return f"copy the {name}.pairing that was made last to the device, or edgeleak agent pair {name} --renew"


_REFUSALS: dict[Handshake, _OfName] = {
    Handshake.NO_ANSWER: lambda _: None,
    Handshake.DONE: lambda _: None,
    Handshake.NO_TLS: lambda name: Refusal(
        "what listens there speaks no TLS, and nothing was sent", f"start the agent with --pairing {name}.pairing"
    ),
    Handshake.AGENT_EXPIRED: lambda name: Refusal("the agent's certificate has expired", _copy_hint(name)),
    Handshake.AGENT_NOT_YET_VALID: lambda _: Refusal(
        "the agent's certificate is not valid yet", "set the clocks of this machine and of the device"
    ),
    Handshake.AGENT_OF_ANOTHER_NAME: lambda name: Refusal(
        f"the agent's certificate names another device than {name}", "check the address"
    ),
    Handshake.AGENT_OF_ANOTHER_AUTHORITY: lambda name: Refusal(
        f"the agent's certificate is not of the pairing {name}", f"check the address, or {_copy_hint(name)}"
    ),
    Handshake.HOST_REFUSED: lambda name: Refusal(
        "the agent refuses this host's certificate: it has another pairing, or another date",
        f"check the device's date, or {_copy_hint(name)}",
    ),
}


def check(selector: re.Match[str]) -> None:
    """Raise unless a device can be reached as it was named; nothing is contacted.

    Raises:
        PairingError: there is no pairing, or it cannot be used.
    """
    _pairing_of(selector)


def open(selector: re.Match[str], *, timeouts: Timeouts) -> RunningAgent | PairedAgent:  # noqa: ARG001
    """The agent at an address; nothing is contacted yet.

    Args:
        selector: the device as the user named it, with groups ``target``, ``host``, ``port`` and perhaps ``name``.
        timeouts: how long to wait for what.

    Raises:
        PairingError: there is no pairing for this address, or it has expired.
    """
    target, port = selector["target"], selector["port"]
    paired = _pairing_of(selector)
    if paired is None:
        start = f"edgeleak-agent --listen 127.0.0.1:{port}"
        hint = f"start an agent on this computer with: {start}; or forward this port to one"
        return RunningAgent(target, hint)
    start = f"edgeleak-agent --listen 0.0.0.0:{port} --pairing {paired.name}.pairing"
    hint = f"start the agent on that host with: {start}; and check its address and its firewall"
    return PairedAgent(target, pairing.usable(paired), hint)


def _pairing_of(selector: re.Match[str]) -> Pairing | None:
    name = selector.groupdict().get("name")
    return pairing.of_host(selector["host"]) if name is None else pairing.named(name)


def _code_of(error: grpc.RpcError) -> grpc.StatusCode:
    # Every RpcError that a client raises is also a Call; the type stubs do not say so.
    code: grpc.StatusCode = error.code()
    return code
