"""What pages say: values of parameters as a person types them, and errors in one line."""

import contextlib
from collections.abc import Sequence
from typing import Any

from tsmech.errors import InputError, TsmechError
from tsmech.problem.parameters import Parameter
from tsmech.words import one_line, printable, shown

COLOURED = 3
"""Values of a number that tells curves apart, where its control chooses them."""
LEAST_OF_LOGARITHM = 1e-3
"""Share of the upper end at which a logarithmic slider begins whose range begins at 0."""


def sentence(error: Exception) -> str:
    """Return an error in one line: as it says of itself, or that it is a bug."""
    if isinstance(error, TsmechError):
        return str(error)
    return f"this is a bug: {type(error).__name__}: {one_line(str(error))}"


def interval(parameter: Parameter) -> tuple[float, float] | None:
    """Return the interval of a number's slider: positive where it is logarithmic; None where none is declared."""
    if parameter.range is None:
        return None
    low, high = parameter.range
    if parameter.scale == "logarithmic" and low <= 0:
        low = LEAST_OF_LOGARITHM * high
    return float(low), float(high)


def several(parameter: Parameter, count: int, words: str) -> str:
    """Return several values of a parameter in words, about so many: over its slider's range, or all its choices."""
    if parameter.kinds == ("bool",):
        return "true,false"
    if parameter.choices:
        return ",".join(parameter.choices[:6])
    found = interval(parameter)
    if found is None or not {"int", "float"} & {*parameter.kinds}:
        return words
    low, high = found
    if "int" in parameter.kinds:
        count = min(count, int(high - low) + 1)
        if count <= 8 and parameter.scale == "linear":
            return ",".join(f"{round(low + (high - low) * i / (count - 1))}" for i in range(count))
    logarithmic = parameter.scale == "logarithmic"
    if count <= 6:
        steps = [i / (count - 1) for i in range(count)]
        at = [low * (high / low) ** step if logarithmic else low + (high - low) * step for step in steps]
        return ",".join(f"{round(value) if 'int' in parameter.kinds else value:.3g}" for value in at)
    return f"{'log:' if logarithmic else ''}{low:g}:{high:g}:{count}"


def single(parameter: Parameter, words: str) -> str:
    """Return one value of a parameter in words: its default as no words, else the first, else the slider's middle."""
    if not parameter.required:
        return ""
    if parameter.choices:
        return parameter.choices[0]
    found = interval(parameter)
    if found is None:
        return words.split(",")[0] if words and ":" not in words else ""
    low, high = found
    middle = (low * high) ** 0.5 if parameter.scale == "logarithmic" else (low + high) / 2
    return f"{round(middle)}" if "int" in parameter.kinds else f"{middle:.2g}"


def is_swept(words: str) -> bool:
    """Return whether words say several values."""
    return "," in words or words.count(":") >= 2


def how_many(parameter: Parameter, words: str, most: int) -> int:
    """Return how many values words say, or refuse them; a range of more than ``most`` is not read, which takes long."""
    said = words.rpartition(":")[2]
    long = words.count(":") >= 2 and said.isascii() and said.isdigit() and len(said) < 12 and int(said) > most
    return int(said) if long else len(parameter.read(words))


def is_table(values: Sequence[Any]) -> bool:
    """Return whether values are ones that no words can say: tables, functions."""
    kinds = (str, int, float, bool, type(None))
    return any(not isinstance(one, (*kinds, tuple)) and not hasattr(one, "__fspath__") for one in values)


def to_words(parameter: Parameter, values: Sequence[Any]) -> str:
    """Return values of a parameter in words that are read as these values: a range where they are one."""
    listed = (values[0] or ()) if parameter.single else values
    if len(listed) > COLOURED and (parameter.numeric or parameter.kinds[0] == "numbers"):
        for kind in ("", "log:"):
            words = f"{kind}{listed[0]:.12g}:{listed[-1]:.12g}:{len(listed)}"
            with contextlib.suppress(InputError):
                if parameter.read(words) == tuple(values):
                    return words
    return ",".join(word(value) for value in listed)


def word(value: Any) -> str:
    """Return one value as a person types it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return printable(str(value))


def default_words(parameter: Parameter) -> str:
    """Return a parameter's default in words; nothing where it has none."""
    if parameter.required or parameter.default is None:
        return ""
    whole = not parameter.single or isinstance(parameter.default, (tuple, list))
    return to_words(parameter, [parameter.default if whole else (parameter.default,)])


def whole_words(name: str, words: str) -> int:
    """Return a whole number that words say, or refuse them."""
    try:
        number = int(words)
    except ValueError:
        number = -1
    least = int(name == "replicates")
    if number < least:
        raise InputError(f"{name} = {shown(words)} is not allowed: it must be a whole number of at least {least}")
    return number
