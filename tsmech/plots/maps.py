"""Maps of one observable over two axes: a panel an answer, one colour scale for all.

A cell of a map stands for one point of a sweep.  Contours are those of the panel's own values; on a simulation's panel
the dashed contours are those of the prediction.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsmech.plots.picture import Picture, Row, is_logarithmic
from tsmech.plots.style import place_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

COLOURS = "viridis"
DECADES = 5.0
"""Colours are logarithmic where the largest value is more than so many times the smallest."""
CONTOURS = 6
FEWEST_CONTOURED = 3
"""Values that both axes have at least where contours are drawn: between two there is nothing to follow."""
FEW = 4
"""Values of an axis that are all named beside it."""

Array = NDArray[np.float64]
Grid = tuple[Array, Array, Array]
NOWHERE: Mapping[str, Iterable[float]] = {}


def tabulate(rows: Iterable[Row], x: str, y: str, value: str, over: Mapping[str, Iterable[float]] = NOWHERE) -> Grid:
    """Return the values of both axes and the table of what rows hold over them.

    Parameters
    ----------
    rows
        Summary rows of one answer, at most one a place.
    x, y, value
        Names of columns.
    over
        By the name of an axis values that it has wherever the rows are: those of a sweep, some of whose points lack the
        answer.

    Returns
    -------
    xs, ys : array
        Distinct values, shapes (n,) and (m,), in order.
    table : array
        Shape (m, n); NaN where there is no row.
    """
    places = np.array([(row[x], row[y], row[value]) for row in rows], dtype=float).reshape(-1, 3)
    across, up, values = places.T
    xs = np.union1d(across, np.array([*over.get(x, ())], dtype=float))
    ys = np.union1d(up, np.array([*over.get(y, ())], dtype=float))
    table = np.full((len(ys), len(xs)), np.nan)
    table[np.searchsorted(ys, up), np.searchsorted(xs, across)] = values
    return xs, ys, table


def choose_norm(grids: Sequence[Grid]) -> "Normalize":
    """Return the colour scale that several maps share, from the values at places where all of them are finite.

    Where theory is infinite a mean of simulations does not settle: such places do not stretch the scale.
    """
    from matplotlib.colors import LogNorm, Normalize

    poles = {(xs[i], ys[k]) for xs, ys, table in grids for k, i in np.argwhere(np.isinf(table))}
    body = []
    for xs, ys, table in grids:
        settled = np.isfinite(table)
        for a, b in poles:
            settled[np.ix_(ys == b, xs == a)] = False
        body.append(table[settled])
    found = np.concatenate(body)
    if not found.size:
        return Normalize(0.0, 1.0)
    low, high = float(found.min()), float(found.max())
    if low > 1e-12 * high and high > DECADES * low:
        return LogNorm(low, high)
    return Normalize(low, high if high > low else low + (abs(low) or 1.0))


def choose_levels(norm: "Normalize") -> Array:
    """Return the levels of the contours, round numbers inside a colour scale."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import LogLocator, MaxNLocator

    low, high = (float(bound or 0.0) for bound in (norm.vmin, norm.vmax))
    if isinstance(norm, LogNorm):
        fine = (1e4, (1.0,)), (1e2, (1.0, 3.0)), (20.0, (1.0, 2.0, 5.0)), (1.0, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
        steps = next(steps for least, steps in fine if high > least * low)
        found = np.asarray(LogLocator(subs=steps, numticks=50).tick_values(low, high))
        found = found[(found > low) & (found < high)]
        return found[:: max(1, math.ceil(len(found) / (2 * CONTOURS)))]
    found = np.asarray(MaxNLocator(CONTOURS).tick_values(low, high))
    return found[(found > low) & (found < high)]


def draw_map(
    ax: "Axes", grid: Grid, norm: "Normalize", levels: Array, picture: Picture, predicted: Grid | None = None
) -> None:
    """Draw a map into axes: cells, contours, those of the prediction dashed where given.

    Infinite values are hatched on white, places without a value are grey.
    """
    from matplotlib.ticker import NullLocator

    xs, ys, _ = grid
    ax.set_facecolor("0.7")
    ax.grid(False)
    if not (xs.size and ys.size):
        ax.set_axis_off()
        return
    for axis, values in (("x", xs), ("y", ys)):
        if is_logarithmic(picture, axis, values):
            ax.set(**{f"{axis}scale": "log"})
    xs, ys, table = _inside(ax, grid)
    across, up = _edges(xs, ax.get_xscale() == "log"), _edges(ys, ax.get_yscale() == "log")
    finite = np.ma.masked_invalid(table)
    ax.pcolormesh(across, up, finite, norm=norm, cmap=COLOURS, rasterized=True)
    infinite = np.ma.masked_where(~np.isinf(table), np.ones_like(table))
    if infinite.count():
        style: Mapping[str, Any] = {"facecolor": "white", "edgecolor": "0.3", "linewidth": 0.0, "hatch": "////"}
        ax.pcolor(across, up, infinite, cmap="gray", vmin=0, vmax=1, **style)
    lines = [(grid, "solid", 0.9)] if predicted is None else [(predicted, "dashed", 1.4), (grid, "solid", 0.7)]
    for of, dashes, width in lines:
        a, b, values = _inside(ax, of)
        if min(values.shape) >= FEWEST_CONTOURED and len(levels) and np.isfinite(values).any():
            drawn = np.ma.masked_invalid(values)
            within = [level for level in levels if drawn.min() < level < drawn.max()]
            if within:
                ax.contour(a, b, drawn, levels=within, colors="white", linestyles=dashes, linewidths=width)
    ax.set(xlim=(across[0], across[-1]), ylim=(up[0], up[-1]))
    place_ticks(ax)
    for side, values in ((ax.xaxis, xs), (ax.yaxis, ys)):
        if len(values) <= FEW:  # each row of cells has its own value
            side.set_ticks(values, [f"{value:.4g}" for value in values])
            side.set_minor_locator(NullLocator())


def _inside(ax: "Axes", grid: Grid) -> Grid:
    """Return the grid without what a logarithmic axis does not have."""
    xs, ys, table = grid
    keep_x = (xs > 0) | (ax.get_xscale() == "linear")
    keep_y = (ys > 0) | (ax.get_yscale() == "linear")
    return xs[keep_x], ys[keep_y], table[np.ix_(keep_y, keep_x)]


def _edges(centres: Array, logarithmic: bool) -> Array:
    """Return the edges of cells, one more than these: midway between their values, and the first and last value.

    So a map ends where its values end.
    """
    scaled = np.log(centres) if logarithmic else centres
    if len(scaled) == 1:
        found = np.array([scaled[0] - 0.5, scaled[0] + 0.5])
    else:
        found = np.concatenate([scaled[:1], (scaled[1:] + scaled[:-1]) / 2, scaled[-1:]])
    return np.exp(found) if logarithmic else found
