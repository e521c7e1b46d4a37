"""The network's kernel against NumPy, what gradient flow conserves, and starts."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from tsmech.sims import deep_network as sims
from tsmech.sims.deep_network import Network, Task

Array = NDArray[np.float64]


def draw(rng: np.random.Generator, depth: int, whitened: bool, tanh: bool) -> tuple[list[Array], Task]:
    sizes = [5, *([4] * (depth - 1)), 3]
    layers = [rng.standard_normal((above, below)) / 2 for below, above in itertools.pairwise(sizes)]
    columns = 5 if whitened else 7
    inputs = None if whitened else rng.standard_normal((5, columns))
    return layers, Task(rng.standard_normal((3, columns)), inputs, tanh)


def reference(layers: list[Array], task: Task) -> list[Array]:
    """Return minus the gradient of every layer, from derivatives by complex steps: no formula of the kernel's."""
    found = []
    for place, layer in enumerate(layers):
        change = np.empty(layer.shape)
        for index in np.ndindex(layer.shape):
            varied = [one.astype(complex) for one in layers]
            varied[place][index] += 1e-30j
            output = (np.eye(5) if task.whitened else task.matrix).astype(complex)
            for one in varied[:-1]:
                output = one @ output
                output = np.tanh(output) if task.tanh else output
            loss = ((varied[-1] @ output - task.targets) ** 2).sum() / 2
            change[index] = -loss.imag / 1e-30
        found.append(change)
    return found


@pytest.mark.parametrize("tanh", [False, True])
@pytest.mark.parametrize("whitened", [True, False])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_its_velocity_is_minus_the_gradient(depth: int, whitened: bool, tanh: bool) -> None:
    layers, task = draw(np.random.default_rng(depth), depth, whitened, tanh)
    network = Network(layers, task)
    expected = np.concatenate([one.ravel() for one in reference(layers, task)])
    assert network.velocity() == pytest.approx(expected, rel=1e-11, abs=1e-13)
    assert network.plain_velocity(network.flat) == pytest.approx(expected, rel=1e-11, abs=1e-13)
    assert network.flat == pytest.approx(np.concatenate([one.ravel() for one in layers]), abs=0)


def test_steps_are_those_of_numpy() -> None:
    layers, task = draw(np.random.default_rng(0), 3, False, False)
    network = Network(layers, task)
    network.descend(0.01, 20)
    for _ in range(20):
        layers = [one + 0.01 * change for one, change in zip(layers, reference(layers, task), strict=True)]
    for one, expected in zip(network.layers(), layers, strict=True):
        assert one == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("tanh", [False, True])
def test_flow_is_the_solution_of_its_equation(tanh: bool) -> None:
    layers, task = draw(np.random.default_rng(1), 3, True, tanh)
    network = Network(layers, task)
    other = Network(layers, task)

    def velocity(_: float, flat: Array) -> Array:
        other.flat[:] = flat
        return other.velocity()

    expected = solve_ivp(velocity, (0, 2), network.flat.copy(), method="LSODA", rtol=1e-11, atol=1e-13).y[:, -1]
    network.flow(1.5)
    network.flow(0.5)
    assert network.flat == pytest.approx(expected, rel=1e-7, abs=1e-8)


def test_flow_conserves_the_balance_of_layers_and_steps_do_so_in_the_limit() -> None:
    """W₂ᵀW₂ - W₁W₁ᵀ; descent changes it in proportion to its step."""
    layers, task = draw(np.random.default_rng(2), 3, True, False)

    def balance(network: Network) -> Array:
        one, two, three = network.layers()
        return np.stack([two.T @ two - one @ one.T, three.T @ three - two @ two.T])

    network = Network(layers, task)
    before = balance(network).copy()
    network.flow(3.0)
    assert balance(network) == pytest.approx(before, abs=1e-7)
    drifts = []
    for step in (0.02, 0.01):
        network = Network(layers, task)
        network.descend(step, round(3 / step))
        drifts.append(abs(balance(network) - before).max())
    assert drifts[0] / drifts[1] == pytest.approx(2.0, rel=0.1)


def test_a_network_that_diverges_says_so() -> None:
    layers, task = draw(np.random.default_rng(3), 2, True, False)
    network = Network([10 * one for one in layers], task)
    assert not network.diverged()
    network.descend(1.0, 30)
    assert network.diverged()


def test_directions_are_orthonormal_and_uniform() -> None:
    """The mean of the first entry is 0: without the signs of the triangular factor it would not be."""
    rng = np.random.default_rng(4)
    found = np.array([sims.directions(4, 3, rng) for _ in range(400)])
    assert np.einsum("nki,nkj->nij", found, found) == pytest.approx(np.broadcast_to(np.eye(3), (400, 3, 3)))
    assert abs(found.mean(axis=0)).max() < 4 * 0.5 / 20


def test_a_matrix_is_its_modes() -> None:
    matrix = np.random.default_rng(5).standard_normal((4, 3)) @ np.diag([1.0, 1.0, 0.0])
    teacher = sims.teacher_of(matrix)
    assert teacher.strengths.size == 2
    assert teacher.correlations == pytest.approx(matrix)


def test_pretrained_layers_are_orthogonal_with_directions_kept() -> None:
    """Singular values go to 1, singular vectors stay; the steps grow with the number of layers, and as -ln(scale)."""
    rng = np.random.default_rng(6)
    layers = sims.random_layers(sims.shapes(4, 6, 6, 8), 0.1, 6, rng)
    found, steps = sims.pretrain(layers)
    for before, after in zip(layers, found, strict=True):
        small = min(after.shape)
        assert np.linalg.svd(after, compute_uv=False) == pytest.approx(np.ones(small), abs=1e-3)
        left, _, right = np.linalg.svd(before, full_matrices=False)
        assert np.diag(left.T @ after @ right.T) == pytest.approx(np.ones(small), abs=1e-3)
    each = [sims.pretrain([one])[1] for one in layers]
    assert steps == pytest.approx(sum(each))
    smaller = sims.pretrain([0.01 * layers[0]])[1]
    assert smaller - each[0] == pytest.approx(np.log(100) * 0.5 / np.log(1.5), abs=1.1)


def test_orthogonal_layers_have_one_singular_value() -> None:
    layers = sims.orthogonal_layers([(3, 5), (6, 3)], (0.5, 0.2), np.random.default_rng(7))
    assert np.linalg.svd(layers[0], compute_uv=False) == pytest.approx(np.full(3, 0.5))
    assert np.linalg.svd(layers[1], compute_uv=False) == pytest.approx(np.full(3, 0.2))


def test_hidden_units_are_tanh_to_the_last_digits() -> None:
    """The velocity of a second layer of zeros is what the units answer: to two units in the last place."""
    fields = np.random.default_rng(0).standard_normal(20_000) * np.geomspace(1e-300, 30.0, 20_000)
    fields[:6] = 0.0, -0.0, 1e-320, 1e300, -1e300, 19.97
    network = Network([fields[:, None], np.zeros((1, fields.size))], Task(np.ones((1, 1)), tanh=True))
    found, known = network.velocity()[fields.size :], np.tanh(fields.astype(np.longdouble)).astype(float)
    assert (abs(found - known) <= 3 * np.spacing(abs(known))).all()
    assert (np.sign(found) == np.sign(fields)).all()
