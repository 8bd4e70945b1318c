"""The peer's side of ``benchmarks/_peers.py``, in the peer's environment: it knows numpy and nothing of ours."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np


def serve(function: Callable[..., dict[str, Any]], distributions: tuple[str, ...]) -> None:
    """Answer until standard input closes.

    Args:
        function: arrays by name -> arrays by name; its processor time is what counts.
        distributions: what to name, with their versions, as what ran.
    """
    # Whatever a library prints must not come between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps({"versions": ", ".join(f"{d} {version(d)}" for d in distributions)}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        with np.load(request["asked"], allow_pickle=False) as stored:
            arrays = dict(stored)
        start = time.process_time()
        values = function(**arrays)
        seconds = time.process_time() - start
        np.savez(request["answered"], **values)
        print(json.dumps({"seconds": seconds}), file=answers, flush=True)
