"""Files of arrays that must be refused: how each is written, and what its refusal has to name."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.attacks.simulated import population_of, simulate_audit

__all__ = ["BAD", "CLASSES", "Arrays", "Bad", "N", "full_table", "write"]

# Values as numpy writes them: arrays, and single numbers where a case is about them.
Arrays = dict[str, Any]
Values = NDArray[Any]
N, CLASSES = 120, 4
ORIGINAL = "target/confidences/original"


@dataclass(frozen=True)
class Bad:
    """One bad file.

    Args:
        make: writes it, given a good table and the path.
        named: what the one line says; the file's name has to be in it anyway.
        code: the exit code.
    """

    make: Callable[[Arrays, Path], object]
    named: str
    code: int = 4


def full_table() -> Arrays:
    """Every key that the format has, consistent with each other."""
    audit = simulate_audit(leak=1.5, n=N, n_shadow=100, n_population=50, classes=CLASSES, kind="confidences")
    table: Arrays = {"population/labels": population_of(audit.target).labels}
    for name, o in (("target", audit.target), *((f"shadow/{k}", s) for k, s in enumerate(audit.shadows))):
        table |= {f"{name}/labels": o.labels, f"{name}/membership": o.membership, f"{name}/ids": np.arange(len(o))}
        table |= {f"{name}/confidences/{v}": p for v, p in o.confidences.items()}
        table |= {f"{name}/sensitivity/{v}": p * 3 for v, p in o.confidences.items()}
        where = f"population/{name}"
        table |= {f"{where}/confidences/{v}": p for v, p in population_of(o).confidences.items()}
    for k, r in enumerate(audit.target.references):
        table |= {f"cross/{k}/confidences/{v}": p for v, p in r.confidences.items()}
    for k, j in ((0, 1), (1, 0)):
        reference = audit.shadows[k].references[0]
        table |= {f"shadow/{k}/cross/{j}/confidences/{v}": p for v, p in reference.confidences.items()}
    return table


def write(path: Path, table: Arrays) -> Path:
    np.savez(path, **table)
    return path


def changed(key: str, change: Callable[[Values], Any], named: str | None = None, *, code: int = 4) -> Bad:
    """One array replaced by a function of it."""

    def make(table: Arrays, path: Path) -> None:
        write(path, table | {key: change(table[key].copy())})

    return Bad(make, named or key, code)


def without(*keys: str, named: str | None = None) -> Bad:
    """Some arrays left out; a key that ends in a slash stands for all below it."""

    def make(table: Arrays, path: Path) -> None:
        gone = [k for k in table if any(k == key or (key.endswith("/") and k.startswith(key)) for key in keys)]
        assert gone
        write(path, {k: v for k, v in table.items() if k not in gone})

    return Bad(make, named or keys[0])


def added(key: str, value: Values, named: str | None = None) -> Bad:
    """One array more."""
    return Bad(lambda table, path: write(path, table | {key: value}), named or key)


def cell(place: int | tuple[int, int], value: object) -> Callable[[Values], Any]:
    """The array with one value replaced."""

    def change(values: Values) -> Values:
        values[place] = value
        return values

    return change


def whole_file(change: Callable[[bytes], bytes], named: str) -> Bad:
    """The whole file's bytes changed."""

    def make(table: Arrays, path: Path) -> None:
        path.write_bytes(change(write(path, table).read_bytes()))

    return Bad(make, named)


def member(key: str, content: bytes, named: str | None = None) -> Bad:
    """One array's member of the archive replaced by these bytes."""

    def make(table: Arrays, path: Path) -> None:
        write(path, {k: v for k, v in table.items() if k != key})
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{key}.npy", content)

    return Bad(make, named or key)


def header(shape: tuple[int, ...], dtype: str) -> bytes:
    """The beginning of an .npy file that claims a shape, and a little data."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue() + bytes(64)


def petabyte_in_directory(table: Arrays, path: Path) -> None:
    """A petabyte claimed by the array's header and by the archive's directory alike."""
    write(path, {k: v for k, v in table.items() if k != ORIGINAL})
    content = header((2**40, 256), "<f4")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{ORIGINAL}.npy", content)
        archive.getinfo(f"{ORIGINAL}.npy").file_size = len(content) - 64 + 2**50


def single_array(_: Arrays, path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(4))


def key_twice(table: Arrays, path: Path) -> None:
    write(path, table)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore", UserWarning)  # zipfile's own, about the second member of a name
        archive.writestr("target/labels.npy", header((8,), "<i8"))


def with_members(table: Arrays, path: Path, members: int = 24) -> None:
    write(path, table | {"target/membership": (np.arange(N) < members).astype(int)})


def three_records(_: Arrays, path: Path) -> None:
    labels, confidences = np.array([0, 1, 0]), np.full((3, 2), 0.5)
    write(path, {"target/labels": labels, "target/membership": np.array([1, 0, 1]), ORIGINAL: confidences})


def bit_flipped(whole: bytes) -> bytes:
    at = whole.index(b"target/confidences/original.npy") + 400
    return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]


class Bomb:
    """Unpickling it would end the process with a code of its own."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        import os

        return os._exit, (77,)


