"""A run as arrays with named dimensions, for xarray: netCDF and Zarr."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech import __version__
from tsmech.errors import IncompleteError, InputError
from tsmech.experiment import in_order
from tsmech.problem.written import plain
from tsmech.runs import entries
from tsmech.store import Store
from tsmech.store.directory import check_regular, replace_file

NAMES = {"netcdf": "netCDF", "zarr": "Zarr"}


def dataset(store: Store) -> Any:
    """Return a run as an :class:`xarray.Dataset`.

    Each observable ``X`` is an array along ``answer``, the axes of the sweep, the coordinates of the curves (unless it
    sums up a whole curve) and its own indices; ``X_sem`` is the standard error of the mean.  What a run does not have
    is NaN: an answer that a point lacks, a time that its curve does not reach, an index beyond its size.

    Raises
    ------
    InputError
        Where xarray is not installed.
    """
    xarray = _import("xarray", "xarray")
    system = store.experiment.system
    found = entries.known(store)
    places = _places(store)
    indices: dict[str, dict[int, Any]] = {}
    for entry in found.values():
        for place, (name, label) in zip(entry.place, entry.labels.items(), strict=True):
            indices.setdefault(name, {})[place] = label
    sizes = {name: len(values) for name, values in places.items()}
    sizes |= {name: max(values) + 1 for name, values in indices.items()}
    whole = [*places]
    short = [name for name in whole if name not in system.coordinates]
    dimensions: dict[str, list[str]] = {}
    for entry in found.values():
        once = system.observables[entry.observable].summary
        for name in (entry.observable, f"{entry.observable}_sem"):
            dimensions[name] = [*(short if once else whole), *entry.labels]
    numbers = {name: np.full([sizes[one] for one in along], np.nan) for name, along in dimensions.items()}
    numbers["diverged_at"] = np.full([sizes[name] for name in short], np.nan)
    counts = np.zeros([sizes[name] for name in whole], dtype=np.int64)
    for row in store.rows():
        at = {name: known[_hashable(row[name])] for name, known in places.items()}
        points, rows = tuple(at[name] for name in short), tuple(at.values())
        counts[rows] = row.get("replicates", 0)
        numbers["diverged_at"][points] = row.get("diverged_at", np.nan)
        for column, entry in found.items():
            whole_place = (points if system.observables[entry.observable].summary else rows) + entry.place
            for ending in ("", "_sem"):
                value = row.get(f"{column}{ending}")
                if value is not None:
                    numbers[f"{entry.observable}{ending}"][whole_place] = value
    dimensions["diverged_at"] = short
    variables = {
        name: (dimensions[name], values, _attributes(store, name))
        for name, values in numbers.items()
        if not (name not in system.observables and np.isnan(values).all())
    }
    variables["replicates"] = (whole, counts, {"long_name": "draws that a mean is of; 0 where there are none"})
    coordinates = {name: (name, _array([*known]), _attributes(store, name)) for name, known in places.items()}
    for name, labels in indices.items():
        coordinates[name] = (name, _array([labels.get(place, place) for place in range(sizes[name])]), {})
    return xarray.Dataset(variables, coordinates, _origin(store))


def write(store: Store, path: Path, kind: str) -> None:
    """Write a run as ``netcdf`` or ``zarr``, whole or not at all; both need ``tsmech[xarray]``."""
    found = dataset(store)
    if kind == "netcdf":
        _import("h5netcdf", kind)
        with replace_file(path) as partial:
            found.to_netcdf(partial, engine="h5netcdf")
        return
    _import("zarr", kind)
    check_regular(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        found.to_zarr(partial, mode="w", zarr_format=2)
        partial.rename(path)
    except OSError as error:
        raise IncompleteError(f"{path} cannot be written: {error.strerror}; the run itself is kept") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _import(module: str, kind: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(f"{NAMES.get(kind, kind)} needs an extra: pip install 'tsmech[xarray]'") from None


def _places(store: Store) -> dict[str, dict[Any, int]]:
    """Return by dimension the values along it, with the position of each: answers, axes, and what curves run along."""
    experiment, system = store.experiment, store.experiment.system
    found: dict[str, dict[Any, None]] = {"answer": {}, **{name: {} for name in (*experiment.axes, *system.coordinates)}}
    for row in store.rows():
        for name, values in found.items():
            values[_hashable(row[name])] = None
    ordered: dict[str, Sequence[Any]] = {"answer": [name for name in system.answers if name in found["answer"]]}
    for name in experiment.axes:
        ordered[name] = sorted(found[name], key=in_order)
    for name, coordinate in system.coordinates.items():
        ordered[name] = list(found[name]) if coordinate.names else sorted(found[name])
    return {name: {value: place for place, value in enumerate(values)} for name, values in ordered.items()}


def _hashable(value: Any) -> Any:
    return value if isinstance(value, (float, int, str, bool)) else json.dumps(plain(value))


def _array(values: Sequence[Any]) -> NDArray[Any]:
    """Return values as an array: numbers as they are, else words."""
    if all(isinstance(value, (float, int)) for value in values):
        array = np.array(values)
        return array.astype(np.int8) if array.dtype == bool else array
    return np.array([str(value) for value in values])


def _attributes(store: Store, name: str) -> dict[str, str]:
    """Return what a reader of an array must know: its name in words, its symbol and its unit."""
    system = store.experiment.system
    observable = system.observables.get(name.removesuffix("_sem"))
    if observable is not None:
        error = "standard error of the " if name.endswith("_sem") else ""
        found = {"long_name": error + observable.label, "symbol": observable.symbol, "units": observable.unit}
    elif name in system.coordinates:
        along = system.coordinates[name]
        found = {"long_name": along.label, "symbol": along.symbol, "units": along.unit}
    elif name in system.parameters():
        declared = system.parameters()[name]
        found = {"long_name": declared.help, "symbol": declared.symbol}
    else:
        words = {"answer": "how the problem was answered", "diverged_at": "where the first draw diverged"}
        found = {"long_name": words[name]}
    return {key: words for key, words in found.items() if words}


def _origin(store: Store) -> dict[str, Any]:
    """Return what the whole data set says of itself: what was asked, and with which versions it was answered."""
    experiment = store.experiment
    fixed = {name: plain(value) for name, value in experiment.fixed.items()}
    history = store.history()
    return {
        "title": experiment.title or experiment.system.title,
        **({"source": experiment.source} if experiment.source else {}),
        "system": experiment.system.name,
        "seed": str(experiment.seed),
        "parameters": json.dumps(fixed),
        "history": json.dumps(history),
        "version": f"tsmech {history[-1]['tsmech'] if history else __version__}",
    }
