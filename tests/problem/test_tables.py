"""A person's table: files, targets in words, repeats of stimuli, and what is refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.tables import FRAME, problem
from tsmech import LearningCurve
from tsmech.errors import InputError


@pytest.fixture(autouse=True)
def _table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    FRAME.to_csv("t.csv", index=False)


def test_without_columns_all_but_the_targets_are_inputs() -> None:
    assert problem(columns=None).table().inputs.shape == (120, 11)
    assert problem(columns="-neuron_0", target=("neuron_*",)).table().inputs.shape == (120, 9)
    np.save("a.npy", FRAME.to_numpy())
    from_array = problem(data="a.npy", columns="0,1,2,3,4,5,6,7", target=("8",))
    assert from_array.table().names == ("8",)
    assert np.allclose(from_array.theory().test_error, problem().theory().test_error, rtol=1e-12)


def test_columns_are_chosen_by_patterns_and_targets_by_numbers() -> None:
    chosen = problem(columns="unit_*", target=8)
    assert chosen.table().names == ("y",)
    assert (chosen.table().inputs == problem().table().inputs).all()
    assert problem(columns="-neuron_*,-unit_[0-2]").table().inputs.shape == (120, 5)


def test_a_column_that_counts_the_rows_is_refused_wherever_it_is() -> None:
    FRAME.assign(trial=range(120)).to_csv("t.csv", index=False)
    np.save("t.npy", FRAME.assign(trial=range(1, 121)))
    for given, way in (({}, "-trial"), ({"data": "t.npy", "target": ("8",)}, "-12")):
        with pytest.raises(InputError, match=f"it may be an index or an input .columns = {way} leaves it out"):
            problem(columns=None, **given)
        assert problem(columns=way, **given).table().inputs.shape == (120, 11)
        assert problem(columns="all", **given).table().inputs.shape == (120, 12)
    assert problem(columns="-y", target=("trial",)).table().names == ("trial",)
    mixed = np.random.default_rng(0).permutation(120)
    for name, numbers in (("trial", mixed), ("Id", 7 * mixed + 3)):
        FRAME.assign(**{name: numbers}).to_csv("t.csv", index=False)
        with pytest.raises(InputError, match=f"its column {name} numbers the rows .*: it may be an index or an input"):
            problem(columns=None)
    FRAME.assign(age=7 * mixed + 3).to_csv("t.csv", index=False)
    assert problem(columns=None).table().inputs.shape == (120, 12)


def test_two_words_are_minus_one_and_one_and_the_run_says_which() -> None:
    high = FRAME.y > FRAME.y.median()
    for name, word in (("t.csv", "yes"), ("t.csv", "True"), ("t.parquet", "True"), ("u.parquet", "yes")):
        told = high if word == "True" else pd.Series(np.where(high, "yes", "no"))
        told = told.where(FRAME.index % 2 == 0, told.astype(str) + " ") if name == "t.csv" else told
        frame = FRAME.assign(y=told.astype("category") if name == "u.parquet" else told)
        _ = frame.to_csv(name, index=False) if name == "t.csv" else frame.to_parquet(name, index=False)
        found = problem(data=name)
        assert (found.table().targets[:, 0] == np.where(high, 1.0, -1.0)).all()
        other = "False" if word == "True" else "no"
        assert f"y (1 is {word}, -1 is {other}) has two values: it is" in str(found.remark())
    told = np.where(high, "yes", "no")
    stimuli = np.repeat(np.arange(40), 3)
    FRAME.assign(y=told, stimulus=stimuli).to_csv("t.csv", index=False)
    means = problem(repeats="stimulus").table().targets[:, 0]
    assert means == pytest.approx(np.where(high, 1.0, -1.0).reshape(40, 3).mean(axis=1))
    assert "y (1 is yes, -1 is no)" in str(problem(repeats="stimulus").remark())


def test_other_words_in_a_target_are_refused_in_one_line() -> None:
    high = np.where(FRAME.y > FRAME.y.median(), "yes", "no")
    for words, why in (
        (np.append(high[:-1], "perhaps"), r"t.csv: the target y holds 3 different words \(no, perhaps, yes\): two are"),
        (np.append(high[:-1], ""), "the target y holds '' in row 120 of its cells, a missing value"),
        (np.where(np.arange(120) % 9 == 3, "NA", "yes"), "the target y holds 'NA' in row 4 of its cells, a missing v"),
        (np.full(120, "yes"), "the target y is constant"),
        (np.append("1", high[1:]), "row 3, column 9 holds '(yes|no)'"),
    ):
        FRAME.assign(y=words).to_csv("t.csv", index=False)
        with pytest.raises(InputError, match=why) as raised:
            problem()
        assert "\n" not in str(raised.value)


def test_stimuli_that_are_shown_once_count_in_what_could_be_explained() -> None:
    """Of 200 stimuli half are shown ten times, half once: noise of variance 1 is .1 and 1 of their means."""
    rng = np.random.default_rng(4)
    place = np.concatenate([np.repeat(np.arange(100), 10), np.arange(100, 200)])
    inputs = 2.0 * rng.standard_normal((200, 2))
    frame = pd.DataFrame(inputs[place], columns=["a", "b"]).assign(stimulus=place + 0.5)
    frame["y"] = inputs.sum(axis=1)[place] + rng.standard_normal(place.size)
    frame.to_csv("r.csv", index=False)
    table = LearningCurve(data="r.csv", target="y", repeats="stimulus").table()
    assert table.repeats is not None
    assert 1.0 - table.repeats.explainable(table.targets)[0][0] == pytest.approx(0.55 / table.targets.var(), rel=0.1)
    assert np.isnan(table.repeats.explainable(table.targets, np.arange(100, 200))[0][0])


def test_stimuli_are_named_in_words_or_numbers() -> None:
    """... in text and in Parquet; the order of the stimuli, and so the split, is that of their first rows."""
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(3)
    place = np.repeat(np.arange(40), 2)
    frame = pd.DataFrame(rng.standard_normal((40, 3))[place], columns=list("abc"))
    frame["y"] = frame.a + 0.1 * rng.standard_normal(80)
    given = {"target": ("y",), "columns": None, "repeats": "stimulus"}
    frame.assign(stimulus=place).to_csv("t.csv", index=False)
    numbered = problem(**given).table()
    frame.assign(stimulus=[f"image {i}" for i in place]).to_csv("t.csv", index=False)
    frame.assign(stimulus=[f"image {i}" for i in place]).to_parquet("t.parquet")
    for data in ("t.csv", "t.parquet"):
        table = problem(data=data, **given).table()
        assert (table.inputs == numbered.inputs).all()
        assert (table.targets == numbered.targets).all()
    with pytest.raises(InputError, match="row 2, column 5 holds 'image 0'"):
        problem(target=("y",), columns=None)
    frame.assign(stimulus=np.where(place == 7, "NA", "image")).to_csv("t.csv", index=False)
    with pytest.raises(InputError, match="the column of repeats stimulus holds 'NA' in row 15 of its cells, a missing"):
        problem(**given)
    frame.assign(stimulus=place, b=frame.b + 0.1 * rng.standard_normal(80)).to_csv("t.csv", index=False)
    assert "repeats of one stimulus have different inputs" in str(problem(**given).remark())
    frame.assign(stimulus=place, z=np.tile([2.0, -2.0], 40)).to_csv("t.csv", index=False)
    with pytest.raises(InputError, match="the target z varies between stimuli no more than between repeats"):
        problem(**(given | {"target": ("y", "z")}))


TABLES: list[tuple[Any, str]] = [
    (lambda frame: frame.assign(unit_3=2.0), r"column unit_3 is constant: leave out by columns = -unit_3"),
    (lambda frame: frame.assign(y=2.0), "the target y is constant"),
    (lambda frame: frame.head(19), "19 rows: at least 20"),
    (lambda frame: frame.assign(unit_2=frame.unit_2.where(frame.index != 4)), "row 6, column 3 holds ''"),
    (lambda frame: frame.assign(y=frame.y.where(frame.index != 4, np.inf)), "inf in row 6, column 9"),
    (
        lambda frame: frame.assign(y=frame.y.astype(object).where(frame.index > 0, "bad")),
        "the target y holds 'bad' in row 1 of its cells, and numbers in others",
    ),
    (lambda frame: frame.assign(y=1e-70 * frame.y), "the target y lies between .*: give it in other units"),
    (lambda frame: frame.assign(unit_1=1e70 * frame.unit_1), "the column unit_1 lies between"),
    (lambda frame: frame.assign(unit_5=frame.y), "column unit_5 is the target y itself: leave it out"),
    (
        lambda frame: frame.assign(unit_0=frame.unit_0.astype(object).where(frame.index != 4, "bad")),
        "row 6, column 1 holds 'bad'",
    ),
]


@pytest.mark.parametrize(("change", "says"), TABLES)
def test_tables_that_cannot_be_used_are_refused_in_one_line(change: Any, says: str) -> None:
    change(FRAME).to_csv("t.csv", index=False)
    with pytest.raises(InputError, match=says):
        problem()


def test_decimal_commas_and_index_columns_are_met_with_one_line() -> None:
    FRAME.to_csv("t.csv", index=False, sep=";", decimal=",")
    with pytest.raises(InputError, match="a decimal comma: write decimals with a point"):
        problem()
    FRAME.to_csv("t.csv")
    assert problem(columns=None).table().inputs.shape[1] == 11  # pandas' own index is none of them
    FRAME.to_csv("t.csv", index_label="id")
    with pytest.raises(InputError, match="may be an index or an input"):
        problem(columns=None)
    assert problem(columns="-id").table().inputs.shape[1] == 11


def test_parquet_tables_with_text_beside_the_inputs() -> None:
    pytest.importorskip("pyarrow")
    FRAME.assign(place="somewhere").to_parquet("t.parquet")
    found = problem(data="t.parquet").theory()
    assert np.allclose(found.test_error, problem().theory().test_error)
    with pytest.raises(InputError, match="column place holds"):
        problem(data="t.parquet", columns=None)
