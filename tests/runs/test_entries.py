"""Results that can be taken away: columns of plain numbers, a row for each number, arrays with named dimensions."""

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import xarray

import tsmech
from tests import gauge
from tests.commands import command
from tests.gauge import Walk
from tests.systems.test_every_kind import TwoTasks
from tsmech.experiment import Experiment, build
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import parameter
from tsmech.runs import arrays, carry_out, entries, export
from tsmech.systems import REGISTRY

ONE_OF = {"seed", "history", "version"}
"""What a data set says of itself that another run of the same numbers says differently."""


@dataclass(frozen=True)
class Clash(Walk):
    """A walk whose matrix has axes that are called like a parameter and a coordinate, and alike."""

    name = "clash"
    observables: ClassVar = {
        "position": Observable("x", "position", "steps"),
        "overlap": Observable("Q", "outer product", axes=("drift", "drift")),
    }
    coordinates: ClassVar = {"time": Coordinate("t", "time", "steps")}
    length: int = parameter("n", "number of steps", default=3, minimum=1)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unpainted: None) -> None:
    gauge.register(monkeypatch.setitem)
    for system in (TwoTasks, Clash):
        monkeypatch.setitem(REGISTRY, system.name, system.__name__)
        monkeypatch.setitem(sys.modules, f"tsmech.systems.{system.name}", sys.modules[__name__])
    monkeypatch.chdir(tmp_path)


def two_tasks() -> Experiment:
    return build(TwoTasks, {"rate": "best,0.5", "frozen": "true,false"}, replicates=3, seed=7, title="Both")


def same(one: float | None, other: float) -> bool:
    return math.isnan(other) if one is None else one == other


# A row for each number


def test_a_long_table_has_a_row_for_each_number_with_its_indices() -> None:
    with carry_out(two_tasks()) as store:
        wide, long = list(store.rows()), list(entries.rows(store))
        assert all(list(row) == entries.columns(store) for row in long)
        head = {"system", "answer", "rate", "frozen", "task", "time", "replicates"}
        numbers = sum(name not in head and not name.endswith("_sem") for row in wide for name in row)
        assert len(long) == numbers
        found = {
            (row["answer"], row["rate"], row["frozen"], row["task"], row["time"], row["observable"], row["half"],
             row["fate"]): row for row in long
        }  # fmt: skip
        assert len(found) == len(long), "no two rows are of one number"
        for row in wide:
            place = (row["answer"], row["rate"], row["frozen"], row["task"], row["time"])
            for column, observable, half, fate in (
                ("memory", "memory", None, None),
                ("m[1]", "m", 1, None),
                ("C[0, lose]", "C", 0, "lose"),
                ("final_memory", "final_memory", None, None),
            ):
                one = found[(*place, observable, half, fate)]
                assert one["value"] == row[column]
                assert one["sem"] == row.get(f"{column}_sem")
                assert one["replicates"] == row.get("replicates")


def test_the_command_exports_it_in_every_format_of_a_table() -> None:
    command("run", "walk", "--drift", "0,1", "--replicates", 2, "--workers", 1, "--out", "d")
    for name in ("t.csv", "t.json", "t.parquet"):
        assert command("export", "d", "--long", "--out", name) == (0, "", "")
    assert command("export", "d", "--long").out == Path("t.csv").read_text()
    assert command("export", "d", "--long", "--format", "json").out == Path("t.json").read_text()
    frames = [pd.read_csv("t.csv"), pd.read_parquet("t.parquet"), pd.DataFrame(json.loads(Path("t.json").read_text()))]
    for frame in frames:
        assert list(frame) == [
            "system", "answer", "drift", "time", "observable", "row", "column", "value", "sem", "replicates",
            "diverged_at",
        ]  # fmt: skip
        np.testing.assert_array_equal(frame["value"].to_numpy(float), frames[0]["value"].to_numpy(float))
        np.testing.assert_array_equal(frame["row"].to_numpy(float), frames[0]["row"].to_numpy(float))


