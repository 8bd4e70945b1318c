"""The entry point of `edgeleak` and ``python -m harness``; Ctrl-C while the rest is being loaded.

Loading numpy, scikit-learn and the rest takes a second or more, and Ctrl-C is pressed then too. Nothing has begun by
then, so the process may end where it stands, also where an import would swallow KeyboardInterrupt.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from harness import __version__
from harness.errors import DefectError

__all__ = ["end_while_loading", "main"]

# The exit code of InterruptedRunError, which lives in a module that is not loaded yet.
INTERRUPTED = 3


def main() -> NoReturn:
    """Load the command line and run it; a question for the version loads nothing."""
    end_while_loading()
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"edgeleak {__version__}\n")
        sys.exit(0)
    # gRPC's core writes lines of its own about a refused handshake; ours says what to do. It reads this when loaded.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from protos.pages import keep_pages

        # Batches for a device come and go.
        keep_pages()
        from harness import cli
    except Exception as error:  # an installation that is not whole
        from harness.defects import defect_of, show_traceback

        show_traceback(error)
        sys.stderr.write(f"edgeleak: {defect_of(error)}\n")
        sys.exit(DefectError.exit_code)
    cli.main()


def end_while_loading() -> None:
    """Let Ctrl-C end the process where it stands, until the command line sets handlers of its own."""
    signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.stderr.write("edgeleak: interrupted (the same command resumes; finished work is kept)\n")
    sys.stderr.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
