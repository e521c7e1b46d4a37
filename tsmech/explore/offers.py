"""What pictures of a system can show: what can be an axis, a colour, a map or a matrix."""

from tsmech.experiment import is_family
from tsmech.plots.picture import named_coordinates
from tsmech.problem.system import System


def horizontal(system: type[System]) -> list[str]:
    """Return what can be the horizontal axis: coordinates, numbers, and what trajectories are drawn against."""
    numbers = [name for name, one in system.parameters().items() if one.numeric]
    return [*system.coordinates, *numbers, *mapped(system)]


def running_axes(system: type[System]) -> list[str]:
    """Return what can be an axis of a map: the coordinate and numbers."""
    coordinates = [name for name in system.coordinates if name == system.running()]
    return [*coordinates, *(name for name, one in system.parameters().items() if one.numeric)]


def matrices(system: type[System]) -> list[str]:
    """Return the observables that are matrices."""
    return [name for name, one in system.observables.items() if len(one.axes) == 2]


def coloured(system: type[System]) -> list[str]:
    """Return what can tell curves apart: parameters that can be swept, and coordinates of names."""
    kinds = ({"table"}, {"path"})
    swept = [name for name, one in system.parameters().items() if not one.single and {*one.kinds} not in kinds]
    return [*swept, *named_coordinates(system)]


def mapped(system: type[System]) -> list[str]:
    """Return the observables that a map can show: those that are one number."""
    return [name for name in system.observables if not is_family(system, name)]
