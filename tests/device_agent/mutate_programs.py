"""Damages a program in many ways, and loads and runs each by the shim: in a process that may die of it.

Arguments: the program, the first and the last seed, a file to write. Prints a line for each seed: what came of it.
"""

from __future__ import annotations

import random
import resource
import sys
from pathlib import Path

import numpy as np

from device_agent.errors import AgentError
from device_agent.runtimes.executorch import _shim

MEMORY_BYTES = 4 << 30


def mutated(source: bytes, seed: int) -> bytes:
    """The program cut, with bits turned, with a number replaced, or with a stretch of noise."""
    chance, data = random.Random(seed), bytearray(source)
    kind = chance.randrange(4)
    if kind == 0:
        return bytes(data[: chance.randrange(len(data))])
    if kind == 1:
        for _ in range(chance.choice((1, 1, 1, 8))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == 2:
        at = chance.randrange(len(data) - 4) & ~3
        data[at : at + 4] = chance.choice((-1, 2**31 - 1, 0, -(2**31), chance.getrandbits(31))).to_bytes(
            4, "little", signed=True
        )
    else:
        at, size = chance.randrange(len(data) - 64), chance.randrange(64)
        data[at : at + size] = chance.randbytes(size)
    return bytes(data)


def outcome(path: Path) -> str:
    """``answered``, or the refusal."""
    try:
        model = _shim.load(path, threads=1)
        model.run([np.zeros((2, *(axis or 1 for axis in spec.shape)), spec.dtype) for spec in model.inputs])
    except AgentError as error:
        return f"{error.code} {error.message}"
    except (ValueError, RuntimeError, MemoryError) as error:  # which the worker refuses as a damaged file
        return f"{type(error).__name__} {error}"
    return "answered"


def main(source: Path, first: int, last: int, scratch: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    data = source.read_bytes()
    for seed in range(first, last):
        scratch.write_bytes(mutated(data, seed))
        print(outcome(scratch), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
