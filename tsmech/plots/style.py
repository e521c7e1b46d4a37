"""The package's own style, whatever a user's matplotlibrc or MPLBACKEND says, and words that any picture can hold."""

import contextlib
import functools
import math
import os
import sys
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLE = Path(__file__).with_name("tsmech.mplstyle")


@contextlib.contextmanager
def own_style() -> Iterator[None]:
    """Draw in the package's style alone: Matplotlib's own defaults and ``tsmech.mplstyle``."""
    import_matplotlib()
    import matplotlib.style

    with matplotlib.style.context(STYLE, after_reset=True), warnings.catch_warnings():
        # A title may hold characters that the font lacks: they are drawn as boxes.
        warnings.filterwarnings("ignore", message="(?s)Glyph .* missing from", category=UserWarning)
        yield


@contextlib.contextmanager
def own_colours() -> Iterator[None]:
    """Tell curves apart by the package's own colours, where Matplotlib draws nothing."""
    import_matplotlib()
    import matplotlib

    with matplotlib.rc_context({"axes.prop_cycle": _cycle()}):
        yield


@functools.cache
def _cycle() -> Any:
    import matplotlib

    return matplotlib.rc_params_from_file(STYLE, use_default_template=False)["axes.prop_cycle"]


def import_matplotlib() -> None:
    """Import Matplotlib, which refuses to be imported where MPLBACKEND names a backend that is not installed.

    Pictures are made without a window: the backend only matters to what else the process draws.
    """
    if "matplotlib" in sys.modules:
        return
    wanted = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if wanted is not None:
            os.environ["MPLBACKEND"] = wanted
    if wanted is not None:
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = wanted


def place_ticks(ax: "Axes") -> None:
    """Give logarithmic axes numbers that do not overlap, and enough of them, however many decades there are."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    for axis, (low, high) in ((ax.xaxis, sorted(ax.get_xlim())), (ax.yaxis, sorted(ax.get_ylim()))):
        if axis.get_scale() != "log":
            continue
        decades = math.log10(high / low)
        if decades < 0.7:
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            axis.set_minor_locator(MaxNLocator(20))
        elif decades < 2.2:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        if decades < 4.2 and low > 2e-4 and high < 2e5:
            axis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:.6g}"))
        axis.set_minor_formatter(NullFormatter())


def printable(words: str, *, mathematics: bool = False) -> str:
    """Return words as a picture can hold them: no control characters, and no dollar sign that begins a formula.

    With ``mathematics`` a formula between dollar signs stays where it is one.
    """
    plain = "".join(" " if _is_control(letter) else letter for letter in words)
    if mathematics and _is_mathematics(plain):
        return plain
    return plain.replace("$", r"\$")


def _is_control(letter: str) -> bool:
    """Return whether a character has no place in a line of words, or in XML."""
    return unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or ord(letter) & 0xFFFE == 0xFFFE


def _is_mathematics(words: str) -> bool:
    from matplotlib.mathtext import MathTextParser

    try:
        MathTextParser("path").parse(words)
    except (ValueError, RuntimeError):
        return False
    return True
