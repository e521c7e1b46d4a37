"""The answers to a problem: their role, and the number that identifies each in the addresses of random streams."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Role = Literal["prediction", "simulation"]


@dataclass(frozen=True)
class Answer:
    """One way of answering a problem.

    Parameters
    ----------
    role
        A ``prediction`` is the same whenever it is computed and is drawn as a line; of a ``simulation`` there are
        independent draws, which are averaged.
    stream
        The number of the answer in the addresses of random streams; no two answers of a system share one.
    random
        Whether it draws random numbers: each simulation does, and a prediction that is solved by sampling, which has
        one stream for all that ask for it, so that it stays the same.
    exact
        Whether a prediction holds at every size and not in the limit alone.
    """

    role: Role
    stream: int
    random: bool
    exact: bool = False

    @property
    def predicts(self) -> bool:
        """Whether it is a prediction."""
        return self.role == "prediction"


def prediction(stream: int, *, random: bool = False, exact: bool = False) -> Answer:
    """Return a prediction: one curve, drawn as a line."""
    return Answer("prediction", stream, random, exact)


def simulation(stream: int) -> Answer:
    """Return a simulation: independent draws."""
    return Answer("simulation", stream, True)


USUAL: Mapping[str, Answer] = MappingProxyType(
    {"theory": prediction(0), "reduced": simulation(1), "direct": simulation(2)}
)
"""The three answers that most systems have."""
