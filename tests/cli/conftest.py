"""Where the tests of the command line work."""

from pathlib import Path

import pytest

from tests.gauge import register


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the toy systems, and work in an empty directory."""
    register(monkeypatch.setitem)
    monkeypatch.chdir(tmp_path)
