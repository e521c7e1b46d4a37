"""Semantic development as a system: answers that agree, users' tables, illusions, and what must come out."""

import doctest
import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsmech import SemanticDevelopment
from tsmech.compare import check
from tsmech.errors import InputError
from tsmech.systems import semantic_development

TABLE = str(Path(__file__).parents[2] / "sims" / "plants_and_animals.csv")


def test_the_documented_examples_hold() -> None:
    assert doctest.testmod(semantic_development).failed == 0


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"depth": 1},
        {"depth": 3, "structure": "ring", "items": 5},
        {"structure": "grid", "items": 9, "initial": "unbalanced"},
        {"structure": "cross_cutting", "width": 3},
        {"table": TABLE},
    ],
)
def test_every_answer_says_the_same(parameters: dict[str, Any]) -> None:
    """Gradient flow of aligned starts: all observables, at times at which modes differ."""
    system = SemanticDevelopment(**parameters, duration=6, samples=[2, 6], initial_strengths=0.01)
    theory = system.curve("theory")
    for answer in ("reduced", "direct"):
        found = system.curve(answer, 0)
        assert set(found.observables) == set(theory.observables)
        for name, values in found.observables.items():
            if name == "new_item" and system.depth == 3:
                continue
            assert values == pytest.approx(theory.observables[name], abs=2e-5, nan_ok=True), name
    assert set(theory.observables) | set(theory.summaries) == set(SemanticDevelopment.observables)


def test_the_limit_is_reached_by_large_tables() -> None:
    """... as one over the root of the number of properties."""
    apart = []
    for properties in (400, 40_000):
        system = SemanticDevelopment(properties=properties)
        apart.append(abs(system.mode_strengths() - system.limit_strengths()).max())
    assert apart[1] < 0.02
    assert apart[1] < apart[0] / 4
    limit = SemanticDevelopment(duration=30).curve("limit").observables
    assert limit["strengths"][-1] == pytest.approx([1.87291, 1.1877, 0.90598, 0.90598, *[0.6] * 4], abs=1e-5)
    assert limit["similarity"].shape == (101, 8, 8)
    few = SemanticDevelopment(duration=30, properties=2)
    assert len(few.mode_strengths()) == 2
    assert np.array_equal(few.curve("limit").observables["strengths"], limit["strengths"])
    assert few.similarities("limit")[30.0].to_numpy() == pytest.approx(limit["similarity"][-1], abs=0)
    several = SemanticDevelopment(properties=2, initial_strengths=[0.1, 0.2])
    assert "initial_strengths has 2 values, the limit 8 modes" in str(several.lacks("limit"))


def test_pretraining_is_counted_for_each_network() -> None:
    for seed in (None, 1):
        system = SemanticDevelopment(
            initial="pretrained", branching=3, levels=1, properties=20, duration=30, samples=30, start_seed=seed
        )
        found = system.curve("direct", 3).summaries
        taken = system.drawn(np.random.default_rng(3))[1].pretraining
        assert taken > 0
        assert found["total_steps"] - found["training_steps"] == pytest.approx(taken)


def test_broad_distinctions_come_before_fine_ones() -> None:
    """Half learning level by level of the tree; a shallow network learns all at once."""
    tree = SemanticDevelopment(properties=2000)
    times = tree.half_times()
    assert times[0] < times[1] < times[2:4].min() < times[2:4].max() < times[4:].min()
    shallow = SemanticDevelopment(properties=2000, depth=1).half_times()
    assert np.ptp(shallow) < 0.01


def test_relatives_are_told_apart_after_strangers() -> None:
    """Of the shipped table: distances in the plane of plants and animals grow before those of birds and fish."""
    system = SemanticDevelopment(table=TABLE, samples=300, duration=30)
    places = system.curve("theory").observables["embedding"]
    names = system.items_and_properties().items
    robin, salmon, oak = (places[:, names.index(one)] for one in ("robin", "salmon", "oak"))
    reached = []
    for one, other in ((robin, oak), (robin, salmon)):
        apart = np.linalg.norm(one - other, axis=1)
        reached.append(int(np.argmax(apart > apart[-1] / 2)))
    assert 0 < reached[0] < reached[1]


