"""The learning rule by keywords: tests change one thing at a time."""

from collections.abc import Callable
from typing import Any

from tsmech.kernels.rule import Rule
from tsmech.kernels.schedules import constant

RATES = ("rate", "learning_rate")


def by_keywords(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that takes the fields of its :class:`Rule`, or a constant rate, as keywords of its own."""

    def called(*arguments: Any, **options: Any) -> Any:
        fields = dict(options)
        for name in RATES:
            if name in fields:
                fields["schedule"] = constant(fields.pop(name))
        rule = Rule(**{name: fields.pop(name) for name in Rule._fields if name in fields})
        return function(*arguments, rule=rule, **fields)

    return called
