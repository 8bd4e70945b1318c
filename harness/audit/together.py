"""Tasks of several devices at the same time, in threads: each mostly waits for its device."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

__all__ = ["Stopped", "together"]

Key = TypeVar("Key")

_LOOK_SECONDS = 0.1
# After Ctrl-C a task ends with its next progress; the command as a whole is given a few seconds.
_ORDERLY_SECONDS = 3.0


class Stopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The others were interrupted, so this task ends."""


def together(tasks: Mapping[Key, Callable[[Callable[[], None]], object]]) -> dict[Key, Exception]:
    """Run tasks at the same time, and wait for all.

    Each is called with a function that it calls now and then, which raises `Stopped` once this thread was interrupted.

    Returns:
        The exceptions of those that failed.

    Raises:
        KeyboardInterrupt: as it came; the tasks are given a moment to end.
    """
    errors: dict[Key, Exception] = {}
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Stopped

    def run(key: Key, task: Callable[[Callable[[], None]], object]) -> None:
        try:
            task(check)
        except Exception as error:  # it belongs to the thread that waits
            errors[key] = error

    # Daemons: a device that says nothing does not keep the process from ending.
    threads = [threading.Thread(target=run, args=item, name=str(item[0]), daemon=True) for item in tasks.items()]
    for thread in threads:
        thread.start()
    try:
        # Joined in slices, so that Ctrl-C is heard.
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(_LOOK_SECONDS)
    except BaseException:
        stop.set()
        until = time.monotonic() + _ORDERLY_SECONDS
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        raise
    return errors
