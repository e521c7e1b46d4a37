"""Panels of curves as Bokeh figures: theory as lines, simulations as marks with their errors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, CustomJSHover, HoverTool

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
WIDTH = 2.2
TOLD = 3
"""Marks at one place that are told of at once."""
UNDER = 0.3
"""Opacity of a saved run that lies under the live curves."""
NEAR = 7
"""Pixels across a line within which the pointer reads its values."""
READ = """
const {index, segment_index: place} = special_vars;
const error = errors.data.errors[index][place];
const said = (number, digits) => String(Number(number.toPrecision(digits)));
return said(value[place], 5) + (error > 0 ? ` ± ${said(error, 2)}` : "");
"""
"""What a line has at the place that is pointed at; the numbers are there, so that no words travel with them."""

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
        lines = self._sources["lines"]
        plot.multi_line("xs", "ys", source=lines, line_width="width", line_dash="dash", **style)
        near = plot.multi_line("xs", "ys", source=lines, line_width=NEAR, line_alpha=0.0)
        plot.segment("x", "low", "x", "high", source=self._sources["bars"], line_width=1.2, **style)
        marks = plot.scatter(
            "x", "y", source=self._sources["marks"], marker="marker", size="size", fill_color="fill",
            fill_alpha="alpha", line_width=1.4, **style,
        )  # fmt: skip
        told, x, y = [("", "@label"), ("answer", "@answer")], short(panel.x_label), short(panel.y_label)
        of_marks = [*told, (x, "@at"), (y, "@value")]
        of_lines = [*told, (x, "$snap_x{%.5g}"), (y, "@ys{custom}")]
        read: dict[str, Any] = {"$snap_x": "printf", "@ys": CustomJSHover(args={"errors": lines}, code=READ)}
        # Above the pointer and below it, so that they do not lie on each other.
        plot.add_tools(HoverTool(renderers=[marks], tooltips=of_marks, attachment="above", limit=TOLD))
        on_lines = HoverTool(renderers=[near], tooltips=of_lines, attachment="below", formatters=read, limit=1)
        on_lines.line_policy, on_lines.sort_by = "nearest", [("$index", "descending")]  # of hits the last is nearest
        on_lines.visible = False
        plot.add_tools(on_lines)
        plot.add_tools(HoverTool(renderers=rules, tooltips=[("", "@label"), ("at", "@at")], visible=False))

    def _fill(self, panel: Panel) -> None:
        for name, data in _sources([(panel.under, UNDER), (panel.series, 1.0)]).items():
            given(self._sources[name], **data)
        for axis, source in self._rules.items():
            found = [(number, label) for of, number, label in panel.rules if of == axis]
            given(source, at=[number for number, _ in found], label=[label for _, label in found])


def _sources(found: Sequence[tuple[Sequence[Series], float]]) -> Mapping[str, Numbers]:
    """Return the columns of a panel's sources, for series with their opacity."""
    of_lines = ("xs", "ys", "errors", "answer", "label", "colour", "dash", "width", "alpha")
    lines: Numbers = {name: [] for name in of_lines}
    bars: Numbers = {name: [] for name in ("x", "low", "high", "colour", "alpha")}
    of_marks = ("x", "y", "at", "value", "answer", "label", "marker", "size", "fill", "colour", "alpha")
    marks: Numbers = {name: [] for name in of_marks}
    for listed, alpha in found:
        for one in listed:
            finite = np.isfinite(one.y)
            answer = f"{one.answer}, saved" if alpha < 1 else one.answer
            if one.joined and len(one.x) > 1:
                told: Any = one.error if np.any(one.error > 0) else []
                line = (one.x, np.where(finite, one.y, np.nan), told, answer, one.label)
                looks = (one.colour, DASHES[one.dashes], WIDTH * one.weight, alpha)
                for name, value in zip(lines, (*line, *looks), strict=True):
                    lines[name].append(value)
                continue
            x, y, error, width = (values[finite] for values in (one.x, one.y, one.error, one.width))
            count, filled = len(x), not (one.network or one.predicts)
            style = {"marker": "dash" if one.predicts else MARKERS.get(one.marker, "circle"), "alpha": alpha}
            style |= {"size": FILLED if filled else OPEN, "fill": one.colour if filled else "rgba(0,0,0,0)"}
            style |= {"colour": one.colour, "answer": answer, "label": one.label}
            into = {"x": x, "y": y, "at": [f"{value:.5g}" for value in x], "value": with_errors(y, error)}
            for name, values in (into | {name: [value] * count for name, value in style.items()}).items():
                marks[name].extend(values)
            bars["x"].extend(x)
            bars["low"].extend(y - width)
            bars["high"].extend(y + width)
            bars["colour"].extend([one.colour] * count)
            bars["alpha"].extend([alpha] * count)
    for part in (marks, bars):
        for name in ("x", "y", "low", "high"):
            if name in part:
                part[name] = np.array(part[name], dtype=float)
    return {"lines": lines, "bars": bars, "marks": marks}


def with_errors(values: Sequence[float] | np.ndarray, errors: Sequence[float] | np.ndarray) -> list[str]:
    """Return values in words, with their standard errors where there are any."""
    return [
        f"{value:.5g} ± {error:.2g}" if error and error == error else f"{value:.5g}"
        for value, error in zip(values, errors, strict=True)
    ]
