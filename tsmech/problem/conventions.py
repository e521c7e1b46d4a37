"""Symbols and scalings of papers: what each quantity of ours is called there, and its value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Point = Mapping[str, Any]
"""Values of a problem's parameters by name."""


@dataclass(frozen=True)
class Quantity:
    """What a parameter, a coordinate or an observable is in a paper.

    Parameters
    ----------
    symbol
        Its letter there.
    value
        Takes our value, and the parameters of the point, to the paper's.
    """

    symbol: str
    value: Callable[[float, Point], float]


@dataclass(frozen=True)
class Convention:
    """The symbols and scalings of a paper; what is not named is the same there.

    ``theory/conventions.md`` derives the factors, and its examples are tested.
    """

    paper: str
    quantities: Mapping[str, Quantity]


def same(symbol: str) -> Quantity:
    """Return a quantity that differs in its letter alone."""
    return Quantity(symbol, lambda value, point: value)


def times(symbol: str, factor: float) -> Quantity:
    """Return a quantity that is a constant times ours."""
    return Quantity(symbol, lambda value, point: factor * value)
