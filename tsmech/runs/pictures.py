"""Draws a run, wherever its rows are: a directory, an open store or the table of ``tsmech.run``."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsmech import plots
from tsmech.errors import InputError
from tsmech.experiment import Experiment, restore
from tsmech.plots.picture import choose
from tsmech.store import Store
from tsmech.words import shown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Row = Mapping[str, Any]


def draw(
    run: "str | PathLike[str] | Store | pd.DataFrame",
    *,
    x: str | None = None,
    y: str | Sequence[str] | None = None,
    by: str | None = None,
    value: str | None = None,
    matrix: str | None = None,
    at: str | Sequence[float] | None = None,
    ax: "Axes | Sequence[Axes] | None" = None,
    **more: Any,
) -> "Axes | list[Axes]":
    """Draw a run and return the axes: onto one's own, or into a new figure.

    Parameters
    ----------
    run
        A run directory, an open store, or the table that :func:`tsmech.run` returned, or some of its rows.  Of a run
        directory theory is a line through all that is stored of it, of a table from row to row.
    x
        The horizontal axis: a parameter, the coordinate, or an observable against which ``y`` is drawn.
    y
        Observables, one panel each: a number, a vector or a matrix (``"R"``), an entry (``"R[0, 1]"``).
    by
        The parameter that tells curves apart by colour.
    value
        The observable that a map over ``x`` and ``y`` shows.
    matrix, at
        A matrix, and the values of the coordinate at which it is shown.
    ax
        Matplotlib axes to draw into, as many as the picture has panels; they keep the style that they have.  Where
        there are none a figure is made, which is ``ax.figure`` of what is returned.
    **more
        ``together``, ``spread``, ``log``, ``mark``, ``reference`` and ``convention``, as in an experiment's ``[plot]``.

    Returns
    -------
    matplotlib.axes.Axes or list of them
        The axes of the picture's only panel, or those of all panels; colour bars are not among them.

    Raises
    ------
    InputError
        Where the run does not hold what is to be drawn, or has more panels than there are axes.

    Examples
    --------
    >>> import tsmech
    >>> table = tsmech.run("ridge", alpha=[0.5, 1.0, 2.0], noise=0.5, penalty=0.1, answers="theory")
    >>> ax = tsmech.draw(table, y="test_error")
    >>> len(ax.lines)
    1
    """
    choice = {"x": x, "y": y, "by": by, "value": value, "matrix": matrix, "at": at, **more}
    if unknown := more.keys() - {"together", "spread", "log", "mark", "reference", "convention"}:
        raise InputError(f"draw has no argument {shown(min(unknown))}")
    given: Sequence[Any] | None = None
    if ax is not None:
        given = [ax] if hasattr(ax, "plot") else list(getattr(ax, "flat", ax))
    if isinstance(run, (str, PathLike)):
        with Store.open(Path(run)) as store:
            panels = _draw(store, given, choice)
    elif isinstance(run, Store):
        panels = _draw(run, given, choice)
    else:
        panels = plots.draw_panels(_experiment(run), _rows(run), ax=given, **choice)
    return panels[0] if len(panels) == 1 and (ax is None or hasattr(ax, "plot")) else panels


def _draw(store: Store, given: Sequence[Any] | None, choice: Mapping[str, Any]) -> "list[Axes]":
    lines = store.lines(choose(store.experiment, **choice).x)
    return plots.draw_panels(store.experiment, store.rows(), lines, ax=given, **choice)


def _experiment(table: Any) -> Experiment:
    """Return the experiment that a table has among its attributes, with the values that its rows have."""
    described = getattr(table, "attrs", {}).get("experiment")
    if described is None:
        raise InputError(
            f"a {type(table).__name__} cannot be drawn: give a run directory, or the table that tsmech.run returned"
        )
    experiment = restore(described)
    left = {name: tuple(one for one in values if one in set(table[name])) for name, values in experiment.axes.items()}
    kept = {name: values for name, values in left.items() if values}
    return dataclasses.replace(experiment, parameters={**experiment.parameters, **kept})


def _rows(table: "pd.DataFrame") -> Iterator[Row]:
    """Yield the rows of a table without the cells that are empty."""
    for row in table.to_dict("records"):
        yield {
            str(name): value
            for name, value in row.items()
            if value is not None and not (isinstance(value, float) and math.isnan(value))
        }
