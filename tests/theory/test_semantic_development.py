"""Trees in the limit of many properties: published singular values, drawn tables, and what aligned modes believe."""

import numpy as np
import pytest

from tsmech.errors import InputError
from tsmech.sims.semantic_development import draw_tree
from tsmech.theory.deep_network import balanced_modes
from tsmech.theory.semantic_development import beliefs, tree_modes, tree_similarity


def test_published_singular_values() -> None:
    """Two branches at three levels, flip 0.1: 1.87291, 1.18770, 0.90598 twice, 0.6 four times."""
    expected = [1.87291, 1.18770, 0.90598, 0.90598, 0.6, 0.6, 0.6, 0.6]
    assert tree_modes(2, 3, 0.1).strengths == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize(
    ("branching", "levels", "flip"), [(2, 3, 0.1), (3, 2, 0.15), (4, 3, 0.05), (2, 1, 0.3), (5, 1, 0.0)]
)
def test_modes_diagonalise_the_similarity(branching: int, levels: int, flip: float) -> None:
    found, similarity = tree_modes(branching, levels, flip), tree_similarity(branching, levels, flip)
    assert found.items.T @ found.items == pytest.approx(np.eye(branching**levels), abs=1e-12)
    assert (found.items * found.strengths**2) @ found.items.T == pytest.approx(similarity, abs=1e-12)
    assert (np.diff(found.strengths) <= 1e-12).all()


def test_drawn_trees_have_this_similarity_on_average() -> None:
    values = draw_tree(3, 2, 0.2, 40_000, np.random.default_rng(0))
    found = values @ values.T / 40_000
    assert found == pytest.approx(tree_similarity(3, 2, 0.2), abs=5 / 200)
    assert set(np.unique(values)) == {-1.0, 1.0}


def test_beliefs_are_read_off_the_product_of_all_layers() -> None:
    """... and representations off its first and last layer, of a network with random hidden directions."""
    rng = np.random.default_rng(1)
    table = np.where(rng.random((5, 12)) < 0.5, 1.0, -1.0)
    u, s, vt = np.linalg.svd(table.T / np.sqrt(12), full_matrices=False)
    learnt = balanced_modes([0.0, 1.0, 3.0], s, 0.01, 3).learnt
    layers = np.repeat(learnt[:, None] ** (1 / 3), 3, axis=1)
    lacking = (table.T < 0).astype(float)
    found = beliefs(layers, u, vt.T, 4, lacking)
    turn = np.linalg.qr(rng.standard_normal((7, 5)))[0]
    for time in range(3):
        first, last = turn @ np.diag(layers[time, 0]) @ vt, u @ np.diag(layers[time, 0] ** 2) @ turn.T
        assert found.responses[time] == pytest.approx((last @ first)[4])
        assert found.illusion[time] == pytest.approx(max(0.0, (last @ first * lacking).max()))
        assert found.similarity[time] == pytest.approx(first.T @ first)
    assert np.isnan(beliefs(layers, u, vt.T, 4, None).illusion).all()


def test_shallow_networks_have_no_illusions() -> None:
    """From zero they keep the proportions of the table at all times."""
    rng = np.random.default_rng(2)
    table = (rng.random((6, 20)) < 0.4).astype(float)
    u, s, vt = np.linalg.svd(table.T / np.sqrt(20), full_matrices=False)
    learnt = {
        depth: balanced_modes(np.linspace(0, 9, 40), s, 0.0 if depth == 1 else 1e-3, depth).learnt for depth in (1, 2)
    }
    lacking = (table.T == 0).astype(float)
    peaks = {
        depth: beliefs(np.repeat(a[:, None] ** (1 / depth), depth, axis=1), u, vt.T, 0, lacking).illusion.max()
        for depth, a in learnt.items()
    }
    assert peaks[1] < 1e-12
    assert peaks[2] * np.sqrt(20) > 0.2


def test_wrong_trees_are_refused() -> None:
    for branching, levels, flip in ((1, 2, 0.1), (2, 0, 0.1), (2, 2, 0.6)):
        with pytest.raises(InputError, match="a tree has branching >= 2"):
            tree_modes(branching, levels, flip)
