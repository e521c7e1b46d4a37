"""Which answers the points of a sweep have: looked at before anything is computed, chosen from, and put in words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tsmech.errors import InputError
from tsmech.problem.system import System
from tsmech.words import nearest, shown

MOST_REASONS = 3
"""Different reasons that are kept of why points lack an answer."""
OTHERS = "for other reasons"

Lacking = Mapping[str, Mapping[str, int]]
"""By answer, of those that some points lack, the reasons and at how many points each holds."""


class Availability(NamedTuple):
    """What the points of a sweep say of their answers.

    Parameters
    ----------
    points
        How many there are.
    lacking
        Why problems have no such answer.
    obstacles
        By answer, of those that the problems have, why this machine cannot compute it at some point.
    steps
        Steps of the longest simulation.
    """

    points: int
    lacking: Lacking
    obstacles: Mapping[str, str]
    steps: float

    def choose(self, given: Any, known: Sequence[str]) -> tuple[str, ...]:
        """Return the answers that are asked for, in order; None takes those that some point has.

        Raises
        ------
        InputError
            Where one is unknown, where no point has it, or where this machine cannot compute it everywhere.
        """
        absent = {
            answer: next(iter(found)) for answer, found in self.lacking.items() if sum(found.values()) == self.points
        }
        refused = {**self.obstacles, **absent}
        if given is None:
            chosen = tuple(answer for answer in known if answer not in refused)
            if not chosen:
                raise InputError(next(iter(refused.values())))
            return chosen
        if not isinstance(given, Iterable) or isinstance(given, (bytes, Mapping)):
            raise InputError(f"answers = {shown(given)} is not allowed: it must be a list of {', '.join(known)}")
        names = [piece.strip() for piece in given.split(",")] if isinstance(given, str) else list(given)
        for name in names:
            if name not in known:
                raise InputError(f"answer {shown(name)} is unknown: {nearest(str(name), known)}")
            if name in refused:
                raise InputError(refused[name])
        if not names:
            raise InputError("answers is empty: name at least one of " + ", ".join(known))
        return tuple(answer for answer in known if answer in names)


def look(points: Iterator[System]) -> Availability:
    """Build each point, so that what is forbidden is refused now, and return what they say of their answers."""
    lacking: dict[str, dict[str, int]] = {}
    obstacles: dict[str, str] = {}
    count, steps = 0, 0.0
    for point in points:
        count += 1
        steps = max(steps, point.simulation_steps())
        for answer in point.answers:
            if reason := point.lacks(answer):
                found = lacking.setdefault(answer, {})
                reason = reason if reason in found or len(found) < MOST_REASONS else OTHERS
                found[reason] = found.get(reason, 0) + 1
            elif answer not in obstacles and (reason := point.obstacle(answer)):
                obstacles[answer] = reason
    return Availability(count, lacking, obstacles, steps)


def words(answer: str, points: int, lacking: Mapping[str, int]) -> str:
    """Return in a line at how many points of a sweep an answer is lacking, and why.

    Examples
    --------
    >>> words("theory", 6, {"walk has no theory answer": 4})
    'no theory at 4 of 6 points: walk has no theory answer'
    """
    reasons = [f"{reason} ({count})" if len(lacking) > 1 else reason for reason, count in lacking.items()]
    return f"no {answer} at {sum(lacking.values())} of {points} points: {'; '.join(reasons)}"
