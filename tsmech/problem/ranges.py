"""Numbers as a person writes them in one word: a number, a range, a geometric range."""

import math

import numpy as np

from tsmech.errors import InputError
from tsmech.words import shown

MAX_RANGE = 1_000_000
"""Most values of a range."""


def read_piece(piece: str, words: str, name: str, allowed: str, *, whole: bool) -> list[float]:
    """Return the numbers that one word stands for.

    Parameters
    ----------
    piece, words
        The word, and all that was given, which errors quote.
    name, allowed
        The parameter, and what it may be, in words.
    whole
        Whether the values of a range are rounded to whole numbers.
    """
    fields = piece.split(":")
    geometric = fields[0] == "log"
    numbers = fields[1:] if geometric else fields
    try:
        if not geometric and len(numbers) == 1:
            return [float(numbers[0])]
        start, stop, count = float(numbers[0]), float(numbers[1]), int(numbers[2])
        if len(numbers) != 3:
            raise ValueError
    except (ValueError, IndexError):
        raise InputError(
            f"{name} = {shown(words)} cannot be read: write {allowed}, a list (0.1,0.5,1), "
            "a range (start:stop:count) or a geometric range (log:start:stop:count)"
        ) from None
    if not (math.isfinite(start) and math.isfinite(stop) and start < stop and 2 <= count <= MAX_RANGE):
        raise InputError(
            f"{name} = {shown(words)} is not a range: it needs start below stop and a count of 2 to {MAX_RANGE}"
        )
    if geometric and start <= 0:
        raise InputError(f"{name} = {shown(words)} is not a range: a geometric range must start above 0")
    values = np.geomspace(start, stop, count) if geometric else np.linspace(start, stop, count)
    if whole:
        return [float(round(v)) for v in values]
    return [float(f"{v:.12g}") for v in values]
