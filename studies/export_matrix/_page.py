"""The export matrix as a Markdown page: a table an architecture, reasons below."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["page", "sentences"]

Row = dict[str, Any]
# A float file whose answers differ by more than this share of the largest logit is not the same network.
CLOSE = 1e-3
# A quantized file that changes more top-1 classes than this is shown as doubtful.
FLIPS = 0.1


def page(found: Row) -> str:
    """The page's text."""
    runtimes = found["runtimes"]
    parts = [
        "# Export matrix",
        "Written by `edgeleak matrix`. Every network was trained for a few epochs on the embedded digits, compressed, "
        "exported, run through the agent and compared with torch eager on "
        f"{max((c['n'] for c in found['cells'] if c['status'] == 'ok'), default=0)} records. A cell: size of the file, "
        "zipped size in brackets; largest difference of a logit as a share of the largest logit; records with the same "
        "top-1 class. The reference of a quantized file is its float network. Zeros, distinct values (of the tensor "
        "with most) and bits a weight are read back from the file's bytes.",
        "\n".join(f"- {sentence}" for sentence in sentences(found)),
    ]
    reasons: dict[str, int] = {}
    for name in dict.fromkeys(cell["architecture"] for cell in found["cells"]):
        mine = [cell for cell in found["cells"] if cell["architecture"] == name]
        parts += [f"## {name}", _table(mine, runtimes, reasons)]
    parts += ["## Reasons", "\n".join(f"{number}. {reason}" for reason, number in reasons.items()) or "None."]
    return "\n\n".join(parts) + "\n"


def sentences(found: Row) -> list[str]:
    """How many cells there are of each kind."""
    cells = found["cells"]
    count = {kind: sum(c["status"] == kind for c in cells) for kind in ("ok", "failed", "unsupported")}
    tried = count["ok"] + count["failed"]
    sound = sum(c["status"] == "ok" and _sound(c) for c in cells)
    share = f" ({sound / tried:.1%})" if tried else ""
    return [
        f"{len(cells)} cells; the toolchains support {tried}, of which {count['ok']} export, load and answer, and "
        f"{sound}{share} agree with torch eager.",
        f"{count['unsupported']} cells have no counterpart in the runtime's toolchain, {count['failed']} failed; each "
        "says why.",
    ]


def _sound(cell: Row) -> bool:
    """Float files answer as torch does; quantized ones keep nine of ten top-1 classes."""
    if min(cell["bits"]) >= 32 and cell["variant"] != "fp16":
        return bool(cell["max_abs_difference"] <= CLOSE * cell["largest_logit"] or cell["flips"] == 0)
    return bool(cell["flips"] <= FLIPS * cell["n"])


def _table(cells: list[Row], runtimes: list[str], reasons: dict[str, int]) -> str:
    lines = ["| variant | " + " | ".join(runtimes) + " | zeros | values | bits |", "|---" * (len(runtimes) + 4) + "|"]
    for variant in dict.fromkeys(cell["variant"] for cell in cells):
        mine = {cell["runtime"]: cell for cell in cells if cell["variant"] == variant}
        row = [_cell(mine[runtime], reasons) for runtime in runtimes]
        lines.append(f"| `{variant}` | " + " | ".join([*row, *_held(mine.values())]) + " |")
    return "\n".join(lines)


def _cell(cell: Row, reasons: dict[str, int]) -> str:
    if cell["status"] != "ok":
        # The file's name in front would make a reason of its own of each cell.
        why = cell["reason"].rpartition("the conversion failed: ")[2]
        number = reasons.setdefault(why, len(reasons) + 1)
        return f"{'no' if cell['status'] == 'unsupported' else '**failed**'} [{number}]"
    share = cell["max_abs_difference"] / max(cell["largest_logit"], 1e-12)
    same = 1.0 - cell["flips"] / cell["n"]
    doubt = "" if _sound(cell) else " (!)"
    return f"{cell['size_bytes'] / 1024:.0f} KiB ({cell['zip_bytes'] / 1024:.0f}), {share:.0e}, {same:.1%}{doubt}"


def _held(cells: Any) -> Iterator[str]:
    """Zeros, distinct values and bits, where the runtimes agree one figure, else each its own."""
    ok = [cell for cell in cells if cell["status"] == "ok"]
    for shown in (
        [f"{cell['share_zeros']:.0%}" for cell in ok],
        [str(cell["distinct_values"]) for cell in ok],
        ["/".join(map(str, cell["bits"])) for cell in ok],
    ):
        yield ", ".join(dict.fromkeys(shown)) or "-"
