"""A revealed matrix: it does what a matrix does, and completed at random it is one of independent normal numbers."""

import numpy as np
import pytest
from scipy import stats

from tsmech.errors import InputError
from tsmech.sims import revelation
from tsmech.sims.revelation import RevealedMatrix


def products(matrix, rng, columns, steps):
    """Ask for Xᵀf of vectors f that depend on earlier fields and products; return all that was asked and answered."""
    weights = rng.standard_normal((columns, matrix.directions))
    asked = []
    for _ in range(steps):
        pulls = []

        def respond(part, fields, pulls=pulls):
            pulls.append(np.tanh(fields) + 0.3 * fields[::-1])
            return pulls[-1].copy()

        before = weights
        answer = matrix.product(weights, respond)
        f = np.concatenate(pulls, axis=1)
        fields = np.concatenate([block for _, block in matrix.fields(before_to(before, matrix.directions))], axis=1)
        asked.append((before, f, answer, fields))
        weights = 0.9 * before_to(before, answer.shape[1]) - 0.1 * answer
    return asked


def before_to(weights, count):
    """Return coordinates along more directions."""
    return np.pad(weights, ((0, 0), (0, count - weights.shape[1])))


def explicit(matrix):
    """Return X in the basis of the known directions, shape (P, n)."""
    return np.concatenate([block for _, block in matrix.fields(np.eye(matrix.directions))], axis=1).T


@pytest.mark.parametrize(("P", "N"), [(40, 60), (60, 40), (25, 12), (12, 25), (7, 7)])
@pytest.mark.parametrize("columns", [1, 3])
def test_products_are_those_of_one_matrix(P, N, columns, monkeypatch):
    """What was answered at any time is what the matrix known in the end answers; also when N or P is used up."""
    monkeypatch.setattr(revelation, "MOST", 5)
    monkeypatch.setattr(revelation, "TILES", 2)
    steps = 12
    matrix = RevealedMatrix(P, N, 4, columns * steps, np.random.default_rng(1))
    asked = products(matrix, np.random.default_rng(2), columns, steps)
    assert matrix.directions == min(N, 4 + min(columns * steps, P))
    X = explicit(matrix)
    for weights, f, answer, fields in asked:
        np.testing.assert_allclose(fields, weights @ X[:, : weights.shape[1]].T, atol=1e-12)
        along = f @ X
        np.testing.assert_allclose(before_to(answer, X.shape[1]), along, atol=1e-10 * np.abs(along).max())


def completed(P, N, steps, rng):
    """Return X, completed by independent normal numbers across what is known of it, in directions drawn at random."""
    matrix = RevealedMatrix(P, N, 3, 2 * steps, rng)
    asked = products(matrix, rng, 2, steps)
    X = explicit(matrix)
    f = np.concatenate([each[1] for each in asked])
    U = np.linalg.qr(f.T)[0]
    rest = rng.standard_normal((P, N - X.shape[1]))
    turned = np.linalg.qr(rng.standard_normal((N, N)))[0]  # the directions, which have names only, are any
    return np.concatenate([X, rest - U @ (U.T @ rest)], axis=1) @ turned


def test_completed_at_random_its_entries_are_independent_and_normal():
    """Singular values, single entries and products of columns have the law of those of a normal matrix."""
    P, N, count = 14, 10, 300
    rng = np.random.default_rng(3)
    revealed = [completed(P, N, 3, rng) for _ in range(count)]
    drawn = [rng.standard_normal((P, N)) for _ in range(count)]
    for statistic in (
        lambda X: np.linalg.svd(X, compute_uv=False)[0],
        lambda X: np.linalg.svd(X, compute_uv=False)[-1],
        lambda X: X[2, 4],
        lambda X: X[:, 3] @ X[:, 5],
        lambda X: np.sum(X[:, 4] ** 2),
        lambda X: X[0] @ X[1],
    ):
        assert stats.ks_2samp([statistic(X) for X in revealed], [statistic(X) for X in drawn]).pvalue > 1e-4


