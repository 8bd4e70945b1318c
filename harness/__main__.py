"""The door that `edgeleak` and ``python -m harness`` come in by.

Loading numpy, scikit-learn and the rest takes a second or more, and Ctrl-C is pressed then too. Nothing has begun by
then, so the process may end where it stands, also where an import would swallow KeyboardInterrupt.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

__all__ = ["main"]

# The exit code of InterruptedRunError, which lives in a module that is not loaded yet.
INTERRUPTED = 3


def main() -> NoReturn:
    """Load the command line and run it."""
    signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    from harness import cli

    cli.main()  # which has handlers of its own


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.stderr.write("edgeleak: interrupted (the same command resumes; finished work is kept)\n")
    sys.stderr.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
