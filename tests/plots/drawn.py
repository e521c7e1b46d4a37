"""Runs for the tests of pictures, and what stands in these."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.gauge import Gauge, Walk
from tsmech.experiment import Experiment, build
from tsmech.plots import draw, draw_panels
from tsmech.problem.curve import Curve
from tsmech.runs import carry_out


def finished(
    kind: Any = Gauge, plot: Any = None, answers: Any = None, replicates: int = 3, **parameters: Any
) -> tuple[Experiment, list[dict[str, Any]]]:
    """Return an experiment and the rows that it gives."""
    experiment = build(kind, parameters, replicates=replicates, plot=plot, answers=answers)
    with carry_out(experiment) as store:
        return experiment, list(store.rows())


def draw_panel(
    experiment: Experiment,
    rows: Any,
    x: str,
    observable: str,
    by: str | None = None,
    *,
    lines: Any = (),
    ax: Any = None,
) -> Any:
    """Return the only panel of a picture of one observable, in new axes where none are given."""
    (panel,) = draw_panels(experiment, rows, lines, x=x, y=observable, by=by, ax=None if ax is None else [ax])
    return panel


def panel_of(kind: Any, x: str, observable: str, answers: Any = "theory", **parameters: Any) -> Any:
    """Return a panel of a run with its lines, once these have been performed."""
    experiment = build(kind, parameters, answers=answers, replicates=2)
    with carry_out(experiment, pictured=True) as store:
        return draw_panel(experiment, store.rows(), x, observable, lines=store.lines(x))


def labels(figure: Figure) -> list[str]:
    """Return the words of the legend, wherever it is."""
    legends = [*figure.legends, *(panel.get_legend() for panel in figure.axes)]
    return [text.get_text() for legend in legends if legend for text in legend.get_texts()]


def drawn(kind: Any = Gauge, *, asked: Any = None, title: str = "", **given: Any) -> Figure:
    """Return the figure of a run with options of the experiment among the parameters."""
    options = {key: given.pop(key) for key in ("answers", "replicates", "plot") if key in given}
    experiment = build(kind, given, title=title, **{"replicates": 3, **options})
    with carry_out(experiment) as store:
        return draw(experiment, store.rows(), **(asked or {}))


def laid_out(kind: Any = Gauge, **given: Any) -> Figure:
    """Return the same with all in its place, as when it is saved."""
    figure = drawn(kind, **given)
    figure.draw_without_rendering()
    return figure


def words(figure: Figure) -> str:
    """Return the small print."""
    return " ".join(figure.get_supxlabel().split())


class Runaway(Walk):
    """A walk that diverges at time 3 with a drift above 1."""

    name = "runaway"

    def curve(self, answer: str, rng: Any = None) -> Curve:
        whole = super().curve(answer, rng)
        if self.drift <= 1:
            return whole
        kept = {name: 1e30 * values[:2] for name, values in whole.observables.items()}
        return Curve.along("time", np.array([1.0, 2.0]), kept, diverged_at=2.5)


def lines(ax: Axes) -> list[Any]:
    """Return what is drawn as a line in a panel."""
    return [line for line in ax.lines if line.get_linestyle() != "None"]


def legend(ax: Axes) -> list[str]:
    """Return the words of a panel's legend."""
    found = ax.get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]
