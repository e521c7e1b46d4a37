"""Checks of the numbers that formulas and simulations take, with messages in one form."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import InputError

LARGEST = 1e100
"""Parameters beyond this are refused (and positive ones below its inverse): their products could overflow."""


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
    array = np.asarray(value, dtype=float)
    least = 1 / LARGEST if positive else 0.0
    good = (array >= least) & (array <= largest)
    if not good.all():
        culprit = float(array[~good].flat[0])
        raise InputError(f"{name} = {culprit!r}: must lie between {least:g} and {largest:g}")
    return array
