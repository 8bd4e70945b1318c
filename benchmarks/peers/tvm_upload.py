"""TVM's RPC as it is used to put a file on a board: its own server in a process of its own, and `upload`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _serve import serve
from tvm import rpc


def main() -> None:
    """Answer with the seconds of the wall clock that each upload took."""
    server = rpc.Server(host="127.0.0.1", silent=True)
    session = rpc.connect("127.0.0.1", server.port)
    with tempfile.TemporaryDirectory(prefix="edgeleak-peer-") as folder:
        path = Path(folder) / "model"

        def upload(data: np.ndarray) -> dict[str, Any]:
            path.write_bytes(data.tobytes())
            start = time.perf_counter()
            session.upload(str(path), target="model")
            seconds = time.perf_counter() - start
            session.remove("model")
            return {"seconds": np.asarray(seconds)}

        serve(upload, ("apache-tvm",))
    server.terminate()


if __name__ == "__main__":
    main()
