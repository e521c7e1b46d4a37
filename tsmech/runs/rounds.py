"""Adds replicates until a target error is reached: rounds that double their number, judged on the first ones alone."""

from collections.abc import Iterator

from tsmech.experiment import Experiment, Task
from tsmech.problem.system import System
from tsmech.runs.shards import WHOLE, Shard
from tsmech.store import Store
from tsmech.store.summary import relative_error


class Rounds:
    """The tasks of a run, round by round: its share of the experiment, then the replicates that a target asks for.

    In each round all simulations that are open have the same number of replicates: the experiment's, then twice as
    many, and so on up to the cap.  One is closed when the relative standard error over just these replicates reaches
    the target.  So how many there are depends on the draws alone, not on the order of work or on an interruption.

    Attributes
    ----------
    error
        The largest relative standard error of those that are open; None where there is no target.
    """

    def __init__(self, experiment: Experiment, store: Store, shard: Shard = WHOLE) -> None:
        self._experiment = experiment
        self._store = store
        self._shard = shard
        self._before, self._count = 0, experiment.replicates
        self._open: list[tuple[System, str]] = []
        self.error: float | None = None

    def tasks(self) -> Iterator[Task]:
        """Yield the tasks of this round, point by point."""
        if self._before == 0:
            yield from self._shard.tasks(self._experiment)
        for system, answer in self._open:
            yield from (Task(system, answer, replicate) for replicate in range(self._before, self._count))

    def advance(self) -> bool:
        """Close the simulations that have reached the target and begin the next round; return whether there is one."""
        target, cap = self._experiment.target_error, self._experiment.max_replicates or 0
        if target is None:
            return False
        if self._before == 0:
            simulated = (
                task for task in self._shard.tasks(self._experiment) if self._experiment.simulates(task.answer)
            )
            self._open = list(dict.fromkeys((task.system, task.answer) for task in simulated))
        errors = [
            relative_error(self._store.draws(system, answer, self._count), type(system), self._experiment.judged)
            for system, answer in self._open
        ]
        self._open = [pair for pair, error in zip(self._open, errors, strict=True) if error > target]
        self.error = max((error for error in errors if error > target), default=0.0)
        self._before, self._count = self._count, min(2 * self._count, cap)
        return bool(self._open) and self._before < self._count


def lacking(store: Store) -> Iterator[Task]:
    """Yield the tasks that a run lacks: of its replicates, and of those that its target asks for."""
    rounds = Rounds(store.experiment, store)
    while True:
        yield from store.remaining(rounds.tasks())
        if not rounds.advance():
            return


def reached(store: Store) -> str:
    """Return in words what error a run with a target has reached."""
    experiment = store.experiment
    target, cap = experiment.target_error, experiment.max_replicates
    errors = []
    counts = []
    for _, answer, found in store.curves():
        if experiment.simulates(answer):
            errors.append(relative_error(found, experiment.system, experiment.judged))
            counts.append(len(found))
    if not errors or target is None:
        return ""
    missed = sum(error > target for error in errors)
    words = (
        f"relative standard error of {experiment.judged}: at most {max(errors):.3g} (target {target:g}) with "
        f"{min(counts)} to {max(counts)} replicates"
    )
    return words + (f"; {missed} of {len(errors)} simulations stopped at the cap of {cap}" if missed else "")
