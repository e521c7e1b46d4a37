"""The pages of the site: their code runs, and the system that one of them adds works in every room."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.commands import ROOT, command
from tsmech.systems import REGISTRY

PAGES = ROOT / "docs"
GUIDE = "adding_a_system.md"
FILES = re.compile(r"```\{code-block\} \w+\n:caption: (\S+)\n\n(.*?)```", re.DOTALL)
REGISTRY_FILE = "tsmech/systems/__init__.py"


def blocks(page: str, kind: str) -> list[str]:
    """Return the code of one kind on a page."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", (PAGES / page).read_text(), re.DOTALL | re.MULTILINE)


def commands(page: str) -> list[list[str]]:
    """Return the commands that a page shows, word by word, without the name of the program."""
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    assert all(line.startswith("$ tsmech ") for line in lines)
    return [shlex.split(line)[2:] for line in lines]


# Getting started


def test_the_python_of_the_first_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    found = blocks("getting_started.md", "python")
    assert len(found) == 2
    for code in found:
        exec(compile(code, "getting_started.md", "exec"), names)
    assert {"theory", "reduced", "direct"} == set(names["table"].answer)


@pytest.mark.slow
def test_the_commands_and_the_file_of_the_first_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (text,) = blocks("getting_started.md", "toml")
    Path("mine.toml").write_text(text)
    shown = commands("getting_started.md")
    assert [words[0] for words in shown] == ["run", "plot", "plot", "plot", "check"]
    for words in [*shown[:-1], ["run", "mine.toml", "--dry-run"], ["check", "--help"]]:
        said = command(*words)
        assert said.code == 0, said.err
    assert Path("runs/first/figure.svg").is_file()


# The reference


def test_every_module_has_its_place_in_the_reference(pages: ModuleType) -> None:
    """... but for those of the command line."""
    text = "".join(pages.reference_page(package) for package in pages.packages())
    listed = re.findall(r"^\.\. automodule:: (\S+)$", text, re.MULTILINE)
    files = [path.relative_to(ROOT).with_suffix("").parts for path in (ROOT / "tsmech").rglob("*.py")]
    modules = {".".join(parts).removesuffix(".__init__") for parts in files if parts[-1] != "__main__"}
    assert len(listed) == len(set(listed))
    assert set(listed) == {name for name in modules if not name.startswith("tsmech.cli")}


def test_the_notes_name_files_that_are_there() -> None:
    for page in [*(ROOT / "theory").glob("*.md"), *PAGES.glob("*.md"), ROOT / "README.md"]:
        for name in re.findall(r"`((?:tsmech|tests|docs|theory|sims)/[\w./]+\.(?:py|md|toml))`", page.read_text()):
            assert (ROOT / name).is_file() or "hebb" in name, f"{page.name} names {name}"


# Questions to authors


@pytest.mark.slow
def test_with_two_spare_units_the_law_of_small_rates_is_a_plateau() -> None:
    """The last row of docs/errata.md; the others name the tests of their own."""
    import tsmech

    text = (PAGES / "errata.md").read_text()
    for units in (3, 4):
        setting = {
            "student_units": units,
            "teacher_units": 2,
            "learning_rate": 0.1,
            "noise": 0.1,
            "initial": "informed",
        }
        seen = tsmech.OnlineSGD(**setting, duration=20_000, samples=[3000, 20_000]).theory().generalization_error * 1e4
        assert f"{seen[0]:.3f}·10⁻⁴" in text
        assert f"{seen[1]:.3f}·10⁻⁴" in text
        assert (seen[1] < 0.995 * seen[0]) == (units == 4)


# A system, added


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the house into which the page's system has moved."""
    place = tmp_path_factory.mktemp("house")
    for room in ("tsmech", "sims"):
        shutil.copytree(ROOT / room, place / room, ignore=shutil.ignore_patterns("__pycache__"))
    written = 0
    for name, code in FILES.findall((PAGES / GUIDE).read_text()):
        path = place / name.replace("\\", "")
        written += len([line for line in code.splitlines() if line])
        if path == place / REGISTRY_FILE:
            text = path.read_text().replace("REGISTRY = {\n", f"REGISTRY = {{\n{code}")
            path.write_text(text)
            continue
        assert not path.exists(), f"{name} is there already"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    assert written < 100
    return place


def in_house(house: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in the house and return how it ended."""
    return subprocess.run(
        [sys.executable, *words], cwd=house, env=os.environ | {"PYTHONPATH": str(house)}, capture_output=True, text=True
    )


@pytest.mark.slow
def test_the_new_system_does_all_that_the_page_shows(house: Path) -> None:
    assert "hebb" not in REGISTRY
    shown = commands(GUIDE)
    for words in shown:
        said = in_house(house, "-c", "from tsmech.cli import main; main()", *words)
        assert said.returncode == 0, said.stderr
    for name in ("runs/map/figure.png", "curves.png", "figures/hebb.png"):
        assert (house / name).is_file()
    table = (house / "runs/map/table.csv").read_text()
    assert all(answer in table for answer in ("theory", "reduced", "direct"))


@pytest.mark.slow
def test_the_new_system_passes_its_own_test_and_keeps_the_house_s_style(house: Path) -> None:
    said = in_house(house, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/systems/test_hebb.py")
    assert said.returncode == 0, said.stdout
    files = ["tsmech/systems/hebb.py", "tsmech/theory/hebb.py", "tsmech/sims/hebb.py", REGISTRY_FILE]
    ruff = [str(Path(sys.executable).with_name("ruff")), "--config", str(ROOT / "pyproject.toml")]
    for task in (["check"], ["format", "--check"]):
        done = subprocess.run([ruff[0], *task, *ruff[1:], *files], cwd=house, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_checks_of_the_new_system_find_a_mistake(house: Path) -> None:
    """The page's way to find mistakes finds one: a simulation with N + 20 directions across the teacher."""
    path = house / "tsmech/sims/hebb.py"
    right = path.read_text()
    path.write_text(right.replace("chisquare(dimension - 1)", "chisquare(dimension + 20)"))
    try:
        said = in_house(house, "-c", "from tsmech.cli import main; main()", "check", "hebb", "--short")
    finally:
        path.write_text(right)
    assert said.returncode == 1, said.stderr
    assert "NO" in said.stdout
