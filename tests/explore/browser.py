"""A headless Chromium that looks at the explorer: elements are found through all shadow roots."""

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.commands import ROOT

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1500,1150",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
PATIENCE = 90.0
"""Seconds that a page has for what it is waited for, which a busy machine may need; else nobody waits so long."""
DEEP = """
const found = [];
const look = (root) => {
  found.push(...root.querySelectorAll(arguments[0]));
  for (const one of root.querySelectorAll('*')) if (one.shadowRoot) look(one.shadowRoot);
};
look(document);
"""
ALL = DEEP + "return found;"
WORDS = """
const say = (node) => {
  if (node.nodeType === 3) return node.data;
  if (node.nodeType === 1 && ['STYLE', 'SCRIPT', 'LINK'].includes(node.tagName)) return '';
  return [...(node.shadowRoot || node).childNodes].map(say).join(' ');
};
return found.map(say);
"""
COLUMN = """
const out = [];
const shown = new Set();
for (const doc of Bokeh.documents) for (const root of doc.roots()) for (const one of root.references()) shown.add(one);
for (const model of shown) {
  if (model.type !== 'ColumnDataSource' || !(arguments[0] in model.data)) continue;
  const whole = (one) => (one.length === undefined || typeof one === 'string' ? one : Array.from(one));
  out.push(JSON.stringify(Array.from(model.data[arguments[1]], whole)));
}
return out;
"""


def missing() -> str:
    """Return in words what is not there that a browser test needs, or nothing."""
    if importlib.util.find_spec("selenium") is None:
        return "selenium is not installed"
    lacking = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"{' and '.join(lacking)} cannot be found" if lacking else ""


SERVERS: dict[str, int] = {}
"""The process of each explorer, by the address that it told."""


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found: list[int] = []
    level = [pid]
    while level:
        level = [one for one, parent in parents.items() if parent in level]
        found += level
    return found


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Start a browser with a new profile, and end it."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            yield driver
        finally:
            driver.quit()


@contextlib.contextmanager
def explorer(*words: str, cwd: Path | None = None, begin: str = "") -> Iterator[str]:
    """Start the explorer on a free port, and end it; yield the address that it tells."""
    code = f"{begin}\nfrom tsmech.cli import main\nmain()"
    line = [sys.executable, "-c", code, "explore", *words, "--no-browser", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        line, cwd=cwd, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
    )
    assert process.stderr is not None
    try:
        address = ""
        while not address:
            said = process.stderr.readline()
            assert said or process.poll() is None, "the explorer ended"
            if said.startswith("tsmech: http"):
                address = said.split()[1]
        SERVERS[address] = process.pid
        yield address
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stderr.close()


class Tab:
    """A page in the browser."""

    def __init__(self, driver: Any, address: str) -> None:
        self.driver = driver
        driver.get(address)
        self.handle = driver.current_window_handle

    def all(self, css: str) -> list[Any]:
        return list(self.driver.execute_script(ALL, css))

    def one(self, css: str) -> Any:
        return self.wait(lambda: next(iter(self.all(css)), None), f"no {css}")

    def text(self, css: str) -> str:
        return " ".join(" ".join(self.driver.execute_script(DEEP + WORDS, css)).split())

    def wait(self, what: Callable[[], Any], words: str = "", seconds: float = PATIENCE) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := what():
                return found
            time.sleep(0.05)
        raise AssertionError(f"{words or 'it did not come'}: {self.text('.status')} {self.text('.refused')}")

    def type(self, name: str, words: str) -> None:
        from selenium.webdriver.common.keys import Keys

        field = self.one(f".words-{name}").shadow_root.find_element("css selector", "input")
        before = len(str(field.get_property("value")))
        field.send_keys(Keys.END + Keys.BACKSPACE * before + words + Keys.ENTER)

    def words(self, name: str) -> str:
        return str(self.one(f".words-{name}").shadow_root.find_element("css selector", "input").get_property("value"))

    def choose(self, css: str, value: str) -> None:
        from selenium.webdriver.support.ui import Select

        Select(self.one(f".{css}").shadow_root.find_element("css selector", "select")).select_by_value(value)

    def save(self, kind: str, path: Path) -> bytes:
        """Press the button that saves a file, and return what the browser has saved."""
        self.one(f".save-{kind}").shadow_root.find_element("css selector", "button, a").click()
        self.wait(path.exists, f"no {path.name}")
        return path.read_bytes()

    def numbers(self, source: str, column: str) -> list[Any]:
        """Return a column of the first sources that have some column, as the browser has it."""
        found = [
            json.loads(words.replace("NaN", "null")) for words in self.driver.execute_script(COLUMN, source, column)
        ]
        return next((one for one in found if one), [])

    def shoot(self, path: Path) -> None:
        self.driver.save_screenshot(str(path))
