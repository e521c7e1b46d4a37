"""Panels of curves: theory as lines, reduced as filled dots and direct as open rings, with standard errors.

Colour says which value of ``by`` a curve has, or which observable it shows; so do the marker's shape and the dashes.
"""

import itertools
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import TsmechError
from tsmech.experiment import Experiment
from tsmech.plots.picture import Picture, Row, is_geometric, visible
from tsmech.systems.contract import SIMULATIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "osD^vP*"
DASHES = ("-", "--", "-.", ":")
SIZES = {"reduced": 3.6, "direct": 6.4}
"""Markers' sizes: where the simulations agree, the dot lies in the ring."""
MOST_MARKERS = 40
"""Markers a curve has at most; of a longer one evenly spaced ones are drawn."""
LINE_MARKERS = 8
"""Markers that tell apart the lines of single networks, about so many each."""
THEORY_POINTS = 400
"""Values of x at which a line of theory without a coordinate is computed, where that is quick."""
THEORY_SECONDS = 2.0
"""How long computing such lines may take, each; one that takes longer joins the stored points."""


def draw_panel(
    experiment: Experiment,
    rows: Iterable[Row],
    x: str,
    observable: str,
    by: str | None = None,
    *,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw one observable against x into axes (new ones where none are given), and return them."""
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure().add_subplot()
    picture = Picture(x, (observable,), by=by)
    shown = {observable: visible(experiment, picture, rows, observable)}
    top = choose_scales(ax, shown, x, list(experiment.axes))
    draw_curves(ax, experiment, shown, picture, top)
    return ax


def draw_curves(
    ax: "Axes", experiment: Experiment, shown: Mapping[str, Sequence[Row]], picture: Picture, top: float
) -> bool:
    """Draw the visible rows of one panel's observables; return whether a mean lies off the scale."""
    groups = [name for name in experiment.axes if name != picture.x]
    off = False
    for observable, rows in shown.items():
        values = codes(picture, rows)
        for key, answers in _grouped(rows, groups):
            code = observable if picture.together else key.get(picture.by or "")
            colour, marker, dashes = look(values.index(code) if code in values else 0, len(values))
            alone = is_alone(experiment, picture, [row for members in answers.values() for row in members])
            for answer, members in answers.items():
                at = np.array([row[picture.x] for row in members], dtype=float)
                means = np.array([row[observable] for row in members])
                if answer not in SIMULATIONS:
                    line = {"color": colour, "linestyle": "--" if alone else dashes, "zorder": 5 if alone else 2}
                    _draw_theory(ax, experiment, picture.x, observable, key, at, means, line)
                    continue
                style = face(answer, colour) | {"marker": marker, "zorder": 3 if answer == "reduced" else 4}
                if alone:
                    step = max(1, len(at) // LINE_MARKERS)
                    style |= {"linewidth": 0.9, "markevery": (step // 2 if answer == "reduced" else 0, step)}
                    kept = _on_axis(ax, at)
                    ax.plot(at[kept], means[kept], **style)
                    continue
                errors = np.array([row[f"{observable}_sem"] or 0.0 for row in members])
                off |= _draw_markers(ax, at, means, errors, top, style)
    return off


def codes(picture: Picture, rows: Iterable[Row]) -> list[Any]:
    """Return what colour tells apart: the observables, the values of ``by``, or nothing."""
    if picture.together:
        return list(picture.observables)
    return sorted({row[picture.by] for row in rows}) if picture.by else [None]


def look(order: int, count: int) -> tuple[Any, str, str]:
    """Return the colour, marker and dashes of one of so many values."""
    import matplotlib

    cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    colour = cycle[order] if count <= len(cycle) else matplotlib.colormaps["viridis"](0.9 * order / (count - 1))
    return colour, MARKERS[order % len(MARKERS)], DASHES[order % len(DASHES)]


def face(answer: str, colour: Any) -> dict[str, Any]:
    """Return how a simulation's markers are filled: reduced with their colour, direct not at all."""
    filled = colour if answer == "reduced" else "none"
    return {"color": colour, "markerfacecolor": filled, "markeredgecolor": colour, "markersize": SIZES[answer]}


def is_alone(experiment: Experiment, picture: Picture, rows: Iterable[Row]) -> bool:
    """Return whether the simulations are single networks followed along the coordinate, drawn as lines."""
    if picture.x != experiment.system.coordinate:
        return False
    counts = [row["replicates"] for row in rows if row["answer"] in SIMULATIONS]
    return bool(counts) and max(counts) == 1 == experiment.replicates


def choose_scales(ax: "Axes", shown: Mapping[str, Sequence[Row]], x: str, groups: Sequence[str]) -> float:
    """Choose linear or logarithmic axes and the vertical range, and return its upper end.

    Where theory is infinite a mean of simulations does not settle; such points do not stretch the range.
    """

    def place(row: Row) -> tuple[Any, ...]:
        return (row[x], *(row[name] for name in groups))

    inside: list[float] = []
    infinite: set[Any] = set()
    for observable, rows in shown.items():
        poles = {place(row) for row in rows if math.isinf(row[observable])}
        inside += [row[observable] for row in rows if place(row) not in poles]
        infinite |= poles
    if is_geometric([row[x] for rows in shown.values() for row in rows]):
        ax.set_xscale("log")
    if not inside:
        return math.inf
    largest, smallest = max(inside), min(inside)
    if smallest > 1e-12 * largest and largest > 30 * smallest:
        ax.set_yscale("log")
        ax.set_ylim(smallest / 1.5, top := 2.0 * largest)
        return top
    if smallest < 0.0 or largest == 0.0:
        return math.inf
    ax.set_ylim(-0.03 * largest, top := (1.5 if infinite else 1.1) * largest)
    return top


def _draw_markers(
    ax: "Axes",
    at: NDArray[np.float64],
    means: NDArray[np.float64],
    errors: NDArray[np.float64],
    top: float,
    style: Mapping[str, Any],
) -> bool:
    some = slice(None, None, -(-len(at) // MOST_MARKERS))
    at, means, errors = at[some], means[some], errors[some]
    inside = means <= top
    ax.errorbar(at[inside], means[inside], errors[inside], linestyle="", elinewidth=1.0, **style)
    if inside.all() or not math.isfinite(top):
        return False
    # What lies off the scale is an arrowhead at the upper edge.
    edge = np.full((~inside).sum(), top)
    arrows = ax.plot(at[~inside], edge, **{**style, "marker": "^", "markersize": 8}, linestyle="", clip_on=False)
    arrows[0].set_in_layout(False)
    return True


def _draw_theory(
    ax: "Axes", experiment: Experiment, x: str, observable: str, key: Row, at: NDArray[np.float64],
    means: NDArray[np.float64], line: dict[str, Any],
) -> None:  # fmt: skip
    if len(at) == 1:
        ax.axhline(means[0], **line)
        return
    if x in experiment.parameters and experiment.system.coordinate is None:
        at, means = _refine(experiment, x, observable, key, at, means)
    # An infinite value breaks the line, which then leaves the picture on both sides of it.
    ax.plot(at, np.where(np.isfinite(means) & _on_axis(ax, at), means, np.nan), **line)


def _on_axis(ax: "Axes", at: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which values the horizontal axis has: a logarithmic one has no 0."""
    return (at > 0) | (ax.get_xscale() == "linear")


def _refine(
    experiment: Experiment,
    x: str,
    observable: str,
    key: Row,
    at: NDArray[np.float64],
    means: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the theory at many values of x, the stored ones among them, or at those alone where that takes long."""
    if experiment.system.parameters()[x].kind != "float":
        return at, means
    geometric = is_geometric(at)
    between = (np.geomspace if geometric else np.linspace)(
        at[at > 0].min() if geometric else at.min(), at.max(), THEORY_POINTS
    )
    for pole in at[~np.isfinite(means)]:
        steps = np.geomspace(1e-4, 1.0, 40)[:-1] * np.diff(between).max()
        between = np.concatenate([between, pole - steps, pole + steps])
    between = np.setdiff1d(between[(between >= at.min()) & (between <= at.max())], at)
    found = []
    start = time.monotonic()
    for value in between:
        if time.monotonic() - start > THEORY_SECONDS:
            return at, means
        try:
            point = experiment.system(**{**experiment.fixed, **key, x: float(value)})
            found.append(point.curve("theory").observables[observable][0])
        except (TsmechError, ArithmeticError):
            return at, means
    together, values = np.concatenate([at, between]), np.concatenate([means, found])
    order = np.argsort(together)
    return together[order], values[order]


def _grouped(rows: Iterable[Row], names: Sequence[str]) -> Iterator[tuple[Row, dict[str, list[Row]]]]:
    """Yield the rows that share the values of the named parameters, by answer."""

    def key(row: Row) -> list[Any]:
        return [row[name] for name in names]

    for values, members in itertools.groupby(sorted(rows, key=key), key):
        answers: dict[str, list[Row]] = {}
        for row in members:
            answers.setdefault(row["answer"], []).append(row)
        yield dict(zip(names, values, strict=True)), answers
