"""Where the tests of the command line work."""

from pathlib import Path
from typing import Any

import pytest

from tests.gauge import register
from tsmech import plots


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the toy systems, and work in an empty directory."""
    register(monkeypatch.setitem)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save empty pictures, which are quick."""

    def save(figure: Any, directory: Path, stem: str, formats: tuple[str, ...]) -> list[Path]:
        paths = [directory / f"{stem}.{kind}" for kind in formats]
        for path in paths:
            path.touch()
        return paths

    monkeypatch.setattr(plots, "save", save)
