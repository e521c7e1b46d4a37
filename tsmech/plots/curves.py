"""Panels of curves: theory as lines, reduced as filled dots and direct as open rings, with standard errors.

Colour says which value of ``by`` a curve has, or which observable it shows; so do the marker's shape and the dashes.
"""

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tsmech.experiment import Experiment, in_order
from tsmech.plots.lines import Lines
from tsmech.plots.picture import (
    Picture,
    Row,
    apart,
    errors,
    is_geometric,
    is_logarithmic,
    named_coordinates,
    thinned,
)
from tsmech.plots.words import contoured
from tsmech.problem.system import simulations

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

MARKERS = "osD^vP*"
DASHES = ("-", "--", "-.", ":")
FILLED, OPEN = 3.6, 6.4
"""Markers' sizes: where the simulations agree, the dot lies in the ring."""
MOST_MARKERS = 41
"""Markers that a curve has, besides its extremes; of a longer one evenly spaced ones are drawn."""
FAMILY_MARKERS = 16
"""Markers that each line of a family has, besides its extremes."""
LINE_MARKERS = 8
"""Markers that tell apart the lines of single networks, about so many each."""
MOST_CODES = 6
"""Numbers that have a colour, a marker and dashes each, named in the legend; more share a colour bar."""
NEAR = 0.025
"""Share of the horizontal axis beside a pole in which values do not stretch the vertical axis."""
DEPTH = 1e-16
"""Least value on a logarithmic axis as a share of the largest; below there is rounding."""
COLOURS = "viridis"
DASH: Mapping[str, Any] = {"linestyle": "", "marker": "_", "markersize": 14, "markeredgewidth": 1.6}
"""How theory looks at a place that no line leads to."""


Look = tuple[Any, str, str]
"""A colour, a marker and dashes."""


class Scales(Protocol):
    """What the scales and the range of a panel are given to: axes of Matplotlib, or what stands in for them."""

    def set_xscale(self, value: str, /) -> None:
        """Set the horizontal scale."""

    def set_yscale(self, value: str, /) -> None:
        """Set the vertical scale."""

    def get_xscale(self) -> str:
        """Return the horizontal scale."""

    def set_ylim(self, bottom: float, top: float, /) -> Any:
        """Set the vertical range."""


class Range(NamedTuple):
    """The vertical range of a panel, outside of which means are arrowheads: where it is infinite none are."""

    bottom: float = -math.inf
    top: float = math.inf


