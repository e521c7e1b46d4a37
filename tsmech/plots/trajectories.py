"""One observable against another: lines and markers whose colour is where on the curve they are."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsmech.experiment import Experiment
from tsmech.plots import curves
from tsmech.plots.canvas import figure_of
from tsmech.plots.families import indices
from tsmech.plots.picture import Picture, Row, beside, errors, is_logarithmic, thinned
from tsmech.plots.style import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

STEP, APART = 0.004, 0.03
"""Shares of the panel by which the points of a line, and the markers of a simulation, lie apart at least."""
LETTERS, LEADING = 7.0, 1.35
"""Size of the names of paths in points, and the height of a line as a share of it."""


def places(shown: Mapping[str, Sequence[Row]], picture: Picture) -> list[float]:
    """Return what runs along the trajectories, at each row."""
    return [float(row[str(picture.along)]) for rows in shown.values() for row in rows]


def draw_trajectories(
    ax: "Axes",
    experiment: Experiment,
    rows: Sequence[Row],
    picture: Picture,
    observable: str,
    norm: "Normalize",
    size: tuple[float, float],
) -> None:
    """Draw one observable against ``picture.x``: theory as a line, reduced filled and direct open, with errors.

    What lies closer together than can be told apart in a panel of this ``size``, its width and height in units of the
    axes, is drawn once.
    """
    import matplotlib
    from matplotlib.collections import LineCollection

    colours = matplotlib.colormaps[curves.COLOURS]
    answers: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: float(row[str(picture.along)])):
        answers.setdefault(row["answer"], []).append(row)
    for axis, name in (("x", picture.x), ("y", observable)):
        values = [row[name] for row in rows]
        if values and is_logarithmic(picture, axis, values) and picture.log is not None:
            ax.set(**{f"{axis}scale": "log"})
    for answer, members in answers.items():
        if experiment.simulates(answer):
            along = [float(row[str(picture.along)]) for row in members]
            kept = {*thinned(along, curves.MOST_MARKERS)}
            members = [row for row in members if float(row[str(picture.along)]) in kept]
        step = APART if experiment.simulates(answer) else STEP
        places = np.stack(
            [_column(members, name) / width for name, width in zip((picture.x, observable), size, strict=True)]
        )
        members = [members[index] for index in moved(places, step)]
        at, x, y = (_column(members, name) for name in (str(picture.along), picture.x, observable))
        tint = colours(norm(at))
        if not experiment.simulates(answer):
            middle = colours(norm((at[1:] + at[:-1]) / 2))
            segments = np.stack([np.stack([x, y], 1)[:-1], np.stack([x, y], 1)[1:]], 1)
            ax.add_collection(LineCollection(list(segments), colors=middle, linewidths=2.0, zorder=2))
            ax.update_datalim(np.stack([x, y], 1)[np.isfinite(x) & np.isfinite(y)])
            continue
        network = curves.is_network(experiment, answer)
        wide, high = (errors(picture, members, name) for name in (picture.x, observable))
        bars = [np.stack([x, y - high], 1), np.stack([x, y + high], 1)]
        across = [np.stack([x - wide, y], 1), np.stack([x + wide, y], 1)]
        order = 4 if network else 3
        for ends in (bars, across):
            ax.add_collection(LineCollection(list(np.stack(ends, 1)), colors=tint, linewidths=1.0, zorder=order))
        style: dict[str, Any] = {"facecolors": "none", "edgecolors": tint} if network else {"color": tint}
        diameter = curves.OPEN if network else curves.FILLED
        ax.scatter(x, y, s=diameter**2, marker=curves.MARKERS[0], zorder=order, **style)
    ax.autoscale_view()


def extent(shown: Mapping[str, Sequence[Row]], picture: Picture, paths: Sequence[str]) -> tuple[float, float]:
    """Return the width and the height of what a panel shows of these columns, 1 where there is none."""
    across = [row.get(beside(picture.x, name)) for name in paths for row in shown[name]]
    up = [row.get(name) for name in paths for row in shown[name]]
    found = (np.array([value for value in values if value is not None], dtype=float) for values in (across, up))
    ranges = (np.ptp(values[np.isfinite(values)]) if np.isfinite(values).any() else 0.0 for values in found)
    width, height = (float(value) or 1.0 for value in ranges)
    return width, height


def moved(places: NDArray[np.float64], step: float) -> list[int]:
    """Return the first place, each that is a step away from the one before it that is returned, and the last.

    Parameters
    ----------
    places
        Shape (2, n), in order.

    Examples
    --------
    >>> moved(np.array([[0.0, 0.1, 0.5, 0.9, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0]]), 0.3)
    [0, 2, 4]
    """
    kept = [*range(min(1, places.shape[1]))]
    for index in range(1, places.shape[1]):
        if not np.hypot(*(places[:, index] - places[:, kept[-1]])) < step:
            kept.append(index)
    last = places.shape[1] - 1
    if kept and kept[-1] != last:
        kept = [*(kept[:-1] if len(kept) > 1 else kept), last]
    return kept


def name_paths(ax: "Axes", paths: Mapping[str, Sequence[Row]], picture: Picture) -> None:
    """Write the indices that tell paths apart beside their ends, on the side away from where they began.

    Names that would overlap stand in a column, in the order of the ends, to which thin lines lead.
    """
    from matplotlib.transforms import offset_copy

    ends: list[tuple[float, float, bool, str]] = []
    ax.margins(0.3, 0.08)
    ax.autoscale_view()
    for column, rows in paths.items():
        if not rows:
            continue
        across = beside(picture.x, column)
        first, last = (pick(rows, key=lambda row: float(row[str(picture.along)])) for pick in (min, max))
        pairs = zip(indices(column), indices(across), strict=True)
        words = ", ".join(one for one, other in pairs if one == other)
        x = float(last[across])
        ends.append((x, float(last[column]), x >= float(first[across]), words))
    panel = ax.get_window_extent()
    line = LETTERS * LEADING * float(np.diff(ax.get_ylim())[0]) / (72.0 * panel.height / figure_of(ax).dpi)
    for right in (True, False):
        side = sorted((y, x, words) for x, y, where, words in ends if where is right)
        for group in columns_of([y for y, *_ in side], line):
            members = [side[index] for index in group]
            edge = (max if right else min)(x for _, x, _ in members)
            middle = sum(y for y, *_ in members) / len(members)
            for place, (y, x, words) in enumerate(members):
                several = len(members) > 1
                away = 14 if several else 6
                ax.annotate(
                    printable(words),
                    (x, y),
                    xytext=(edge, middle + (place - (len(members) - 1) / 2) * line),
                    textcoords=offset_copy(ax.transData, figure_of(ax), x=away if right else -away, units="points"),
                    arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.5, "shrinkA": 1} if several else None,
                    ha="left" if right else "right",
                    va="center",
                    fontsize=LETTERS,
                    zorder=6,
                )


def columns_of(heights: Sequence[float], line: float) -> list[range]:
    """Return which names stand in one column: those that would overlap, each column centred on its ends.

    Examples
    --------
    >>> columns_of([0.0, 0.4, 1.3, 5.0], 1.0)
    [range(0, 3), range(3, 4)]
    """
    found: list[range] = []
    for index in range(len(heights)):
        found.append(range(index, index + 1))
        while len(found) > 1 and _top(heights, found[-2], line) > _top(heights, found[-1], -line):
            last = found.pop()
            found[-1] = range(found[-1].start, last.stop)
    return found


def _top(heights: Sequence[float], group: range, line: float) -> float:
    """Return where a column ends above, or with a negative line below."""
    return sum(heights[index] for index in group) / len(group) + line * len(group) / 2


def _column(rows: Sequence[Row], name: str) -> NDArray[np.float64]:
    return np.array([row.get(name) or 0.0 for row in rows], dtype=float)
