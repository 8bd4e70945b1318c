"""Output whose reader left: `edgeleak ... | head` ends as it would have, with the exit code that it has earned."""

from __future__ import annotations

import io
import os
import sys

__all__ = ["outlive_readers"]


class _Patient(io.FileIO):
    """A descriptor that drops what nobody reads any more, and fails once where it cannot write.

    Args:
        descriptor: what is written to.
        said: what an error calls it.
    """

    def __init__(self, descriptor: int, said: str) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._said = said

    def write(self, data: object, /) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type] # whatever has a buffer, as the base says
        except OSError as error:
            # What is still buffered goes there when Python ends, and a second failure would change the exit code.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if isinstance(error, BrokenPipeError):
                return super().write(data)  # type: ignore[arg-type]
            raise OSError(error.errno, error.strerror, self._said) from None


def outlive_readers() -> None:
    """Let standard output and standard error outlive their readers.

    Typer and rich end the process with exit code 1 when a pipe breaks, which would say that the gate failed. Streams
    that a caller of this process has replaced by others of its own are left alone; one that is closed goes nowhere.
    """
    for name, said in (("stdout", "standard output"), ("stderr", "standard error")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
            continue
        buffer = getattr(stream, "buffer", None)
        # With PYTHONUNBUFFERED there is nothing between the text and the descriptor.
        raw = getattr(buffer, "raw", buffer)
        if type(raw) is not io.FileIO:
            continue
        stream.flush()
        patient = _Patient(raw.fileno(), said)
        text = io.TextIOWrapper(
            patient if raw is buffer else io.BufferedWriter(patient),
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        setattr(sys, name, text)
