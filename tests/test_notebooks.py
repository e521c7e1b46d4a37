"""The notebooks: each system has a story.  The site runs their code, and with it what they claim of its numbers."""

import re
from pathlib import Path

import pytest

from tests.commands import ROOT
from tsmech.systems import REGISTRY

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.md"))
CELL = re.compile(r"^```\{code-cell\}\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_each_topic_has_its_story() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {"double_descent", "overtraining", "plateau", "memorisation"}


@pytest.mark.parametrize("name", REGISTRY)
def test_each_system_has_its_story_to_which_its_readers_are_led(name: str) -> None:
    told = [path for path in NOTEBOOKS if f"](../theory/{name}.md)" in path.read_text(encoding="utf-8")]
    assert any(re.search(rf'"{name}"|tsmech\.{REGISTRY[name]}\b', path.read_text(encoding="utf-8")) for path in told)
    for page, place in (("docs/questions.md", "notebooks"), ("README.md", "examples/notebooks")):
        text = (ROOT / page).read_text(encoding="utf-8")
        rows = [line for line in text.splitlines() if f"/{name}.md)" in line]
        assert any(f"]({place}/{path.name})" in row for path in told for row in rows), page


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_plain_text_that_the_site_runs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "format_name: myst" in text
    cells = CELL.findall(text)
    assert len(cells) >= 2
    assert any("tsmech.draw" in cell or ".draw(" in cell for cell in cells)
    for note in re.findall(r"\]\(\.\./theory/(\w+\.md)\)", text):
        assert (ROOT / "theory" / note).is_file()
    assert any("assert " in cell for cell in cells)


def test_the_site_runs_each_of_them_and_fails_where_one_does() -> None:
    """... so no test runs them a second time."""
    settings: dict[str, object] = {}
    text = (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
    exec("\n".join(line for line in text.splitlines() if line.startswith("nb_")), settings)
    assert settings["nb_execution_mode"] == "force"
    assert settings["nb_execution_raise_on_error"] is True
    assert "--fail-on-warning" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "make docs" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
