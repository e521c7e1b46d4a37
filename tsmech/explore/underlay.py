"""The saved run of an experiment, which lies under its live curves."""

import dataclasses
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tsmech.errors import TsmechError
from tsmech.experiment import Experiment
from tsmech.explore.drawing import Drawing, Series
from tsmech.explore.series import draw
from tsmech.explore.translation import Translation
from tsmech.store import Store

Told = Callable[[], None]

MOST_ROWS = 20_000
"""Rows of a saved run that are laid under a picture."""


class Underlay:
    """Reads the saved run of an experiment in the background, where ``tsmech run`` and ``reproduce`` leave it."""

    def __init__(
        self, experiment: Experiment, later: Callable[[Callable[[], None]], None], ready: Callable[[], None]
    ) -> None:
        self._experiment = experiment
        self._rows: list[dict[str, Any]] = []
        self.words = ""
        """What a reader must know of it."""
        places = [Path("runs") / f"{experiment.name}-{experiment.digest()}", Path("runs") / experiment.name]
        found = next((place for place in places if place.is_dir()), None)
        if found is None:
            self.words = f"no saved run: tsmech run {experiment.name} makes one"
            return
        self.words = f"reading {found}"

        def read() -> None:
            try:
                with Store.open(found) as store:
                    self._rows = [row for row, _ in zip(store.rows(), range(MOST_ROWS), strict=False)]
                    self._experiment = store.experiment
                self.words = f"pale: the saved run {found}"
            except (TsmechError, OSError) as error:
                self.words = f"the saved run cannot be read: {error}"
            later(ready)

        threading.Thread(target=read, daemon=True).start()

    def series(self, experiment: Experiment, translation: Translation, drawing: Drawing) -> Sequence[Sequence[Series]]:
        """Return for each panel of a drawing what the saved run has of it; nothing where its panels are others."""
        if not self._rows:
            return ()
        try:
            saved = draw(dataclasses.replace(self._experiment, plot=experiment.plot), self._rows, translation)
        except TsmechError:
            return ()
        if len(saved.panels) != len(drawing.panels) or any(one.cells or one.trails for one in drawing.panels):
            return ()
        alike = zip(saved.panels, drawing.panels, strict=True)
        if any((one.x_label, one.y_label) != (other.x_label, other.y_label) for one, other in alike):
            return ()
        return [one.series for one in saved.panels]
