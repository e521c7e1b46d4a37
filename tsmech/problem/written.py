"""A parameter's value as it is written: in plain data, in JSON, and, of a file, by its contents."""

import dataclasses
import functools
import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

from tsmech.errors import InputError

PLAIN = (float, int, str, bool, type(None))
"""Types of values that cannot change."""


def plain(value: Any) -> Any:
    """Return a parameter's value as the numbers, words, lists and tables that TOML and JSON can hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: plain(item) for name, item in vars(value).items() if item is not None}
    if callable(value):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, Path):
        return str(value)
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def to_json(value: Any) -> str:
    """Return a parameter's value as JSON, the fields of a table in order."""
    if type(value) is float and math.isfinite(value):
        return repr(value)
    return json.dumps(plain(value), sort_keys=True)


def file_identity(path: str) -> str:
    """Return a hash of a file's contents, whatever its path: ``sha256:`` and 16 hexadecimal digits."""
    try:
        state = os.stat(path)
        return _file_digest(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


@functools.lru_cache(maxsize=64)
def _file_digest(path: str, changed: int, size: int) -> str:
    with open(path, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()[:16]
