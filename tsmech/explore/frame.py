"""What a page is laid out with: widgets of one look, the pictures, and the ways to ask for what is shown."""

import html
import io
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import panel as pn
from bokeh.models import Column, Row
from tornado.ioloop import IOLoop

from tsmech.explore.canvas import Canvas
from tsmech.explore.drawing import Drawing, Panel
from tsmech.explore.figures import CurveCanvas
from tsmech.explore.heat import CellCanvas
from tsmech.explore.paths import TrailCanvas
from tsmech.explore.wording import sentence

PARTS = """
:host { font-family: system-ui, sans-serif; }
.title { font-size: 12px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.refused { color: #b00020; font-size: 12px; line-height: 1.25; }
.heading { font-size: 20px; font-weight: 600; } .about { color: #666; font-size: 12px; }
.mark { margin-left: 14px; } pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 4px 0; font-size: 12px;
  max-height: 420px; overflow-y: auto; }
.list { columns: 32em auto; column-gap: 2em; } .list > div { break-inside: avoid; }
.list h2 { font-size: 15px; margin: 12px 0 0 0; } .list p { margin: 0; font-size: 13px; }
.list ul { margin: 2px 0 0 0; padding-left: 18px; } .list li { font-size: 12px; color: #444; }
.line { font-size: 13px; color: #333; min-height: 18px; }
"""
SIDE = 310
NARROW = """
@media (max-width: 800px) {
  :host { flex-direction: column-reverse !important; justify-content: flex-end; }
  :host > * { flex: none !important; min-height: 0 !important; max-width: 100%; }
}
"""
"""On a narrow screen pictures stand above the controls."""
SPREAD = """
@media (max-width: 800px) {
  :host { flex-direction: row !important; flex-wrap: wrap; align-items: flex-start; width: 100% !important; }
}
"""
"""On a narrow screen controls stand side by side."""
CLOSED = '[aria-hidden="true"] { display: none; }'
"""What is not shown of several takes no place."""
FADED = {"opacity": "0.3", "transition": "opacity 0.2s"}
WRAPPED = {"flex-wrap": "wrap"}
CLEAR = {"opacity": "1", "transition": "opacity 0.1s"}
SIGNS = {"o": "●", "s": "■", "D": "◆", "^": "▲", "v": "▼", "P": "✚", "*": "★"}
KINDS = {"png": "PNG", "svg": "SVG", "csv": "table (CSV)"}


def teller(document: Any) -> Callable[[Callable[[], None]], None]:
    """Return what lets any thread have something called in a document's own, where its changes are held together.

    A callback that another thread adds meanwhile could be lost: Bokeh keeps it among the changes that are held.
    """
    loop = IOLoop.current()
    return lambda call: loop.add_callback(document.add_next_tick_callback, call)


def text(words: str, **more: Any) -> pn.pane.HTML:
    """Return a pane of HTML in the pages' look."""
    return pn.pane.HTML(words, stylesheets=[PARTS], **more)


def line(name: str) -> pn.pane.HTML:
    """Return a line of words that a page says."""
    return text("", css_classes=[name], sizing_mode="stretch_width", margin=(2, 10))


def select(name: str, options: Sequence[str] | Mapping[str, str], css: str) -> pn.widgets.Select:
    """Return a choice of one."""
    listed = dict(options) if isinstance(options, Mapping) else list(options)
    return pn.widgets.Select(name=name, options=listed, width=150, css_classes=[css], margin=(2, 5))


def words(name: str, placeholder: str, css: str) -> pn.widgets.TextInput:
    """Return a field for words."""
    return pn.widgets.TextInput(name=name, placeholder=placeholder, width=150, css_classes=[css], margin=(2, 5))


def slider(start: float, end: float, step: float, css: str) -> pn.widgets.FloatSlider:
    """Return a slider that tells its place at once: Panel's own waits 50 ms, half of what a picture may take."""
    found = pn.widgets.FloatSlider(
        start=start, end=end, step=step, value=start, show_value=False, name="", width=170, margin=(4, 8, 0, 4),
        css_classes=[css],
    )  # fmt: skip
    found._debounce = 0
    return found


def several(name: str, options: Sequence[str], css: str) -> pn.widgets.MultiChoice:
    """Return a choice of several."""
    return pn.widgets.MultiChoice(name=name, options=list(options), width=330, css_classes=[css], margin=(2, 5))


def checks(options: Sequence[str], css: str) -> pn.widgets.CheckBoxGroup:
    """Return boxes to tick."""
    return pn.widgets.CheckBoxGroup(options=list(options), inline=True, css_classes=[css], margin=(22, 5, 2, 5))


def number(name: str, css: str) -> pn.widgets.IntInput:
    """Return a field of a whole number."""
    return pn.widgets.IntInput(name=name, width=85, css_classes=[css], margin=(2, 5))


def lay_out(
    *, title: str, about: str, side: Sequence[Any], top: Sequence[Any], main: Sequence[Any]
) -> pn.Column | pn.Row:
    """Return a page: controls on the left, choices above, pictures below."""
    words = f'<div class="heading">{html.escape(title)}</div><div class="about">{html.escape(about)}</div>'
    heading = text(words, sizing_mode="stretch_width", margin=(8, 10, 2, 10))
    right = pn.Column(heading, pn.FlexBox(*top, align_items="flex-start"), *main, sizing_mode="stretch_width")
    if not side:
        return right
    styles = {"background": "#f6f6f4", "border-right": "1px solid #ddd", "min-height": "100vh"}
    column = pn.Column(*side, width=SIDE, styles=styles, css_classes=["side"], stylesheets=[SPREAD])
    return pn.Row(column, right, sizing_mode="stretch_width", stylesheets=[NARROW])


