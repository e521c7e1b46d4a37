"""Two toy systems for the tests of the house, whose answers anyone can work out.

``Gauge`` reads a level N times: the mean of the readings and their mean square deviation.  It goes wrong when told to,
takes as long as the environment says, and writes what it performs to the file that the environment names, so that a
test can count work done in other processes.  ``Walk`` is a random walk along time with a matrix observable.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from operator import setitem
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tsmech.errors import ConvergenceError
from tsmech.problem.curve import Curve
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.system import Convergence, System
from tsmech.systems import REGISTRY

LOG = "GAUGE_LOG"
"""Environment variable that names the file to which each performance of a task adds lines."""

SECONDS = "GAUGE_SECONDS"
"""Environment variable that says how long a simulation takes."""

FAULTS = ("none", "raise", "unsolved", "nan", "inf", "die", "once", "hang", "compute", "eat")
PLENTY = 4 << 30
"""Bytes beyond which the gauge that eats memory gives up: the test has set no limit."""


@dataclass(frozen=True)
class Gauge(System):
    """A level, read N times with noise: the mean of the readings and their mean square deviation.

    There is no theory of noise from 100 to 200.
    """

    name = "gauge"
    title = "A level that is read with noise"
    observables: ClassVar = {
        "level_read": Observable("l_read", "mean of the readings"),
        "spread": Observable("s", "mean square deviation of the readings"),
        "luck": Observable("u", "a uniform number"),
    }
    checks = ({"level": 1.0}, {"level": 3.0, "noise": 0.4})
    convergence = Convergence("dimension", (50, 100, 200, 400))

    level: float = parameter("l", "what is read", minimum=-100, maximum=100)
    noise: float = parameter("σ", "standard deviation of a reading", default=0.2, minimum=0)
    dimension: int = parameter("N", "number of readings", default=20, minimum=2)
    fault: str = parameter("f", "what goes wrong", default="none", choices=FAULTS)

    def lacks(self, answer: str) -> str | None:
        if answer == "theory" and 100.0 <= self.noise < 200.0:
            return "gauge has no theory answer here: such noise drowns the level"
        return super().lacks(answer)

    def theory_curve(self) -> Curve:
        self._go_wrong()
        _log("theory", self.level)
        return Curve.point({"level_read": self.level, "spread": self.noise**2, "luck": 0.5})

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        """The mean is normal and the sum of squares is chi-squared, independent of it."""
        luck = self._begin("reduced", rng)
        mean = self.level + self.noise * rng.standard_normal() / np.sqrt(self.dimension)
        spread = self.noise**2 * rng.chisquare(self.dimension - 1) / self.dimension
        return self._end("reduced", mean, spread, luck)

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        luck = self._begin("direct", rng)
        readings = self.level + self.noise * rng.standard_normal(self.dimension)
        return self._end("direct", readings.mean(), readings.var(), luck)

    def _begin(self, answer: str, rng: np.random.Generator) -> float:
        luck = float(rng.random())
        _log(f"begin {answer}", luck)
        if self.fault == "once" and Path(os.environ[LOG]).read_text().count(f"begin {answer} {luck!r}\n") == 1:
            raise OSError("the gauge is out of reach for now")
        self._go_wrong()
        time.sleep(float(os.environ.get(SECONDS, 0.0)))
        return luck

    def _end(self, answer: str, mean: float, spread: float, luck: float) -> Curve:
        if self.fault == "nan":
            spread = float("nan")
        if self.fault == "inf":
            mean = float("inf")
        _log(f"end {answer}", luck)
        return Curve.point({"level_read": mean, "spread": spread, "luck": luck})

    def _go_wrong(self) -> None:
        if self.fault == "raise":
            raise ZeroDivisionError("the gauge\nis broken")
        if self.fault == "unsolved":
            raise ConvergenceError("the gauge does not settle")
        if self.fault == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "hang":
            threading.Event().wait()
        if self.fault == "compute":
            sum(range(10**12))  # hours in compiled code that holds the interpreter's lock
        if self.fault == "eat":
            eaten: list[bytes] = []
            while len(eaten) << 24 < PLENTY:
                eaten.append(bytes(1 << 24))
            raise AssertionError("nothing limits the memory")


@dataclass(frozen=True)
class Walk(System):
    """A random walk along time, with a matrix observable; it has no reduced answer."""

    name = "walk"
    title = "A random walk"
    observables: ClassVar = {
        "position": Observable("x", "position"),
        "overlap": Observable("Q", "outer product of (1, position) with itself", axes=("row", "column")),
    }
    coordinates: ClassVar = {"time": Coordinate("t", "time")}

    drift: float = parameter("v", "mean step", default=1.0)
    length: int = parameter("n", "number of steps", default=4, minimum=1)

    def theory_curve(self) -> Curve:
        """The position grows by the drift, and its variance by one a step."""
        time = np.arange(1.0, self.length + 1.0)
        return self._curve(time, self.drift * time, (self.drift * time) ** 2 + time)

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        position = np.cumsum(self.drift + rng.standard_normal(self.length))
        _log("begin direct", float(position[0]))
        return self._curve(np.arange(1.0, self.length + 1.0), position, position**2)

    def _curve(self, time: np.ndarray, position: np.ndarray, square: np.ndarray) -> Curve:
        overlap = np.stack([np.stack([np.ones_like(time), position], 1), np.stack([position, square], 1)], 1)
        return Curve.along("time", time, {"position": position, "overlap": overlap})


def register(put: Callable[[Any, Any, Any], None] = setitem) -> None:
    """Add the toy systems to the registry; ``put`` may be the ``setitem`` of a monkeypatch, which takes them out."""
    for system in (Gauge, Walk):
        put(REGISTRY, system.name, system.__name__)
        put(sys.modules, f"tsmech.systems.{system.name}", sys.modules[__name__])


def _log(what: str, number: float) -> None:
    path = os.environ.get(LOG)
    if path:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{what} {number!r}\n".encode())
        os.close(descriptor)
