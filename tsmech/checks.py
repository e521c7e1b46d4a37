"""Checks of the numbers that formulas and simulations take, with messages in one form."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import InputError
from tsmech.words import shown

LARGEST = 1e100
"""Parameters beyond this are refused (and positive ones below its inverse): their products could overflow."""


def real_numbers(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return `value` as an array of floats, or refuse what is no real numbers (InputError)."""
    try:
        given = np.asarray(value)
        if np.iscomplexobj(given):
            raise TypeError
        return np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name} = {shown(repr(value))}: must be a real number or an array of them") from None


def in_range(name: str, value: ArrayLike, *, positive: bool = False, largest: float = LARGEST) -> NDArray[np.float64]:
    """Return `value` as an array of floats, or refuse it.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    value : array_like
        What was given.
    positive : bool
        Whether zero (and what is below 1 / LARGEST) is refused.
    largest : float
        The largest value allowed.

    Returns
    -------
    ndarray

    Raises
    ------
    InputError
        If a value is not a number, negative, zero where that is refused, or too large.
    """
    array = real_numbers(name, value)
    least = 1 / LARGEST if positive else 0.0
    good = (array >= least) & (array <= largest)
    if not good.all():
        culprit = float(array[~good].flat[0])
        raise InputError(f"{name} = {culprit!r}: must lie between {least:g} and {largest:g}")
    return array