def draw_curves(
    ax: "Axes",
    experiment: Experiment,
    shown: Mapping[str, Sequence[Row]],
    picture: Picture,
    limits: Range,
    lines: Lines,
    looks: Mapping[str, Look] | None = None,
    coded: Sequence[Any] | None = None,
) -> bool:
    """Draw the visible rows of one panel's observables; return whether a mean lies off the scale.

    Colour tells apart what :func:`codes` says of all rows of a picture, ``coded``, or of these; or else the columns
    that ``looks`` names.
    """
    groups = apart(experiment, picture.x)
    joined = picture.x not in named_coordinates(experiment.system)
    off = False
    for observable, rows in shown.items():
        values = codes(picture, rows) if coded is None else list(coded)
        for key, answers in grouped(rows, groups):
            code = observable if picture.together else key.get(picture.by or "")
            known = looks or {}
            colour, marker, dashes = known.get(observable) or look(code if code in values else values[0], values)
            alone = is_alone(experiment, picture, [row for members in answers.values() for row in members])
            kept = _marked(ax, experiment, picture.x, observable, answers, FAMILY_MARKERS if looks else MOST_MARKERS)
            for answer, members in answers.items():
                at = np.array([row[picture.x] for row in members], dtype=float)
                means = np.array([row[observable] for row in members])
                if not experiment.simulates(answer):
                    line = {"color": colour, "linestyle": "--" if alone else dashes, "zorder": 5 if alone else 2}
                    line["linewidth"] = line_width(experiment, answer)
                    if not joined:
                        ax.plot(at, means, **{**line, **DASH})
                        continue
                    _draw_band(ax, at, means, errors(picture, members, observable), colour)
                    at, means = lines.along(observable, answer, key, at, means)
                    _draw_theory(ax, at, means, limits, line)
                    continue
                network = is_network(experiment, answer)
                style = face(network, colour) | {"marker": marker, "zorder": 4 if network else 3}
                if alone:
                    step = max(1, len(at) // LINE_MARKERS)
                    style |= {"linewidth": 0.9, "markevery": (0 if network else step // 2, step)}
                    placed = _on_axis(ax, at)
                    ax.plot(at[placed], _sunk(means[placed], limits), **style)
                    continue
                width = errors(picture, members, observable)
                if picture.spread and picture.x == experiment.system.running():
                    _draw_band(ax, at, means, width, colour, 0.3)
                    width = np.full_like(width, np.nan)
                some = (np.isin(at, kept) | (not joined)) & _on_axis(ax, at)
                off |= _draw_markers(ax, at[some], means[some], width[some], limits, style)
    return off


def _draw_band(
    ax: "Axes",
    at: NDArray[np.float64],
    means: NDArray[np.float64],
    width: NDArray[np.float64],
    colour: Any,
    strength: float = 0.13,
) -> None:
    """Draw the standard error that a prediction states, or the spread of simulations, as a band."""
    drawn = np.isfinite(means) & np.isfinite(width)
    if drawn.sum() > 1 and width[drawn].any():
        low, high = means - width, means + width
        ax.fill_between(at, low, high, where=drawn.tolist(), color=colour, alpha=strength, linewidth=0, zorder=1)


def codes(picture: Picture, rows: Iterable[Row]) -> list[Any]:
    """Return what colour tells apart: the observables, the values of ``by``, or nothing."""
    if picture.together:
        return list(picture.observables)
    if not picture.by:
        return [None]
    found = {row[picture.by] for row in rows}
    named = dict(picture.names).get(picture.by)
    return [name for name in named if name in found] if named else sorted(found, key=in_order)


def look(code: Any, values: Sequence[Any]) -> Look:
    """Return the colour, marker and dashes of one of the values that colour tells apart."""
    import matplotlib

    if has_bar(values):
        return shade(colour_norm(values)(code)), MARKERS[0], DASHES[0]
    order, count = values.index(code), len(values)
    cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    colour = cycle[order] if count <= len(cycle) else shade(0.9 * order / (count - 1))
    return colour, MARKERS[order % len(MARKERS)], DASHES[order % len(DASHES)]


def shade(share: float) -> tuple[float, float, float, float]:
    """Return the colour of a place between 0 and 1 on the scale of numbers."""
    found: tuple[float, float, float, float] = _scale()(share)
    return found


@functools.cache
def _scale() -> Any:
    import matplotlib

    return matplotlib.colormaps[COLOURS]


def has_bar(values: Sequence[Any]) -> bool:
    """Return whether so many numbers are told apart that a colour bar names them."""
    return len(values) > MOST_CODES and all(isinstance(value, (int, float)) for value in values)


def colour_norm(values: Sequence[float]) -> "Normalize":
    """Return the scale of the colour bar of numbers; its light end, which is hard to see on white, is beyond them."""
    from matplotlib.colors import LogNorm, Normalize

    low, high = float(min(values)), float(max(values))
    if low > 0 and is_geometric(values):
        return LogNorm(low, high * (high / low) ** 0.1)
    return Normalize(low, high + 0.1 * (high - low))


def _marked(
    ax: "Axes", experiment: Experiment, x: str, observable: str, answers: Mapping[str, Sequence[Row]], most: int
) -> list[float]:
    """Return the values of x at which simulations have markers: evenly spaced ones, and the extremes of each."""
    simulated = [members for answer, members in answers.items() if experiment.simulates(answer)]
    extremes = [pick(members, key=lambda row: row[observable])[x] for members in simulated for pick in (min, max)]
    places = np.unique([row[x] for members in simulated for row in members])
    return thinned(places[_on_axis(ax, places)].tolist(), most, extremes)


def is_network(experiment: Experiment, answer: str) -> bool:
    """Return whether an answer is the simulation that is most like the network."""
    return answer in simulations(experiment.system)[-1:]


def weight(experiment: Experiment, answer: str) -> float:
    """Return how heavy a prediction's line is, the first one's 1: it tells two predictions apart."""
    return 1.0 if answer == contoured(experiment, experiment.answers) else 0.5


def line_width(experiment: Experiment, answer: str) -> float:
    """Return the width of a prediction's line in points."""
    from matplotlib import rcParams

    return weight(experiment, answer) * float(rcParams["lines.linewidth"])


def face(network: bool, colour: Any) -> dict[str, Any]:
    """Return how a simulation's markers are filled: a reduction's with their colour, the network's not at all."""
    filled, size = ("none", OPEN) if network else (colour, FILLED)
    return {"color": colour, "markerfacecolor": filled, "markeredgecolor": colour, "markersize": size}


def is_alone(experiment: Experiment, picture: Picture, rows: Iterable[Row]) -> bool:
    """Return whether the simulations are single networks followed along the coordinate, drawn as lines."""
    if picture.x != experiment.system.running():
        return False
    counts = [row["replicates"] for row in rows if experiment.simulates(row["answer"])]
    return bool(counts) and max(counts) == 1 == experiment.replicates


def choose_scales(
    ax: Scales, experiment: Experiment, shown: Mapping[str, Sequence[Row]], picture: Picture, lines: Lines
) -> Range:
    """Choose linear or logarithmic axes and the vertical range, and return it.

    Where theory is infinite a mean of simulations does not settle, nor where a curve diverges; such points, and those
    close to a pole of theory, do not stretch the range.
    """
    every = [row[picture.x] for rows in shown.values() for row in rows]
    if is_logarithmic(picture, "x", every):
        ax.set_xscale("log")
    groups = apart(experiment, picture.x)
    inside, infinite = _settled(ax, shown, picture, groups, lines)
    if not inside:
        return Range()
    inside += [(number, 0.0) for _, number in picture.reference]
    smallest, largest = min(value for value, _ in inside), max(value for value, _ in inside)
    highest = max(min(value + error, 1.5 * largest) for value, error in inside)
    positive = [value for value, _ in inside if value > max(0.0, DEPTH * largest)]
    wide = smallest > DEPTH * largest and largest > 30 * smallest
    if positive and ("y" in picture.log if picture.log is not None else wide):
        ax.set_yscale("log")
        limits = Range(min(positive) / 1.5, 2.0 * largest)
        ax.set_ylim(*limits)
        return limits
    if smallest < 0.0 or largest == 0.0:
        margin = 0.1 * (largest - smallest)
        if not infinite or margin == 0.0:
            return Range()
        limits = Range(smallest - margin, max(largest + margin, highest))
        ax.set_ylim(*limits)
        return limits
    limits = Range(top=max((1.5 if infinite else 1.1) * largest, 1.02 * highest))
    ax.set_ylim(-0.03 * largest, limits.top)
    return limits


def _settled(
    ax: Scales, shown: Mapping[str, Sequence[Row]], picture: Picture, groups: Sequence[str], lines: Lines
) -> tuple[list[tuple[float, float]], bool]:
    """Return the values that the vertical range has to hold, with their errors, and whether there are others."""
    x = picture.x
    places = np.unique([row[x] for rows in shown.values() for row in rows])
    scale = np.log if ax.get_xscale() == "log" else np.asarray
    reach = NEAR * float(np.ptp(scale(places[_on_axis(ax, places)])))
    every, inside, found = [], [], False
    for observable, rows in shown.items():
        for key, answers in grouped(rows, groups):
            members = [row for some in answers.values() for row in some]
            infinite = {row[x] for row in members if math.isinf(row[observable])}
            for pole in lines.poles(observable, key, answers):
                there = places[_on_axis(ax, places)]
                infinite |= {*there[np.abs(scale(there) - scale(pole)) < reach].tolist()}
            found |= bool(infinite)
            members = [row for row in members if row[x] not in infinite]
            for row, error in zip(members, errors(picture, members, observable).tolist(), strict=True):
                entry = row[observable], error
                every.append(entry)
                if row.get("diverged_at") is None:
                    inside.append(entry)
    return (inside, True) if inside and len(inside) < len(every) else (every, found)


def _draw_markers(
    ax: "Axes",
    at: NDArray[np.float64],
    means: NDArray[np.float64],
    errors: NDArray[np.float64],
    limits: Range,
    style: Mapping[str, Any],
) -> bool:
    inside = (means <= limits.top) & (means >= limits.bottom)
    ax.errorbar(at[inside], means[inside], errors[inside], linestyle="", elinewidth=1.0, **style)
    off = False
    for beyond, edge, arrow in ((means > limits.top, limits.top, "^"), (means < limits.bottom, limits.bottom, "v")):
        if beyond.any() and math.isfinite(edge):
            off = True
            # What lies off the scale is an arrowhead at the edge, of a stretch of points its ends.
            ends = beyond & ~(np.append(False, beyond[:-1]) & np.append(beyond[1:], False))
            arrows = {**style, "marker": arrow, "markersize": 8, "linestyle": "", "clip_on": False}
            ax.plot(at[ends], np.full(ends.sum(), edge), **arrows)[0].set_in_layout(False)
    return off


def _draw_theory(
    ax: "Axes", at: NDArray[np.float64], means: NDArray[np.float64], limits: Range, line: dict[str, Any]
) -> None:
    if len(at) == 1:  # theory at one place says nothing of others
        ax.plot(at, means, **{**line, **DASH})
        return
    # An infinite value breaks the line, which then leaves the picture on both sides of it.
    drawn = np.isfinite(means) & _on_axis(ax, at)
    ax.plot(at, np.where(drawn, _sunk(means, limits), np.nan), **line)
    lone = drawn & ~np.append(False, drawn[:-1]) & ~np.append(drawn[1:], False)
    if lone.any():  # between places that have no such answer
        ax.plot(at[lone], means[lone], **{**line, **DASH})


def _sunk(means: NDArray[np.float64], limits: Range) -> NDArray[np.float64]:
    """Return values that a logarithmic axis has: those below it as a value that lies below its lower edge."""
    return np.maximum(means, 1e-3 * limits.bottom) if limits.bottom > 0 else means


def _on_axis(ax: Scales, at: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which values the horizontal axis has: a logarithmic one has no 0."""
    return (at > 0) | (ax.get_xscale() == "linear")


def grouped(rows: Iterable[Row], names: Sequence[str]) -> Iterator[tuple[Row, dict[str, list[Row]]]]:
    """Yield the rows that share the values of the named parameters, by answer."""
    found: dict[tuple[Any, ...], dict[str, list[Row]]] = {}
    for row in rows:
        found.setdefault(tuple([row[name] for name in names]), {}).setdefault(row["answer"], []).append(row)
    for values in sorted(found, key=lambda values: [in_order(value) for value in values]):
        yield dict(zip(names, values, strict=True)), found[values]
