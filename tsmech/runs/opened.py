"""A run directory opened to be read from Python: its table, single draws, failures and pictures."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsmech.errors import InputError
from tsmech.experiment import Experiment
from tsmech.runs import pictures, report
from tsmech.runs.products import table
from tsmech.store import Store
from tsmech.words import nearest, shown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class OpenRun:
    """A run directory, which is only read: each question opens it and closes it again.

    Attributes
    ----------
    directory : pathlib.Path
        The run directory.
    experiment : Experiment
        What was asked.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.directory = Path(path)
        with Store.open(self.directory) as store:
            self.experiment: Experiment = store.experiment

    def __repr__(self) -> str:
        return f"<run {self.directory}: {self.experiment.system.name}, {self.experiment.size} points>"

    @property
    def table(self) -> "pd.DataFrame":
        """The summary table, as :func:`tsmech.run` returns it: means over draws and their standard errors."""
        with Store.open(self.directory) as store:
            return table(store)

    def draws(self, answer: str, **parameters: Any) -> "pd.DataFrame":
        """Return single draws of one answer: a row for each draw and value of the coordinate.

        Parameters
        ----------
        answer
            The name of an answer of the run.
        **parameters
            Values of parameters that the run has several of, which choose its points; all where none are given.

        Returns
        -------
        pandas.DataFrame
            The axes of the run, ``replicate``, the coordinates, and a column for each entry of an observable.

        Raises
        ------
        InputError
            Where the run has no such answer or no such points.
        """
        import pandas as pd

        axes = self.experiment.axes
        if answer not in self.experiment.answers:
            raise InputError(f"the run has no answer {shown(answer)}: {nearest(answer, self.experiment.answers)}")
        declared = self.experiment.system.parameters()
        wanted = {}
        for name, value in parameters.items():
            if name not in axes:
                raise InputError(f"the run has not several values of {shown(name)}: {nearest(name, axes)}")
            wanted[name] = declared[name].read(value)
            if missing := [one for one in wanted[name] if one not in axes[name]]:
                raise InputError(f"the run has no point at {name} = {shown(missing[0])}")
        parts = []
        with Store.open(self.directory) as store:
            for place, found, curves in store.curves():
                if found != answer or any(place[name] not in values for name, values in wanted.items()):
                    continue
                for replicate, curve in enumerate(curves):
                    frame = curve.to_frame(self.experiment.system.observables)
                    head = {**place, "replicate": replicate}
                    for position, (name, value) in enumerate(head.items()):
                        frame.insert(position, name, value)
                    parts.append(frame)
        if not parts:
            raise InputError(f"the run has no finished draws of {answer}")
        return pd.concat(parts, ignore_index=True)

    def draw(self, **choice: Any) -> "Axes | list[Axes]":
        """Draw the run, as :func:`tsmech.draw`."""
        return pictures.draw(self.directory, **choice)

    @property
    def remarks(self) -> list[str]:
        """What a reader must know: answers that points lack, approximations, divergences, the error reached."""
        with Store.open(self.directory) as store:
            return report.remarks(store)

    @property
    def failures(self) -> list[dict[str, Any]]:
        """The tasks that failed: their parameters, answer, replicate, error and traceback."""
        with Store.open(self.directory) as store:
            return store.failures()


def open_run(path: str | PathLike[str]) -> OpenRun:
    """Open a run directory to read it: its table, single draws, failures and pictures.

    Parameters
    ----------
    path
        The run directory.

    Raises
    ------
    InputError
        Where it is none, or is damaged.

    Examples
    --------
    >>> import tempfile, tsmech
    >>> place = tempfile.mkdtemp()
    >>> table = tsmech.run("ridge", alpha=[0.5, 2.0], answers="reduced", replicates=3, workers=1, out=f"{place}/run")
    >>> run = tsmech.open_run(f"{place}/run")
    >>> len(run.table), len(run.draws("reduced", alpha=2.0))
    (2, 3)
    """
    return OpenRun(path)
