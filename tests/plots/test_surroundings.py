"""What a picture must not depend on: the user's style and backend, and whatever words are in it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from tests.commands import ROOT
from tests.gauge import Gauge
from tests.plots.drawn import finished, words
from tsmech.experiment import Experiment, build
from tsmech.plots import draw, save
from tsmech.plots.style import printable
from tsmech.runs import carry_out

SWEEP = {"level": [1, 2, 3], "noise": [0.1, 0.2]}


@pytest.fixture(scope="module")
def sweep() -> tuple[Experiment, list[dict[str, Any]]]:
    return finished(**SWEEP)


def pictures(experiment: Experiment, rows: list[dict[str, Any]], folder: Path) -> list[bytes]:
    """Return a picture as it is written."""
    return [path.read_bytes() for path in save(draw(experiment, rows, y="spread"), folder)]


def test_a_picture_has_the_style_of_the_package_whatever_the_user_has_set(
    tmp_path: Path, sweep: tuple[Experiment, list[dict[str, Any]]]
) -> None:
    expected = pictures(*sweep, tmp_path)
    with mpl.rc_context({"text.usetex": True, "font.size": 30, "axes.facecolor": "red", "svg.fonttype": "none"}):
        assert pictures(*sweep, tmp_path) == expected


@pytest.mark.parametrize("backend", ["module://a_backend.that_is_not_there", "nonsense"])
def test_a_picture_is_made_whatever_backend_the_environment_names(backend: str, tmp_path: Path) -> None:
    code = (
        "import os\n"
        "from pathlib import Path\n"
        "from tsmech.plots import save\n"
        "from tsmech.plots.style import own_style\n"
        "with own_style():\n"
        "    import matplotlib\n"
        "    from matplotlib.figure import Figure\n"
        "save(Figure(), Path('.'))\n"
        "print(os.environ['MPLBACKEND'], matplotlib.rcParams['backend'] == os.environ['MPLBACKEND'])\n"
    )
    environment = {**os.environ, "MPLBACKEND": backend, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.split() == [backend, str(backend != "nonsense")]
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "title",
    [
        "$x^$",
        "costs $5",
        "$",
        "a $x^ b$ c " * 9,
        "\x1b[31mred\x00\x07",
        "\udcff",
        "<&>--\uffff",
        "汉字 🎉",
        "\\frac{",
        "",
    ],
)
def test_any_title_makes_a_picture_and_the_svg_is_well_formed(title: str, tmp_path: Path) -> None:
    experiment = build(Gauge, {"level": [1, 2]}, answers="theory", title=title)
    with carry_out(experiment) as store:
        _, svg = save(draw(experiment, store.rows(), y="luck"), tmp_path)
    root = ElementTree.fromstring(svg.read_bytes())
    assert root.tag.endswith("svg")


def test_a_formula_in_a_title_is_set_as_one() -> None:
    assert printable(r"at $\alpha = 1$", mathematics=True) == r"at $\alpha = 1$"
    assert printable(r"at $\alpha = 1$") == r"at \$\alpha = 1\$"
    assert printable("one\ttwo\x00", mathematics=True) == "one two "


def test_names_with_dollar_signs_are_words(tmp_path: Path) -> None:
    """A file of eigenvalues, and a function, may be called anything."""
    file = tmp_path / "a$x^$.csv"
    file.write_text("1\n2\n")
    experiment = build("ridge", {"alpha": [1, 2], "spectrum": str(file), "penalty": 1}, answers="theory")
    with carry_out(experiment) as store:
        figure = draw(experiment, store.rows(), y="test_error")
    save(figure, tmp_path)
    assert r"spectrum = a\$x^\$.csv" in words(figure)
