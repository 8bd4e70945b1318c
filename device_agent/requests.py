"""Requests from the agent to its worker: what the JSON headers of frames say."""

from __future__ import annotations

import json
from collections.abc import Sequence

from device_agent import telemetry
from device_agent.blobs import Blob
from device_agent.errors import AgentError

__all__ = ["named", "prepare", "request_header", "unload"]

# Artifacts that one stream may name: more than any audit has variants.
_ARTIFACTS_MAX = 256


def request_header(operation: str, blobs: Sequence[Blob], *, threads: int = 0, **options: int) -> bytes:
    """A request about these artifacts.

    Raises:
        AgentError: INVALID_ARGUMENT for more threads than the device has cores, for too many artifacts, and for one
            that is named twice.
    """
    cores = telemetry.cores()
    if threads > cores:
        raise AgentError(
            "INVALID_ARGUMENT", f"{threads} threads: this device has {cores} cores; ask for at most as many"
        )
    if len(blobs) > _ARTIFACTS_MAX:
        raise AgentError("INVALID_ARGUMENT", f"{len(blobs)} artifacts: one stream names at most {_ARTIFACTS_MAX}")
    if len({blob.sha256 for blob in blobs}) < len(blobs):
        raise AgentError("INVALID_ARGUMENT", "an artifact is named twice; name each once")
    artifacts = [{"sha256": b.sha256, "runtime": b.runtime, "path": str(b.path)} for b in blobs]
    return _header(operation, artifacts=artifacts, threads=threads or 1, **options)


def prepare(runtimes: Sequence[str]) -> bytes:
    """A request to import these runtimes' libraries."""
    return _header("prepare", runtimes=list(runtimes))


def unload(sha256: str) -> bytes:
    """A request to let an artifact's models go; the artifact itself may be gone."""
    return _header("unload", artifacts=[{"sha256": sha256}])


def named(blobs: Sequence[Blob]) -> str:
    """The artifacts as messages name them."""
    return "artifact " + ", ".join(blob.sha256[:12] for blob in blobs)


def _header(operation: str, **fields: object) -> bytes:
    return json.dumps({"operation": operation, **fields}).encode()
