"""Pictures on one's own axes: of tables, run directories and stores."""

from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure

import tsmech
from tests.gauge import register
from tests.plots.drawn import legend, lines
from tsmech.errors import InputError
from tsmech.experiment import build
from tsmech.runs import carry_out


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch.setitem)


def test_a_table_knows_its_experiment_and_is_drawn_onto_ones_own_axes(known: None) -> None:
    table = tsmech.run("gauge", level=[1.0, 2.0, 3.0], replicates=3, workers=1)
    figure = Figure()
    mine, other = figure.subplots(1, 2)
    with mpl.rc_context({"lines.linewidth": 7.0}):
        assert tsmech.draw(table, y="spread", ax=mine) is mine
    assert mine.get_ylabel().startswith("s")
    assert lines(mine)[0].get_linewidth() == 7.0, "axes of one's own keep one's own style"
    assert legend(mine) == ["theory", "reduced", "direct"]
    assert not other.lines
    assert figure.get_suptitle() == ""
    assert tsmech.draw(table, y=["spread", "luck"], ax=figure.subplots(1, 2))[1].get_ylabel().startswith("u")
    with pytest.raises(InputError, match="ax has 1 axes and the picture 2 panels: give as many, or choose with y"):
        tsmech.draw(table, ax=mine)


def test_directories_stores_and_parts_of_tables_are_drawn_alike(known: None, tmp_path: Path) -> None:
    table = tsmech.run("walk", drift=[0.0, 1.0], answers="theory", out=tmp_path / "run", workers=1)
    experiment = build("walk", {"drift": [0.0, 1.0]}, answers="theory")
    with carry_out(experiment) as store:
        drawn = [tsmech.draw(given, y="position") for given in (table, store, tmp_path / "run", str(tmp_path / "run"))]
    curves = [[line.get_ydata().tolist() for line in lines(ax)] for ax in drawn]
    assert curves == [[[0.0] * 4, [1.0, 2.0, 3.0, 4.0]]] * 4
    half = tsmech.draw(table[table.drift == 1.0], y="position")
    assert [line.get_ydata().tolist() for line in lines(half)] == [[1.0, 2.0, 3.0, 4.0]]
    family = tsmech.draw(table[table.drift == 1.0], y="overlap", ax=Figure().add_subplot())  # one panel, not two
    assert lines(family)
    panels = tsmech.draw(table, y=["position", "overlap"])
    assert isinstance(panels, list)
    assert all(isinstance(ax.figure, Figure) for ax in panels)


def test_maps_and_matrices_are_drawn_onto_ones_own_axes(known: None) -> None:
    table = tsmech.run("gauge", level="1:3:4", noise="0.1:1:4", answers="theory", workers=1)
    ax = Figure().add_subplot()
    assert tsmech.draw(table, value="spread", ax=ax) is ax
    assert ax.collections
    walk = tsmech.run("walk", answers="theory", workers=1)
    ax = Figure().add_subplot()
    assert tsmech.draw(walk, matrix="overlap", at=[2], ax=ax) is ax
    assert ax.images[0].get_array().tolist() == [[1.0, 2.0], [2.0, 6.0]]


def test_what_knows_no_experiment_is_refused() -> None:
    with pytest.raises(InputError, match=r"a DataFrame cannot be drawn: give a run directory, or the table that tsm"):
        tsmech.draw(pd.DataFrame({"x": [1]}))
    with pytest.raises(InputError, match="nowhere is not a run directory"):
        tsmech.draw("nowhere")


def test_a_table_with_its_experiment_is_still_written_as_parquet(known: None, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    table = tsmech.run("walk", answers="theory", workers=1)
    table.to_parquet(tmp_path / "table.parquet")
    again = pd.read_parquet(tmp_path / "table.parquet")
    assert lines(tsmech.draw(again, y="position"))[0].get_ydata().tolist() == [1.0, 2.0, 3.0, 4.0]
