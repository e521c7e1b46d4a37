"""The web application: one page a system and an experiment, and that of the run that is opened."""

import errno
import functools
import html
import logging
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import panel as pn
from tornado.iostream import StreamClosedError
from tornado.routing import HostMatches
from tornado.web import RequestHandler
from tornado.websocket import WebSocketClosedError

from tsmech.errors import InputError
from tsmech.experiment import experiments, toml_files
from tsmech.explore import frame
from tsmech.explore.page import Page
from tsmech.explore.reading import RunFile
from tsmech.explore.saved import SavedPage
from tsmech.explore.view import open_view
from tsmech.explore.wording import sentence
from tsmech.systems import REGISTRY, find
from tsmech.words import one_line, printable

ADDRESS = "127.0.0.1"
HOSTS = (ADDRESS, "localhost")
"""Names under which a page may ask."""
PORT = 5006
UNUSED = 15_000
"""Milliseconds after which what a closed tab held is let go; its work has ended before."""


TURN = 0.001
"""Seconds that a thread computes while others wait: what answers a browser waits for the lanes of pages, each move."""


class Target:
    """What a command opens: a system or an experiment by name or file, or a run directory."""

    def __init__(self, name: str | None) -> None:
        self.path = ""
        self.run: RunFile | None = None
        self.file: str | None = None
        if name is None:
            return
        known = name.replace("-", "_")
        if known in REGISTRY or known in experiments():
            self.path = known
        elif name.lower().endswith(".toml"):
            open_view(name)  # refused now, if it is to be refused
            self.file, self.path = name, "file"
        elif Path(name).is_dir():
            self.run, self.path = RunFile(Path(name)), "run"
            self.run.open().close()  # refused now, if it is to be refused
        else:
            from tsmech.words import nearest

            hint = nearest(name, [*REGISTRY, *experiments()])
            raise InputError(f"{one_line(name, 60)} is neither a system nor an experiment nor a run directory: {hint}")


def serve(
    name: str | None = None, *, port: int = PORT, open_browser: bool = False, ready: Callable[[str], None] = print
) -> None:
    """Serve the explorer on the loopback address until it is interrupted.

    Parameters
    ----------
    name
        A system, an experiment, a TOML file or a run directory, in this order where a name could be several; None
        opens the list of all.
    port
        The port; 0 takes any that is free.
    open_browser
        Whether to open the page in the browser.
    ready
        Called with the page's address when the server listens.

    Raises
    ------
    InputError
        Where the name is none of these, or the port is in use.
    """
    target = Target(name)
    number = port or free_port()
    check_port(number)
    pages: dict[str, Any] = {"/": guarded(index)}
    for known in [*REGISTRY, *experiments()]:
        pages[f"/{known}"] = guarded(functools.partial(live, known))
    if target.file is not None:
        file = target.file
        pages["/file"] = guarded(functools.partial(live, file))
    if target.run is not None:
        run = target.run
        pages["/run"] = guarded(functools.partial(saved, run))
    address = f"http://{ADDRESS}:{number}/{target.path}"
    try:
        server = pn.serve(
            pages,
            address=ADDRESS,
            port=number,
            websocket_origin=[f"{host}:{number}" for host in HOSTS],
            show=False,
            start=False,
            title="tsmech",
            verbose=False,
            threaded=False,
            check_unused_sessions_milliseconds=2_000,
            unused_session_lifetime_milliseconds=UNUSED,
            session_token_expiration=24 * 3600,
            default_handler_class=Unknown,
        )
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise _in_use(number) from None
    _guard(server._tornado)
    sys.setswitchinterval(TURN)
    logging.getLogger("bokeh").setLevel(logging.ERROR)  # that a tab was closed is no news
    server.io_loop.asyncio_loop.set_exception_handler(_report)
    ready(address)
    if open_browser:
        server.io_loop.add_callback(server.show, f"/{target.path}")
    try:
        server.io_loop.start()
    finally:
        server.stop(wait=False)


def _guard(application: Any) -> None:
    """Let an application answer nobody who calls it by another name than this machine's own.

    A page elsewhere whose name is made to lead here has the origin that it calls: to a browser, and to Bokeh's check of
    origins, it is this application's own page.
    """
    (own,) = application.default_router.rules
    own.matcher = HostMatches(f"({'|'.join(map(re.escape, HOSTS))})$")


def _report(loop: Any, context: dict[str, Any]) -> None:
    """Report what a task of the server raised, but for what was still to be written to a tab that was closed."""
    if not isinstance(context.get("exception"), (WebSocketClosedError, StreamClosedError)):
        loop.default_exception_handler(context)


class Unknown(RequestHandler):
    """Says in a sentence that there is no such page, and where all of them are listed; to strangers, nothing else."""

    def get(self) -> None:
        """Answer any address that is not one of the pages."""
        from tsmech.words import nearest

        if self.request.host_name not in HOSTS:
            self.set_status(403)
            self.write(f"<title>tsmech</title><p>This is served at http://{ADDRESS} alone.</p>")
            return
        name = one_line(printable(self.request.path.strip("/")), 60)
        known = [*REGISTRY, *experiments()]
        words = f"{name} is neither a system nor an experiment: {nearest(name, known)}"
        self.set_status(404)
        self.write(
            f'<title>tsmech</title><p>{html.escape(words)}</p><p><a href="/">All systems and experiments</a></p>'
        )


def guarded(make: Callable[[], Any]) -> Callable[[], Any]:
    """Return a page that says in a sentence why it cannot be shown, where it cannot."""

    def page() -> Any:
        try:
            return make()
        except Exception as error:  # whatever it is, also a bug, the page says it, and the others go on
            words = sentence(error)
        return frame.text(
            f'<div class="refused" role="alert">{html.escape(words)}</div>', margin=20, css_classes=["refused-page"]
        )

    return page


def live(name: str) -> Any:
    """Return the page of a system or an experiment."""
    page = Page(open_view(name))
    pn.state.onload(page.start)
    return page.layout


def saved(run: RunFile) -> Any:
    """Return the page of a run directory."""
    page = SavedPage(run)
    pn.state.onload(page.start)
    return page.layout


def index() -> Any:
    """Return the list of all pages: the systems, each with its experiments."""
    of: dict[str, list[str]] = {name: [] for name in REGISTRY}
    for name, path in experiments().items():
        words = html.escape(toml_files.title(path))
        of[toml_files.system(path).name].append(f'<li><a href="{name}">{name}</a> {words}</li>')
    parts = [
        f'<h2><a href="{name}">{name}</a></h2><p>{html.escape(find(name).title)}</p><ul>{"".join(listed)}</ul>'
        for name, listed in of.items()
    ]
    listed = "".join(f"<div>{part}</div>" for part in parts)
    return frame.text(f'<h1>tsmech</h1><div class="list">{listed}</div>', margin=20, sizing_mode="stretch_width")


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as found:
        found.bind((ADDRESS, 0))
        return int(found.getsockname()[1])


def check_port(port: int) -> None:
    """Refuse a port that is in use, or none."""
    if not 1 <= port <= 65535:
        raise InputError(f"port = {port} is not allowed: it must be a number from 0 to 65535")
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((ADDRESS, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise _in_use(port) from None
            raise InputError(f"port = {port} cannot be used: {error.strerror}") from None


def _in_use(port: int) -> InputError:
    return InputError(f"port {port} is in use: --port N takes another, --port 0 any that is free")
