"""The order of a page's tasks: predictions from coarse to fine, simulations replicate after replicate."""

from collections.abc import Iterator, Sequence

from tsmech.errors import InputError
from tsmech.experiment import Experiment, Task
from tsmech.runs import lines

MOST_THEORY = 4000
"""Points of theory beyond which those between the points of a sweep are left out."""
COARSE = 5
"""Places along an axis that the first picture has at least."""
FINER = 4
"""How many times more of them the next one has."""


def predictions(experiment: Experiment) -> list[list[Task]]:
    """Return the tasks of all predictions, stage by stage: each stage has the places that the next lie between.

    Between the points of a sweep there are some too, where lines need them.
    """
    found = [
        Task(point, answer, 0)
        for point in experiment.points()
        for answer in experiment.answers
        if not experiment.simulates(answer)
    ]
    try:
        x = lines.axis(experiment)
        more = [] if x is None else lines.tasks(experiment, x)
    except InputError:
        more = []
    return staged(experiment, [*found, *more] if len(found) + len(more) <= MOST_THEORY else found)


def staged(experiment: Experiment, tasks: Sequence[Task]) -> list[list[Task]]:
    """Return tasks by the first picture that needs them: along each axis every so many-th value, then those between."""
    declared = experiment.system.parameters()
    axes = [name for name in experiment.axes if declared[name].numeric]
    levels = [0] * len(tasks)
    for name in axes:
        values = [getattr(task.system, name) for task in tasks]
        if not all(isinstance(value, (int, float)) for value in values):
            continue
        order = {value: rank for rank, value in enumerate(sorted({*values}))}
        step, stage = 1, 0
        while len(order) >= COARSE * step * FINER:
            step *= FINER
        of_rank: dict[int, int] = {}
        while step:
            for rank in (*range(0, len(order), step), len(order) - 1):
                of_rank.setdefault(rank, stage)
            step, stage = step // FINER, stage + 1
        levels = [max(level, of_rank[order[value]]) for level, value in zip(levels, values, strict=True)]
    return [[task for task, level in zip(tasks, levels, strict=True) if level == stage] for stage in sorted({*levels})]


def draws(experiment: Experiment, answers: Sequence[str]) -> Iterator[list[Task]]:
    """Yield the tasks of simulations, replicate after replicate of all points."""
    points = list(experiment.points())
    for replicate in range(experiment.replicates):
        yield [Task(point, answer, replicate) for point in points for answer in answers]
