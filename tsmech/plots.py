"""Draws a finished run: theory as lines, reduced as filled and direct as open markers, with standard errors.

Colour says which value of ``by`` a curve has; so do the marker's shape and the line's dashes.
"""

import itertools
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError, TsmechError
from tsmech.experiment import Experiment, read_plot
from tsmech.systems.contract import SIMULATIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE = Path(__file__).with_name("tsmech.mplstyle")
MARKERS = "osD^vP*"
DASHES = ("-", "--", "-.", ":")
MOST_MARKERS = 40
"""Markers a curve has at most; of a longer one evenly spaced ones are drawn."""
THEORY_POINTS = 400
"""Values of x at which a line of theory without a coordinate is computed, where that is quick."""
THEORY_SECONDS = 2.0
"""How long computing such lines may take, each; one that takes longer joins the stored points."""

Row = Mapping[str, Any]


def choose(
    experiment: Experiment, x: str | None = None, y: Sequence[str] | None = None, by: str | None = None
) -> tuple[str, list[str], str | None]:
    """Return what a picture shows: what is asked for, else what the experiment says, else what suits its axes."""
    system, axes = experiment.system, experiment.axes
    asked = read_plot({"x": x, "y": y, "by": by}, system, "--")
    plan = {**experiment.plot, **asked}
    numeric = [name for name in axes if system.parameters()[name].numeric]
    longest = max(numeric, key=lambda name: len(axes[name]), default=next(iter(experiment.parameters)))
    chosen_x = plan.get("x") or system.coordinate or longest
    others = [name for name in axes if name != chosen_x]
    if asked.get("by", "") not in ["", *others]:
        raise InputError(f"--by {by} cannot tell curves apart: it has one value, or is the horizontal axis")
    chosen_by = plan.get("by", "") if plan.get("by", "") in others else next(iter(others), None)
    return chosen_x, plan.get("y") or list(system.observables)[:2], chosen_by or None


