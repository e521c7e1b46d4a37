"""Carries an experiment out: the one way from an experiment through the engine to the store and its products."""

import contextlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsmech import engine
from tsmech.engine.executors import Pool
from tsmech.engine.place import needs_script, open_pool, place
from tsmech.errors import ConvergenceError, IncompleteError, InputError, TsmechError
from tsmech.experiment import Experiment, Task, build, find_file, from_file
from tsmech.machine.interruption import interruptible
from tsmech.machine.threads import cores, one_thread_here
from tsmech.problem.system import System
from tsmech.runs import merging
from tsmech.runs.products import publish, table
from tsmech.runs.progress import Meter, Progress, can_be_shown
from tsmech.runs.rounds import Rounds
from tsmech.runs.shards import WHOLE, Shard
from tsmech.runs.work import Work
from tsmech.store import Store
from tsmech.systems import REGISTRY
from tsmech.words import shown

if TYPE_CHECKING:
    import pandas as pd

LONG_STEPS = 1e11
"""Steps of one simulation beyond which a person at a terminal is asked first: some hours of a core."""


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
    return interruptible(lambda: _read(what, parameters, **given))


def _read(what: str | PathLike[str] | type[System], parameters: Mapping[str, Any], **given: Any) -> Experiment:
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
    pictured: bool = False,
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
    pictured
        Whether the run is drawn: predictions between the points of the sweep, which the lines of its picture need, are
        performed too, when the experiment is finished.
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
        work = Work(store, pool, experiment.answers)
        try:
            rounds = Rounds(experiment, store, shard)
            if shard == WHOLE and (lacking := store.lacks(experiment)):
                work.expect_of(experiment, *lacking)
            else:
                work.expect(rounds.tasks())
            if pictured and shard == WHOLE:
                work.expect_lines()
            while True:
                _perform(pool, work, work.taken(lambda: store.remaining(rounds.tasks())), report)
                again = rounds.advance()
                work.progress.error = rounds.error
                if not again:
                    break
                work.expect(rounds.tasks())
            _perform(pool, work, work.lines(), report)
            store.check_kept()
            return store
        except BaseException as error:
            try:
                if not isinstance(error, IncompleteError):
                    work.write()
                store.check_kept()
            finally:
                store.close()
            raise


def _perform(pool: Pool, work: Work, tasks: Iterable[Task], report: Callable[[Progress], None]) -> None:
    """Perform tasks and write what comes of them."""

    def tell(words: str) -> None:
        work.progress.remark = words
        report(work.progress)

    report(work.progress)
    with contextlib.closing(engine.drive(pool, tasks, work.seed, tell)) as batches:
        for outcomes in batches:
            work.done(outcomes)
            report(work.progress)
    work.write()


def add_lines(store: Store, report: Callable[[Progress], None] = lambda progress: None) -> None:
    """Perform in this process what the lines of a run's picture still lack."""
    with open_pool(workers=1) as pool:
        work = Work(store, pool, store.experiment.answers)
        work.expect_lines()
        _perform(pool, work, work.lines(), report)


def failure(store: Store) -> TsmechError | None:
    """Return the error that says which tasks failed, or None."""
    failures = store.failures()
    if not failures:
        return None
    first = failures[0]
    many = f"{len(failures)} tasks failed, the first" if len(failures) > 1 else "1 task failed,"
    words = f"{many} {first['answer']}: {first['error']}; what was finished is kept"
    unsolved = all(entry["error"].startswith(ConvergenceError.__name__) for entry in failures)
    return ConvergenceError(words) if unsolved else IncompleteError(words)


def most_steps(experiment: Experiment) -> float:
    """Return how many steps the longest simulation of an experiment takes."""
    if not any(map(experiment.simulates, experiment.answers)):
        return 0.0
    return (
        max(point.simulation_steps() for point in experiment.points()) if experiment.steps is None else experiment.steps
    )


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
        ``"local"`` (worker processes, even one), ``"dask"`` (the workers of a scheduler, by its address), or
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
        drawn = directory is not None
        store = carry_out(experiment, directory, shard=share, pictured=drawn, report=meter.show, **places)
    with store:
        for words in filter(None, (store.notice, store.surplus, *experiment.absences())):
            warnings.warn(words, stacklevel=2)
        publish(store)
        error = failure(store)
        if error:
            raise error
        return table(store)


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
    if isinstance(sources, (str, Path)):
        raise InputError(f"sources = {shown(str(sources))} is one path: give a list of run directories")
    places = [Path(source) for source in sources]
    with merging.merge(Path(out), places) as store:
        if store.notice:
            warnings.warn(store.notice, stacklevel=2)
        add_lines(store)
        publish(store)
        if words := merging.missing(store, places):
            raise IncompleteError(f"{words}; what is there is merged")
        if error := failure(store):
            raise error
        return table(store)
