"""Carries an experiment out: the one way from an experiment through the engine to the store and its products."""

import contextlib
import itertools
import math
import operator
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsmech import engine, plots
from tsmech.engine import Outcome
from tsmech.engine.executors import Pool
from tsmech.engine.place import needs_script, open_pool, place
from tsmech.errors import ConvergenceError, IncompleteError, InputError, TsmechError
from tsmech.experiment import Experiment, Task, build, find_file, from_file
from tsmech.machine import compilation
from tsmech.machine.threads import cores, one_thread_here
from tsmech.plots.picture import choose
from tsmech.problem.observables import observable_of
from tsmech.problem.system import System
from tsmech.runs import merging, tables
from tsmech.runs.progress import Meter, Progress, can_be_shown
from tsmech.runs.rounds import Rounds
from tsmech.runs.shards import WHOLE, Shard
from tsmech.store import Store
from tsmech.store.directory import PRODUCTS
from tsmech.systems import REGISTRY

if TYPE_CHECKING:
    import pandas as pd

LONG_STEPS = 1e11
"""Steps of one simulation beyond which a person at a terminal is asked first: some hours of a core."""
WRITE_SECONDS = 0.2
"""Time after which finished tasks are written, those of several small blocks in one transaction."""
WRITE_TASKS = 2000
"""Finished tasks that are not kept waiting."""


def resolve(
    what: str | PathLike[str] | type[System] | Experiment, parameters: Mapping[str, Any], **options: Any
) -> Experiment:
    """Return the experiment that is meant: a system by name or class, an experiment by name or file, or itself.

    Options that are None are those of the file, or the defaults.
    """
    given = {key: value for key, value in options.items() if value is not None}
    if isinstance(what, Experiment):
        if parameters or given:
            raise InputError(f"{', '.join([*parameters, *given])} cannot be given beside an experiment: it holds them")
        return what
    if isinstance(what, PathLike):
        return from_file(Path(what), parameters, **given)
    if isinstance(what, str):
        file = None if what.replace("-", "_") in REGISTRY else find_file(what)
        return build(what, parameters, **given) if file is None else from_file(file, parameters, **given)
    if isinstance(what, type) and issubclass(what, System):
        return build(what, parameters, **given)
    raise InputError(f"{what!r} cannot be run: give a system, an experiment, or the path of a TOML file")


def carry_out(
    experiment: Experiment,
    directory: Path | None = None,
    *,
    workers: int | None = 1,
    executor: str | Executor | None = None,
    scheduler: str | None = None,
    timeout: float | None = None,
    shard: Shard = WHOLE,
    report: Callable[[Progress], None] = lambda progress: None,
    begin: Callable[[], None] = lambda: None,
) -> Store:
    """Perform what an experiment still lacks, store it as it is finished, and return the store, open.

    Parameters
    ----------
    experiment
        What is asked.
    directory
        The run directory; None keeps the run in memory.
    workers, executor, scheduler, timeout
        As in :func:`tsmech.engine.place.open_pool`; ``workers`` may be None, and without an
        executor :func:`tsmech.engine.place.place` finds a place.
    shard
        The share of the experiment that is performed, in a directory of its own.
    report
        Called after each batch of results.
    begin
        Called when all that can be refused of what was asked has been looked at, before the directory is.

    Raises
    ------
    InputError
        Where the directory cannot be used for this experiment.
    IncompleteError
        Where results could not be stored.
    """
    simulated = any(map(experiment.simulates, experiment.answers))
    asked = experiment.system, experiment.parameters
    if executor is None:
        workers, executor = place(asked, simulated, workers)
    places: dict[str, Any] = {"executor": executor, "scheduler": scheduler, "timeout": timeout}
    with open_pool(workers=cores() if workers is None else workers, script=bool(needs_script(asked)), **places) as pool:
        begin()
        store = Store.create(experiment, directory, "" if shard == WHOLE else str(shard))
        work = _Work(store, pool, experiment.answers)

        def tell(compiling: bool) -> None:
            work.progress.remark = compilation.WORDS if compiling else ""
            report(work.progress)

        try:
            rounds = Rounds(experiment, store, shard)
            if shard == WHOLE and (lacking := store.lacks(experiment)):
                work.expect_of(experiment, *lacking)
            else:
                work.expect(rounds.tasks())
            while True:
                report(work.progress)
                tasks = work.taken(lambda: store.remaining(rounds.tasks()))
                with (
                    contextlib.closing(engine.drive(pool, tasks, experiment.seed)) as batches,
                    compilation.telling(tell),
                ):
                    for outcomes in batches:
                        work.done(outcomes)
                        report(work.progress)
                work.write()
                again = rounds.advance()
                work.progress.error = rounds.error
                if not again:
                    store.check_kept()
                    return store
                work.expect(rounds.tasks())
        except BaseException as error:
            try:
                if not isinstance(error, IncompleteError):
                    work.write()
                store.check_kept()
            finally:
                store.close()
            raise


