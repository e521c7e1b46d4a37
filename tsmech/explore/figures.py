"""Panels of curves as Bokeh figures: theory as lines, simulations as marks with their errors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool

from tsmech.explore.canvas import Canvas, given, short
from tsmech.explore.drawing import Panel, Series

MARKERS = {
    "o": "circle",
    "s": "square",
    "D": "diamond",
    "^": "triangle",
    "v": "inverted_triangle",
    "P": "plus",
    "*": "star",
}
DASHES = {"-": "solid", "--": "dashed", "-.": "dashdot", ":": "dotted"}
FILLED, OPEN = 7, 12
TOLD = 3
"""Marks at one place that are told of at once."""
UNDER = 0.3
"""Opacity of a saved run that lies under the live curves."""

Numbers = dict[str, Any]


class CurveCanvas(Canvas):
    """A panel of curves."""

    def _make(self, panel: Panel) -> None:
        self._sources = {name: ColumnDataSource(data) for name, data in _sources([]).items()}
        self._rules = {axis: ColumnDataSource({"at": [], "label": []}) for axis in ("x", "y")}
        style = {"line_color": "colour", "line_alpha": "alpha"}
        plot = self.figure
        rule = {"line_color": "#666666", "line_dash": "dotted", "line_width": 1.3}
        rules = [
            plot.vspan(x="at", source=self._rules["x"], **rule),
            plot.hspan(y="at", source=self._rules["y"], **rule),
        ]
        plot.multi_line("xs", "ys", source=self._sources["lines"], line_width=2.2, line_dash="dash", **style)
        plot.segment("x", "low", "x", "high", source=self._sources["bars"], line_width=1.2, **style)
        marks = plot.scatter(
            "x", "y", source=self._sources["marks"], marker="marker", size="size", fill_color="fill",
            fill_alpha="alpha", line_width=1.4, **style,
        )  # fmt: skip
        places = plot.scatter("x", "y", source=self._sources["places"], size=7, line_alpha=0.0, fill_alpha=0.0)
        told = [("", "@label"), ("answer", "@answer"), (short(panel.x_label), "@at"), (short(panel.y_label), "@value")]
        for found, most, where in ((marks, TOLD, "above"), (places, 1, "below")):  # which do not lie on each other
            plot.add_tools(
                HoverTool(renderers=[found], tooltips=told, attachment=where, limit=most, visible=found is marks)
            )
        plot.add_tools(HoverTool(renderers=rules, tooltips=[("", "@label"), ("at", "@at")], visible=False))

    def _fill(self, panel: Panel) -> None:
        for name, data in _sources([(panel.under, UNDER), (panel.series, 1.0)]).items():
            given(self._sources[name], **data)
        for axis, source in self._rules.items():
            found = [(number, label) for of, number, label in panel.rules if of == axis]
            given(source, at=[number for number, _ in found], label=[label for _, label in found])


def _sources(found: Sequence[tuple[Sequence[Series], float]]) -> Mapping[str, Numbers]:
    """Return the columns of a panel's sources, for series with their opacity."""
    lines: Numbers = {name: [] for name in ("xs", "ys", "colour", "dash", "alpha")}
    places: Numbers = {name: [] for name in ("x", "y", "at", "value", "answer", "label")}
    bars: Numbers = {name: [] for name in ("x", "low", "high", "colour", "alpha")}
    marks: Numbers = {name: [] for name in (*places, "marker", "size", "fill", "colour", "alpha")}
    for listed, alpha in found:
        for one in listed:
            finite = np.isfinite(one.y)
            answer = f"{one.answer}, saved" if alpha < 1 else one.answer
            if one.joined and len(one.x) > 1:
                lines["xs"].append(one.x)
                lines["ys"].append(np.where(finite, one.y, np.nan))
                for name, value in (("colour", one.colour), ("dash", DASHES[one.dashes]), ("alpha", alpha)):
                    lines[name].append(value)
            x, y, error, width = (values[finite] for values in (one.x, one.y, one.error, one.width))
            into = places if one.joined and len(one.x) > 1 else marks
            count = len(x)
            told = {"x": x, "y": y, "at": [f"{value:.5g}" for value in x], "value": with_errors(y, error)}
            told |= {"answer": [answer] * count, "label": [one.label] * count}
            if into is marks:
                filled = not (one.network or one.predicts)
                marker = "dash" if one.predicts else MARKERS.get(one.marker, "circle")
                looks = {"marker": marker, "size": FILLED if filled else OPEN, "alpha": alpha}
                looks |= {"fill": one.colour if filled else "rgba(0,0,0,0)", "colour": one.colour}
                told |= {name: [value] * count for name, value in looks.items()}
                bars["x"].extend(x)
                bars["low"].extend(y - width)
                bars["high"].extend(y + width)
                bars["colour"].extend([one.colour] * count)
                bars["alpha"].extend([alpha] * count)
            for name, values in told.items():
                into[name].extend(values)
    for part in (places, marks, bars):
        for name in ("x", "y", "low", "high"):
            if name in part:
                part[name] = np.array(part[name], dtype=float)
    return {"lines": lines, "places": places, "bars": bars, "marks": marks}


def with_errors(values: Sequence[float] | np.ndarray, errors: Sequence[float] | np.ndarray) -> list[str]:
    """Return values in words, with their standard errors where there are any."""
    return [
        f"{value:.5g} ± {error:.2g}" if error and error == error else f"{value:.5g}"
        for value, error in zip(values, errors, strict=True)
    ]
