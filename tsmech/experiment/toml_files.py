"""Experiments as TOML files: where they are, and what one says."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsmech.errors import InputError
from tsmech.experiment.experiment import Experiment, build
from tsmech.experiment.options import underscored
from tsmech.problem.files import check_regular
from tsmech.problem.parameters import Parameter
from tsmech.problem.system import System
from tsmech.systems import find
from tsmech.words import nearest, one_line, shown

LARGEST_FILE = 1_000_000
"""Most bytes of an experiment's file."""
DOTTED = re.compile(r"(?:[\w-]+[ \t]*\.[ \t]*){50}")
"""A key of more parts than any experiment has; the time to read one grows as their square."""


def from_file(path: str | Path, overrides: Mapping[str, Any] | None = None, **options: Any) -> Experiment:
    """Return the experiment that a TOML file describes, with some parameters and options replaced."""
    path = Path(path)
    table = _read_table(path)
    table |= {key: value for key, value in options.items() if value is not None}
    parameters = underscored(table.pop("parameters", {}))
    _locate_files(find(table["system"]).parameters(), parameters, path.parent)
    parameters |= underscored(overrides or {})
    return build(table.pop("system"), parameters, name=path.stem, **table)


def title(path: Path) -> str:
    """Return the title that a file says, without building its experiment."""
    return one_line(_read_table(path).get("title", ""))


def source(path: Path) -> str:
    """Return the publication that a file says, without building its experiment."""
    return one_line(_read_table(path).get("source", ""))


def system(path: Path) -> type[System]:
    """Return the system that a file names, without building its experiment."""
    return find(_read_table(path)["system"])


def _read_table(path: Path) -> dict[str, Any]:
    """Return the table in a file, or refuse one that no experiment has."""
    table = _read_toml(path)
    options_known = ("answers", "replicates", "seed", "target_error", "max_replicates")
    known = ("title", "source", "system", *options_known, "parameters", "plot")
    for key, value in table.items():
        if key not in known:
            raise InputError(f"{path} has an unknown key {shown(key)}: {nearest(key, known)}")
        form = {"parameters": dict, "plot": dict, "title": str, "source": str, "system": str}.get(key)
        if form is not None and not isinstance(value, form):
            words = "a table" if form is dict else "words in quotes"
            raise InputError(f"{path}: {key} = {shown(repr(value))} must be {words}")
    if not isinstance(table.get("system"), str):
        raise InputError(f'{path} must name its system: system = "ridge", say')
    return table


def _read_toml(path: Path) -> dict[str, Any]:
    """Return the table in a TOML file, or refuse what is no file, or no TOML."""
    try:
        state = path.stat()
        check_regular(state.st_mode, f"{path} cannot be read")
        if state.st_size > LARGEST_FILE:
            raise InputError(f"{path} of {state.st_size} bytes is not allowed: it must have at most {LARGEST_FILE}")
        text = path.read_text(encoding="utf-8-sig")
        if DOTTED.search(text):
            raise RecursionError
        return tomllib.loads(text)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # not TOML, not UTF-8, or a number of thousands of digits
        raise InputError(f"{path} is not a TOML file: {shown(str(error), 200)}") from None
    except RecursionError:
        raise InputError(f"{path} is not a TOML file that can be read: its values are nested too deeply") from None


def find_file(name: str) -> Path | None:
    """Return the TOML file of an experiment: a path, or the name of one of the experiments that come along."""
    if name.lower().endswith(".toml"):
        return Path(name)
    return experiments().get(name.replace("-", "_"))


def experiments() -> dict[str, Path]:
    """Return the experiments that come along (``sims/``), by name."""
    package = Path(__file__).parents[1]
    for folder in (package / "experiments", package.parent / "sims"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.toml"))}
    return {}


def _locate_files(declared: Mapping[str, Parameter], parameters: dict[str, Any], folder: Path) -> None:
    """Take a file that an experiment names as lying beside the experiment's own file, where it is there."""
    for name, value in parameters.items():
        file = isinstance(value, str) and name in declared and declared[name].file
        if file and value.replace("-", "_") not in declared[name].choices and os.path.isfile(folder / value):
            parameters[name] = str(folder / value)
