"""A server that takes a stream of chunks over gRPC, writes, hashes and syncs them, and nothing else.

Run in a process of its own: ``python -m benchmarks._bare_upload FOLDER``; it prints its port.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from protos import MAX_MESSAGE_BYTES

__all__ = ["METHOD"]

METHOD = "/bare.Upload/Upload"


def main(folder: Path) -> None:
    """Serve until standard input closes."""

    def upload(chunks: Iterator[bytes], _: grpc.ServicerContext) -> bytes:
        sha256 = hashlib.sha256()
        path = folder / "bare"
        with path.open("wb", buffering=0) as file:
            for chunk in chunks:
                file.write(chunk)
                sha256.update(chunk)
            os.fsync(file.fileno())
        path.unlink()
        return sha256.digest()

    class Handler(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # only the stubs' takes arguments
        def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:  # type: ignore[type-arg]  # likewise
            return grpc.stream_unary_rpc_method_handler(upload)

    options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
    server = grpc.server(ThreadPoolExecutor(2), options=options)
    server.add_generic_rpc_handlers((Handler(),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
