"""The order of a page's tasks: predictions from coarse to fine, simulations replicate after replicate."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tsmech.errors import InputError
from tsmech.experiment import Experiment, Task
from tsmech.runs import lines

MOST_THEORY = 4000
"""Points of theory beyond which those between the points of a sweep are left out."""
COARSE = 5
"""Places along an axis that the first picture has at least."""
FINER = 4
"""How many times more of them the next one has."""


def predictions(experiment: Experiment) -> Iterator[Iterator[Task]]:
    """Yield the tasks of all predictions, stage by stage: each stage has places between those of the one before.

    Between the points of a sweep there are some too, where lines need them.  A task is made when it is asked for.
    """
    answers = [answer for answer in experiment.answers if not experiment.simulates(answer)]
    if not answers:
        return
    more = _between(experiment) if experiment.size * len(answers) <= MOST_THEORY else []
    more = more if len(more) + experiment.size * len(answers) <= MOST_THEORY else []
    names = list(experiment.parameters)
    levels = {
        name: levels_of([*values, *(getattr(task.system, name) for task in more)])
        for name, values in experiment.axes.items()
        if all(isinstance(value, (int, float)) for value in values)
    }

    def level(values: Mapping[str, Any]) -> int:
        return max((of[values[name]] for name, of in levels.items()), default=0)

    between = [(level(vars(task.system)), task) for task in more]

    def tasks(stage: int) -> Iterator[Task]:
        for chosen in itertools.product(*experiment.parameters.values()):
            values = dict(zip(names, chosen, strict=True))
            if level(values) == stage:
                point = experiment.system(**values)
                yield from (Task(point, answer, 0) for answer in answers if experiment.has(point, answer))
        yield from (task for at, task in between if at == stage)

    last = max((max(of.values()) for of in levels.values()), default=0)
    yield from map(tasks, range(last + 1))


def _between(experiment: Experiment) -> list[Task]:
    try:
        x = lines.axis(experiment)
        return [] if x is None else lines.tasks(experiment, x)
    except InputError:
        return []


def levels_of(values: Iterable[float]) -> dict[float, int]:
    """Return for each value the first picture that has it: the coarsest has every so many-th, and the last.

    Examples
    --------
    >>> sorted(levels_of(range(21)).items())[:6]
    [(0, 0), (1, 1), (2, 1), (3, 1), (4, 0), (5, 1)]
    """
    order = sorted({*values})
    step = 1
    while len(order) >= COARSE * FINER * step:
        step *= FINER
    found = {order[-1]: 0}
    stage = 0
    while step:
        for value in order[::step]:
            found.setdefault(value, stage)
        step, stage = step // FINER, stage + 1
    return found


def draws(experiment: Experiment, answers: Sequence[str]) -> Iterator[list[Task]]:
    """Yield the tasks of simulations, replicate after replicate of all points."""
    asked = [(point, answer) for point in experiment.points() for answer in answers if experiment.has(point, answer)]
    for replicate in range(experiment.replicates):
        yield [Task(point, answer, replicate) for point, answer in asked]
