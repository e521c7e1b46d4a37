"""What is made of each parameter's value, made again only where the value is another than at the point before."""

import itertools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tsmech.problem.written import PLAIN

_OTHER = object()
"""Is none of the values that a parameter can have."""


class Remembered:
    """Makes something of each value of a point; of those that the point before had, too, it is known.

    In a sweep all parameters but one or two stay from point to point.  What is remembered is replaced as a whole, so
    that threads do not disturb one another.

    Parameters
    ----------
    names
        Of the parameters.
    make
        Makes something of a parameter's name and value.
    keeps
        Whether what is made of a value of a plain type may be remembered; what is made of others never is.
    """

    def __init__(
        self,
        names: Iterable[str],
        make: Callable[[str, Any], Any],
        keeps: Callable[[str, Any], bool] = lambda name, value: True,
    ) -> None:
        self.names = tuple(names)
        self._make = make
        self._keeps = keeps
        self._last: tuple[tuple[Any, ...], list[Any]] = (_OTHER,) * len(self.names), [None] * len(self.names)

    def of(self, values: Mapping[str, Any]) -> Sequence[Any]:
        """Return what is made of the values, in the order of the names."""
        before, known = self._last
        now = tuple(map(values.__getitem__, self.names))
        changed = list(itertools.compress(range(len(now)), map(operator.is_not, now, before)))
        if not changed:
            return known
        made = known.copy()
        passing = []
        for i in changed:
            made[i] = self._make(self.names[i], now[i])
            if type(now[i]) not in PLAIN or not self._keeps(self.names[i], now[i]):
                passing.append(i)
        if passing:
            values_kept, made_kept = list(now), made.copy()
            for i in passing:
                values_kept[i], made_kept[i] = _OTHER, None
            self._last = tuple(values_kept), made_kept
        else:
            self._last = now, made
        return made