def test_illusions_rise_and_fall_in_deep_networks_only() -> None:
    """A penguin that flies: believed by half and given up again; never by a shallow network."""
    for depth in (1, 2, 3):
        system = SemanticDevelopment(table=TABLE, property="can fly", depth=depth, duration=60, samples=300)
        for answer in ("theory", "direct"):
            curve = system.curve(answer, None if answer == "theory" else 0)
            belief = curve.observables["responses"][:, system.items_and_properties().items.index("penguin")]
            assert belief[-1] == pytest.approx(0.0, abs=0.12)
            assert (belief.max() > 0.4) == (depth > 1)
            assert (curve.observables["illusion"].max() > 0.4) == (depth > 1)
    strongest = SemanticDevelopment(table=TABLE).illusory()
    assert ("penguin", "can fly") in set(zip(strongest["item"][:5], strongest["property"][:5], strict=True))
    assert (strongest.belief.diff().dropna() <= 0).all()
    assert SemanticDevelopment(table=TABLE, depth=1, initial_strengths=0).illusory().empty


def test_a_new_property_is_extended_to_relatives() -> None:
    system = SemanticDevelopment(table=TABLE, item="robin", property="has fins", samples=[6, 12], duration=12)
    found, names = system.curve("theory").observables, list(system.items_and_properties().items)
    projection = dict(zip(names, found["projection"][0], strict=True))
    assert projection["robin"] == 1.0
    assert projection["canary"] > 0.5 > projection["salmon"] > projection["oak"]
    resemblance = dict(zip(names, found["new_item"][0], strict=True))
    assert min(resemblance["salmon"], resemblance["pike"]) > max(resemblance["robin"], resemblance["oak"])


def test_typicality_and_coherence_tell_categories() -> None:
    system = SemanticDevelopment(table=TABLE)
    typical = system.typicality()
    assert typical.loc["robin", 0] > typical.loc["penguin", 0] > typical.loc["oak", 0]
    birds, mixed = system.coherence(["robin", "canary", "eagle"]), system.coherence(["robin", "oak", "salmon"])
    assert birds > 0.7 > 0.4 > mixed
    with pytest.raises(InputError, match="two items or more of the table, not unicorn"):
        system.coherence(["robin", "unicorn"])


def test_similarities_are_data_frames_with_the_items_names() -> None:
    system = SemanticDevelopment(table=TABLE, samples=[3, 9], duration=9)
    frames = system.similarities("direct", rng=0)
    assert list(frames) == [3.0, 9.0]
    assert frames[9.0].loc["robin", "canary"] > frames[9.0].loc["robin", "oak"]
    theory = system.similarities()[9.0]
    assert theory.to_numpy() == pytest.approx(frames[9.0].to_numpy(), abs=1e-6)


def test_names_label_the_columns() -> None:
    frame = SemanticDevelopment(table=TABLE, samples=[1, 2], duration=2).theory()
    assert {"embedding[penguin, 0]", "similarity[oak, birch]", "responses[rose]"} <= set(frame.columns)


def test_small_random_starts_follow_the_theory_of_aligned_modes() -> None:
    shared: dict[str, Any] = {"initial": "small", "initial_scale": 1e-4, "width": 200, "start_seed": 0}
    system = SemanticDevelopment(table=TABLE, **shared, duration=60, samples=400)
    theory, direct = system.curve("theory"), system.curve("direct", 0)
    late = theory.summaries["learning_time"][:4]
    assert direct.summaries["learning_time"][:4] == pytest.approx(late, rel=0.05)


