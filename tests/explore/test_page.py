"""A page without a browser and without its workers: what it shows and saves answers the latest question alone."""

from unittest import mock

import pytest

pytest.importorskip("panel")

from bokeh.document import Document
from panel.io.state import set_curdoc

import tsmech
from tsmech.errors import InputError
from tsmech.explore.lanes import News
from tsmech.explore.page import Page
from tsmech.explore.view import open_view


@pytest.mark.filterwarnings("ignore:Widget.name")
def test_answers_to_another_question_are_neither_drawn_nor_saved() -> None:
    """... though simulations come before the theory that is asked for with them."""
    with set_curdoc(Document()), mock.patch("tsmech.explore.page.Lane"):
        page = Page(open_view("ridge").read({"alpha": "1:2:2", "dimension": "10", "replicates": "2"}))
        for noise in ("0.1", "0.2"):
            page._change(page.view.with_words("noise", noise))
            assert page._experiment is not None
            rows = tsmech.run(page._experiment, workers=1).to_dict("records")
            parts = {name: [row for row in rows if (row["answer"] == "theory") == (name == "theory")]
                     for name in ("theory", "simulations")}  # fmt: skip
            with pytest.raises(InputError, match="nothing to save"):
                page._file("csv")
            for name in ("theory", "simulations") if noise == "0.1" else ("simulations", "theory"):
                page._hear(name, News(page._question, parts[name], ended=True))
                said = page._file("csv").read().decode()
                if noise == "0.2" and name == "simulations":
                    assert "theory" not in said
            assert said.count("\n") == 1 + len(rows)
