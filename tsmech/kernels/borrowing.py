"""Values that a kernel borrows from Python for as long as it runs, so that it counts no references to them.

Numba counts, with locked instructions, each reference to an array that a kernel takes out of a tuple: an eighth of the
time of a loop over small blocks.  The caller of a kernel holds its arguments anyway.
"""

from typing import Any

from numba import types
from numba.core import cgutils, ir_utils
from numba.extending import intrinsic


@intrinsic
def _borrowed(typing_context, value):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return _uncounted(context, builder, value, arguments[0])

    return value(value), generate


borrowed: Any = _borrowed
"""Returns an argument of a kernel, an array, a generator or a tuple of such, as one that is not counted.

Only for what Python holds while the kernel runs: an array that the kernel has made would be freed.  Each has to be
assigned by itself: through a tuple of several Numba loses sight of what is an argument, and leaves out what is written.
"""


def _is_its_argument(name: str, arguments: Any, aliases: dict[str, set[str]], of_arguments: set[str]) -> None:
    """Tell Numba that what is borrowed is the argument; it leaves out what is written to an array that nobody reads."""
    ir_utils._add_alias(name, arguments[0].name, aliases, of_arguments)  # type: ignore[no-untyped-call]


ir_utils.alias_func_extensions[_borrowed._name, __name__] = _is_its_argument


def _uncounted(context: Any, builder: Any, kind: types.Type, value: Any) -> Any:
    if isinstance(kind, types.BaseTuple):
        parts: Any = kind
        for i, part in enumerate(parts):
            value = builder.insert_value(value, _uncounted(context, builder, part, builder.extract_value(value, i)), i)
        return value
    if not isinstance(kind, (types.Array, types.NumPyRandomGeneratorType)):
        return value
    view: Any = cgutils.create_struct_proxy(kind)(context, builder, value=value)  # type: ignore[no-untyped-call]
    view.meminfo = view.meminfo.type(None)
    return view._getvalue()
