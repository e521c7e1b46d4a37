"""A matrix at some times: a cell an entry, one colour scale for all panels."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.plots.families import indices
from tsmech.plots.picture import Picture, Row, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

TIMES = 3
"""Times at which a matrix is shown where none are named."""
WRITTEN = 5
"""Rows and columns of a matrix up to which its numbers are written into its cells."""
SLIGHT = 0.1
"""Share of the largest value up to which negative ones have no colours of their own."""
UPRIGHT = 3
"""Letters of a name from which on names along the horizontal axis stand upright."""
COLOURS, DIVERGING = "viridis", "RdBu_r"

Array = NDArray[np.float64]


def times(picture: Picture, rows: Sequence[Row]) -> list[float | None]:
    """Return the times that are shown: of the report those closest to what is asked for; of a point None.

    Raises
    ------
    InputError
        Where one that is asked for lies outside of the run.
    """
    if not picture.x:
        return [None]
    known = sorted({float(row[picture.x]) for row in rows})
    if picture.at is None:
        return list(spread(known, TIMES))
    for at in picture.at:
        if not known[0] <= at <= known[-1]:
            raise InputError(f"--at {at:g} cannot be drawn: the run has {picture.x} from {known[0]:g} to {known[-1]:g}")
    return list(dict.fromkeys(min(known, key=lambda one: abs(one - at)) for at in picture.at))


def tabulate(columns: Sequence[str], row: Row | None) -> Array:
    """Return the matrix that a row holds in these columns; NaN where it has none."""
    first, second = labels(columns)
    table = np.full((len(first), len(second)), np.nan)
    for column in columns if row is not None else ():
        value = row.get(column) if row is not None else None
        one, other = indices(column)
        table[first.index(one), second.index(other)] = np.nan if value is None else value
    return table


def labels(columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the indices of a matrix along its two axes."""
    pairs = [indices(column) for column in columns]
    return list(dict.fromkeys(one for one, _ in pairs)), list(dict.fromkeys(other for _, other in pairs))


def choose_scale(tables: Sequence[Array]) -> tuple["Normalize", str]:
    """Return the colour scale of several matrices and its colours: with zero in the middle where signs matter."""
    from matplotlib.colors import Normalize

    found = np.concatenate([table[np.isfinite(table)] for table in tables])
    low, high = (float(found.min()), float(found.max())) if found.size else (0.0, 1.0)
    if -low > SLIGHT * high:
        reach = max(-low, high)
        return Normalize(-reach, reach), DIVERGING
    return Normalize(min(low, 0.0), high or 1.0), COLOURS


def draw_matrix(ax: "Axes", table: Array, columns: Sequence[str], norm: "Normalize", colours: str) -> None:
    """Draw a matrix into axes, the first row on top, with its numbers where there are few."""
    ax.grid(False)
    ax.set_facecolor("0.7")
    image = ax.imshow(np.ma.masked_invalid(table), norm=norm, cmap=colours, aspect="equal")
    for axis, names in zip((ax.yaxis, ax.xaxis), labels(columns), strict=True):
        step = -(-len(names) // 10)
        axis.set_ticks(range(0, len(names), step), names[::step])
        axis.set_tick_params(length=0)
        if axis is ax.xaxis and max(map(len, names)) > UPRIGHT:
            axis.set_tick_params(rotation=90)
    if max(table.shape) > WRITTEN:
        return
    for (row, column), value in np.ndenumerate(table):
        if np.isfinite(value):
            shade = image.cmap(norm(value))
            dark = float(np.dot(shade[:3], (0.299, 0.587, 0.114))) < 0.5
            words = f"{round(float(value), 2) + 0.0:.2f}".replace("-", "−")
            ax.text(column, row, words, ha="center", va="center", color="white" if dark else "black", fontsize=8)


def find_row(rows: Sequence[Row], picture: Picture, at: float | None, **of: Any) -> Row | None:
    """Return the row of one answer at one time, and at the values of the other axes; None where there is none."""
    wanted: Mapping[str, Any] = of if at is None else {**of, picture.x: at}
    return next((row for row in rows if all(row[name] == value for name, value in wanted.items())), None)