BOMB = np.array([Bomb()], dtype=object)

BAD: dict[str, Bad] = {
    # confidences
    "sums to 1.5": changed(ORIGINAL, lambda p: p * 1.5, f"{ORIGINAL}: row 0 sums to 1.5"),
    "negative": changed(ORIGINAL, cell(3, [-0.5, 0.5, 0.5, 0.5]), f"{ORIGINAL}: row 3"),
    "NaN": changed(ORIGINAL, cell((3, 1), np.nan), f"{ORIGINAL}: row 3 holds NaN"),
    "infinity": changed(ORIGINAL, cell((3, 1), np.inf), f"{ORIGINAL}: row 3 holds NaN or infinity"),
    "huge logits": added(
        "target/logits/other", np.full((N, CLASSES), 1e300), "target/logits/other holds numbers beyond"
    ),
    "one class": changed(ORIGINAL, lambda p: np.ones((len(p), 1))),
    "another number of classes": changed(ORIGINAL, lambda p: np.full((len(p), 5), 0.2), "target/confidences/"),
    "0-d confidences": changed(ORIGINAL, lambda _: np.float32(0.5)),
    "1-d confidences": changed(ORIGINAL, lambda p: p[:, 0]),
    "shorter confidences": changed(ORIGINAL, lambda p: p[:-1]),
    "complex confidences": changed(ORIGINAL, lambda p: p.astype(complex), f"{ORIGINAL} has type complex128"),
    "text confidences": changed(ORIGINAL, lambda p: p.astype(str)),
    "objects": changed(ORIGINAL, lambda _: BOMB, f"{ORIGINAL} holds objects, which are never unpickled"),
    "logits and confidences": added("target/logits/original", np.zeros((N, CLASSES)), ORIGINAL),
    "no variant": without("target/confidences/", "target/sensitivity/", named="target/confidences/<variant>"),
    # labels
    "no labels": without("target/labels"),
    "no records": changed("target/labels", lambda y: y[:0], "target/labels: there are no records"),
    "shorter labels": changed("target/labels", lambda y: y[:-1], ORIGINAL),
    "0-d labels": changed("target/labels", lambda _: np.int64(1)),
    "text labels": changed("target/labels", lambda y: y.astype(str)),
    "object labels": changed("target/labels", lambda y: y.astype(object)),
    "complex labels": changed("target/labels", lambda y: y.astype(complex)),
    "dates as labels": changed("target/labels", lambda y: y.astype("M8[s]")),
    "labels out of range": changed("target/labels", cell(0, 99), "target/labels: outside 0..3"),
    "negative labels": changed("target/labels", cell(0, -1), "target/labels: outside 0..3"),
    "labels with fractions": changed("target/labels", lambda y: y + 0.5, "target/labels holds fractions"),
    "NaN labels": changed("target/labels", lambda y: np.full(len(y), np.nan), "target/labels holds fractions or NaN"),
    "infinite labels": changed(
        "target/labels", lambda y: np.full(len(y), np.inf), "target/labels holds numbers beyond"
    ),
    "labels beyond 64 bits": changed("target/labels", lambda y: np.full(len(y), 2**64 - 1, dtype=np.uint64)),
    # membership
    "no membership": without("target/membership"),
    "no non-members": changed("target/membership", lambda m: m * 0 + 1, "target/membership: there are no non-members"),
    "no members": changed("target/membership", lambda m: m * 0, "target/membership: there are no members"),
    "membership 2": changed("target/membership", cell(0, 2), "target/membership: holds values other than 0 and 1"),
    "membership with fractions": changed("target/membership", lambda m: m * 0.5),
    "shorter membership": changed("target/membership", lambda m: m[:-1]),
    "0-d membership": changed("target/membership", lambda _: np.int64(1)),
    "no members in a shadow": changed(
        "shadow/0/membership", lambda m: m * 0, "shadow/0/membership: there are no members"
    ),
    "no membership of a shadow": without("shadow/0/membership"),
    # ids and sensitivity
    "duplicate ids": changed("target/ids", cell(5, 4), "target/ids: 4 occurs 2 times"),
    "shorter ids": changed("target/ids", lambda i: i[:-1]),
    "0-d ids": changed("target/ids", lambda _: np.int64(1)),
    "NaN sensitivity": changed("target/sensitivity/original", cell((0, 0), np.nan)),
    "shorter sensitivity": changed("shadow/1/sensitivity/original", lambda g: g[:-1]),
    "sensitivity of nothing": added("target/sensitivity/other", np.ones((N, CLASSES))),
    # what goes together
    "no labels of a shadow": without("shadow/0/labels"),
    "variant missing in a shadow": without("shadow/1/confidences/prune-0.6", "shadow/1/sensitivity/prune-0.6"),
    "variant missing in cross": without("cross/1/confidences/prune-0.6"),
    "variant missing in a shadow's cross": without("shadow/0/cross/1/confidences/prune-0.6"),
    "variant missing in the population": without("population/target/confidences/prune-0.6"),
    "variant missing in a reference's population": without("population/shadow/0/confidences/prune-0.6"),
    "reference missing in the population": without("population/shadow/0/"),
    "no labels of the population": without("population/labels"),
    "shorter cross": changed("cross/0/confidences/original", lambda p: p[:-1]),
    "NaN in the population": changed("population/target/confidences/original", cell((0, 0), np.nan)),
    "classes of a shadow": Bad(
        lambda table, path: (
            write(
                path,
                {k: v for k, v in table.items() if not k.startswith("shadow/0/sens")}
                | {k: np.full((len(v), 7), 1 / 7) for k, v in table.items() if k.startswith("shadow/0/confidences")},
            )
            and None
        ),
        "shadow/0 has 7 classes, the target 4",
    ),
    "cross membership": added("cross_membership", np.zeros((3, N), dtype=int), "cross_membership: expected 0 and 1"),
    "shadow by name": added("shadow/first/labels", np.zeros(3), "shadow/first: expected a number"),
    "cross of no shadow": added("shadow/0/cross/7/confidences/original", np.zeros((100, 4)), "shadow/0/cross/7"),
    "unknown key": added("target/confidence/original", np.ones((N, CLASSES)), "target/confidence/original is not one"),
    "key that cannot be shown": added("target/confidences/a\nb", np.ones((N, CLASSES)), r"'target/confidences/a\nb'"),
    # the file itself
    "truncated": whole_file(lambda whole: whole[: len(whole) // 2], "not a readable .npz file"),
    "bit flip": whole_file(bit_flipped, f"{ORIGINAL} is damaged"),
    "empty file": whole_file(lambda _: b"", "not a readable .npz file"),
    "text file": whole_file(lambda _: b"labels,membership\n1,0\n", "not a readable .npz file"),
    "pickle": whole_file(lambda _: pickle.dumps(Bomb()), "not a readable .npz file"),
    ".npy renamed": Bad(single_array, "a single array"),
    "directory": Bad(lambda _, path: path.mkdir(), "not a file"),
    "absent": Bad(lambda *_: None, "no such file"),
    "empty archive": Bad(lambda _, path: write(path, {}), "target/labels is missing"),
    "archive of something else": Bad(
        lambda _, path: zipfile.ZipFile(path, "w").writestr("readme.txt", "hello"), "readme.txt is not an array"
    ),
    "key twice": Bad(key_twice, "target/labels occurs twice"),
    "member without a header": member(ORIGINAL, b"hello"),
    "header with a petabyte": member(ORIGINAL, header((10**12, 250), "<f4"), f"{ORIGINAL} is damaged: shape"),
    "labels with a petabyte": member("target/labels", header((10**14,), "<i8"), "target/labels is damaged: shape"),
    "shape beyond 64 bits": member(ORIGINAL, header((10**30,), "<f4"), f"{ORIGINAL} is damaged: shape"),
    "negative shape": member(ORIGINAL, header((-1, 4), "<f4"), f"{ORIGINAL} is damaged"),
    "10^12 records of nothing": member(ORIGINAL, header((10**12, 0), "<f4")[:-64]),
    "directory with a petabyte": Bad(petabyte_in_directory, f"{ORIGINAL} is damaged: shape"),
    # too few
    "24 members": Bad(
        with_members, "target: 24 members and 96 non-members are too few (needs at least 25 of each, 50", 2
    ),
    "3 records": Bad(
        three_records, "target: 2 members and 1 non-members are too few (needs at least 25 of each, 50", 2
    ),
    "24 members of a shadow": changed(
        "shadow/1/membership", lambda m: (np.arange(len(m)) < 24).astype(int), "shadow/1: 24 members and 76", code=2
    ),
}