def draw(
    experiment: Experiment,
    rows: Iterable[Row],
    *,
    x: str | None = None,
    y: Sequence[str] | None = None,
    by: str | None = None,
) -> "Figure":
    """Return a figure of a run, one panel an observable.

    Parameters
    ----------
    experiment
        What was asked.
    rows
        The run's summary rows.
    x, y, by
        Horizontal axis (a parameter or the coordinate), observables, and the parameter that tells curves apart.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    x, y, by = choose(experiment, x, y, by)
    listed = list(rows)
    with matplotlib.style.context(STYLE):
        figure = Figure(figsize=(5.2 * len(y) + 0.6, 4.2), layout="constrained")
        panels = figure.subplots(1, len(y), squeeze=False)[0]
        for panel, observable in zip(panels, y, strict=True):
            draw_panel(experiment, listed, x, observable, by, ax=panel)
        if experiment.title:
            figure.suptitle(experiment.title)
        _draw_legend(panels[-1], experiment, listed, by)
    return figure


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
    groups = [name for name in experiment.axes if name != x]
    shown = [{**experiment.fixed, **row} for row in rows if observable in row and x in {**experiment.fixed, **row}]
    if experiment.system.coordinate not in (None, x):
        # Each curve is shown by its end.
        shown = list({(row["answer"], *(row[name] for name in experiment.axes)): row for row in shown}.values())
    top = _scale(ax, shown, x, observable, groups)
    values = sorted({row[by] for row in shown}) if by else [None]
    for key, answers in _grouped(shown, groups):
        order = values.index(key.get(by)) if by else 0
        colour, marker = _colour(order, len(values)), MARKERS[order % len(MARKERS)]
        for answer, members in answers.items():
            at = np.array([row[x] for row in members], dtype=float)
            means = np.array([row[observable] for row in members])
            if answer not in SIMULATIONS:
                line = {"color": colour, "linestyle": DASHES[order % len(DASHES)], "zorder": 2}
                _draw_theory(ax, experiment, x, observable, key, at, means, line)
                continue
            errors = np.array([row[f"{observable}_sem"] or 0.0 for row in members])
            face = colour if answer == "reduced" else "white"
            style: dict[str, Any] = {"color": colour, "markerfacecolor": face, "markeredgecolor": colour}
            style["zorder"] = 3 if answer == "reduced" else 4
            some = slice(None, None, -(-len(at) // MOST_MARKERS))
            at, means, errors = at[some], means[some], errors[some]
            inside = means <= top
            ax.errorbar(at[inside], means[inside], errors[inside], fmt=marker, elinewidth=1.0, **style)
            if not inside.all():  # what lies off the scale is an arrowhead at the upper edge
                edge = np.full((~inside).sum(), top)
                arrows = ax.plot(at[~inside], edge, "^", markersize=9, clip_on=False, **style)
                arrows[0].set_in_layout(False)
    _label(ax, experiment, x, observable)
    return ax


def save(figure: "Figure", directory: Path, stem: str = "figure") -> list[Path]:
    """Write a figure as PNG and SVG, each whole or not at all; return the files."""
    import matplotlib.style

    from tsmech.directory import replace_file

    written = []
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        path = directory / f"{stem}{suffix}"
        with replace_file(path) as partial, matplotlib.style.context(STYLE):
            figure.savefig(partial, format=suffix[1:], metadata=metadata)
        written.append(path)
    return written


def _draw_theory(
    ax: "Axes", experiment: Experiment, x: str, observable: str, key: Row, at: NDArray[np.float64],
    means: NDArray[np.float64], line: dict[str, Any],
) -> None:  # fmt: skip
    if len(at) == 1:
        ax.axhline(means[0], **line)
        return
    if x in experiment.parameters and experiment.system.coordinate is None:
        at, means = _refine(experiment, x, observable, key, at, means)
    # An infinite value breaks the line, which then leaves the picture on both sides of it; a logarithmic axis has no 0.
    shown = np.isfinite(means) & ((at > 0) | (ax.get_xscale() == "linear"))
    ax.plot(at, np.where(shown, means, np.nan), **line)


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
    spread = np.geomspace if is_geometric(at) else np.linspace
    between = spread(at.min(), at.max(), THEORY_POINTS)
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


def is_geometric(values: Sequence[float] | NDArray[np.float64]) -> bool:
    """Return whether values, a zero aside, are spread more evenly on a logarithmic than on a linear axis."""
    distinct = np.unique(np.asarray(values, dtype=float))
    distinct = distinct[int(distinct[0] == 0) :]
    if len(distinct) < 3 or distinct[0] <= 0 or distinct[-1] < 10 * distinct[0]:
        return False
    linear, geometric = np.diff(distinct), np.diff(np.log(distinct))
    return bool(geometric.std() / geometric.mean() < linear.std() / linear.mean())


def _scale(ax: "Axes", rows: Sequence[Row], x: str, observable: str, groups: Sequence[str]) -> float:
    """Choose linear or logarithmic axes and the vertical range, and return its upper end.

    Where theory is infinite a mean of simulations does not settle; such points do not stretch the range.
    """

    def place(row: Row) -> tuple[Any, ...]:
        return (row[x], *(row[name] for name in groups))

    infinite = {place(row) for row in rows if math.isinf(row[observable])}
    body = np.array([row[observable] for row in rows if place(row) not in infinite])
    if is_geometric([row[x] for row in rows]):
        ax.set_xscale("log")
    if body.size == 0:
        return math.inf
    largest, smallest = float(body.max()), float(body.min())
    if smallest > 1e-12 * largest and largest > 30 * smallest:
        ax.set_yscale("log")
        ax.set_ylim(smallest / 1.5, top := 2.0 * largest)
        return top
    if smallest < 0.0 or largest == 0.0:
        return math.inf
    ax.set_ylim(-0.03 * largest, top := (1.5 if infinite else 1.1) * largest)
    return top


def _label(ax: "Axes", experiment: Experiment, x: str, observable: str) -> None:
    declared = experiment.system.parameters().get(x)
    words = re.split("[;(]", declared.help)[0].strip() if declared else ""
    ax.set_xlabel(
        f"{_mathematical(declared.symbol)}   ({words})" if declared else experiment.system.coordinate_words or x
    )
    described = experiment.system.observables[observable]
    ax.set_ylabel(f"{_mathematical(described.symbol)}   ({described.label})")


def _mathematical(symbol: str) -> str:
    """Return a symbol such as ``ε_test`` with its subscript set as one."""
    head, _, subscript = symbol.partition("_")
    return rf"${head}_{{\mathrm{{{subscript}}}}}$" if subscript else symbol


def _draw_legend(ax: "Axes", experiment: Experiment, rows: Sequence[Row], by: str | None) -> None:
    from matplotlib.lines import Line2D

    faces = {"reduced": "0.3", "direct": "white"}
    handles = []
    for answer in dict.fromkeys(row["answer"] for row in rows):
        if answer in SIMULATIONS:
            style: dict[str, Any] = {"linestyle": "", "marker": "o", "markerfacecolor": faces[answer]}
        else:
            style = {"linestyle": "-"}
        handles.append(Line2D([], [], color="0.3", label=_answer_label(experiment, rows, answer), **style))
    if by:
        symbol = _mathematical(experiment.system.parameters()[by].symbol)
        values = sorted({row[by] for row in rows})
        for order, value in enumerate(values):
            look: dict[str, Any] = {"linestyle": DASHES[order % len(DASHES)], "marker": MARKERS[order % len(MARKERS)]}
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            handles.append(Line2D([], [], color=_colour(order, len(values)), label=f"{symbol} = {shown}", **look))
    ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _answer_label(experiment: Experiment, rows: Iterable[Row], answer: str) -> str:
    """Return what the points of a run call an answer, each name once."""
    places = (tuple((name, row[name]) for name in experiment.axes) for row in rows if row["answer"] == answer)
    built = (experiment.system(**{**experiment.fixed, **dict(place)}) for place in dict.fromkeys(places))
    return "; ".join(dict.fromkeys(point.answer_label(answer) for point in built))


def _grouped(rows: Iterable[Row], names: Sequence[str]) -> Iterator[tuple[Row, dict[str, list[Row]]]]:
    """Yield the rows that share the values of the named parameters, by answer."""

    def key(row: Row) -> list[Any]:
        return [row[name] for name in names]

    for values, members in itertools.groupby(sorted(rows, key=key), key):
        answers: dict[str, list[Row]] = {}
        for row in members:
            answers.setdefault(row["answer"], []).append(row)
        yield dict(zip(names, values, strict=True)), answers


def _colour(order: int, count: int) -> Any:
    import matplotlib

    cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    if count <= len(cycle):
        return cycle[order]
    return matplotlib.colormaps["viridis"](0.9 * order / (count - 1))
