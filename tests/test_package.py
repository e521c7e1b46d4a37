"""What is published: the page on an index has no link that leads nowhere."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

import tsmech
from tests.commands import ROOT

pytest.importorskip("hatchling")
TARGET = re.compile(r"\]\(([^)]*)\)")


@pytest.fixture(scope="module")
def build() -> Any:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def described(build: Any, **metadata: Any) -> str:
    build.Page(str(ROOT), {}).update(metadata)
    assert metadata["readme"]["content-type"] == "text/markdown"
    return str(metadata["readme"]["text"])


def test_the_page_has_the_words_of_the_readme_and_no_link_into_the_repository(build: Any) -> None:
    readme, text = (ROOT / "README.md").read_text(encoding="utf-8"), described(build)
    assert any(not target.startswith("https:") for target in TARGET.findall(readme))
    assert all(target.startswith("https:") for target in TARGET.findall(text))
    assert "![" not in text
    assert "double descent" in text
    for line in readme.splitlines():
        if "](" not in line:
            assert line in text


def test_where_the_source_is_known_links_lead_there(build: Any) -> None:
    text = described(build, urls={"Source": "https://example.org/tsmech/"})
    found = [target for target in TARGET.findall(text) if target.startswith("https://example.org/tsmech/")]
    assert "https://example.org/tsmech/theory/ridge.md" in found
    for target in found:
        path = target.removeprefix("https://example.org/tsmech/").partition("#")[0]
        assert (ROOT / Path(path)).exists(), path
    assert all(target.startswith("https:") for target in TARGET.findall(text))


def test_who_cites_the_package_cites_its_version() -> None:
    words = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", words, re.MULTILINE) == [tsmech.__version__]
    assert f"version = {{{tsmech.__version__}}}" in tsmech.Ridge.bibtex()
