"""One observable against another: lines and markers whose colour is where on the curve they are."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsmech.experiment import Experiment
from tsmech.plots import curves
from tsmech.plots.families import indices
from tsmech.plots.picture import Picture, Row, beside, errors, is_logarithmic, thinned
from tsmech.plots.style import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

NEAR = 0.06
"""Distance of two paths' ends, as a share of each axis, within which their names are written together."""


def places(shown: Mapping[str, Sequence[Row]], picture: Picture) -> list[float]:
    """Return what runs along the trajectories, at each row."""
    return [float(row[str(picture.along)]) for rows in shown.values() for row in rows]


def draw_trajectories(
    ax: "Axes", experiment: Experiment, rows: Sequence[Row], picture: Picture, observable: str, norm: "Normalize"
) -> None:
    """Draw one observable against ``picture.x``: theory as a line, reduced filled and direct open, with errors."""
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
        size = curves.OPEN if network else curves.FILLED
        ax.scatter(x, y, s=size**2, marker=curves.MARKERS[0], zorder=order, **style)
    ax.autoscale_view()


def name_paths(ax: "Axes", paths: Mapping[str, Sequence[Row]], picture: Picture) -> None:
    """Write the indices that tell paths apart at their ends, on the side away from where they began.

    Ends that lie together are named together.
    """
    ends: list[tuple[float, float, bool, list[str]]] = []
    ax.margins(0.16, 0.08)
    ax.autoscale_view()
    reach = NEAR * np.abs(np.array([np.diff(ax.get_xlim())[0], np.diff(ax.get_ylim())[0]]))
    for column, rows in paths.items():
        if not rows:
            continue
        across = beside(picture.x, column)
        first, last = (pick(rows, key=lambda row: float(row[str(picture.along)])) for pick in (min, max))
        pairs = zip(indices(column), indices(across), strict=True)
        words = ", ".join(one for one, other in pairs if one == other)
        x, y = float(last[across]), float(last[column])
        for end in ends:
            if abs(end[0] - x) < reach[0] and abs(end[1] - y) < reach[1]:
                end[3].append(words)
                break
        else:
            ends.append((x, y, x >= float(first[across]), [words]))
    for x, y, right, names in ends:
        ax.annotate(
            "\n".join(map(printable, names)),
            (x, y),
            xytext=(6 if right else -6, 0),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center",
            fontsize=7,
            zorder=6,
        )


def _column(rows: Sequence[Row], name: str) -> NDArray[np.float64]:
    return np.array([row.get(name) or 0.0 for row in rows], dtype=float)
