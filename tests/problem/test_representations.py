"""Positions of items in the plane: distances, and the alignment of one time with the next."""

import numpy as np
import pytest

from tsmech.problem.representations import embed


def test_points_of_a_plane_are_found_again() -> None:
    """Up to a rotation: their distances are those of the representations, however these lie in space."""
    rng = np.random.default_rng(0)
    plane = rng.standard_normal((6, 2))
    space = np.linalg.qr(rng.standard_normal((5, 5)))[0][:, :2]
    hidden = plane @ space.T + rng.standard_normal(5)
    (found,) = embed((hidden @ hidden.T)[None])
    apart = np.linalg.norm(plane[:, None] - plane, axis=2)
    assert np.linalg.norm(found[:, None] - found, axis=2) == pytest.approx(apart, abs=1e-9)
    assert found.mean(axis=0) == pytest.approx([0.0, 0.0], abs=1e-12)


def test_times_are_turned_onto_each_other() -> None:
    """Points that grow in place, each time seen from another side, move along straight lines."""
    rng = np.random.default_rng(1)
    plane = rng.standard_normal((5, 2))
    plane -= plane.mean(axis=0)
    hidden = [scale * plane @ np.linalg.qr(rng.standard_normal((2, 2)))[0] for scale in (0.2, 0.5, 1.0)]
    found = embed(np.array([one @ one.T for one in hidden]))
    assert found[0] == pytest.approx(0.2 * found[2], abs=1e-9)
    assert found[1] == pytest.approx(0.5 * found[2], abs=1e-9)
    for axis in (0, 1):
        assert found[2][np.abs(found[2][:, axis]).argmax(), axis] > 0


def test_one_dimension_and_no_times_are_no_error() -> None:
    line = np.array([[-1.0], [0.0], [1.0]])
    assert np.abs(embed((line @ line.T)[None])[0, :, 1]).max() == pytest.approx(0.0, abs=1e-7)
    assert embed(np.empty((0, 4, 4))).shape == (0, 4, 2)
