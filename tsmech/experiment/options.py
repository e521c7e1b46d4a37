"""What is said of an experiment beside its problem, read and checked: names, whole numbers, and how many draws."""

import math
import operator
from collections.abc import Mapping
from typing import Any

from tsmech.errors import InputError
from tsmech.words import shown

REPLICATES = 20
MOST_REPLICATES = 10_000_000
LARGEST_SEED = 2**256


def underscored(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters by their names with underscores, and refuse one that is there with hyphens too."""
    named: dict[str, Any] = {}
    for given, value in parameters.items():
        known = str(given).replace("-", "_")
        if known in named:
            raise InputError(f"{shown(known)} is given twice, with a hyphen and with an underscore")
        named[known] = value
    return named


def whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return an option that is a whole number, given as a number or in words, or refuse it."""
    try:
        number = int(value) if isinstance(value, str) else operator.index(value)
    except (TypeError, ValueError):
        number = least - 1
    if isinstance(value, bool) or number < least or (most is not None and number > most):
        bounds = f"at least {least}" + (f" and at most {shown(float(most))}" if most is not None else "")
        words = shown(value if isinstance(value, int) else str(value))
        raise InputError(f"{name} = {words} is not allowed: it must be a whole number of {bounds}")
    return number


def read_draws(replicates: Any, target_error: Any = None, max_replicates: Any = None) -> dict[str, Any]:
    """Return how many draws of a simulation are asked for: so many, or by an error that is to be reached, and its cap.

    Raises
    ------
    InputError
        Where one is not allowed, or there is a target without a cap, or a cap without a target.
    """
    count = whole("replicates", replicates, 1, MOST_REPLICATES)
    if target_error is None:
        if max_replicates is not None:
            raise InputError(f"max_replicates = {shown(max_replicates)} is the cap of a target: give target_error too")
        return {"replicates": count}
    try:
        target = math.nan if isinstance(target_error, bool) else float(target_error)
    except (TypeError, ValueError, OverflowError):
        target = math.nan
    if not 0 < target < math.inf:
        raise InputError(
            f"target_error = {shown(target_error)} is not allowed: it must be a number above 0, such as 0.01"
        )
    if max_replicates is None:
        raise InputError(f"target_error = {target:g} needs a cap: give max_replicates, the most draws of a point")
    most = whole("max_replicates", max_replicates, count, MOST_REPLICATES)
    return {"replicates": count, "target_error": target, "max_replicates": most}