def _by_point(tasks: Iterable[Task]) -> Iterator[tuple[System, Iterator[Task]]]:
    return itertools.groupby(tasks, operator.attrgetter("system"))


class _Work:
    """What becomes of a run's outcomes: they are counted, and written in batches."""

    def __init__(self, store: Store, pool: Pool, answers: Sequence[str]) -> None:
        self.progress = Progress(0, left=math.inf)
        self._store = store
        self._pool = pool
        self._both = len({store.experiment.simulates(answer) for answer in answers}) == 2
        self._waiting: list[Outcome] = []
        self._written = time.monotonic()
        self._under_way: Counter[System] = Counter()
        """For each point the tasks that are not done, and one more while tasks of it are still to come."""
        self._ahead: set[Task] = set()
        """Predictions that are under way, ahead of the rest of their points."""
        self._left: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}

    def expect(self, tasks: Iterable[Task]) -> None:
        """Count what the store lacks of tasks, and the points that they belong to."""
        point = None
        for task in self._store.remaining(tasks):
            self.progress.total += 1
            self._left[task.answer] += 1
            if task.system is not point:
                point = task.system
                self.progress.points += 1

    def expect_of(self, experiment: Experiment, total: int, points: int) -> None:
        """Count the tasks that the store lacks of a whole experiment, of which the totals are known."""
        self.progress.total, self.progress.points = total, points
        finished = self._store.counts()
        for answer in experiment.answers:
            asked = experiment.size * experiment.draws(answer)
            self._left[answer] = max(asked - finished.get(answer, 0), 0)

    def taken(self, lacking: Callable[[], Iterable[Task]]) -> Iterator[Task]:
        """Yield the tasks that are lacking, predictions first, and keep in mind which points are under way."""
        if self.progress.total <= self.progress.finished:
            return  # where nothing is lacking there is no need to look for it
        if self._both:
            for point, tasks in _by_point(lacking()):
                ahead, simulated = [], False
                for task in tasks:
                    if self._store.experiment.simulates(task.answer):
                        simulated = True
                    else:
                        ahead.append(task)
                self._ahead.update(ahead if simulated else ())
                yield from ahead if simulated else self._begun(point, ahead)
        for point, tasks in _by_point(lacking()):
            simulates = self._store.experiment.simulates
            yield from self._begun(point, (task for task in tasks if simulates(task.answer) or not self._both))

    def _begun(self, point: System, tasks: Iterable[Task]) -> Iterator[Task]:
        some = False
        for task in tasks:
            self._under_way[point] += 1 if some else 2
            some = True
            yield task
        if some:
            self._settle(point)

    def _settle(self, point: System) -> None:
        self._under_way[point] -= 1
        if not self._under_way[point]:
            del self._under_way[point]
            self.progress.finished_points += 1

    def done(self, outcomes: Sequence[Outcome]) -> None:
        """Count outcomes, and write them when it is time."""
        for outcome in outcomes:
            task = outcome.task
            self.progress.finished += 1
            self._left[task.answer] -= 1
            if outcome.curve is None:
                self.progress.failed += 1
                self.progress.trouble = outcome.error
            before = self._seconds.get(task.answer, outcome.seconds)
            self._seconds[task.answer] = 0.9 * before + 0.1 * outcome.seconds
            if task in self._ahead:
                self._ahead.remove(task)
            else:
                self._settle(task.system)
        self.progress.remark = self._pool.remark
        self.progress.left = self._time_left()
        self._waiting += outcomes
        if len(self._waiting) >= WRITE_TASKS or time.monotonic() - self._written >= WRITE_SECONDS:
            self.write()

    def _time_left(self) -> float:
        """Return the seconds that are left, by what a task of each answer has taken; infinity where one is unknown."""
        left = [count * self._seconds.get(answer, math.inf) for answer, count in self._left.items() if count > 0]
        return sum(left) / self._pool.hands

    def write(self) -> None:
        """Write what is waiting, in one transaction."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._store.add(waiting)
        self._written = time.monotonic()


def publish(store: Store) -> list[Path]:
    """Write a run's table and figure into its directory, none of a shard's; return the files."""
    if store.directory is None or store.shard:
        return []
    if store.is_empty():
        return []
    try:
        tables.write(store.rows(), store.directory / PRODUCTS[0], "csv", store.columns())
        return [store.directory / PRODUCTS[0], *draw(store, store.directory)]
    finally:
        store.check_kept()


def draw(
    store: Store, directory: Path, stem: str = "figure", formats: Sequence[str] = ("png", "svg"), **choice: Any
) -> list[Path]:
    """Draw a run and save the picture in each of the formats; ``choice`` is as in :func:`tsmech.plots.draw`."""
    picture = choose(store.experiment, **choice)
    drawn = {observable_of(name) for name in (picture.x, *picture.observables)}
    left_out = {name for name in store.experiment.system.observables if name not in drawn}
    left_out |= {f"{name}_sem" for name in left_out}
    # Of a large sweep the numbers that are not drawn would take most of the memory.
    rows = ({name: value for name, value in row.items() if observable_of(name) not in left_out} for row in store.rows())
    return plots.save(plots.draw(store.experiment, rows, **choice), directory, stem, formats)


def failure(store: Store) -> TsmechError | None:
    """Return the error that says which tasks failed, or None."""
    failures = store.failures()
    if not failures:
        return None
    first = failures[0]
    words = f"{len(failures)} tasks failed, the first {first['answer']}: {first['error']}; what was finished is kept"
    unsolved = all(entry["error"].startswith(ConvergenceError.__name__) for entry in failures)
    return ConvergenceError(words) if unsolved else IncompleteError(words)


def most_steps(experiment: Experiment) -> float:
    """Return how many steps the longest simulation of an experiment takes."""
    simulated = any(map(experiment.simulates, experiment.answers))
    return max(point.simulation_steps() for point in experiment.points()) if simulated else 0.0


def run(
    what: str | PathLike[str] | type[System] | Experiment,
    *,
    answers: str | Iterable[str] | None = None,
    replicates: int | None = None,
    seed: int | None = None,
    target_error: float | None = None,
    max_replicates: int | None = None,
    out: str | Path | None = None,
    workers: int | None = None,
    executor: str | Executor | None = None,
    scheduler: str | None = None,
    timeout: float | None = None,
    shard: str | None = None,
    progress: bool | None = None,
    **parameters: Any,
) -> "pd.DataFrame":
    """Run an experiment and return its summary table.

    Parameters
    ----------
    what
        A system (name or class), an experiment (name, TOML file or :class:`~tsmech.experiment.Experiment`).
    answers
        Which of theory, reduced and direct; all that exist where none are named.
    replicates, seed
        Draws of each simulation at each point, and the seed of all of them.
    target_error, max_replicates
        Relative standard error of the first plotted observable up to which replicates are added, and their cap.
    out
        The run directory, in which what is finished stays; without one nothing is written.
    workers
        Worker processes; as many as there are cores where no number is given, as on the command line.  Theory alone,
        and what your script or notebook itself defines (a system, an activation), is computed in this process then.
        Where a number is given for the latter a script must guard its entry (``if __name__ == "__main__":``), since
        workers import it.  The numbers are the same, whichever way.
    executor, scheduler
        ``"local"`` (worker processes, though it be one), ``"dask"`` (the workers of a scheduler, by its address), or
        any ``concurrent.futures.Executor``; None computes in this process where ``workers`` is 1.
    timeout
        Seconds that one task may take; one that takes longer fails.
    shard
        A share of the experiment, ``"3/10"``, for :func:`tsmech.runs.merge` to join; it needs ``out``.
    progress
        Whether to show on stderr how far the run is; None shows it in terminals and notebooks.
    **parameters
        The system's parameters: a value, a list, or words such as ``"0.1:4:40"``.

    Returns
    -------
    pandas.DataFrame
        One row a point, answer and coordinate value: the mean of each observable ``X`` over ``replicates`` draws and
        its standard error ``X_sem`` for simulations, the value for theory.

    Raises
    ------
    InputError
        Where a parameter or option is unknown or not allowed.
    IncompleteError, ConvergenceError
        Where some tasks failed; with ``out`` what was finished is kept.

    Examples
    --------
    >>> import tsmech
    >>> table = tsmech.run("ridge", alpha=[0.5, 2.0], noise=0.5, answers=["theory"])
    >>> [round(float(error), 4) for error in table.generalization_error]
    [0.375, 0.125]
    """
    wanted: dict[str, Any] = {"answers": answers, "replicates": replicates, "seed": seed}
    wanted |= {"target_error": target_error, "max_replicates": max_replicates}
    with one_thread_here():  # spectra of data are taken where they are read
        experiment = resolve(what, parameters, **wanted)
    share = WHOLE if shard is None else Shard.read(shard)
    if share != WHOLE and not out:
        raise InputError(f"shard = {shard} needs a directory to be merged from: give out")
    if out == "":
        raise InputError("out is empty: name a directory, or leave it out")
    directory = None if out is None else Path(out)
    places: dict[str, Any] = {"workers": workers, "executor": executor, "scheduler": scheduler, "timeout": timeout}
    with Meter(experiment.name, quiet=not (can_be_shown() if progress is None else progress)) as meter:
        store = carry_out(experiment, directory, shard=share, report=meter.show, **places)
    with store:
        for words in filter(None, (store.notice, store.surplus)):
            warnings.warn(words, stacklevel=2)
        publish(store)
        error = failure(store)
        if error:
            raise error
        return _table(store)


def _table(store: Store) -> "pd.DataFrame":
    """Return the rows of a run as a table that knows the experiment."""
    import pandas as pd

    table = pd.DataFrame(list(store.rows()))
    table.attrs["experiment"] = store.experiment.describe()
    return table


def merge(out: str | Path, sources: Sequence[str | Path]) -> "pd.DataFrame":
    """Join what shards of an experiment have done in a run directory, and return its summary table.

    Parameters
    ----------
    out
        The run directory, new or of the same experiment.
    sources
        The shards' run directories; they stay as they are.

    Raises
    ------
    InputError
        Where they are not shards of one experiment.
    IncompleteError
        Where tasks are missing; what is there is merged.
    """
    places = [Path(source) for source in sources]
    with merging.merge(Path(out), places) as store:
        if store.notice:
            warnings.warn(store.notice, stacklevel=2)
        publish(store)
        if words := merging.missing(store, places):
            raise IncompleteError(f"{words}; what is there is merged")
        if error := failure(store):
            raise error
        return _table(store)
