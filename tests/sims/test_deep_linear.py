"""Noisy examples and their law, modes against the network, and the curvature at saddles."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from tsmech import DeepLinear
from tsmech.errors import InputError
from tsmech.sims.deep_linear import (
    Start,
    Training,
    draw_correlations,
    hessian_index,
    run_modes,
    run_noisy_modes,
    show_examples,
    train,
)
from tsmech.sims.deep_network import FirstWeights, aligned_directions, aligned_layers, draw_teacher, teacher_of

Array = NDArray[np.float64]
TEACHER = draw_teacher([2.0, 1.0, 0.5], 6, 5, np.random.default_rng(0))
TIMES = np.array([0.0, 0.5, 1.0, 3.0])


def aligned(layers: Array, training: Training) -> Start:
    modes = teacher_of(training.correlations)
    along = aligned_directions(modes, len(layers), 7, np.random.default_rng(1))
    return Start(TEACHER, training, FirstWeights(aligned_layers(along, layers), along))


@pytest.mark.parametrize("step", [0.05, 0.0])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_modes_of_an_aligned_start_are_the_networks_own(depth: int, step: float) -> None:
    """... to rounding, with a step and in gradient flow."""
    layers = np.random.default_rng(2).uniform(0.1, 0.6, (depth, 3))
    layers[:, 2] = 0.0  # a saddle, but of one layer
    training = Training(TEACHER.correlations, 0.3)
    network = train(aligned(layers, training), TIMES, step)
    modes = run_modes(layers, TEACHER.strengths, 0.3, TIMES, step)
    for name in ("strengths", "error", "train_error", "gradient_norm"):
        assert getattr(modes, name) == pytest.approx(getattr(network, name), rel=1e-12, abs=1e-12)


def test_modes_of_noisy_correlations_are_the_networks_own() -> None:
    training = show_examples(TEACHER, 12, 0.5, np.random.default_rng(3))
    layers = np.full((2, 5), 0.2)
    network = train(aligned(layers, training), TIMES, 0.05)
    modes = run_noisy_modes(layers, TEACHER, training, TIMES, 0.05)
    for name in ("strengths", "error", "train_error", "gradient_norm"):
        assert getattr(modes, name) == pytest.approx(getattr(network, name), rel=1e-11, abs=1e-12)


def test_examples_that_are_drawn_have_the_law_of_their_correlations() -> None:
    """Two entries, the largest singular value and the residual; with half the noise, the negative control, not."""
    rng = np.random.default_rng(4)

    def sample(noise: float, shown: bool) -> Array:
        draws = []
        for _ in range(400):
            maker = show_examples if shown else draw_correlations
            found = maker(TEACHER, 9, noise, rng)
            top = np.linalg.norm(found.correlations, 2)
            draws.append([found.correlations[0, 0], found.correlations[2, 3], top, found.residual])
        return np.array(draws)

    shown, drawn, wrong = sample(0.6, True), sample(0.6, False), sample(0.3, False)
    for column in range(4):
        assert ks_2samp(shown[:, column], drawn[:, column]).pvalue > 1e-3
        assert ks_2samp(shown[:, column], wrong[:, column]).pvalue < 1e-3


def test_with_as_many_examples_as_inputs_every_label_is_fitted() -> None:
    rng = np.random.default_rng(5)
    assert show_examples(TEACHER, 6, 0.5, rng).residual == pytest.approx(0.0, abs=1e-25)
    assert draw_correlations(TEACHER, 6, 0.5, rng).residual == 0.0


def at_saddle(rank: int, strengths: Array, width: int, size: int) -> list[Array]:
    """Return two layers that have learnt the first modes of a diagonal teacher and nothing else."""
    first, second = np.zeros((width, size)), np.zeros((size, width))
    for mode in range(rank):
        first[mode, mode] = second[mode, mode] = np.sqrt(strengths[mode])
    return [first, second]


@pytest.mark.parametrize(("modes", "width", "size"), [(3, 3, 3), (2, 4, 5), (3, 2, 3)])
def test_the_index_of_a_saddle_counts_unlearnt_modes_and_free_units(modes: int, width: int, size: int) -> None:
    """(modes - r)(width - r) at rank r: 9, 4, 1, 0 of three modes through three units (eq. 32)."""
    strengths = np.array([3.0, 2.0, 1.0])[:modes]
    correlations = np.zeros((size, size))
    correlations[np.arange(modes), np.arange(modes)] = strengths
    found = [
        hessian_index(at_saddle(rank, strengths, width, size), correlations, 1e-6)
        for rank in range(min(modes, width) + 1)
    ]
    assert found == [(modes - rank) * (width - rank) for rank in range(min(modes, width) + 1)]
    if modes == width == 3:
        assert found == [9, 4, 1, 0]


@pytest.mark.parametrize("learnt", [(1,), (2,), (0, 2), (1, 2)])
def test_each_weaker_mode_that_is_learnt_first_adds_a_curvature(learnt: tuple[int, ...]) -> None:
    """A saddle whose modes were learnt out of order: what theory counts, against all eigenvalues (below eq. 32)."""
    strengths = np.array([3.0, 2.0, 1.0])
    first, second = np.zeros((3, 4)), np.zeros((5, 3))
    for mode in learnt:
        first[mode, mode] = second[mode, mode] = np.sqrt(strengths[mode])
    correlations = np.zeros((5, 4))
    correlations[[0, 1, 2], [0, 1, 2]] = strengths
    system = DeepLinear(inputs=4, outputs=5, width=3, teacher_strengths=strengths)
    index = system.saddle_index(np.where(np.isin(range(3), learnt), strengths, 0.0)[None])
    assert index.tolist() == [hessian_index([first, second], correlations, 1e-6)]


def test_the_hessian_is_the_second_derivative() -> None:
    """Its negative eigenvalues are those of differences of the gradient, at weights in no special place."""
    from tsmech.sims.deep_network import Network, Task

    rng = np.random.default_rng(6)
    layers, correlations = [rng.standard_normal((2, 3)), rng.standard_normal((4, 2))], rng.standard_normal((4, 3))
    network = Network(layers, Task(correlations))
    columns = []
    for place in range(network.flat.size):
        change = []
        for sign in (1, -1):
            network.flat[place] += sign * 1e-5
            change.append(network.velocity())
            network.flat[place] -= sign * 1e-5
        columns.append((change[1] - change[0]) / 2e-5)
    eigenvalues = np.linalg.eigvalsh((np.array(columns) + np.array(columns).T) / 2)
    for level in (0.1, 0.5, 1.0, 2.0):
        assert hessian_index(layers, correlations, level) == (eigenvalues < -level).sum()


def test_hessians_of_other_depths_and_of_many_weights_are_refused() -> None:
    with pytest.raises(InputError, match="computed for 2 layers, not 1"):
        hessian_index([np.ones((2, 2))], np.ones((2, 2)), 0.0)
    with pytest.raises(InputError, match="of 2002 weights is not computed: at most 2000"):
        hessian_index([np.ones((7, 143)), np.ones((143, 7))], np.ones((143, 143)), 0.0)
