"""A runtime's own errors as refusals: memory that it did not get, and files that it does not take."""

from __future__ import annotations

from device_agent.errors import AgentError
from device_agent.runtimes._batching import BatchSizeError

__all__ = ["refused_batch", "refused_file"]

# The runtimes' words for an allocation that failed, in lower case; some raise no MemoryError.
_NO_MEMORY = ("bad_alloc", "bad allocation", "allocate memory", "out of memory", "enough memory", "failed to allocate")
_ADVICE = "use a smaller batch, or start the agent with a larger --worker-memory-bytes"


def refused_file(loader: str, error: Exception, reason: str) -> AgentError:
    """What to raise when a file cannot be loaded.

    Args:
        loader: what loads it, e.g. ``the LiteRT loader``.
        error: what that raised.
        reason: its words on one line.
    """
    if _is_memory(error):
        return AgentError("RESOURCE_EXHAUSTED", f"{loader} asked for more memory than models may have here")
    return AgentError("INVALID_ARGUMENT", f"{loader} refused the file: {reason}")


def refused_batch(error: Exception, reason: str) -> AgentError | BatchSizeError:
    """What to raise when a batch cannot be run: memory, or perhaps the batch's size.

    Args:
        error: what the runtime raised.
        reason: its words on one line.
    """
    if _is_memory(error):
        return AgentError("RESOURCE_EXHAUSTED", f"the batch takes more memory than models may have here; {_ADVICE}")
    return BatchSizeError(reason)


def _is_memory(error: Exception) -> bool:
    words = str(error).lower()
    return isinstance(error, MemoryError) or any(phrase in words for phrase in _NO_MEMORY)
