"""Learning curves on a table: one decomposition for all sizes and penalties, against fitting again and again.

`pytest benchmarks/test_learning_curve.py --benchmark-group-by=group` prints each group with ratios to its fastest
member.  `benchmarks/real_tables.py` says how well real tables are predicted.
"""

import numpy as np
import pytest

from tsmech.sims.learning_curve import draw_direct, make_table
from tsmech.theory.learning_curve import decompose, estimate, predict

SIZES = np.array([500, 1000, 2000, 4000, 8000])
PENALTIES = (0.1, 1.0, 10.0)


@pytest.fixture(scope="module")
def table():
    return make_table(10_000, 500, noise=0.5)


@pytest.mark.benchmark(group="errors at 5 sizes and 3 penalties, 10 000 rows of 500 columns (target: < 3 s)")
def test_predicted(benchmark, table):
    def run():
        population = estimate(decompose(table.inputs, table.targets))
        return [predict(population, SIZES, penalty).mean_square[-1, 0] for penalty in (*PENALTIES, None)]

    errors = benchmark.pedantic(run, rounds=2, warmup_rounds=1)
    assert min(errors[:3]) == pytest.approx(0.25 * (1 + 500 / 8000), rel=0.1)


@pytest.mark.benchmark(group="errors at 5 sizes and 3 penalties, 10 000 rows of 500 columns (target: < 3 s)")
def test_fitted_once(benchmark, table):
    """One training set a size, on 8000 rows, measured on 2000."""
    order = np.random.default_rng(0).permutation(10_000)

    def run():
        for penalty in PENALTIES:
            found = draw_direct(
                table.inputs, table.targets, order[:8000], order[8000:], SIZES, np.full((5, 1), penalty),
                np.random.default_rng(0),
            )  # fmt: skip
        return found

    benchmark.pedantic(run, rounds=1)


@pytest.mark.benchmark(group="errors at 5 sizes and 3 penalties, 10 000 rows of 500 columns (target: < 3 s)")
def test_scikit_learn(benchmark, table):
    """The same fits by scikit-learn's ``learning_curve``: one split."""
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import ShuffleSplit, learning_curve

    def run():
        for penalty in PENALTIES:
            learning_curve(
                Ridge(alpha=penalty), table.inputs, table.targets[:, 0], train_sizes=SIZES,
                cv=ShuffleSplit(1, test_size=0.2, random_state=0), scoring="neg_mean_squared_error",
            )  # fmt: skip

    benchmark.pedantic(run, rounds=1)


@pytest.mark.benchmark(group="a million rows of 200 columns, by blocks")
def test_million_rows(benchmark):
    """The table takes 1.6 GB; the prediction some blocks more."""
    made = make_table(1000, 200, noise=0.5)
    rng = np.random.default_rng(0)
    X, y = np.empty((1_000_000, 200)), np.empty((1_000_000, 1))
    for first in range(0, len(X), 10_000):
        part = rng.standard_normal((10_000, 200)) * np.sqrt(made.eigenvalues)
        X[first : first + 10_000] = part
        y[first : first + 10_000, 0] = part @ made.teacher + 0.5 * rng.standard_normal(10_000)
    population = benchmark.pedantic(lambda: estimate(decompose(X, y)), rounds=1)
    assert predict(population, 1e6, 1.0).mean_square[0, 0] == pytest.approx(0.25, rel=0.01)
