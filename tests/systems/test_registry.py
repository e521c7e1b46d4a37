"""What every system in the registry declares for those who read, cite and play."""

import inspect
from types import ModuleType

import pytest

from tests.commands import command
from tsmech.experiment import experiments
from tsmech.problem.observables import Scale
from tsmech.problem.system import System
from tsmech.systems import REGISTRY, find

SYSTEMS = [find(name) for name in REGISTRY]


def without_range(system: type[System]) -> list[str]:
    """Return the parameters that can be swept as numbers and say no range."""
    declared = system.parameters().values()
    return [one.name for one in declared if one.numeric and one.range is None]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_names_the_publications_that_it_rests_on(system: type[System]) -> None:
    assert system.references
    for reference in system.references:
        assert all((reference.authors, reference.title, reference.where or reference.arxiv))
        assert 1900 < reference.year < 2100


@pytest.mark.parametrize("system", SYSTEMS)
def test_parameters_given_by_place_are_those_that_its_list_has_there(system: type[System]) -> None:
    """Or they are given by name alone: a mixin's parameters come first in a dataclass, wherever they are listed."""
    signature = inspect.signature(system).parameters.values()
    placed = [one.name for one in signature if one.kind is not one.KEYWORD_ONLY]
    assert placed == list(system.parameters())[: len(placed)]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_number_says_between_which_values_it_is_played_with(system: type[System]) -> None:
    """Both ends are allowed, and what it is by default lies between them where the scale is linear."""
    assert without_range(system) == []
    for one in system.parameters().values():
        if one.range is None:
            continue
        assert one.scale in Scale.__args__
        for end in one.range:
            assert one.check(int(end) if one.kinds == ("int",) else end) == end
        if one.scale == "linear" and not one.required and one.default is not None:
            assert one.range[0] <= one.default <= one.range[1]


@pytest.mark.parametrize("system", SYSTEMS)
def test_references_stand_where_a_reader_looks(system: type[System], pages: ModuleType) -> None:
    """... on the system's page, in what is shown of it, and at the end of its help."""
    page = pages.system_page(system)
    said = command("show", system.name.replace("_", "-"))
    help_text = " ".join(command("run", system.name, "--help").out.split())
    assert said.code == 0
    assert system.title in said.out
    assert all(name in said.out for name in system.observables)
    for reference in system.references:
        assert str(reference) in page
        assert str(reference) in said.out
        assert str(reference) in help_text
        assert not reference.arxiv or f"(https://arxiv.org/abs/{reference.arxiv})" in page


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_default_is_what_checking_it_gives(system: type[System]) -> None:
    """... so that a file and a store say it as they say a value that is given: no numbers of NumPy's."""
    for one in system.parameters().values():
        if one.required or one.default is None:
            continue
        checked = one.check(one.default)
        assert checked == one.default
        assert type(checked) is type(one.default)
        if isinstance(checked, tuple):
            assert [type(item) for item in checked] == [type(item) for item in one.default]


@pytest.mark.parametrize("experiment", experiments())
def test_an_experiment_has_the_name_of_no_system(experiment: str) -> None:
    assert experiment not in REGISTRY