BAD = {
    "ragged": ("item,a,b\nx,1,0\ny,1\n", "is ragged: row 3 has 2 cells, the header 3"),
    "headless": ("x,1,0\ny,0,1\nz,1,1\n", "begins with x,1,0: its first row must name the properties"),
    "grades": ("x,0.2,0.7,3\ny,0,1,2\nz,1,1,1\n", "begins with x,0.2,0.7,...: its first row must name"),
    "comma": ("item;a;b\nx;0,5;0\ny;0;1\n", "holds 0,5 in row 2, column 2, a decimal comma: write decimals with a"),
    "underscore": ("item,a,b\nx,1_0,0\ny,0,1\n", "holds 1_0 in row 2, column 2: no number"),
    "script": ("item,a,b\nx,\u0661,0\ny,0,1\n", "in row 2, column 2: no number"),
    "words": ("item,a,b\nx,1,0\ny,yes,1\n", "holds yes in row 3, column 2: no number"),
    "constant": ("item,a,b\nx,1,0\ny,1,1\n", "has the property a, which is the same for all items"),
    "twins": ("item,a,b\nx,1,0\ny,0,1\nz,1,0\n", "has x and z with the same properties"),
    "twice": ("item,a,b\nx,1,0\nx,0,1\n", "has the item x twice"),
    "columns": ("item,a,a\nx,1,0\ny,0,1\n", "has the property a twice"),
    "infinite": ("item,a,b\nx,1,0\ny,inf,1\n", "holds inf in row 3, column 2"),
    "short": ("item,a,b\n", "holds 1 lines: a header and two items are needed"),
    "alone": ("item\nx\ny\n", "has no properties"),
    "nameless": ("item,a,b\n,1,0\ny,0,1\n", "names item 1 nothing"),
    "alike": ('item,a,b\n"x, y",1,0\nx; y,0,1\n', "has the item x; y twice"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_table_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    text, message = BAD[name]
    path = tmp_path / f"{name}.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(message)) as said:
        SemanticDevelopment(table=str(path))
    assert "\n" not in str(said.value)


USUAL = {
    "windows.csv": b"\xef\xbb\xbfitem,fly,swim\r\nrobin,1,0\r\nsalmon,0,1\r\n",
    "pandas.csv": b",fly,swim\nrobin,1,0\nsalmon,0,1\n",
    "index.csv": b",name,fly,swim\n0,robin,1,0\n1,salmon,0,1\n",
    "r.txt": b'"fly" "swim"\n"robin" 1 0\n"salmon" 0 1\n',
    "remark.tsv": b"# of mine\nitem\tfly\tswim\n\nrobin\t1\t0\nsalmon\t0\t1\n",
    "switches.csv": b"item,fly,swim\nrobin,True,False\nsalmon,False,True\n",
    "packed.csv.gz": gzip.compress(b"item;fly;swim\nrobin;1;0\nsalmon;0;1\n"),
}


@pytest.mark.parametrize("name", USUAL)
def test_tables_are_read_as_they_are_usually_written(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(USUAL[name])
    found = SemanticDevelopment(table=str(tmp_path / name)).items_and_properties()
    assert (found.items, found.properties) == (("robin", "salmon"), ("fly", "swim"))
    assert found.values.tolist() == [[1, 0], [0, 1]]


def test_names_may_have_the_marks_of_columns_and_lines(tmp_path: Path) -> None:
    """... which stand in columns of results as other marks, and are kept wherever a name is asked or returned."""
    path = tmp_path / "marks.csv"
    path.write_text('item,"flies, fast",swims\n"robin, ""red""",1,0\n"sal\nmon",0,1\nbat [1],1,1\n')
    system = SemanticDevelopment(table=str(path), property="flies, fast", item="bat [1]", samples=2)
    assert system.items_and_properties().items == ('robin, "red"', "sal mon", "bat [1]")
    columns = system.theory().columns
    assert {'responses[robin; "red"]', "similarity[sal mon, bat (1)]"} <= set(columns)
    assert list(system.similarities()[20.0].columns) == ['robin, "red"', "sal mon", "bat [1]"]


def test_what_is_not_represented_is_extended_to_nothing() -> None:
    """... and so says every answer, though rounding leaves it a length: of one mode some items are no part."""
    system = SemanticDevelopment(
        structure="ring", properties=2, flip=0.162, table_seed=878, width=1, initial="unbalanced", start_seed=0,
        layer_strengths=(0.16, 0.15), duration=1.0, samples=1,
    )  # fmt: skip
    assert abs(system.teacher().inputs[0, 0]) < 1e-14
    for answer in ("theory", "reduced", "direct"):
        assert np.isnan(system.curve(answer, 0).observables["projection"]).all()


def test_an_array_has_numbers_for_names(tmp_path: Path) -> None:
    values = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    np.save(tmp_path / "table.npy", values)
    np.savez(tmp_path / "table.npz", values)
    for name in ("table.npy", "table.npz"):
        found = SemanticDevelopment(table=str(tmp_path / name)).items_and_properties()
        assert (found.items, found.properties) == (("0", "1", "2"), ("0", "1"))
        assert (found.values == values).all()
    np.save(tmp_path / "one.npy", values[:1])
    with pytest.raises(InputError, match="holds 1 items: two are needed"):
        SemanticDevelopment(table=str(tmp_path / "one.npy"))


def test_tables_of_other_numbers_are_learnt_but_have_no_illusions(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("thing;size;weight;age\nmouse;0.1;0.02;2\ndog;0.8;20;10\nhorse;2.5;500;25\n")
    system = SemanticDevelopment(table=str(path), duration=0.5)
    assert "illusion" not in system.curve("direct", 0).observables
    with pytest.raises(InputError, match=re.escape("mouse, size has 0.1")):
        system.illusory()


def test_illusions_need_a_theory_and_something_that_items_lack() -> None:
    with pytest.raises(InputError, match="no theory answer here: with initial = small at depth 3"):
        SemanticDevelopment(initial="small", depth=3).illusory()
    alike = SemanticDevelopment(levels=1, properties=1, table_seed=next(
        seed for seed in range(20)
        if (SemanticDevelopment(levels=1, properties=1, table_seed=seed).items_and_properties().values == 1).all()
    ))  # fmt: skip
    assert alike.illusory().empty


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"structure": "grid", "items": 8}, "items = 8 is not allowed with structure = grid: it must be a square"),
        ({"levels": 11}, "branching and levels give 2048 items: at most 1024 are allowed"),
        ({"levels": 900}, "at most 1024 are allowed"),
        ({"structure": "ring", "items": 2000}, "items give 2000 items"),
        ({"flip": 0}, "flip = 0 is not allowed"),
        ({"property": "can fly"}, "property = can fly is not in the table"),
        ({"item": "8"}, "item = 8 is not in the table"),
        ({"table": TABLE, "items": 4}, "table and items are both given"),
        ({"table": TABLE, "property": "can flie"}, "did you mean can fly?"),
        ({"table": "nowhere.csv"}, "table = nowhere.csv cannot be read: No such file or directory"),
        ({"table": "/dev/zero"}, "table = /dev/zero cannot be read: it is a device, not a file"),
        ({"table": "/"}, "table = / cannot be read: Is a directory"),
        ({"initial_strengths": 5}, "initial_strengths = 5 is not allowed: it must be at most the mode's strength"),
        ({"structure": "lattice"}, "structure = lattice is not allowed"),
    ],
)
def test_bad_input_is_one_line(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as said:
        SemanticDevelopment(**parameters)
    assert message in str(said.value)
    assert "\n" not in str(said.value)


def test_answers_that_there_are_not_say_why() -> None:
    assert "regular trees" in str(SemanticDevelopment(structure="ring").lacks("limit"))
    assert "balanced start" in str(SemanticDevelopment(initial="unbalanced").lacks("limit"))
    assert "do not decouple" in str(SemanticDevelopment(initial="small").lacks("reduced"))
    assert "representations are not known" in str(SemanticDevelopment(initial="orthogonal").lacks("theory"))
    large = SemanticDevelopment(structure="ring", items=1000, properties=20, samples=100_000)
    assert "the similarity of items at all times takes 3.2 TB of memory" in str(large.obstacle("theory"))
    assert "tanh" in str(SemanticDevelopment(nonlinearity="tanh").lacks("theory"))


@pytest.mark.slow
def test_its_answers_agree() -> None:
    verdicts = check(SemanticDevelopment, replicates=50)
    assert [verdict for verdict in verdicts if not verdict.agrees] == []


def test_similarities_become_dissimilarities_as_the_documentation_says() -> None:
    pytest.importorskip("rsatoolbox")
    page = Path(__file__).parents[2] / "docs" / "questions.md"
    (recipe,) = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(recipe, names)  # the recipe is a file of this project
    found = names["rdms"]
    assert found.dissimilarities.shape == (3, 6)
    assert (found.dissimilarities > 0).all()
    assert found.rdm_descriptors["time"] == [2.0, 5.0, 20.0]
