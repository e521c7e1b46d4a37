"""What the command opens, and what it refuses, without a browser."""

import dataclasses
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("panel")


from tests.commands import command
from tsmech.errors import InputError
from tsmech.experiment import build, read_plot
from tsmech.explore.reading import RunFile, draw_large
from tsmech.explore.series import draw
from tsmech.explore.server import Target, check_port, free_port
from tsmech.runs import carry_out
from tsmech.store import Store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("made") / "run"
    sweep = {"alpha": "0.5:3:7", "penalty": "log:0.01:1:6", "noise": [0.1, 0.5], "dimension": 20}
    carry_out(build("ridge", sweep, answers="theory,reduced", replicates=2), place, pictured=True).close()
    return place


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


def test_a_name_is_a_system_an_experiment_or_a_run_in_this_order(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    run.rename("ridge")
    Path("double_descent").mkdir()
    (tmp_path / "mine.toml").write_text('system = "ridge"\n[parameters]\nalpha = [1, 2]\n')
    assert (Target(None).path, Target("ridge").run, Target("double-descent").path) == ("", None, "double_descent")
    opened = Target("./ridge").run
    assert opened is not None
    assert opened.directory == Path("ridge")
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


@pytest.mark.parametrize("convention", ["tsmech", "Hastie et al. 2022", "Advani & Saxe 2017"])
def test_a_large_run_is_read_column_by_column_and_its_maps_are_those_of_all_rows(run: Path, convention: str) -> None:
    """Hastie et al. scale the penalty by what the other axis says: that map stays ours."""
    told: list[int] = []
    with Store.open(run) as store:
        plot = read_plot({"convention": convention}, store.experiment.system)
        rows, experiment = list(store.rows()), dataclasses.replace(store.experiment, plot=plot)
        read = draw_large(store, experiment, lambda count: told.append(count) is None)
    whole = draw(experiment, rows)
    assert told
    assert [panel.title for panel in read.panels] == [panel.title for panel in whole.panels]
    assert len(read.panels) == 4
    for one, other in zip(read.panels, whole.panels, strict=True):
        assert one.cells is not None
        assert other.cells is not None
        assert (one.cells.table == other.cells.table).all()
        np.testing.assert_array_equal(one.cells.errors, other.cells.errors)
        np.testing.assert_array_equal(one.cells.xs, other.cells.xs)
        assert (one.x_label, one.y_label, one.x_log, one.y_log) == (other.x_label, other.y_label, False, True)
        assert one.cells.colours == other.cells.colours


@pytest.mark.parametrize(
    "plot", [{"y": ["test_error"], "x": "penalty", "by": "alpha"}, {"x": "bias", "y": ["variance"]}]
)
def test_curves_of_a_large_run_are_those_of_all_rows(run: Path, plot: dict[str, object]) -> None:
    with Store.open(run) as store:
        experiment = dataclasses.replace(store.experiment, plot=plot)
        rows, read = list(store.rows()), draw_large(store, experiment, lambda count: True)
    whole = draw(experiment, rows)
    assert [panel.title for panel in read.panels] == [panel.title for panel in whole.panels]
    for one, other in zip(read.panels, whole.panels, strict=True):
        pairs = zip(one.series or one.trails.trails, other.series or other.trails.trails, strict=True)
        for line, same in pairs:
            assert line.answer == same.answer
            np.testing.assert_array_equal([line.x, line.y], [same.x, same.y])


def test_a_picture_that_is_asked_for_no_more_is_read_no_further(run: Path) -> None:
    with Store.open(run) as store, pytest.raises(InputError, match="another picture is asked for"):
        draw_large(store, store.experiment, lambda count: False)


def test_a_run_that_stays_as_it_is_is_examined_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examined = []
    whole = Store.open
    monkeypatch.setattr(Store, "open", lambda path, checked: examined.append(not checked) or whole(path, checked))
    file = RunFile(run)
    for _ in range(2):
        file.open().close()
    (run / "run.sqlite").touch()
    file.open().close()
    assert examined == [True, False, True]
