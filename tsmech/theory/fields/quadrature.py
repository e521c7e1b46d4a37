r"""The averages of online learning for any pair of functions (g, g'), each by two rules that have to agree.

Smooth functions are averaged by :mod:`tsmech.theory.fields.mehler`, those with kinks, which are looked for, by
:mod:`tsmech.theory.fields.panels`.  A rule is used as long as the next finer one agrees with it, which is asked again
wherever the overlaps have moved; what the finest rules do not agree on is an error and no number.
``theory/online_sgd.md``, section 3.5.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError, InputError
from tsmech.kernels.activations import Function, Pair
from tsmech.theory.fields.kinks import values
from tsmech.theory.fields.mehler import Mehler
from tsmech.theory.fields.mixtures import Averages
from tsmech.theory.fields.panels import Panels, Unit

FloatArray = NDArray[np.float64]

ACCURACY = 1e-6
"""Largest difference of two rules for averages over two fields, relative to them."""

OF_FOUR = 1e-5
"""The same for E[g'_k g'_l Δ²]."""

WITH_KINKS = 1e-3
"""The same for E[g'_k g'_l Δ²] of several student units where functions have kinks."""

NEGLIGIBLE = 1e-11
"""Differences below this part of the averages' natural size, Σ_i abs(c_i) √E[g_i²] and the like, are not seen."""

PANELS = ((8.5, 8, 8), (10.0, 14, 10), (12.0, 24, 12), (13.0, 40, 14), (13.0, 80, 14))
GRIDS = ((8.5, 0.4, 32), (10.0, 0.25, 48), (12.0, 0.15, 80), (16.0, 0.08, 128), (16.0, 0.05, 192))
"""Rules, each finer and wider than the one before."""

MOST_KINKS = 8


