"""What systems cite, as BibTeX."""

import re

import pytest

from tests.commands import command
from tsmech.systems import REGISTRY, find

ENTRY = re.compile(r"@(article|book|inproceedings|misc|software)\{([a-z0-9]+),\n((?:  [a-z]+ = \{.*\},\n)+)\}")


@pytest.mark.parametrize("name", REGISTRY)
def test_every_reference_is_an_entry_of_its_own(name: str) -> None:
    system = find(name)
    entries = ENTRY.findall(system.bibtex())
    assert len(entries) == len(system.references) + 1 > 1
    assert len({key for _, key, _ in entries}) == len(entries)
    for (_, _, fields), reference in zip(entries, system.references, strict=False):
        for author in reference.authors.split(", "):
            assert re.search(rf"(\{{| and ){re.escape(author)}(\}}| and )", fields), author
        assert f"year = {{{reference.year}}}" in fields
        assert fields.count("{") == fields.count("}")
        assert not re.search(r"(?<!\\)[&%$#]", fields)


def test_a_publication_is_the_same_in_all_systems_that_cite_it() -> None:
    """... so that the entries of several systems can stand in one file."""
    found = {reference for name in REGISTRY for reference in find(name).references}
    assert len({reference.key for reference in found}) == len(found)
    known = [reference.arxiv or (reference.authors, reference.where) for reference in found]
    assert len(set(known)) == len(known)


def test_the_command_prints_what_python_returns() -> None:
    """... of an experiment that of its system, which it names."""
    for name, words in (("ridge", ""), ("double-descent", "asks the system ridge")):
        said = command("cite", name)
        assert said.code == 0
        assert said.out.strip() == find("ridge").bibtex()
        assert words in said.err
    refused = command("cite", "rigde")
    assert refused.code == 2
    assert "did you mean ridge?" in refused.err
