"""What a system declares, read and checked when its class is made, and its docstring."""

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator
from typing import Any, ClassVar

from tsmech.problem.answers import USUAL
from tsmech.problem.kinds import kinds
from tsmech.problem.parameters import Parameter

RUN_OPTIONS = (
    "answers", "replicates", "seed", "target_error", "max_replicates", "out", "workers", "executor", "scheduler",
    "timeout", "shard", "progress",
)  # fmt: skip
"""What a run is told beside the parameters of its system, and what no parameter may therefore be called."""
COLUMNS = ("system", "answer", "replicates", "replicate", "diverged_at")
"""Columns that every table has, or may have."""


def _of_class(declared: Any) -> bool:
    """Return whether a type says that what bears it is of the class, and no field."""
    return declared is ClassVar or typing.get_origin(declared) is ClassVar


def read_parameter(name: str, field: "dataclasses.Field[Any]", declared: Any) -> Parameter:
    """Return what a field of a system declares, whose type says what it admits."""
    admitted, table = kinds(declared)
    return Parameter(name, admitted, table=table, **field.metadata["parameter"])


def complaints(cls: Any, base: type) -> Iterator[str]:
    """Yield what is wrong with the declarations of a subclass of ``base`` that is about to become a dataclass."""
    try:
        hints = typing.get_type_hints(cls)
    except NameError as error:
        yield f"a type is not known where the class is made: {error}"
        return
    shared = {name for base in cls.__mro__[1:] for name in getattr(base, "__dataclass_fields__", {})}
    own = [name for name in inspect.get_annotations(cls) if not _of_class(hints[name])]
    for name in own:
        field = cls.__dict__.get(name)
        if not isinstance(field, dataclasses.Field) or "parameter" not in field.metadata:
            yield f"{name} is no parameter: declare it with parameter()"
            return
        try:
            read_parameter(name, field, hints[name])
        except TypeError as error:
            yield f"parameter {name}: {error}"
    parameters = {name for name in (*shared, *own) if not _of_class(hints[name])}
    if hidden := parameters & {*dir(base), *RUN_OPTIONS, *COLUMNS}:
        yield f"no parameter may be named {', '.join(sorted(hidden))}: it is a method, an option of runs or a column"
    if len(cls.coordinates) > 2:
        yield f"has {len(cls.coordinates)} coordinates: two at most"
    columns = {column for name in cls.observables for column in (name, f"{name}_sem")}
    named = [*sorted(parameters), *cls.coordinates, *sorted(columns), *COLUMNS]
    if twice := {name for name in named if named.count(name) > 1}:
        yield f"{', '.join(sorted(twice))} names two things: parameters, coordinates, observables and columns differ"
    for name in (*cls.observables, *cls.coordinates):
        if not name.isidentifier():
            yield f"{name!r} is no name of an observable or a coordinate: letters, digits and underscores"
    streams = [answer.stream for answer in cls.answers.values()]
    if len(set(streams)) < len(streams):
        yield "two answers have the same number of their random streams"
    known = [answer for answer in cls.answers if hasattr(cls, f"{answer}_curve")]
    if not known:
        yield f"has no answer: define {' or '.join(f'{answer}_curve' for answer in cls.answers)}"
    if cls.answers is not USUAL and len(known) < len(cls.answers):
        yield f"declares the answers {', '.join(cls.answers)}, but defines {', '.join(known) or 'none'} of their curves"
    if stray := [
        name for name in vars(cls) if name.endswith("_curve") and name[:-6] not in cls.answers and name[0] != "_"
    ]:
        yield f"defines {', '.join(stray)}, which is no declared answer"
    for point in cls.checks:
        if unknown := set(point) - parameters:
            yield f"checks name {', '.join(sorted(unknown))}, which is no parameter"
    if cls.convergence is not None and cls.convergence.parameter not in parameters:
        yield f"convergence names {cls.convergence.parameter}, which is no parameter"


def document(cls: type) -> None:
    """Add the declared parameters to the docstring of a class that is about to become a dataclass."""
    hints = typing.get_type_hints(cls)
    fields = {name: cls.__dict__[name] for name in inspect.get_annotations(cls) if not _of_class(hints[name])}
    for base in cls.__mro__[1:]:
        ready = getattr(base, "__dataclass_fields__", {})
        fields |= {name: field for name, field in ready.items() if name not in fields and not _of_class(hints[name])}
    ordered = dict.fromkeys(name for base in cls.__mro__ for name in inspect.get_annotations(base) if name in fields)
    words = inspect.cleandoc(str(cls.__doc__))
    described = [read_parameter(name, fields[name], hints[name]).describe() for name in ordered]
    if described and cls.__dict__.get("__doc__"):
        section = "\n".join(["Parameters", "----------", *described])
        after = re.search(r"^\w+\n-+$", words, re.MULTILINE)
        parts = (words[: after.start()], section, words[after.start() :]) if after else (words, section)
        cls.__doc__ = "\n\n".join(part.strip() for part in parts) + "\n"
