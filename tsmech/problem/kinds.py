"""What the declared type of a parameter admits: read once, from the type itself."""

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

KINDS: Mapping[Any, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "word",
    Path: "path",
    tuple[float, ...]: "numbers",
    Sequence[float]: "numbers",
    NDArray[Any]: "numbers",
    tuple[str, ...]: "words",
    Mapping[str, Any]: "table",
}
"""What a declared type admits; a dataclass is a ``table`` of its fields, and each may be ``| None``."""


def kinds(declared: Any) -> tuple[tuple[str, ...], type | None]:
    """Return what a declared type admits, and the dataclass of a table.

    Raises
    ------
    TypeError
        Where it is none of :data:`KINDS`, a dataclass, or one of these joined by ``|``.

    Examples
    --------
    >>> kinds(float | str | None)
    (('float', 'word'), None)
    """
    union = typing.get_origin(declared) in (types.UnionType, typing.Union)
    parts = [one for one in (typing.get_args(declared) if union else (declared,)) if one is not types.NoneType]
    tables = [one for one in parts if isinstance(one, type) and dataclasses.is_dataclass(one)]
    for one in parts:
        if one not in KINDS and one not in tables:
            raise TypeError(f"{declared} is no type of a parameter: {one} is not known")
    found = tuple(dict.fromkeys("table" if one in tables else KINDS[one] for one in parts))
    if "numbers" in found:  # a single number will do
        found = tuple(kind for kind in found if kind not in ("float", "int"))
    alone = {"bool", "numbers", "words", "path"} & set(found)
    if not found or (alone and len(found) > 1) or {"int", "float"} <= set(found):
        raise TypeError(f"{declared} is no type of a parameter: its parts cannot be told apart")
    if len(tables) != ("table" in found):
        raise TypeError(f"{declared} is no type of a parameter: a table has one dataclass")
    return found, next(iter(tables), None)
