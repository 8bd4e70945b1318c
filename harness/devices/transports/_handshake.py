"""Why TLS with an agent fails: gRPC tells neither reliably nor in words, so one handshake is made apart from it."""

from __future__ import annotations

import enum
import socket
import ssl

from protos.pairing import Pairing, tls_context

__all__ = ["Handshake", "tried"]

# An agent that is there answers at once; one that is not has used up the time to connect already.
_SECONDS = 2.0
# OpenSSL's numbers of what is wrong with a peer's certificate.
_NOT_YET_VALID, _EXPIRED, _OTHER_NAME = 9, 10, 62


class Handshake(enum.Enum):
    """How a handshake with an agent ended."""

    NO_ANSWER = enum.auto()
    DONE = enum.auto()
    NO_TLS = enum.auto()
    AGENT_EXPIRED = enum.auto()
    AGENT_NOT_YET_VALID = enum.auto()
    AGENT_OF_ANOTHER_NAME = enum.auto()
    AGENT_OF_ANOTHER_AUTHORITY = enum.auto()
    HOST_REFUSED = enum.auto()


def tried(target: str, pairing: Pairing | None) -> Handshake:
    """Make one handshake, and send nothing after it.

    Args:
        target: ``host:port``.
        pairing: this host's side; None asks only whether TLS is spoken there.
    """
    host, _, port = target.rpartition(":")
    try:
        plain = socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS)
    except OSError:
        return Handshake.NO_ANSWER
    with plain:
        try:
            return _shaken(plain, pairing)
        except ssl.SSLCertVerificationError as error:
            return _OF_AGENT.get(error.verify_code, Handshake.AGENT_OF_ANOTHER_AUTHORITY)
        except ssl.SSLError as error:
            return Handshake.NO_TLS if error.reason in _OF_PLAINTEXT else Handshake.HOST_REFUSED
        except OSError:
            # Nothing came in time, or whoever listens hung up on the first message.
            return Handshake.NO_ANSWER


# What OpenSSL makes of bytes that are no TLS.
_OF_PLAINTEXT = ("HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "UNEXPECTED_EOF_WHILE_READING", "WRONG_VERSION_NUMBER")
_OF_AGENT = {
    _EXPIRED: Handshake.AGENT_EXPIRED,
    _NOT_YET_VALID: Handshake.AGENT_NOT_YET_VALID,
    _OTHER_NAME: Handshake.AGENT_OF_ANOTHER_NAME,
}


def _shaken(plain: socket.socket, pairing: Pairing | None) -> Handshake:
    context = _unverified() if pairing is None else tls_context(pairing)
    context.set_alpn_protocols(["h2"])
    with context.wrap_socket(plain, server_hostname=None if pairing is None else pairing.name) as secured:
        return Handshake.DONE if pairing is None or _let_in(secured) else Handshake.HOST_REFUSED


def _let_in(secured: ssl.SSLSocket) -> bool:
    """Whether the agent goes on after it has looked at this side's certificate, which in TLS 1.3 comes last.

    It then sends the first frame of HTTP/2; otherwise it hangs up, often without a word.
    """
    try:
        return bool(secured.recv(1))
    except (ConnectionError, ssl.SSLError):
        return False


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
