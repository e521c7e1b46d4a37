"""Panels as Bokeh figures, made once for a kind of picture and then given new numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.events import Reset
from bokeh.models import (
    ColorBar,
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    LogColorMapper,
    Range1d,
)
from bokeh.palettes import Viridis256
from bokeh.plotting import figure
from numpy.typing import NDArray

from tsmech.explore.series import Map, Panel, Series

WIDTH, HEIGHT = 470, 350
PIXELS = 320
"""Width and height of a map's picture, in cells of the nearest points."""
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
UNDER = 0.3
"""Opacity of a saved run that lies under the live curves."""
TOOLS = "pan,wheel_zoom,box_zoom,reset"

Numbers = dict[str, Any]


class Canvas:
    """One panel in the browser, which takes the numbers of panels that have the same axes."""

    def __init__(self, panel: Panel, under: Sequence[Series] = ()) -> None:
        self.kind = _kind(panel)
        kinds = {axis: "log" if log else "linear" for axis, log in (("x", panel.x_log), ("y", panel.y_log))}
        ranges = {f"{axis}_range": Range1d(0, 1) for axis in ("x", "y")}
        self.figure = figure(
            width=WIDTH,
            height=HEIGHT,
            x_axis_type=kinds["x"],
            y_axis_type=kinds["y"],
            tools=TOOLS,
            active_scroll="wheel_zoom",
            toolbar_location="above",
            **ranges,
        )
        self.figure.toolbar.logo = None
        self.figure.title.text_font_size = "10pt"
        for axis in (self.figure.xaxis, self.figure.yaxis):
            axis.axis_label_text_font_style = "normal"
            axis.axis_label_text_font_size = "10pt"
        self._set: dict[str, tuple[float, float]] = {}
        self._map: Map | None = None
        self.figure.on_event(Reset, lambda event: self._forget())
        if panel.map is None:
            self._make_curves(panel)
        else:
            self._make_map(panel, panel.map)
        self.show(panel, under)

    def fits(self, panel: Panel) -> bool:
        """Return whether a panel can be shown by new numbers alone."""
        return self.kind == _kind(panel)

    def show(self, panel: Panel, under: Sequence[Series] = ()) -> None:
        """Show a panel, with the series of a saved run under it."""
        self.figure.title.text = panel.title or panel.note
        self.figure.xaxis.axis_label, self.figure.yaxis.axis_label = panel.x_label, panel.y_label
        for axis, limits in (("x", panel.x_range), ("y", panel.y_range)):
            self._range(axis, limits)
        if panel.map is not None:
            self._map = panel.map
            self._paint()
            return
        for name, data in _sources([(panel.series, 1.0), (under, UNDER)]).items():
            self._sources[name].data = data

    def _range(self, axis: str, limits: tuple[float, float]) -> None:
        """Set the range of an axis, unless a person has zoomed."""
        found = self.figure.x_range if axis == "x" else self.figure.y_range
        before = self._set.get(axis)
        zoomed = before is not None and not np.allclose((found.start, found.end), before, rtol=1e-9, atol=0.0)
        if not zoomed:
            found.start, found.end = limits
        found.reset_start, found.reset_end = limits
        self._set[axis] = (found.start, found.end) if zoomed is False else before or limits

    def _forget(self) -> None:
        """Follow the numbers again, after a person has asked for the whole."""
        for axis, found in (("x", self.figure.x_range), ("y", self.figure.y_range)):
            found.start, found.end = found.reset_start, found.reset_end
            self._set[axis] = (found.start, found.end)

    def _make_curves(self, panel: Panel) -> None:
        names = ("lines", "places", "bars", "marks")
        self._sources = {name: ColumnDataSource() for name in names}
        for name, data in _sources([]).items():
            self._sources[name].data = data
        style = {"line_color": "colour", "line_alpha": "alpha"}
        plot = self.figure
        plot.multi_line("xs", "ys", source=self._sources["lines"], line_width=2.2, line_dash="dash", **style)
        plot.segment("x", "low", "x", "high", source=self._sources["bars"], line_width=1.2, **style)
        marks = plot.scatter(
            "x", "y", source=self._sources["marks"], marker="marker", size="size", fill_color="fill",
            fill_alpha="alpha", line_width=1.4, **style,
        )  # fmt: skip
        places = plot.scatter("x", "y", source=self._sources["places"], size=9, line_alpha=0.0, fill_alpha=0.0)
        told = [("", "@label"), ("answer", "@answer"), (panel.x_label, "@at"), (panel.y_label, "@value")]
        plot.add_tools(HoverTool(renderers=[marks, places], tooltips=told, attachment="horizontal"))
        if panel.names:
            ticks = FixedTicker(ticks=list(range(len(panel.names))))
            plot.xaxis.ticker = ticks
            plot.xaxis.major_label_overrides = dict(enumerate(panel.names))

    def _make_map(self, panel: Panel, found: Map) -> None:
        mapper = (LogColorMapper if found.log_colours else LinearColorMapper)(
            palette=Viridis256, low=found.low, high=found.high, nan_color="#b3b3b3", high_color="#fff7bc"
        )
        self._source = ColumnDataSource(data={"image": [], "x": [], "y": [], "dw": [], "dh": []})
        image = self.figure.image(
            image="image", x="x", y="y", dw="dw", dh="dh", source=self._source, color_mapper=mapper
        )
        self.figure.add_layout(ColorBar(color_mapper=mapper, width=12), "right")
        self.figure.grid.visible = False
        told = [(panel.x_label, "$x"), (panel.y_label, "$y"), ("value", "@image")]
        self.figure.add_tools(HoverTool(renderers=[image], tooltips=told))
        self._mapper = mapper

    def watch(self) -> None:
        """Paint a map anew where a person has zoomed into it; called now and then."""
        if self._map is not None and self._window() != self._painted:
            self._paint()

    def _window(self) -> tuple[float, float, float, float]:
        x, y = self.figure.x_range, self.figure.y_range
        return float(x.start), float(x.end), float(y.start), float(y.end)

    def _paint(self) -> None:
        """Show the cells that lie in the window: each pixel is the point that is nearest."""
        assert self._map is not None
        found = self._map
        self._mapper.low, self._mapper.high = found.low, found.high
        self._painted = self._window()
        x0, x1, y0, y1 = self._painted
        if not (found.xs.size and found.ys.size):
            self._source.data = {"image": [], "x": [], "y": [], "dw": [], "dh": []}
            return
        kinds = self.kind[1:3]
        x0, x1 = max(x0, found.xs[0]), min(x1, found.xs[-1])
        y0, y1 = max(y0, found.ys[0]), min(y1, found.ys[-1])
        if not (x1 > x0 and y1 > y0):
            x0, x1, y0, y1 = *_around(found.xs), *_around(found.ys)
        columns = _nearest(found.xs, x0, x1, bool(kinds[0]))
        lines = _nearest(found.ys, y0, y1, bool(kinds[1]))
        image = found.table[np.ix_(lines, columns)].astype(np.float32)
        self._source.data = {"image": [image], "x": [x0], "y": [y0], "dw": [x1 - x0], "dh": [y1 - y0]}


