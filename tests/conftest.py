"""Shared test set-up: examples that repeat, a Numba cache named by the sources, and the module of the site.

What is imported and collected stays until the end: the garbage collector need not look at it again and again.
"""

import gc
import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

# The same examples every time: a run that fails can be repeated.  `--hypothesis-profile=default` looks for others.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

gc.disable()

_package = Path(__file__).parents[1] / "tsmech"
_digest = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(_package.rglob("*.py")))).hexdigest()[:16]
# Numba's cache does not see edits in other files, so each state of the sources has its own.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"tsmech-numba-{_digest}"))


def pytest_configure(config: pytest.Config) -> None:
    """Give each worker one thread: those of linear algebra would wait for one another, and keep all cores busy so."""
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_finish() -> None:
    """Let garbage be collected again, of what is made from now on."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _leaves_nothing() -> Iterator[None]:
    """Fail where a test writes into the directory that the tests were started in."""
    here = Path.cwd()
    before = {path.name for path in here.iterdir()}
    yield
    left = {path.name for path in here.iterdir() if not path.name.startswith((".", "__"))} - before
    assert not left, f"written where the tests were started: {sorted(left)}"


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save empty pictures: one that is drawn costs as much as a hundred runs of a toy."""
    from tsmech import plots

    def save(
        figure: Any, directory: Path, stem: str = "figure", formats: tuple[str, ...] = ("png", "svg")
    ) -> list[Path]:
        paths = [directory / f"{stem}.{kind}" for kind in formats]
        for path in paths:
            path.touch()
        return paths

    monkeypatch.setattr(plots, "save", save)


@pytest.fixture(scope="session")
def pages() -> ModuleType:
    """Return the module that makes pages of the site from declarations."""
    spec = importlib.util.spec_from_file_location("pages", _package.parent / "docs" / "pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
