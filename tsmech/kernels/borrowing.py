"""Values that a kernel borrows from Python for as long as it runs, so that it counts no references to them.

Numba counts, with locked instructions, each reference to an array that a kernel takes out of a tuple: an eighth of the
time of a loop over small blocks.  The caller of a kernel holds its arguments anyway.
"""

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def _borrowed(typing_context, value):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return _uncounted(context, builder, value, arguments[0])

    return value(value), generate


borrowed: Any = _borrowed
"""Returns an argument of a kernel, an array, a generator or a tuple of such, as one that is not counted.

To be written where a kernel calls the function that does its work: Numba leaves out what a function writes to an
array that is not among its arguments and that it does not read.  Only for what Python holds while the kernel runs:
an array that the kernel has made would be freed.
"""


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