def test_a_length_that_is_wrong_is_noticed(monkeypatch):
    """The control of the test above: the new lengths of N - n dimensions more."""
    P, N, count = 14, 10, 300
    rng = np.random.default_rng(3)
    original = revelation.RevealedMatrix.__init__

    def longer(self, examples, inputs, *rest):
        original(self, examples, inputs, *rest)
        self._inputs = inputs + 6

    monkeypatch.setattr(revelation.RevealedMatrix, "__init__", longer)
    revealed = [np.linalg.svd(completed(P, N, 3, rng), compute_uv=False)[0] for _ in range(count)]
    drawn = [np.linalg.svd(rng.standard_normal((P, N)), compute_uv=False)[0] for _ in range(count)]
    assert stats.ks_2samp(revealed, drawn).pvalue < 1e-4


def test_vectors_that_depend_on_each_other_bring_one_direction():
    matrix = RevealedMatrix(50, 80, 2, 6, np.random.default_rng(0))
    answer = matrix.product(np.eye(2), lambda part, fields: np.stack([fields[0], 2 * fields[0], fields[0] - fields[0]]))
    assert matrix.directions == 3
    np.testing.assert_allclose(answer[1], 2 * answer[0], rtol=1e-12)
    assert not answer[2].any()
    again = matrix.product(np.eye(2, 3), lambda part, fields: fields[:1] * (1 + 1e-14))
    assert matrix.directions == 3
    np.testing.assert_allclose(again[0], answer[0], rtol=1e-10)


def test_nearly_dependent_vectors_are_told_apart():
    """Their scalar products do not tell the difference of 1e-6; both products are those of the one matrix."""
    matrix = RevealedMatrix(300, 200, 2, 4, np.random.default_rng(0))
    pulls = []

    def respond(part, fields):
        pulls.append(np.stack([fields[0], fields[0] + 1e-6 * fields[1]]))
        return pulls[-1].copy()

    answer = matrix.product(np.eye(2), respond)
    assert matrix.directions == 4
    X = explicit(matrix)
    difference = answer[1] - answer[0]
    np.testing.assert_allclose(difference, (pulls[0][1] - pulls[0][0]) @ X, rtol=1e-6, atol=1e-12)


def test_more_directions_than_inputs_are_refused():
    with pytest.raises(InputError, match="3 inputs cannot have 4 independent directions"):
        RevealedMatrix(10, 3, 4, 5, np.random.default_rng(0))


def deviation(steps):
    """Return by how much products asked for in many steps of slow descent differ from those of the one matrix."""
    P, N = 300, 200
    matrix, weights = RevealedMatrix(P, N, 2, 2 * steps, np.random.default_rng(4)), np.eye(2)
    asked = []
    for _ in range(steps):
        pulls = []

        def respond(part, fields, pulls=pulls):
            pulls.append(np.tanh(fields) + 0.2 * fields[::-1] ** 2)
            return pulls[-1].copy()

        answer = matrix.product(weights, respond)
        asked.append((np.concatenate(pulls, axis=1), answer))
        weights = before_to(weights, answer.shape[1]) - 0.2 / P * answer
    X = explicit(matrix)
    return max(np.abs(before_to(answer, X.shape[1]) - f @ X).max() / np.abs(answer).max() for f, answer in asked)


def test_products_stay_those_of_one_matrix_while_pulls_bring_ever_less(monkeypatch):
    """What pulls have across earlier ones falls a thousandfold in ten steps; the control takes U for orthonormal."""
    assert deviation(40) < 1e-8
    monkeypatch.setattr(RevealedMatrix, "_straight", lambda self, products: products)
    monkeypatch.setattr(revelation, "ASKEW", np.inf)
    with np.errstate(all="ignore"):
        assert not deviation(25) < 1e-4
