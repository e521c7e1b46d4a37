"""LearningCurve as a system: files, targets, known and hidden rows, what is refused and what is remarked on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsmech
from tests.commands import command
from tests.tables import FRAME, SIZES, UNITS, problem
from tsmech import LearningCurve
from tsmech.compare import check
from tsmech.errors import InputError
from tsmech.systems import learning_curve


@pytest.fixture(autouse=True)
def _table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    FRAME.to_csv("t.csv", index=False)


def theory_of(given: dict[str, Any]) -> pd.DataFrame:
    """Return the prediction of a problem without what is odd about its table: products of inputs have heavy tails."""
    return problem(**given).curve("theory").to_frame(LearningCurve.observables)


def test_theory_and_direct_run_along_the_rows() -> None:
    theory, direct = problem(penalty=2.0).theory(), problem(penalty=2.0).direct(rng=0)
    assert theory["rows"].tolist() == direct["rows"].tolist() == [24, 60, 96]
    assert {"test_error", "train_error", "explained", "optimal_penalty", "noise_floor"} <= set(theory)
    assert (theory.test_error_sem > 0).all()
    assert (theory.applied_penalty == 2.0).all()
    assert (theory.scaled_penalty == 0.25).all()  # λ in the units of the other systems: the penalty over 8 columns
    assert np.allclose(theory.test_error, direct.test_error, rtol=0.6)


def test_the_answers_agree_on_made_up_tables() -> None:
    assert all(verdict.agrees for verdict in check(LearningCurve, replicates=20))


def test_theory_does_not_see_the_rows_that_are_held_out() -> None:
    """... altered in every column they leave it as it was, bit by bit; altered known rows do not."""
    for given in ({}, {"standardise": True}, {"features": "polynomial"}, {"features": "kernel"}, {"known": 0.4}):
        before = theory_of(given)
        _, held, _, known, *_ = problem(**given)._sample()
        changed = FRAME.copy()
        hidden = np.setdiff1d(np.arange(120), known)
        assert set(held) <= set(hidden)
        changed.iloc[hidden] = changed.iloc[hidden] * 3.0 - 7.0
        changed.to_csv("t.csv", index=False)
        pd.testing.assert_frame_equal(theory_of(given), before, check_exact=True)
        assert not problem(**given).direct(rng=0).equals(before)
        changed.iloc[known[0]] += 1.0
        changed.to_csv("t.csv", index=False)
        assert not theory_of(given).equals(before)
        FRAME.to_csv("t.csv", index=False)


def test_all_penalties_and_sizes_share_one_decomposition(monkeypatch: pytest.MonkeyPatch) -> None:
    from tsmech.theory import learning_curve as theory

    calls = []
    whole = theory.decompose
    monkeypatch.setattr(theory, "decompose", lambda *given, **more: calls.append(1) or whole(*given, **more))
    FRAME.iloc[::-1].to_csv("t.csv", index=False)
    tsmech.run(LearningCurve, data="t.csv", target="neuron_*", columns=UNITS, penalty=[0.1, 1.0, "best"], workers=1,
               answers="theory")  # fmt: skip
    assert len(calls) == 1


def test_several_targets_are_named_from_the_header() -> None:
    found = problem(target=("neuron_*", "y")).theory()
    named = [name for name in found if name.startswith("explained[") and not name.endswith("_sem")]
    assert named == ["explained[neuron_0]", "explained[neuron_1]", "explained[neuron_2]", "explained[y]"]
    assert "explained[neuron_1]_sem" in found
    alone = problem(target=("neuron_1",)).theory()
    assert np.allclose(found["test_error[neuron_1]"], alone.test_error, rtol=1e-9)
    explained = found.iloc[-1]
    assert explained["explained[neuron_0]"] > explained["explained[neuron_1]"] > explained["explained[neuron_2]"]


def test_inputs_that_determine_the_target_are_remarked_on() -> None:
    for factor in (2.0, -1.0, 1e-4):  # the last counts little among the others, and is the target all the same
        FRAME.assign(unit_3=(factor * FRAME.y + 1.0).round(12)).to_csv("t.csv", index=False)
        said = "column unit_3 is the target y in other units: leave it out by columns = -unit_3"
        assert str(problem().remark()).startswith(said)
    FRAME.assign(unit_3=2.0 * FRAME.y + 1e-3 * FRAME.unit_0).to_csv("t.csv", index=False)
    assert "the inputs determine y to 1e-09 of the variance: is a copy of it among them?" in str(problem().remark())


def test_without_an_intercept_columns_far_from_zero_are_refused() -> None:
    FRAME.assign(unit_3=FRAME.unit_3 + 1e7).to_csv("t.csv", index=False)
    problem().theory()
    with pytest.raises(InputError, match=r"intercept = no .* column unit_3 lies about 1e\+07, over 100000 times"):
        problem(intercept=False)


def test_two_valued_targets_are_minus_one_and_one_and_that_is_said() -> None:
    frame = FRAME.assign(y=np.where(FRAME.y > FRAME.y.median(), "7", "3").astype(float))
    frame.to_csv("t.csv", index=False)
    assert set(np.unique(problem().table().targets)) == {-1.0, 1.0}
    with pytest.warns(UserWarning, match="y has two values: it is regressed on as -1 and 1"):
        theory = problem().theory()
    _, held, _, known, *_ = problem()._sample()
    frame.loc[held, "y"] = np.linspace(-9.0, 9.0, held.size)  # a third value that theory must not see
    frame.to_csv("t.csv", index=False)
    pd.testing.assert_frame_equal(theory_of({}), theory, check_exact=True)
    frame.loc[known, "y"] = 3.0
    frame.to_csv("t.csv", index=False)
    with pytest.raises(InputError, match="over the 96 rows that are known to theory the target y is constant"):
        problem()
    FRAME.assign(y=np.where(np.isin(range(120), held), 1.0, FRAME.y)).to_csv("t.csv", index=False)
    assert "over the 24 rows that are held out the target y is constant" in str(problem().lacks("direct"))


def test_duplicates_and_order_in_time_are_remarked_on() -> None:
    assert problem().remark() is None
    twice = pd.concat([FRAME, FRAME.head(7)])
    twice.to_csv("t.csv", index=False)
    assert "7 of 127 rows are duplicates of earlier ones" in str(problem().remark())
    twice.assign(y=np.sin(np.arange(127.0))).to_csv("t.csv", index=False)
    assert problem().table()[4:6] == (0, 7)
    pd.concat([FRAME, FRAME.head(30).assign(y=0.0)]).to_csv("t.csv", index=False)
    assert "30 of 150 rows have all inputs of an earlier one" in str(problem().remark())
    rng = np.random.default_rng(5)
    later = pd.DataFrame(rng.standard_normal((400, 8)), columns=UNITS.split(","))
    later.assign(y=later.unit_0 + np.linspace(0.05, 5.0, 400) * rng.standard_normal(400)).to_csv("t.csv", index=False)
    assert "early and late rows differ" in str(problem(held_out=0.0).remark())


def test_a_shuffled_target_is_not_explained() -> None:
    FRAME.assign(y=np.random.default_rng(6).permutation(FRAME.y)).to_csv("t.csv", index=False)
    found = problem().theory()
    assert (found.explained < 3 * found.explained_sem).all()
    assert (found.explained > -3 * found.explained_sem - 1 / found.rows - 1 / 24).all()


def test_repeats_are_averaged_and_say_what_could_be_explained() -> None:
    """Forty stimuli shown five times: the mean response has noise variance 1/5."""
    rng = np.random.default_rng(2)
    stimulus = np.repeat(np.arange(100.0, 180.0), 5)
    place = np.repeat(np.arange(80), 5)
    inputs = rng.standard_normal((80, 4))
    clean = inputs @ np.ones(4)
    frame = pd.DataFrame(inputs[place], columns=list("abcd"))
    frame["y"] = clean[place] + rng.standard_normal(400)
    frame["stimulus"] = stimulus
    frame.sample(frac=1, random_state=0).to_csv("r.csv", index=False)
    found = LearningCurve(data="r.csv", target="y", repeats="stimulus", fractions=SIZES)
    table = found.table()
    assert table.inputs.shape == (80, 4)
    assert np.allclose(table.inputs, inputs)
    assert table.repeats is not None
    share, error = table.repeats.explainable(table.targets)
    assert share[0] == pytest.approx(1 - 0.2 / (clean.var() + 0.2), abs=0.02)
    assert 0.2 * np.sqrt(2 / 320) / (clean.var() + 0.2) == pytest.approx(error[0], rel=0.3)
    theory, direct = found.theory(), found.direct(rng=0)
    held = found._sample().held
    hidden = np.isin(frame.stimulus, np.unique(stimulus)[held])
    frame.loc[hidden, "y"] *= rng.uniform(0.1, 3.0, hidden.sum())  # of each repeat by itself
    frame.sample(frac=1, random_state=0).to_csv("r.csv", index=False)
    pd.testing.assert_frame_equal(found.theory(), theory, check_exact=True)
    assert (theory.explained_share >= theory.explained).all()
    assert theory.explained_share.iloc[-1] == pytest.approx(1.0, abs=0.1)
    assert direct.explained_share.iloc[-1] == pytest.approx(1.0, abs=0.15)


def test_small_tables_take_of_the_default_sizes_those_that_are_enough() -> None:
    FRAME.head(40).to_csv("t.csv", index=False)
    small = LearningCurve(data="t.csv", target="y", columns=UNITS)
    assert small.sizes()[0] == 5
    assert len(small.sizes()) == 11
    with pytest.raises(InputError, match=r"fractions\[0\] = 0.05 is not allowed: of 40 rows it takes 2"):
        LearningCurve(data="t.csv", target="y", columns=UNITS, fractions=(0.05, 0.5))


def test_columns_that_are_lost_beside_others_are_remarked_on() -> None:
    FRAME.assign(unit_2=FRAME.unit_2 * 1e9).to_csv("t.csv", index=False)
    assert "standard deviations of columns differ by a factor" in str(problem().remark())
    assert problem(standardise=True).remark() is None


@pytest.mark.parametrize("features", ["random_features", "polynomial", "kernel"])
def test_learning_curves_of_features_are_predicted(features: str) -> None:
    found = problem(features=features, penalty=3.0, **({"width": 200} if features == "random_features" else {}))
    theory = found.curve("theory")
    real = np.mean([found.curve("direct", seed).observables["test_error"] for seed in range(10)], axis=0)
    assert (np.abs(theory.observables["test_error"] - real) < 3 * theory.errors["test_error"]).all()


def test_random_features_that_are_almost_always_zero_are_not_standardised_without_a_word() -> None:
    """... by each training set: held-out rows lie far out, and the real error exceeds what is predicted."""
    given = {"features": "random_features", "width": 400, "penalty": 3.0, "fractions": (0.1,), "held_out": 0.5}
    for standardise in (False, True):
        found = problem(standardise=standardise, **given)
        theory = found.curve("theory").observables["test_error"][0]
        real = np.mean([found.curve("direct", seed).observables["test_error"][0] for seed in range(20)])
        assert ("standardised columns vary in few rows only" in str(found.remark())) == standardise
        assert (real > 2 * theory) if standardise else (0.7 < real / theory < 1.4)


def test_a_fifth_of_the_rows_predicts_four_fifths() -> None:
    found = LearningCurve(data="made_up", known=0.2, penalty=0.5, fractions=(0.8,))
    theory = found.curve("theory")
    real = found.curve("direct", 0).observables["test_error"]
    assert found._sample().known.size == 400
    assert abs(theory.observables["test_error"] - real) < 2.5 * theory.errors["test_error"]


def test_rows_for_an_error_and_beyond_the_rows_there_are() -> None:
    found = LearningCurve(data="made_up", fractions=(0.1, 0.3), held_out=0.8)
    theory = found.theory()
    assert theory["rows"].tolist() == [200, 600]
    assert found.direct(rng=0)["rows"].tolist() == [200]
    needed = found.rows_for(float(theory.test_error[1]))
    assert needed.rows == pytest.approx(600, rel=0.05)
    assert needed.least < 600 < needed.most
    assert found.rows_for(0.01).rows == np.inf
    with pytest.raises(InputError, match="error = -1 is not allowed"):
        found.rows_for(-1)
    with pytest.raises(InputError, match=r"target = z is not allowed: it must be one of neuron_0, neuron_1, neuron_2"):
        problem(target=("neuron_*",)).rows_for(0.5, "z")
    with pytest.raises(InputError, match="target is needed"):
        problem(target=("neuron_*",)).rows_for(0.5)


@pytest.mark.slow
def test_cross_validation_comes_close_to_the_best_penalty() -> None:
    best, chosen = problem(), problem(penalty="cross_validated")
    more = chosen.theory().test_error / best.theory().test_error
    assert 1.005 < more[0] < 1.1  # what choosing on few rows costs
    assert more.is_monotonic_decreasing
    assert abs(more[2] - 1.0) < 0.01
    assert chosen.rows_for(0.7).rows > best.rows_for(0.7).rows
    real = chosen.direct(rng=0)
    assert (real.applied_penalty > 0).all()
    assert np.allclose(real.scaled_penalty * 8, real.applied_penalty)
    assert np.allclose(real.test_error, best.direct(rng=0).test_error, rtol=0.3)


def test_lacking_answers_say_why() -> None:
    assert "the law of a table's rows is not known" in str(problem().lacks("reduced"))
    assert "raise held_out" in str(problem(held_out=0.0).lacks("direct"))
    assert "more than 96 rows" in str(problem(fractions=(0.9, 2.0)).lacks("direct"))


BAD: list[tuple[dict[str, Any], str]] = [
    ({"target": None}, "target is needed: name the column"),
    ({"target": None, "data": "nowhere.csv"}, "no file can be read"),
    ({"target": ("z",)}, "no column has the name z"),
    ({"target": ("q*",), "columns": None}, r"no column has a name like q\*"),
    ({"columns": "unit_0,y"}, "columns = unit_0,y takes the target y: leave it out"),
    ({"columns": "unit_0,nothing"}, "no column has the name nothing"),
    ({"fractions": (0.01, 0.5)}, r"fractions\[0\] = 0.01 is not allowed: of 120 rows it takes 1"),
    ({"fractions": (0.5, 1e20)}, "1.2e.22 training rows are not allowed"),
    ({"known": 0.9}, "known = 0.9 and held_out = 0.2 are not allowed"),
    ({"known": 0.05}, "6 of 120 rows are known to theory: at least 10"),
    ({"width": 10}, "width = 10 has no effect with features = none"),
    ({"features": "kernel", "standardise": True}, "standardise is not allowed with features = kernel"),
    ({"features": "splines"}, "features = splines is not allowed"),
    ({"penalty": -1.0}, "penalty = -1"),
    ({"penalty": "bset"}, "did you mean best"),
    ({"data": "nowhere.csv"}, "no file can be read"),
    ({"data": FRAME}, r"data takes the path of a file, not a pandas.DataFrame: save it first"),
    ({"columns": "u*,[xy]"}, "takes the target y: leave it out"),
    ({"columns": "q*"}, r"columns: no column has a name like q\*"),
    ({"data": "made_up", "target": ("neuron",)}, "target has no effect with data = made_up"),
    ({"repeats": "y"}, "repeats = y is a target too"),
    ({"repeats": "neuron_0"}, "no stimulus is shown more than once"),
    ({"target": ("unit_*", "y", "neuron_*"), "columns": None}, "has no column beside the targets"),
]


@pytest.mark.parametrize(("given", "says"), BAD)
def test_what_cannot_be_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        problem(**given)


def test_memory_is_estimated_before_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    problem()
    monkeypatch.setattr("tsmech.machine.memory.available", lambda: 1 << 27)
    with pytest.raises(InputError, match=r"1000000 features of 120 rows takes 1\.92 GB of memory"):
        problem(features="random_features", width=1_000_000)


def test_the_command_of_the_first_page() -> None:
    words = ("run", "learning_curve", "--data", "t.csv", "--target", "y", "--fractions", "0.1:0.8:5", "--penalty",
             "1,best", "--replicates", 3, "--workers", 1)  # fmt: skip
    said = command(*words, "--out", "run", "--json")
    assert said.code == 0, said.err
    rows = [json.loads(line) for line in said.out.splitlines()] if said.out[0] == "{" else json.loads(said.out)
    assert {row["answer"] for row in rows} == {"theory", "direct"}
    assert Path("run/figure.png").is_file()
    assert "target = y" in Path("run/figure.svg").read_text()
    pd.concat([FRAME, FRAME.head(7)]).to_csv("twice.csv", index=False)
    said = command("run", "learning_curve", "--data", "twice.csv", "--target", "y", "--answers", "theory", "--json")
    assert "7 of 127 rows are duplicates" in said.err  # what is odd is no part of the JSON, and is not lost
    assert json.loads(said.out)
    assert command("run", "learning_curve", "--data", "t.csv", "--target", "nobody").code == 2


@pytest.mark.slow
def test_several_targets_are_stored_exported_and_drawn() -> None:
    words = (
        "run",
        "learning_curve",
        "--data",
        "t.csv",
        "--target",
        "neuron_*",
        "--columns",
        UNITS,
        "--penalty",
        "1,best",
    )
    said = command(*words, "--replicates", 2, "--workers", 1, "--out", "run", "--quiet")
    assert said.code == 0, said.err
    assert command("plot", "run", "--y", "explained", "--by", "penalty", "--out", "p.svg").code == 0
    short = command(*words, "--replicates", 2, "--workers", 1, "--out", "run")
    assert [line for line in short.out.splitlines() if line.startswith("test error, ")] == [
        f"test error, test_error[neuron_{i}]:" for i in range(3)
    ]
    assert command("plot", "run", "--y", "explained[neuron_1]", "--by", "penalty", "--out", "q.svg").code == 0
    assert command("export", "run", "--long", "--out", "long.csv").code == 0
    long = pd.read_csv("long.csv")
    column = next(name for name in long if name.startswith("target"))
    assert {"neuron_0", "neuron_1", "neuron_2"} <= set(long[column].dropna())


def test_the_made_up_tables_are_the_documented_ones() -> None:
    for name, (rows, columns, _, _) in learning_curve.MADE_UP.items():
        assert LearningCurve(data=name).table().inputs.shape == (rows, columns)


def test_what_theory_states_as_its_error_is_a_band() -> None:
    from matplotlib.collections import FillBetweenPolyCollection

    table = tsmech.run(LearningCurve, data="t.csv", target="neuron_*", columns=UNITS, penalty=1.0, answers="theory")
    ax = tsmech.draw(table, y="test_error[neuron_1]")
    (band,) = [part for part in ax.collections if isinstance(part, FillBetweenPolyCollection)]
    corners = band.get_paths()[0].vertices
    values, errors = table["test_error[neuron_1]"], table["test_error[neuron_1]_sem"]
    assert corners[:, 1].max() == pytest.approx((values + errors).max())
    assert corners[:, 1].min() == pytest.approx((values - errors).min())
    several = tsmech.draw(table, y="test_error")
    assert len(several.lines) >= 3
    assert "bands: the standard error that theory states" in ax.figure._supxlabel.get_text().replace("\n", " ")
