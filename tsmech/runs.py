"""Carries an experiment out: the one way from an experiment through the engine to the store and its products."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsmech import engine, plots, tables
from tsmech.compare import deviation
from tsmech.directory import PRODUCTS
from tsmech.errors import ConvergenceError, IncompleteError, InputError, TsmechError
from tsmech.experiment import Experiment, build, find_file, from_file
from tsmech.picture import choose, spread
from tsmech.store import Store
from tsmech.systems import REGISTRY
from tsmech.systems.contract import SIMULATIONS, System

if TYPE_CHECKING:
    import pandas as pd

LONG_STEPS = 1e11
"""Steps of one simulation beyond which a person at a terminal is asked first: some hours of a core."""
MOST_ROWS = 28
"""Rows of the short table that a run ends with."""


@dataclass
class Progress:
    """How far a run is: units that it had still to perform, those finished, and those of them that failed."""

    total: int
    finished: int = 0
    failed: int = 0


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
    workers: int = 1,
    executor: Executor | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Store:
    """Perform what an experiment still lacks, store it as it is finished, and return the store, open.

    Parameters
    ----------
    experiment
        What is asked.
    directory
        The run directory; None keeps the run in memory.
    workers, executor
        As in :func:`tsmech.engine.run`.
    report
        Called after each batch of results.

    Raises
    ------
    InputError
        Where the directory cannot be used for this experiment.
    IncompleteError
        Where results could not be stored.
    """
    store = Store.create(experiment, directory)
    try:
        progress = Progress(sum(1 for _ in store.remaining(experiment.units())))
        units = store.remaining(experiment.units())
        report(progress)
        with contextlib.closing(engine.run(units, experiment.seed, workers=workers, executor=executor)) as batches:
            for outcomes in batches:
                store.add(outcomes)
                progress.finished += len(outcomes)
                progress.failed += sum(1 for outcome in outcomes if outcome.curve is None)
                report(progress)
    except BaseException:
        store.close()
        raise
    return store


def publish(store: Store) -> list[Path]:
    """Write a run's table and figure into its directory; return the files."""
    if store.directory is None:
        return []
    rows = list(store.rows())
    if not rows:
        return []
    tables.write(rows, store.directory / PRODUCTS[0], "csv")
    return [store.directory / PRODUCTS[0], *draw(store, store.directory)]


def draw(store: Store, directory: Path, stem: str = "figure", **choice: Any) -> list[Path]:
    """Draw a run and save the picture as PNG and SVG; ``choice`` is as in :func:`tsmech.plots.draw`."""
    return plots.save(plots.draw(store.experiment, store.rows(), **choice), directory, stem)


def failure(store: Store) -> TsmechError | None:
    """Return the error that says which units failed, or None."""
    failures = store.failures()
    if not failures:
        return None
    first = failures[0]
    words = f"{len(failures)} units failed, the first {first['answer']}: {first['error']}; what was finished is kept"
    unsolved = all(entry["error"].startswith(ConvergenceError.__name__) for entry in failures)
    return ConvergenceError(words) if unsolved else IncompleteError(words)


def most_steps(experiment: Experiment) -> float:
    """Return how many steps the longest simulation of an experiment takes."""
    simulated = any(answer in SIMULATIONS for answer in experiment.answers)
    return max(point.steps() for point in experiment.points()) if simulated else 0.0


def remarks(store: Store) -> list[str]:
    """Return what a reader of a run must know: approximations, and which answers diverged."""
    lines = store.experiment.remarks()
    for entry in store.divergences():
        where = "".join(f", {name} = {value:.6g}" for name, value in entry.items() if name in store.experiment.axes)
        lines.append(
            f"{entry['answer']}{where}: {entry['diverged']} of the draws diverged, first at "
            f"{store.experiment.system.coordinate} = {entry['diverged_at']:.6g}"
        )
    return lines


def summarise(store: Store, observable: str, most: int = MOST_ROWS) -> list[dict[str, Any]]:
    """Return a short table of a run: the answers side by side and how far apart they are in standard errors.

    Of a long sweep evenly spaced values of the running axis are shown.
    """
    coordinate = store.experiment.system.coordinate
    x = choose(store.experiment).x
    names = [*store.experiment.axes, *([coordinate] if coordinate == x else [])]  # else a curve is shown by its end
    running = names.index(x) if x in names else 0
    places: dict[tuple[Any, ...], dict[str, Mapping[str, Any]]] = {}
    for row in store.rows():
        places.setdefault(tuple(row[name] for name in names), {})[row["answer"]] = row
    along = sorted({place[running] for place in places}) if names else []
    groups = max(1, len(places) // max(1, len(along)))
    shown = set(spread(along, max(2, most // groups)))
    ordered = sorted(places, key=lambda place: (*place[:running], *place[running + 1 :], *place[running : running + 1]))
    table: list[dict[str, Any]] = []
    for place in ordered:
        if names and place[running] not in shown:
            continue
        answers = places[place]
        line: dict[str, Any] = dict(zip(names, place, strict=True))
        for answer, found in answers.items():
            if observable in found:
                line[answer] = tables.to_words(found[observable], found.get(f"{observable}_sem"))
        apart = deviation(answers, observable)
        table.append(line | {"agreement": "" if apart is None else f"{apart:.1f} σ"})
    return table


def run(
    what: str | PathLike[str] | type[System] | Experiment,
    *,
    answers: str | Iterable[str] | None = None,
    replicates: int | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    workers: int = 1,
    executor: Executor | None = None,
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
    out
        The run directory, in which what is finished stays; without one nothing is written.
    workers
        Worker processes; with more than one, a script must guard its entry (``if __name__ == "__main__":``).
    executor
        Any ``concurrent.futures.Executor``, in place of worker processes.
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
        Where some units failed; with ``out`` what was finished is kept.

    Examples
    --------
    >>> import tsmech
    >>> table = tsmech.run("ridge", alpha=[0.5, 2.0], noise=0.5, answers=["theory"])
    >>> [round(float(error), 4) for error in table.generalization_error]
    [0.375, 0.125]
    """
    import pandas as pd

    experiment = resolve(what, parameters, answers=answers, replicates=replicates, seed=seed)
    with carry_out(experiment, Path(out) if out else None, workers=workers, executor=executor) as store:
        publish(store)
        error = failure(store)
        if error:
            raise error
        return pd.DataFrame(list(store.rows()))
