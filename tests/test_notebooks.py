"""The notebooks: each topic has a story, its code runs, and what it claims of its numbers holds."""

import re
import resource
from pathlib import Path

import matplotlib
import pytest

from tests.commands import ROOT

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.md"))
CELL = re.compile(r"^```\{code-cell\}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SECONDS = 30.0
"""Processor time that a story may take once its kernels are compiled."""


def test_each_topic_has_its_story() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {"double_descent", "overtraining", "plateau", "memorisation"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_plain_text_that_the_site_runs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "format_name: myst" in text
    cells = CELL.findall(text)
    assert len(cells) >= 2
    assert any("tsmech.draw" in cell or ".draw(" in cell for cell in cells)
    for note in re.findall(r"\]\(\.\./theory/(\w+\.md)\)", text):
        assert (ROOT / "theory" / note).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_code_runs_and_its_claims_hold(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    from matplotlib import pyplot

    from tsmech.machine import compilation

    names: dict[str, object] = {}
    before, compiled = resource.getrusage(resource.RUSAGE_SELF).ru_utime, compilation.seconds()
    for code in CELL.findall(path.read_text(encoding="utf-8")):
        exec(compile(code, path.name, "exec"), names)
    pyplot.close("all")
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    if compilation.seconds() == compiled:
        assert taken < SECONDS