# Arrays


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run.nc", "run.zarr"])
def test_arrays_hold_what_the_table_holds_and_nothing_else(name: str) -> None:
    """Every number of the table is found by its names, and there are as many numbers as the table has."""
    with carry_out(two_tasks(), Path("d")) as store:
        export(store, Path(name), "netcdf" if name.endswith("nc") else "zarr")
        rows, known = list(store.rows()), entries.known(store)
    engine: Any = "h5netcdf" if name.endswith("nc") else "zarr"
    with xarray.open_dataset(name, engine=engine) as found:
        assert found["C"].dims == ("answer", "rate", "frozen", "task", "time", "half", "fate")
        assert found["final_memory"].dims == ("answer", "rate", "frozen")
        assert found["fate"].values.tolist() == ["keep", "lose"]
        assert found["task"].values.tolist() == ["first", "second"]
        assert found["time"].values.tolist() == [0.0, 1.0, 2.0]
        assert (found["memory"].attrs["symbol"], found["time"].attrs["units"]) == ("μ", "steps of training")
        assert (found.attrs["title"], found.attrs["seed"]) == ("Both", "7")
        assert found.attrs["version"] == f"tsmech {tsmech.__version__}"
        assert json.loads(found.attrs["parameters"])["dimension"] == 20
        count = 0
        for row in rows:
            place = {"answer": row["answer"], "rate": str(row["rate"]), "frozen": int(row["frozen"])}
            along = {"task": row["task"], "time": row["time"]}
            for column, entry in known.items():
                at = place | ({} if column == "final_memory" else along) | entry.labels
                assert same(row[column], float(found[entry.observable].sel(at)))
                assert same(row.get(f"{column}_sem"), float(found[f"{entry.observable}_sem"].sel(at)))
                count += column != "final_memory"
        held = sum(int(np.isfinite(found[name]).sum()) for name in ("memory", "m", "C"))
        assert held == count
        assert int(found["replicates"].sel(answer="drawn").min()) == 3
        assert "diverged_at" not in found


def test_what_a_point_has_not_is_not_a_number() -> None:
    """Units beyond a network's size, times beyond a curve's end, answers beyond what was asked."""
    sweep = {"student_units": [1, 2], "duration": 2.0, "samples": 2, "dimension": 50}
    with carry_out(build("online_sgd", sweep, answers="theory,reduced", replicates=2)) as store:
        found = arrays.dataset(store)
        rows = list(store.rows())
    R = found["R"]
    assert R.dims == ("answer", "student_units", "alpha", "student_unit", "teacher_unit")
    assert found["Q"].dims[-2:] == ("student_unit", "student_unit_2")
    small = R.sel(student_units=1)
    assert np.isnan(small.sel(student_unit=1)).all()
    assert not np.isnan(small.sel(student_unit=0)).any()
    last = [row for row in rows if row["answer"] == "theory" and row["student_units"] == 2][-1]
    where = {"answer": "theory", "student_units": 2, "alpha": last["alpha"], "student_unit": 1, "teacher_unit": 0}
    assert float(R.sel(where)) == last["R[1, 0]"]
    with carry_out(build(Walk, {"length": [2, 4]}, answers="theory")) as store:
        position = arrays.dataset(store)["position"]
    assert np.isnan(position.sel(length=2, time=[3.0, 4.0])).all()
    assert not np.isnan(position.sel(length=4)).any()


def test_dimensions_are_named_apart_from_each_other_and_from_all_else() -> None:
    with carry_out(build(Clash, {"drift": [0.0, 1.0]}, answers="theory")) as store:
        found = arrays.dataset(store)
        assert found["overlap"].dims == ("answer", "drift", "time", "drift_index", "drift_index_2")
        assert entries.columns(store)[-6:-4] == ["drift_index", "drift_index_2"]


def test_a_run_of_points_has_no_coordinate_and_where_draws_diverged_is_kept() -> None:
    with carry_out(build("ridge", {"alpha": [0.5, 1.0], "noise": [0.1, 0.5]}, answers="theory")) as store:
        found = arrays.dataset(store)
    assert found["bias"].dims == ("answer", "alpha", "noise")
    assert float(found["test_error"].sel(answer="theory", alpha=1.0, noise=0.5)) == math.inf
    units = {"activation": "linear", "duration": 400.0, "teacher_units": 1, "student_units": 1}
    with carry_out(build("online_sgd", {"learning_rate": [0.5, 9.0], **units}, answers="theory")) as store:
        found = arrays.dataset(store)
    assert np.isnan(found["diverged_at"].sel(learning_rate=0.5)).all()
    assert (found["diverged_at"].sel(learning_rate=9.0) > 0).all()