class Quadrature:
    """Averages for student and teacher units given as pairs (g, g') of functions of arrays.

    Parameters
    ----------
    student, teacher
        The activation and its derivative, each a function from an array to an array of the same shape.

    Raises
    ------
    InputError
        If a function has more kinks than can be integrated between.
    """

    def __init__(self, student: Pair, teacher: Pair) -> None:
        self._units = _unit(*student), _unit(*teacher)
        self.kinked = any(unit.kinks.size for unit in self._units)
        self._level = {"squared_output": 0, "drift_averages": 0, "fluctuation": 0}
        self._rules: dict[int, Mehler | Panels] = {}
        self._verified = np.empty(0)
        self._steps = 0

    @property
    def names(self) -> str:
        """What the two functions g are called."""
        names = [getattr(unit.functions[0], "__qualname__", None) or repr(unit.functions[0]) for unit in self._units]
        return " and ".join(dict.fromkeys(names))

    def _at(self, which: str, level: int) -> Callable[[FloatArray, FloatArray, int], Any]:
        """Return the averages of that name by the rule of a level."""
        if level not in self._rules:
            student, teacher = self._units
            panels, grid = PANELS[level], GRIDS[level]
            self._rules[level] = Panels(student, teacher, *panels) if self.kinked else Mehler(student, teacher, *grid)
        found: Callable[[FloatArray, FloatArray, int], Any] = getattr(self._rules[level], which)
        return found

    def squared_output(self, C: FloatArray, c: FloatArray, K: int) -> float:
        """Return E[Δ²], verified, as :func:`tsmech.theory.fields.gaussian.squared_output`."""
        return float(self._settle("squared_output", C, c, K)[0])

    def drift_averages(self, C: FloatArray, c: FloatArray, K: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return E[g''_k Δ], E[g'_k g'_j] and E[g_k Δ], as :func:`tsmech.theory.fields.gaussian.drift_averages`."""
        self._refuse_jumps()
        found: tuple[FloatArray, FloatArray, FloatArray]
        found = self._at("drift_averages", self._level["drift_averages"])(C, c, K)
        return found

    def fluctuation(self, C: FloatArray, c: FloatArray, K: int) -> FloatArray:
        """Return E[g'_k g'_l Δ²], shape (K, K), as :func:`tsmech.theory.fields.fluctuations.fluctuation`."""
        return np.asarray(self._at("fluctuation", self._level["fluctuation"])(C, c, K))

    def mean_square(self, X: FloatArray, S: FloatArray, C: FloatArray, c: FloatArray, K: int) -> float:
        """Return E[Δ²], never negative."""
        return max(0.0, self.squared_output(C, c, K))

    def moving(self, X: FloatArray, S: FloatArray, C: FloatArray, c: FloatArray, K: int) -> Averages:
        """Return the averages of the ODEs, of units with the covariance C."""
        return (*self.drift_averages(C, c, K), self.fluctuation(C, c, K))

    def verify(self, C: FloatArray, c: FloatArray, K: int) -> None:
        """Take rules for the averages of the ODEs that finer ones agree with, if the overlaps have moved since last.

        Raises
        ------
        ConvergenceError
            If the finest rules do not agree.
        """
        self._refuse_jumps()
        size = np.sqrt(np.abs(np.diag(C))) + 1e-300
        moved = self._verified.size == 0 or np.abs((C - self._verified) / np.outer(size, size)).max() > 0.1
        self._steps += 1
        if moved or self._steps > 100:
            self._settle("drift_averages", C, c, K)
            self._settle("fluctuation", C, c, K)
            self._verified, self._steps = C.copy(), 0

    def _settle(self, which: str, C: FloatArray, c: FloatArray, K: int) -> tuple[FloatArray, ...]:
        """Return averages on which two rules agree, and keep to the coarser of these."""
        level = self._level[which]
        found = _as_tuple(self._at(which, level)(C, c, K))
        while True:
            finer = _as_tuple(self._at(which, level + 1)(C, c, K))
            if not all(np.isfinite(part).all() for part in finer):
                return finer  # the run diverges: no rule can say more
            error, allowed = self._differences(which, found, finer, C, c, K)
            if error <= allowed:
                self._level[which] = level
                return finer
            level, found = level + 1, finer
            if level + 1 == (3 if which == "fluctuation" and K > 1 and self.kinked else len(PANELS)):
                widest = math.sqrt(np.diag(C).max())
                raise ConvergenceError(
                    f"the averages of the activation {self.names} are known to {error:.1g} only, not to "
                    f"{allowed:.1g}, at fields of standard deviation {widest:.3g}: the simulations need none"
                )

    def _differences(
        self,
        which: str,
        coarse: tuple[FloatArray, ...],
        fine: tuple[FloatArray, ...],
        C: FloatArray,
        c: FloatArray,
        K: int,
    ) -> tuple[float, float]:
        """Return the largest difference of two rules' averages in units of their size, and what is allowed."""
        square = self._at("squared_output", 1)
        squares = [square(C[i : i + 1, i : i + 1], np.ones(1), int(i < K)) for i in range(c.size)]
        outputs = np.sqrt(np.maximum(squares, 0.0))
        size = float(np.abs(c) @ outputs) + 1e-300
        if which == "squared_output":
            natural, allowed = [size**2], ACCURACY
        elif which == "drift_averages":
            slopes = float(np.abs(fine[1]).max()) + 1e-300
            deviation = np.sqrt(np.maximum(np.diag(C)[:K], 0.0))
            natural = [
                size * math.sqrt(slopes) / max(float(deviation.max()), 1e-300),
                slopes,
                size * float(outputs.max()),
            ]
            errors = [float(np.abs(a - b).max()) / (n + 1e-300) for a, b, n in zip(coarse, fine, natural, strict=True)]
            return max(errors), ACCURACY
        else:
            rough = self.kinked and K > 1
            natural, allowed = [size**2 * float(np.abs(self._slopes(C, c, K)).max())], WITH_KINKS if rough else OF_FOUR
        unseen = NEGLIGIBLE * natural[0]
        difference = float(np.abs(coarse[0] - fine[0]).max())
        return max(difference - unseen, 0.0) / (float(np.abs(fine[0]).max()) + unseen + 1e-300), allowed

    def _slopes(self, C: FloatArray, c: FloatArray, K: int) -> FloatArray:
        return np.asarray(self._at("drift_averages", self._level["drift_averages"])(C, c, K)[1])

    def _refuse_jumps(self) -> None:
        student = self._units[0]
        if student.jumps[0].size and np.any(values(student.functions[1], np.linspace(-3.0, 3.0, 101))):
            raise InputError(
                f"the activation {self.names} of the student jumps at x = {student.jumps[0][0]:.6g}, which gradient "
                "descent does not see: theory needs a continuous one, or a slope that is zero"
            )


def _as_tuple(found: object) -> tuple[FloatArray, ...]:
    return found if isinstance(found, tuple) else (np.asarray(found),)


@functools.lru_cache(maxsize=32)
def _unit(g: Function, slope: Function) -> Unit:
    unit = Unit(g, slope)
    if unit.kinks.size > MOST_KINKS:
        raise InputError(
            f"the activation {getattr(g, '__qualname__', g)!s} has {unit.kinks.size} kinks: theory takes at most "
            f"{MOST_KINKS}, the simulations any number"
        )
    return unit


def power_of_slope(g: Function, slope: Function, power: int, variance: float) -> float:
    """Return E[g'(x)^p], x ~ N(0, variance), or raise ConvergenceError where two rules do not agree."""
    unit = _unit(g, slope)
    found = [Panels(unit, unit, *sizes).power_of_slope(power, variance) for sizes in PANELS[-2:]]
    if abs(found[1] - found[0]) > ACCURACY * abs(found[1]):
        raise ConvergenceError(f"E[g'^{power}] is {found[0]:.6g} by one rule and {found[1]:.6g} by another")
    return found[1]
