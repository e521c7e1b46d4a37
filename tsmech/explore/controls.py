"""The control of one parameter, made from its declaration: a slider where there is a range, choices, or words."""

import html
import math
from collections.abc import Callable

import panel as pn

from tsmech.errors import InputError
from tsmech.explore import frame
from tsmech.explore.wording import default_words, interval, is_swept
from tsmech.problem.parameters import Parameter

STEPS = 200
"""Places of a slider."""
BOOLEAN = {"no": "false", "yes": "true"}


class Control:
    """One parameter's control: what is dragged, chosen or typed is told as words; its refusal stands below it.

    Parameters
    ----------
    parameter
        The declaration.
    tell
        Called with the parameter's name and new words.
    """

    def __init__(self, parameter: Parameter, tell: Callable[[str, str], None]) -> None:
        self.parameter = parameter
        self._tell = tell
        self._showing = False
        self._dragged = ""
        required = "needed" if parameter.required else default_words(parameter) or "not given"
        described = f"{parameter.name}: {parameter.help}. Allowed: {parameter.allowed}. Several values make an axis."
        self._text = pn.widgets.TextInput(
            name="", placeholder=required, width=92, margin=(0, 4, 0, 0), css_classes=[f"words-{parameter.name}"]
        )
        self._text.param.watch(lambda event: self._say(event.new), "value")
        symbol = "" if parameter.symbol == parameter.name else f"<b>{html.escape(parameter.symbol)}</b> "
        title = f"{symbol}{html.escape(parameter.name)}"
        self._title = frame.text(
            f'<div title="{html.escape(described)}" class="title">{title}</div>', margin=(3, 4, 0, 4), width=285
        )
        self._error = frame.text("", visible=False, margin=(0, 4), width=285, css_classes=[f"error-{parameter.name}"])
        self._slider: pn.widgets.FloatSlider | None = None
        self._choice: pn.widgets.Select | None = None
        row = []
        if (ends := interval(parameter)) is not None and {"int", "float"} & {*parameter.kinds}:
            low, high = (math.log10(end) if self._logarithmic else end for end in ends)
            whole = "int" in parameter.kinds and not self._logarithmic
            step = 1 if whole else (high - low) / STEPS
            self._slider = frame.slider(low, high, step, f"slider-{parameter.name}")
            self._slider.param.watch(lambda event: self._drag(event.new), "value")
            row.append(self._slider)
        elif self._switch or (parameter.choices and not parameter.file and {*parameter.kinds} <= {"word", "table"}):
            options = dict(BOOLEAN) if self._switch else {one: one for one in parameter.choices}
            if not parameter.required and parameter.default is None:
                options = {"–": "", **options}
            self._options = options
            self._choice = pn.widgets.Select(
                options=options, name="", width=170, margin=(0, 8, 0, 4), css_classes=[f"choice-{parameter.name}"]
            )
            self._choice.param.watch(lambda event: self._say(event.new), "value")
            row.append(self._choice)
        else:
            self._text.width = 270
        self.layout = pn.Column(
            self._title,
            pn.Row(*row, self._text, margin=(0, 4)),
            self._error,
            margin=(0, 0, 3, 0),
            css_classes=["control"],
        )

    @property
    def _switch(self) -> bool:
        return self.parameter.kinds == ("bool",)

    @property
    def _logarithmic(self) -> bool:
        return self.parameter.scale == "logarithmic"

    def show(self, words: str) -> None:
        """Show words, those of the default where there are none, without telling of them."""
        self._showing = True
        try:
            if self._text.value != words:
                self._text.value = words
            shown = words or default_words(self.parameter)
            swept = is_swept(shown) and not self.parameter.single
            if self._slider is not None:
                self._slider.disabled = swept
                self._place(shown)
            if self._choice is not None:
                self._choice.disabled = swept
                known = {*self._options.values()}
                if not swept and (value := shown.replace("-", "_")) in known:
                    self._choice.value = value
        finally:
            self._showing = False

    def _place(self, words: str) -> None:
        """Move the slider to a number in words, as near as it can come; one that says it already is left where it is.

        So a slider that is dragged is not moved back by what it said a moment ago.
        """
        assert self._slider is not None
        if words == self._dragged:
            return
        self._dragged = ""
        if is_swept(words):
            return
        try:
            (number,) = self.parameter.read(words)
            value = math.log10(number) if self._logarithmic else float(number)
        except (InputError, ValueError, TypeError):
            return
        if math.isfinite(value):
            self._slider.value = min(max(value, self._slider.start), self._slider.end)

    def refuse(self, words: str) -> None:
        """Show the line that refuses the value; no words take it away."""
        if bool(words) == self._error.visible and not words:
            return
        self._error.object = f'<div class="refused" role="alert">{html.escape(words)}</div>' if words else ""
        self._error.visible = bool(words)

    def _drag(self, place: float) -> None:
        if self._showing:
            return
        assert self._slider is not None
        number = 10**place if self._logarithmic else place
        words = f"{round(number)}" if "int" in self.parameter.kinds else f"{number:.3g}"
        ends = interval(self.parameter)
        if ends is not None and place in (self._slider.start, self._slider.end):
            words = f"{ends[place == self._slider.end]:g}"
        self._dragged = words
        self._say(words)

    def _say(self, words: str) -> None:
        if not self._showing:
            self._tell(self.parameter.name, words)
