"""The command `edgeleak-agent`: one line on standard output when it is ready, everything else on standard error."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import NoReturn

from device_agent import address
from protos.pages import keep_pages

__all__ = ["main"]

_EXIT_DEVICE = 3
_EXIT_USAGE = 4
# Room for a large audit's artifacts, and still a tenth of a small phone's storage.
_STORE_BYTES = 2 * 1024**3
# A batch that runs longer than this on the slowest emulator seen is a hang (batch 64 of a small net took 23 s there).
_BATCH_SECONDS = 600.0
# Calls in flight get this long to end when the agent is told to stop.
_GRACE_SECONDS = 1.0

_EPILOG = """\
example:
  edgeleak-agent --listen 127.0.0.1:50051
  then, on the same machine or through a forwarded port:
  edgeleak audit audit.toml --device grpc://127.0.0.1:50051

on a network, with the file that "edgeleak agent pair NAME --host ADDRESS" made on the host:
  edgeleak-agent --listen 0.0.0.0:50051 --pairing NAME.pairing

The agent prints one line, "listening on HOST:PORT", once it answers; it stops on SIGTERM or Ctrl-C.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(_EXIT_USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        from device_agent.server import agent_version

        print(f"{parser.prog} {agent_version()}")
        parser.exit()


def main() -> None:
    """Run the agent until it is told to stop; the process's exit status is 0, 3 (device) or 4 (usage)."""
    options = _parser().parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="edgeleak-agent: %(message)s")
    # gRPC's core reports a taken port in several lines of its own; ours is one.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        code = _serve(options)
    except Exception as error:  # a defect ends with the code of a device, and not with Python's own
        if os.environ.get("EDGELEAK_DEBUG", "") not in ("", "0"):
            traceback.print_exception(error)
        said = " ".join(f"{type(error).__name__}: {error}".split())
        hint = "this is a defect of edgeleak: please report it; EDGELEAK_DEBUG=1 prints the traceback"
        code = _fail(_EXIT_DEVICE, f"unforeseen {said} ({hint})")
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="edgeleak-agent",
        description="Run exported models on this device for an edgeleak host.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--listen",
        default="127.0.0.1:0",
        metavar="ADDRESS",
        help="HOST:PORT, with --pairing also off loopback, port 0 picks one; or unix:/PATH, a socket for this user "
        "alone (%(default)s)",
    )
    parser.add_argument(
        "--pairing",
        type=Path,
        metavar="FILE",
        help="require mutual TLS and a token, as this file of edgeleak agent pair has them; read again when it changes",
    )
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="keep artifacts here (a private folder, removed at exit)"
    )
    parser.add_argument(
        "--max-store-bytes", type=_positive, default=_STORE_BYTES, metavar="N", help="room for artifacts (%(default)s)"
    )
    parser.add_argument(
        "--batch-seconds",
        type=float,
        default=_BATCH_SECONDS,
        metavar="S",
        help="longest one batch may run (%(default)s)",
    )
    parser.add_argument(
        "--worker-memory-bytes",
        type=_positive,
        metavar="N",
        help="limit on the memory of the process that runs models (half of what is available, at least 512 MiB)",
    )
    parser.add_argument(
        "--require-sandbox",
        action="store_true",
        help="refuse to start where this kernel cannot confine the process that runs models",
    )
    parser.add_argument(
        "--exit-on-stdin-eof",
        action="store_true",
        help="stop when standard input closes: end with the starting process",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    return parser


def _serve(options: argparse.Namespace) -> int:
    place = address.parse(options.listen)
    if place is None:
        return _fail(
            _EXIT_USAGE,
            f"--listen {options.listen}: write HOST:PORT, e.g. 127.0.0.1:50051, or with TLS (--pairing) 0.0.0.0:50051, "
            "or unix:/PATH of at most 107 bytes",
        )
    if options.pairing is None and not place.local:
        return _fail(
            _EXIT_USAGE,
            f"--listen {options.listen}: addresses other than loopback need mutual TLS and a token: run edgeleak agent "
            "pair NAME --host ADDRESS on the host, copy NAME.pairing here, and add --pairing NAME.pairing",
        )
    # Before gRPC's threads, which take arenas of their own.
    keep_pages()
    try:
        from device_agent import cage
        from device_agent.blobs import BlobStore
        from device_agent.errors import AgentError
        from device_agent.security import OPEN, door_of
        from device_agent.server import start
        from device_agent.settings import CageSettings
        from device_agent.supervisor import Supervisor
        from protos.pairing import PairingFileError
    except ImportError as error:
        return _fail(_EXIT_USAGE, f'{error.name} is not installed; pip install "edgeleak[agent]"')
    memory_bytes = options.worker_memory_bytes or cage.default_memory_bytes()
    unconfined = cage.available(memory_bytes).unconfined
    if options.require_sandbox and unconfined:
        return _fail(_EXIT_DEVICE, f"--require-sandbox: {'; '.join(unconfined)}")
    try:
        door = OPEN if options.pairing is None else door_of(options.pairing)
    except PairingFileError as error:
        return _fail(_EXIT_USAGE, f"--pairing: {error}")
    stop = _orders_to_stop(options.exit_on_stdin_eof)
    try:
        store = BlobStore(options.store, max_bytes=options.max_store_bytes)
    except AgentError as error:
        return _fail(_EXIT_DEVICE, f"--store: {error.message}")
    except OSError as error:
        return _fail(_EXIT_DEVICE, f"the store cannot be written: {error}")
    settings = CageSettings(store.complete_folder, memory_bytes, options.require_sandbox)
    worker = Supervisor(limit_seconds=options.batch_seconds, cage=settings)
    try:
        try:
            with place.bound():
                server, port = start(store, worker, address=place.target, door=door)
        except RuntimeError:
            return _fail(_EXIT_DEVICE, f"{options.listen} cannot be bound; another agent may listen there, use port 0")
        except address.AddressTakenError as error:
            return _fail(_EXIT_DEVICE, f"--listen: {error}")
        print(f"listening on {place.shown(port)}", flush=True)
        os.read(stop, 1)
        server.stop(_GRACE_SECONDS).wait()
        place.remove()
    finally:
        worker.close()
        store.close()
    return 0


def _orders_to_stop(on_stdin_eof: bool) -> int:
    """A descriptor that can be read once an order to stop has come: a signal, or the end of standard input.

    Not an Event: a handler that runs while the main thread begins to wait would find its lock taken, and hang.
    """
    orders, place = os.pipe()
    os.set_blocking(place, False)
    signal.set_wakeup_fd(place)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    if on_stdin_eof:

        def wait_for_eof() -> None:
            while os.read(0, 4096):
                pass
            os.write(place, b"\0")

        threading.Thread(target=wait_for_eof, name="stdin", daemon=True).start()
    return orders


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return number


def _fail(code: int, message: str) -> int:
    print(f"edgeleak-agent: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