def test_the_same_run_makes_the_same_arrays(tmp_path: Path) -> None:
    with carry_out(two_tasks()) as one, carry_out(two_tasks()) as other:
        first, second = arrays.dataset(one), arrays.dataset(other)
    assert first.drop_attrs().identical(second.drop_attrs())
    assert {**first.attrs, **dict.fromkeys(ONE_OF)} == {**second.attrs, **dict.fromkeys(ONE_OF)}


# How it is asked for, and what is refused


def test_the_ending_of_a_file_says_that_arrays_are_meant() -> None:
    command("run", "walk", "--drift", "0,1", "--replicates", 2, "--workers", 1, "--out", "d")
    assert command("export", "d", "--out", "run.nc") == (0, "", "")
    assert command("export", "d", "--format", "netcdf", "--out", "run.dat") == (0, "", "")
    assert command("export", "d", "--out", "run.zarr") == (0, "", "")
    with (
        xarray.open_dataset("run.nc", engine="h5netcdf") as one,
        xarray.open_dataset("run.dat", engine="h5netcdf") as other,
        xarray.open_dataset("run.zarr", engine="zarr") as third,
    ):
        assert one.identical(other)
        assert one["overlap"].equals(third["overlap"])
    assert sorted(path.name for path in Path().iterdir()) == ["d", "run.dat", "run.nc", "run.zarr"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--format", "netcdf"), "--format netcdf needs a file: give --out FILE"),
        (("--format", "zarr"), "--format zarr needs a file: give --out FILE"),
        (("--long", "--out", "run.nc"), "--long makes a table, which netCDF does not hold: leave it out"),
        (("--format", "csv", "--out", "run.nc"), "--out run.nc ends as netcdf does, and --format is csv"),
        (("--out", "d.zarr"), "d.zarr is a directory, which is not replaced"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_line(words: tuple[str, ...], says: str) -> None:
    command("run", "walk", "--answers", "theory", "--out", "d")
    Path("d.zarr").mkdir()
    said = command("export", "d", *words)
    assert (said.code, said.out) == (2, "")
    assert says in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("module", "name", "says"),
    [("xarray", "r.nc", "xarray"), ("h5netcdf", "r.nc", "netCDF"), ("zarr", "r.zarr", "Zarr")],
)
def test_a_missing_extra_is_named(module: str, name: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command("run", "walk", "--answers", "theory", "--out", "d")
    monkeypatch.setitem(sys.modules, module, None)
    said = command("export", "d", "--out", name)
    assert said == (2, "", f"tsmech: {says} needs an extra: pip install 'tsmech[xarray]'\n")
    assert not Path(name).exists()


def test_arrays_that_cannot_be_written_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xarray.Dataset, "to_netcdf", full)
    monkeypatch.setattr(xarray.Dataset, "to_zarr", full)
    with carry_out(build(Walk, {}, answers="theory")) as store:
        for name, kind in (("r.nc", "netcdf"), ("r.zarr", "zarr")):
            with pytest.raises(tsmech.errors.IncompleteError, match=f"{name} cannot be written: No space left"):
                export(store, Path(name), kind)
    assert list(Path().iterdir()) == []


# Frames


@pytest.mark.parametrize("answer", ["theory", "direct"])
def test_frames_hold_entries_as_plain_columns_that_parquet_takes(answer: str) -> None:
    table = tsmech.run(Walk, drift=[0.0, 1.0], answers=answer, replicates=2, workers=1, progress=False)
    single = Walk(drift=0.5).answer(answer, 1)
    for frame in (table, single):
        assert "overlap[1, 1]" in frame
        assert not [name for name in frame if name not in ("system", "answer") and frame[name].dtype == object]
        frame.to_parquet("t.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet("t.parquet"), frame)
