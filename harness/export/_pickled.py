"""Reads pickles without running them: their operations are parsed, and no function that they name is called."""

from __future__ import annotations

import pickletools
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Call", "Instance", "Name", "Reference", "parsed", "renumbered"]

# TorchScript inserts this into a class name that the process has used before, with a count over the process's lifetime.
MANGLED = re.compile(r"\.___torch_mangle_\d+")


@dataclass(frozen=True)
class Name:
    """A class or function, by its name only.

    Args:
        name: ``module name``, as in the pickle.
    """

    name: str


@dataclass(frozen=True)
class Reference:
    """A reference from the pickle to the archive around it, e.g. to a storage."""

    what: Any


@dataclass(frozen=True)
class Call:
    """A call that unpickling would make."""

    function: Any
    arguments: Any


@dataclass
class Instance:
    """An object that unpickling would make.

    Args:
        of: its class.
        state: the state that unpickling would set.
    """

    of: Any
    state: Any = None


def parsed(pickle: bytes) -> Any:
    """Parse a pickle into dictionaries, tuples, numbers, strings and the classes of this module.

    Raises:
        ValueError, LookupError: the bytes are not a pickle, or have operations that TorchScript does not write.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[Any, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    for operation, argument, _ in pickletools.genops(pickle):
        match operation.name:
            case "PROTO" | "STOP":
                pass
            case "GLOBAL":
                stack.append(Name(str(argument)))
            case "MARK":
                marks.append(len(stack))
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE":
                stack.append(argument)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(operation.name == "NEWTRUE")
            case "NONE":
                stack.append(None)
            case "EMPTY_TUPLE":
                stack.append(())
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(operation.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPENDS":
                items = since_mark()
                stack[-1].extend(items)
            case "APPEND":
                item = stack.pop()
                stack[-1].append(item)
            case "SETITEMS":
                items = since_mark()
                stack[-1].update(zip(items[::2], items[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "BINPERSID":
                stack.append(Reference(stack.pop()))
            case "NEWOBJ":
                stack.pop()
                stack.append(Instance(stack.pop()))
            case "REDUCE":
                arguments = stack.pop()
                stack.append(Call(stack.pop(), arguments))
            case "BUILD":
                state = stack.pop()
                stack[-1].state = state
            case other:
                raise ValueError(f"its pickle has the operation {other}")
    return stack[-1]


def renumbered(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """Renumber the classes in an archive's pickles by their order, so that equal models give equal bytes.

    Args:
        members: name -> bytes; names that end in ``.pkl`` are pickles, which share their classes.
    """
    listed = {name: list(pickletools.genops(content)) for name, content in members.items() if name.endswith(".pkl")}
    classes = [
        str(argument).replace(" ", ".")
        for operations in listed.values()
        for operation, argument, _ in operations
        if operation.name == "GLOBAL" and str(argument).startswith("__torch__.")
    ]
    names = _counted(dict.fromkeys(classes))
    return {
        name: _with_names(content, listed[name], names) if name in listed else content
        for name, content in members.items()
    }


def _counted(classes: Iterable[str]) -> dict[str, str]:
    """Class -> its name with a number counted in this archive; the first class of a name has none."""
    counts: dict[str, int] = {}
    names = {}
    for name in classes:
        path, _, last = MANGLED.sub("", name).rpartition(".")
        number = counts[f"{path}.{last}"] = counts.get(f"{path}.{last}", -1) + 1
        names[name] = f"{path}.___torch_mangle_{number - 1}.{last}" if number else f"{path}.{last}"
    return names


def _with_names(pickle: bytes, operations: list[Any], names: Mapping[str, str]) -> bytes:
    """The pickle with its classes renamed, also in the names of their methods."""
    ends = [position for _, _, position in operations[1:]] + [len(pickle)]
    renamed = bytearray()
    for (operation, argument, start), end in zip(operations, ends, strict=True):
        if operation.name == "GLOBAL" and (dotted := argument.replace(" ", ".")) in names:
            module, _, last = names[dotted].rpartition(".")
            renamed += f"c{module}\n{last}\n".encode()
        elif operation.name == "BINUNICODE" and argument.startswith("__torch__."):
            owner = next((n for n in (argument, argument.rpartition(".")[0]) if n in names), None)
            text = argument if owner is None else names[owner] + argument.removeprefix(owner)
            renamed += b"X" + struct.pack("<I", len(text.encode())) + text.encode()
        else:
            renamed += pickle[start:end]
    return bytes(renamed)
