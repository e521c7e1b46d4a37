"""The saved run of an experiment, which lies under its live curves and trails, and beside its maps and matrices."""

import dataclasses
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tsmech.errors import TsmechError
from tsmech.experiment import Experiment
from tsmech.explore.cells import ABOVE, MISSING, cell_notes
from tsmech.explore.drawing import Drawing, Panel
from tsmech.explore.reading import HELD, Held, RunFile


class Underlay:
    """Reads the saved run of an experiment in the background, where ``tsmech run`` and ``reproduce`` leave it."""

    def __init__(
        self, experiment: Experiment, later: Callable[[Callable[[], None]], None], ready: Callable[[], None]
    ) -> None:
        self._experiment = experiment
        self._held: Held | None = None
        self.words = ""
        """What a reader must know of it."""
        places = [Path("runs") / f"{experiment.name}-{experiment.digest()}", Path("runs") / experiment.name]
        self._place = next((place for place in places if place.is_dir()), None)
        if self._place is None:
            self.words = f"no saved run: tsmech run {experiment.name} makes one"
            return
        self.words = f"reading {self._place}"
        run = RunFile(self._place)

        def read() -> None:
            try:
                with run.open() as store:
                    self._experiment = store.experiment
                    if store.row_count() > HELD:
                        self.words = f"the saved run is large: tsmech explore {run.directory} shows it"
                        return
                    self._held = Held(store)
                    self.words = f"the saved run {run.directory}"
            except (TsmechError, OSError) as error:
                self.words = f"the saved run cannot be read: {error}"
            finally:
                later(ready)

        threading.Thread(target=read, daemon=True).start()

    def lay(self, experiment: Experiment, drawing: Drawing) -> Drawing:
        """Return a drawing with what the saved run has of its panels."""
        if self._held is None:
            return drawing
        try:
            saved = self._held.draw(dataclasses.replace(self._experiment, plot=experiment.plot))
        except TsmechError:
            saved = drawing._replace(panels=[])
        laid, count = with_saved(drawing, saved.panels)
        how = "beside: " if any(panel.cells for panel in laid.panels) else "pale: "
        self.words = f"{how if count else ''}the saved run {self._place}{'' if count else ' has no such panel'}"
        return laid


def with_saved(drawing: Drawing, saved: Sequence[Panel]) -> tuple[Drawing, int]:
    """Return a drawing with the panels of a saved run, and how many of these it has.

    Curves and trails lie under those that have the same title and axes; maps and matrices stand beside them, in one
    scale of colours.
    """
    left = {_place(panel): panel for panel in saved}
    panels: list[Panel] = []
    count = len(left)
    for panel in drawing.panels:
        under = left.pop(_place(panel), None)
        if under is None:
            panels.append(panel)
        elif panel.cells is not None and under.cells is not None:
            panels += [panel, under._replace(title=f"saved: {under.title}")]
        elif panel.trails is not None and under.trails is not None:
            panels.append(panel._replace(trails=panel.trails._replace(under=under.trails.trails)))
        else:
            panels.append(panel._replace(under=under.series))
    if not any(panel.cells for panel in drawing.panels):
        return drawing._replace(panels=panels), count - len(left)
    axes = {(panel.x_label, panel.y_label) for panel in drawing.panels}
    panels += [one._replace(title=f"saved: {one.title}") for key, one in left.items() if key[1:] in axes and one.cells]
    known = [panel.cells.colours for panel in panels if panel.cells is not None]
    low, high = min(one.low for one in known), max(one.high for one in known)
    colours = known[0]._replace(low=low, high=high, logarithmic=all(one.logarithmic for one in known))
    panels = [one._replace(cells=one.cells._replace(colours=colours)) if one.cells else one for one in panels]
    notes = [*(note for note in drawing.notes if note not in (ABOVE, MISSING)), *cell_notes(panels)]
    return drawing._replace(panels=panels, notes=notes), len(panels) - len(drawing.panels)


def _place(panel: Panel) -> tuple[str, str, str]:
    return panel.title, panel.x_label, panel.y_label