def downloads(make: Callable[[str], Any], stem: str, refuse: Callable[[str], None]) -> list[Any]:
    """Return the buttons that save the picture and the table.

    Where there is none the page says why, and the browser, which has asked for a file, gets that sentence as a text.
    """

    def of(kind: str) -> Any:
        button: Any = None

        def produce() -> Any:
            try:
                made = make(kind)
            except Exception as error:  # whatever it is, also a bug, the page says it and goes on
                words = sentence(error)
            else:
                button.filename = f"{stem}.{kind}"
                return made
            button.filename = f"{stem}.txt"
            refuse(words)
            return io.BytesIO(words.encode())

        button = pn.widgets.FileDownload(
            callback=produce, filename=f"{stem}.{kind}", label=KINDS[kind], width=120, css_classes=[f"save-{kind}"]
        )
        return button

    return [pn.Row(text("save:", margin=(14, 0, 0, 10)), *(of(kind) for kind in KINDS))]


def query() -> dict[str, str]:
    """Return what the link of the page says after its question mark."""
    found = {name: values[0].decode("utf-8", "replace") for name, values in pn.state.session_args.items()}
    return {name: words for name, words in found.items() if not name.startswith("bokeh-")}


class Pictures:
    """The panels of a page, and what their colours and marks say."""

    def __init__(self) -> None:
        self._canvases: list[Canvas] = []
        self._legend = text("", css_classes=["legend"], margin=(2, 10))
        # Figures and their numbers must reach the browser in order, so that both go by Bokeh's own way.
        self._panels = Column(children=[], sizing_mode="stretch_width")
        panels = pn.pane.Bokeh(self._panels, sizing_mode="stretch_width")
        self._whole = pn.Column(panels, sizing_mode="stretch_width", css_classes=["pictures"])
        self.layout = pn.Column(self._legend, self._whole, sizing_mode="stretch_width")

    def fade(self) -> None:
        """Show that the picture is not the latest question's."""
        self._whole.styles = FADED

    def show(self, drawing: Drawing) -> None:
        """Show a drawing; panels of the same kind are given new numbers, others are made anew."""
        canvases = []
        for one, known in itertools.zip_longest(drawing.panels, self._canvases[: len(drawing.panels)]):
            kind = canvas_of(one)
            if known is not None and known.fits(one, kind):
                known.show(one)
            else:
                known = kind(one)
            canvases.append(known)
        if canvases != self._canvases:
            self._canvases = canvases
            self._panels.children = [
                Row(children=[canvas.figure for canvas in line], sizing_mode="stretch_width", styles=WRAPPED)
                for line in lines(canvases, drawing.panels)
            ]
        self._legend.object = legend(drawing)
        self._whole.styles = CLEAR

    def watch(self) -> None:
        """Paint maps anew where a person has zoomed."""
        for canvas in self._canvases:
            canvas.watch()


def lines(canvases: Sequence[Canvas], panels: Sequence[Panel]) -> list[list[Canvas]]:
    """Return what stands side by side: small multiples of one observable, or else all panels."""
    found: dict[str, list[Canvas]] = {}
    for canvas, panel in zip(canvases, panels, strict=True):
        found.setdefault(panel.y_label, []).append(canvas)
    return [*found.values()] if len(found) > 1 and min(map(len, found.values())) > 1 else [list(canvases)]


def canvas_of(panel: Panel) -> type[Canvas]:
    """Return what draws a panel in the browser."""
    return CellCanvas if panel.cells is not None else TrailCanvas if panel.trails is not None else CurveCanvas


def legend(drawing: Drawing) -> str:
    """Return what colours and marks say, as HTML."""
    parts = [
        f'<span class="mark" style="color:{colour}">{SIGNS.get(marker, "●")}</span> {html.escape(words)}'
        for colour, marker, words in drawing.legend
    ]
    marks = [
        f'<span class="mark">{sign} {html.escape(answer)}</span>'
        for answer, sign in zip(drawing.answers, drawing.marks, strict=True)
    ]
    notes = "".join(f'<div class="about">{html.escape(words)}</div>' for words in drawing.notes)
    heading = f"<div>{html.escape(drawing.heading)}</div>" if drawing.heading else ""
    return f"{heading}<div>{''.join(marks)}{''.join(parts)}</div>{notes}"


class Ways:
    """How to ask for what is shown elsewhere: the link, the command, the file, the call."""

    def __init__(self) -> None:
        self._panes = {name: text("", css_classes=[f"way-{name}"]) for name in ("command", "TOML", "Python", "link")}
        self.layout = pn.Tabs(
            *((name, pane) for name, pane in self._panes.items()),
            css_classes=["ways"],
            sizing_mode="stretch_width",
            stylesheets=[CLOSED],
        )

    def show(self, query: str, said: Mapping[str, str]) -> None:
        """Let the address say what is shown, and show the ways to it; what is refused has a link alone."""
        location, search = pn.state.location, f"?{query}" if query else ""
        if location is not None and location.search != search:
            location.search = search
        address = "" if location is None else f"{location.protocol}//{location.hostname}:{location.port}"
        said = {**said, "link": f"{address}{'' if location is None else location.pathname}{search}"}
        for name, pane in self._panes.items():
            pane.object = f"<pre>{html.escape(said[name])}</pre>" if name in said else "nothing: it is refused"
