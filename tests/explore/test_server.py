"""What the command opens, and what it refuses, without a browser."""

import socket
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("panel")

import tsmech
from tests.commands import command
from tsmech.errors import InputError
from tsmech.explore.saved import _read_map
from tsmech.explore.series import draw
from tsmech.explore.server import Target, check_port, free_port
from tsmech.explore.translation import Translation
from tsmech.plots.picture import choose
from tsmech.store import Store


@pytest.fixture
def run(tmp_path: Path) -> Path:
    sweep = {"alpha": "0.5:3:7", "penalty": "log:0.01:1:6", "noise": [0.1, 0.5]}
    tsmech.run("ridge", **sweep, answers="theory,reduced", replicates=2, workers=1, out=tmp_path / "run")
    return tmp_path / "run"


def test_a_name_is_a_system_an_experiment_or_a_run_in_this_order(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    run.rename("ridge")
    Path("double_descent").mkdir()
    (tmp_path / "mine.toml").write_text('system = "ridge"\n[parameters]\nalpha = [1, 2]\n')
    assert (Target(None).path, Target("ridge").run, Target("double-descent").path) == ("", None, "double_descent")
    assert Target("./ridge").run == Path("ridge")
    assert Target("mine.toml").file == "mine.toml"
    for name, says in (("ridgs", "did you mean ridge"), ("double_descent/", "is not a run directory")):
        with pytest.raises(InputError, match=says):
            Target(name)


def test_a_port_in_use_is_refused_in_a_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = command("explore", "ridge", "--no-browser", "--port", port)
        assert said.code == 2
        assert f"port {port} is in use: --port N takes another" in said.err
    with pytest.raises(InputError, match="port = 70000 is not allowed"):
        check_port(70000)
    check_port(free_port())


def test_what_is_neither_is_refused_in_a_line() -> None:
    said = command("explore", "rigde", "--no-browser")
    assert (said.code, said.out) == (2, "")
    assert "rigde is neither a system nor an experiment nor a run directory: did you mean ridge?" in said.err


def test_a_map_that_is_read_row_by_row_is_that_of_all_rows(run: Path) -> None:
    with Store.open(run) as store:
        rows, experiment = list(store.rows()), store.experiment
    picture, translation = choose(experiment), Translation(experiment)
    assert picture.y
    whole, read = draw(experiment, rows, translation), _read_map(experiment, picture, rows, translation)
    assert [panel.title for panel in read.panels] == [panel.title for panel in whole.panels]
    assert len(read.panels) == 4
    for one, other in zip(read.panels, whole.panels, strict=True):
        assert one.cells is not None
        assert other.cells is not None
        assert (one.cells.table == other.cells.table).all()
        np.testing.assert_array_equal(one.cells.errors, other.cells.errors)
        assert (one.x_log, one.y_log) == (False, True)
