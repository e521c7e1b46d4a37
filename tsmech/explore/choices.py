"""The choices above the pictures: axes, colours, panels, maps and matrices, logarithmic axes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tsmech.experiment import OURS
from tsmech.explore import frame
from tsmech.explore.offers import coloured, horizontal, mapped, matrices, running_axes
from tsmech.problem.system import System

LOGS = {"by the values": "", "none": "none", "x": "x", "y": "y", "x and y": "x,y"}


class Choices:
    """What a picture shows, as widgets; what a person chooses is told as a key of an experiment's ``[plot]`` in words.

    Parameters
    ----------
    system
        Whose picture it is.
    tell
        Called with ``x``, ``by``, ``value`` (of a map or a matrix), ``up`` (the vertical axis of a map), ``at``,
        ``log`` or ``convention`` and words, or with ``y`` and the names of observables.
    swept
        The parameters and coordinates that can be axes; None where all can.
    """

    def __init__(
        self, system: type[System], tell: Callable[[str, Any], None], swept: Sequence[str] | None = None
    ) -> None:
        self._tell = tell
        self._quiet = False

        def had(names: Sequence[str]) -> list[str]:
            return [name for name in names if swept is None or name in swept or name in system.observables]

        nothing = {"–": ""} if swept is None else {"as it is": ""}
        shown = [*mapped(system), *matrices(system)]
        papers = [convention.paper for convention in system.conventions]
        self._widgets: dict[str, Any] = {
            "x": frame.select("horizontal axis", {**nothing, **_same(had(horizontal(system)))}, "axis-x"),
            "by": frame.select("colours", {**nothing, **_same(had(coloured(system)))}, "axis-by"),
            "y": frame.several("panels", list(system.observables), "panels"),
            "log": frame.select("logarithmic", LOGS, "log"),
            "value": frame.select("map or matrix of", {"–": "", **_same(shown)}, "map-value"),
            "up": frame.select("map: vertical axis", {**nothing, **_same(had(running_axes(system)))}, "map-y"),
            "at": frame.words("matrix: at", "first, middle, last", "matrix-at"),
            "convention": frame.select("symbols of", {OURS: "", **_same(papers)}, "convention"),
        }
        self._widgets["convention"].visible = bool(papers)
        for key, widget in self._widgets.items():
            widget.param.watch(lambda event, key=key: None if self._quiet else tell(key, event.new), "value")

    @property
    def widgets(self) -> list[Any]:
        """The widgets, in order."""
        return list(self._widgets.values())

    def show(self, plot: Mapping[str, Any], observables: Sequence[str]) -> None:
        """Show what a picture is, by the words of its ``[plot]`` and what has panels, without telling of it."""
        is_map, is_matrix = bool(plot.get("value")), bool(plot.get("matrix"))
        settings: dict[str, Any] = {key: plot.get(key, "") for key in ("x", "by", "log", "at", "convention")}
        settings["value"] = plot.get("value") or plot.get("matrix") or ""
        settings["up"] = plot.get("y", "") if is_map else ""
        self._quiet = True
        try:
            panels = self._widgets["y"]
            if not (is_map or is_matrix):
                if entries := [name for name in observables if name not in panels.options]:
                    panels.options = [*panels.options, *entries]
                show(panels, list(observables))
            for key, value in settings.items():
                show(self._widgets[key], value)
            self._widgets["up"].visible = is_map
            self._widgets["at"].visible = is_matrix
            for key in ("x", "log"):
                self._widgets[key].visible = not is_matrix
            panels.visible = not (is_map or is_matrix)
        finally:
            self._quiet = False


def show(widget: Any, value: Any) -> None:
    """Let a widget show a value, one that it did not know among its options too."""
    known = getattr(widget, "options", None)
    if isinstance(known, dict) and value not in known.values():
        widget.options = {**known, value: value}
    if widget.value != value:
        widget.value = value


def _same(names: Sequence[str]) -> dict[str, str]:
    return {name: name for name in names}
