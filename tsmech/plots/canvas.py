"""Where a picture is drawn: the panels of a figure of its own, or axes that somebody has."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsmech.errors import InputError
from tsmech.plots.style import import_matplotlib, place_ticks
from tsmech.plots.words import wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

LETTERS, LETTER = 16, 0.08
"""Letters of a legend for which a figure has room, and the inches that each further one adds to its width."""


@dataclass(frozen=True)
class Canvas:
    """Panels that a picture is drawn into.

    Parameters
    ----------
    panels
        The axes, row by row.
    across
        How many are side by side.
    size
        Width and height of a panel, in inches.
    own
        Whether the figure was made for this picture, so that it has a title, a legend of its own and the size it needs.
    """

    panels: list["Axes"]
    across: int
    size: tuple[float, float]
    own: bool

    @classmethod
    def make(cls, count: int, across: int, size: tuple[float, float], given: Sequence["Axes"] | None) -> "Canvas":
        """Return as many panels as are needed: of a new figure, or those that are given.

        Raises
        ------
        InputError
            Where there are not as many as are given.
        """
        import_matplotlib()
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        if given is not None:
            if len(given) != count:
                words = "one panel" if count == 1 else f"{count} panels"
                raise InputError(f"ax has {len(given)} axes and the picture {words}: give as many, or choose with y")
            return cls(list(given), 1, size, False)
        down = math.ceil(count / across)
        figure = Figure(figsize=(size[0] * across + 0.6, size[1] * down), layout="constrained")
        FigureCanvasAgg(figure)
        panels = list(figure.subplots(down, across, squeeze=False).flat)
        for ax in panels[count:]:
            ax.remove()
        return cls(panels[:count], across, size, True)

    @property
    def figure(self) -> "Figure":
        """The figure that the panels belong to."""
        return figure_of(self.panels[0])

    def widen(self, inches: float) -> None:
        """Give a figure of the picture's own so much more width."""
        if self.own:
            self.figure.set_figwidth(self.figure.get_figwidth() + inches)

    def label(self, x: str, ys: Sequence[str]) -> None:
        """Label the axes of the panels, except where a neighbour says it already."""
        for place, (ax, y) in enumerate(zip(self.panels, ys, strict=True)):
            if place + self.across >= len(ys) or not self.own:
                ax.set_xlabel(wrapped(x, self.size[0]))
            if place % self.across == 0 or y != ys[place - 1]:
                ax.set_ylabel(wrapped(y, self.size[1]))

    def legend(self, entries: Sequence["Line2D"], of_panels: Sequence[Sequence["Line2D"]]) -> None:
        """Place the legend of all panels beside the figure, that of one beside it; on given axes one in each."""
        for ax, some in zip(self.panels, of_panels, strict=True):
            if not self.own:
                ax.legend(handles=[*entries, *some], fontsize="small")
            elif some:
                ax.legend(handles=some, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
        if not self.own:
            return
        if any(of_panels):
            self.widen(0.8 * self.across)
        self.figure.legend(handles=list(entries), loc="outside right center")
        longest = max(len(str(entry.get_label())) for entry in entries)
        self.widen(LETTER * max(0, longest - LETTERS))

    def bar(self, values: Sequence[float], norm: "Normalize", colours: str, label: str) -> None:
        """Draw the colour bar of numbers that colour tells apart."""
        from matplotlib.cm import ScalarMappable

        self.widen(1.0)
        bar = self.figure.colorbar(ScalarMappable(norm, colours), ax=self.panels)
        bar.ax.set_ylim(min(values), max(values))
        bar.set_label(label)
        place_ticks(bar.ax)


def figure_of(ax: "Axes") -> "Figure":
    """Return the figure that axes belong to."""
    found = ax.get_figure()
    if found is None:
        raise InputError("ax belongs to no figure")
    return found.figure
