"""The export matrix as a Markdown page: a table an architecture, reasons below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from studies.kit.markdown import bullets, paragraphs, table

__all__ = ["page", "sentences"]

Row = dict[str, Any]
# A float file whose answers differ by more than this share of the largest logit is not the same network.
CLOSE = 1e-3
# A quantized file that changes more top-1 classes than this is shown as doubtful.
FLIPS = 0.1


def page(findings: Row) -> str:
    """The page's text."""
    cells, runtimes = findings["cells"], findings["runtimes"]
    records = max((cell["n"] for cell in cells if cell["status"] == "ok"), default=0)
    # Reason -> the number by which cells name it.
    reasons: dict[str, int] = {}
    tables = []
    for name in dict.fromkeys(cell["architecture"] for cell in cells):
        of_network = [cell for cell in cells if cell["architecture"] == name]
        tables += [f"## {name}", _table(of_network, runtimes, reasons)]
    return paragraphs(
        "# Export matrix",
        "Written by `python -m studies.export_matrix`. Every network was trained for a few epochs on the embedded "
        "digits, compressed, exported, run through the agent and compared with torch eager on "
        f"{records} records. A cell: size of the file, zipped size in brackets; largest difference of a logit as a "
        "share of the largest logit; records with the same top-1 class. The reference of a quantized file is its float "
        "network. Zeros, distinct values (of the tensor with most) and bits a weight are read back from the file's "
        "bytes.",
        bullets(sentences(findings)),
        *tables,
        "## Reasons",
        "\n".join(f"{number}. {reason}" for reason, number in reasons.items()) or "None.",
    )


def sentences(findings: Row) -> list[str]:
    """How many cells there are of each kind."""
    cells = findings["cells"]
    count = {kind: sum(c["status"] == kind for c in cells) for kind in ("ok", "failed", "unsupported")}
    tried = count["ok"] + count["failed"]
    sound = sum(c["status"] == "ok" and _sound(c) for c in cells)
    share = f" ({sound / tried:.1%})" if tried else ""
    return [
        f"{len(cells)} cells; the toolchains support {tried}, of which {count['ok']} export, load and answer, and "
        f"{sound}{share} agree with torch eager.",
        f"{count['unsupported']} cells have no counterpart in the runtime's toolchain, {count['failed']} failed; each "
        "has its reason below.",
    ]


def _sound(cell: Row) -> bool:
    """Float files answer as torch does; quantized ones keep nine of ten top-1 classes."""
    if min(cell["bits"]) >= 32 and cell["variant"] != "fp16":
        return bool(cell["max_abs_difference"] <= CLOSE * cell["largest_logit"] or cell["flips"] == 0)
    return bool(cell["flips"] <= FLIPS * cell["n"])


def _table(cells: Sequence[Row], runtimes: Sequence[str], reasons: dict[str, int]) -> str:
    rows = []
    for variant in dict.fromkeys(cell["variant"] for cell in cells):
        by_runtime = {cell["runtime"]: cell for cell in cells if cell["variant"] == variant}
        shown = [_cell(by_runtime[runtime], reasons) for runtime in runtimes]
        rows.append((f"`{variant}`", *shown, *_contents(by_runtime.values())))
    return table(("variant", *runtimes, "zeros", "values", "bits"), rows, text=1 + len(runtimes))


def _cell(cell: Row, reasons: dict[str, int]) -> str:
    if cell["status"] != "ok":
        # The file's name in front would make a reason of its own of each cell.
        reason = cell["reason"].rpartition("the conversion failed: ")[2]
        number = reasons.setdefault(reason, len(reasons) + 1)
        return f"{'no' if cell['status'] == 'unsupported' else '**failed**'} [{number}]"
    share = cell["max_abs_difference"] / max(cell["largest_logit"], 1e-12)
    same = 1.0 - cell["flips"] / cell["n"]
    doubt = "" if _sound(cell) else " (!)"
    return f"{cell['size_bytes'] / 1024:.0f} KiB ({cell['zip_bytes'] / 1024:.0f}), {share:.0e}, {same:.1%}{doubt}"


def _contents(cells: Iterable[Row]) -> Iterator[str]:
    """Zeros, distinct values and bits, where the runtimes agree one figure, else each its own."""
    ok = [cell for cell in cells if cell["status"] == "ok"]
    for shown in (
        [f"{cell['share_zeros']:.0%}" for cell in ok],
        [str(cell["distinct_values"]) for cell in ok],
        ["/".join(map(str, cell["bits"])) for cell in ok],
    ):
        yield ", ".join(dict.fromkeys(shown)) or "-"
