"""A panel in the browser: a Bokeh figure that is made once for a kind of panel and then given new numbers."""

import functools
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from bokeh.events import Reset
from bokeh.models import (
    ColorBar,
    ColumnDataSource,
    CustomJSTicker,
    FixedTicker,
    LinearColorMapper,
    LogColorMapper,
    Range1d,
)
from bokeh.plotting import figure

from tsmech.explore.drawing import Colours, Panel

WIDTH, HEIGHT = 470, 350
LETTERS = 44
"""Letters of an axis' words on one line."""
TOOLS = "pan,wheel_zoom,box_zoom,reset"
TICKS = """
const {start, end} = cb_data.range;
const low = Math.min(start, end), high = Math.max(start, end);
const decades = Math.log10(high / low);
const found = [];
if (!(low > 0 && decades > 0)) return found;
if (decades < 0.7) {
  const power = 10 ** Math.floor(Math.log10((high - low) / 3));
  const step = power * [1, 2, 5, 10].find((one) => (high - low) / (power * one) < 6);
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high * (1 + 1e-9); n++) found.push(n * step);
  return found;
}
const every = Math.ceil(decades / 8), within = decades < 2.2 ? [1, 2, 5] : [1];
for (let n = Math.floor(Math.log10(low)); n <= Math.log10(high); n++)
  for (const one of n % every === 0 ? within : []) {
    const tick = one * 10 ** n;
    if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) found.push(tick);
  }
return found;
"""
"""Numbers of a logarithmic axis that do not overlap, however many decades it has."""
OUTSIDE = {"nan_color": "#b3b3b3", "high_color": "#fff7bc"}
"""Colours of cells without a value, and of those beyond the scale."""


class Canvas(ABC):
    """One panel, which takes the numbers of other panels of its kind; what is in it is made by what derives from it.

    Parameters
    ----------
    panel
        The first panel.
    """

    def __init__(self, panel: Panel) -> None:
        self._kind = self.kind_of(panel)
        kinds = {axis: "log" if log else "linear" for axis, log in (("x", panel.x_log), ("y", panel.y_log))}
        self.figure = figure(
            width=WIDTH,
            height=HEIGHT,
            x_axis_type=kinds["x"],
            y_axis_type=kinds["y"],
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            tools=TOOLS,
            active_scroll="wheel_zoom",
            toolbar_location="above",
        )
        self.figure.toolbar.logo = None
        self.figure.title.text_font_size = "10pt"
        for axis, names, log in (
            (self.figure.xaxis, panel.names, panel.x_log),
            (self.figure.yaxis, panel.y_names, panel.y_log),
        ):
            axis.axis_label_text_font_style = "normal"
            axis.axis_label_text_font_size = "10pt"
            if names:
                step = -(-len(names) // 16)
                axis.ticker = FixedTicker(ticks=list(range(0, len(names), step)))
                axis.major_label_overrides = dict(enumerate(names))
            elif log:
                axis.ticker = CustomJSTicker(major_code=TICKS)
        if panel.names and sum(map(len, panel.names)) > LETTERS:
            self.figure.xaxis.major_label_orientation = 0.9
        self._set: dict[str, tuple[float, float]] = {}
        self.figure.on_event(Reset, lambda event: self._forget())
        self._make(panel)
        self.show(panel)

    @classmethod
    def kind_of(cls, panel: Panel) -> tuple[Any, ...]:
        """Return what panels have in common that differ in their numbers alone."""
        return (cls, panel.x_log, panel.y_log, panel.names, panel.y_names)

    def fits(self, panel: Panel, cls: type["Canvas"]) -> bool:
        """Return whether a panel, drawn by that class, can be shown by new numbers alone."""
        return self._kind == cls.kind_of(panel)

    def show(self, panel: Panel) -> None:
        """Show a panel."""
        self.figure.title.text = panel.title or panel.note
        self.figure.xaxis.axis_label, self.figure.yaxis.axis_label = wrapped(panel.x_label), wrapped(panel.y_label)
        for axis, limits in (("x", panel.x_range), ("y", panel.y_range)):
            self._range(axis, limits)
        self._fill(panel)

    def watch(self) -> None:
        """Do what a person's zooming asks for, which is nothing for most; called now and then."""
        return

    @abstractmethod
    def _make(self, panel: Panel) -> None:
        """Put into the figure what panels of this kind have."""

    @abstractmethod
    def _fill(self, panel: Panel) -> None:
        """Give what is there the numbers of a panel."""

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

    def _make_bar(self, colours: Colours) -> Any:
        """Return the scale of colours of numbers, and put its bar beside the panel."""
        kind = LogColorMapper if colours.logarithmic else LinearColorMapper
        mapper = kind(palette=palette(colours.palette), low=colours.low, high=colours.high, **OUTSIDE)
        self.figure.add_layout(ColorBar(color_mapper=mapper, width=12), "right")
        return mapper


def given(source: ColumnDataSource, **columns: Any) -> None:
    """Give a source new columns, unless it is empty and stays so."""
    if any(map(len, columns.values())) or any(map(len, source.data.values())):
        source.data = columns


def short(label: str) -> str:
    """Return the symbol of an axis, without its words."""
    return label.partition("   ")[0]


def wrapped(label: str) -> str:
    """Return the words of an axis on as many lines as they need beside a panel."""
    lines: list[str] = []
    rest = label
    while len(rest) > LETTERS and (cut := rest.rfind(" ", 12, LETTERS)) > 0:
        lines, rest = [*lines, rest[:cut].rstrip()], rest[cut:].lstrip()
    return "\n".join([*lines, rest])


@functools.cache
def palette(name: str) -> list[str]:
    """Return 256 colours of Matplotlib's palette of a name."""
    import matplotlib
    from matplotlib.colors import to_hex

    return [to_hex(shade) for shade in matplotlib.colormaps[name](np.linspace(0.0, 1.0, 256))]