def _kind(panel: Panel) -> tuple[Any, ...]:
    colours = None if panel.map is None else panel.map.log_colours
    return (panel.map is None, panel.x_log, panel.y_log, panel.names, colours)


def _around(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values[0]), float(values[-1])
    return (low, high) if high > low else (low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0))


def _nearest(values: NDArray[np.float64], low: float, high: float, logarithmic: bool) -> NDArray[np.int64]:
    """Return for each pixel of an axis the position of the nearest value, in the axis' own scale."""
    scale = np.log if logarithmic else np.asarray
    at = np.linspace(scale(low), scale(high), PIXELS)
    middles = (scale(values)[1:] + scale(values)[:-1]) / 2
    return np.searchsorted(middles, at)


def _sources(given: Sequence[tuple[Sequence[Series], float]]) -> dict[str, Numbers]:
    """Return the columns of a panel's sources, for series with their opacity."""
    lines: Numbers = {name: [] for name in ("xs", "ys", "colour", "dash", "alpha")}
    places: Numbers = {name: [] for name in ("x", "y", "at", "value", "answer", "label")}
    bars: Numbers = {name: [] for name in ("x", "low", "high", "colour", "alpha")}
    marks: Numbers = {name: [] for name in (*places, "marker", "size", "fill", "colour", "alpha")}
    for listed, alpha in given:
        for one in listed:
            finite = np.isfinite(one.y)
            answer = f"{one.answer}, saved" if alpha < 1 else one.answer
            if one.joined and len(one.x) > 1:
                lines["xs"].append(one.x)
                lines["ys"].append(np.where(finite, one.y, np.nan))
                for name, value in (("colour", one.colour), ("dash", DASHES[one.dashes]), ("alpha", alpha)):
                    lines[name].append(value)
            x, y, error = one.x[finite], one.y[finite], one.error[finite]
            words = [
                f"{value:.5g} ± {sigma:.2g}" if sigma else f"{value:.5g}" for value, sigma in zip(y, error, strict=True)
            ]
            into = places if one.joined and len(one.x) > 1 else marks
            count = len(x)
            told = {"x": x, "y": y, "at": [f"{value:.5g}" for value in x], "value": words}
            told |= {"answer": [answer] * count, "label": [one.label] * count}
            if into is marks:
                filled = not (one.network or one.predicts)
                marker = "dash" if one.predicts else MARKERS.get(one.marker, "circle")
                looks = {"marker": marker, "size": FILLED if filled else OPEN, "alpha": alpha}
                looks |= {"fill": one.colour if filled else "rgba(0,0,0,0)", "colour": one.colour}
                told |= {name: [value] * count for name, value in looks.items()}
                bars["x"].extend(x)
                bars["low"].extend(y - error)
                bars["high"].extend(y + error)
                bars["colour"].extend([one.colour] * count)
                bars["alpha"].extend([alpha] * count)
            for name, values in told.items():
                into[name].extend(values)
    for part in (places, marks, bars):
        for name in ("x", "y", "low", "high"):
            if name in part:
                part[name] = np.array(part[name], dtype=float)
    return {"lines": lines, "places": places, "bars": bars, "marks": marks}
