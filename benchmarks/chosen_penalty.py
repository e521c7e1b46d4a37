"""How far the error at the best penalty is predicted too low for having been chosen, on made-up tables of known truth.

``python benchmarks/chosen_penalty.py [tables]`` prints in per cent of the least error, with standard errors:
``before``, the least of the estimated curve less what students of the known rows (and of new ones, where these do not
suffice) get with that penalty, both less what they are with the truly best penalty, so that only the choice is left;
``after``, the same of the prediction; and how often the truly best penalty lies within the stated error of the chosen
one, in per cent.  Then what students lose who choose by leave-one-out errors on their own rows: in the mean, with its
standard error, without the worst twentieth of the training sets, and as it is predicted.
theory/learning_curve.md, section 9, quotes it.
"""

import sys

import numpy as np

from tsmech.sims.learning_curve import MadeUp, make_table
from tsmech.theory.learning_curve import decompose, estimate, predict

CASES = (
    # known rows, columns, exponent, noise, whether squared lengths are exponential
    (36, 13, 1.0, 0.5, False),
    (50, 20, 1.0, 1.0, False),
    (60, 10, 1.0, 3.0, False),
    (142, 13, 1.0, 0.5, False),
    (150, 60, 1.0, 0.5, False),
    (400, 100, 1.0, 1.0, False),
    (120, 60, 0.0, 0.5, False),
    (100, 300, 1.0, 0.5, False),
    (100, 40, 1.0, 1.0, True),
    (100, 20, 1.0, 20.0, False),
)
SHARES = (0.25, 0.5, 1.0, 2.0)
GRID = np.geomspace(1e-4, 1e5, 271)
DRAWS = 300


def draw(made: MadeUp, rows: int, unequal: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    X = rng.standard_normal((rows, made.teacher.size)) * np.sqrt(made.eigenvalues)
    if unequal:
        X *= np.sqrt(rng.exponential(size=rows))[:, None]
    return X, X @ made.teacher + made.noise * rng.standard_normal(rows)


def students(X: np.ndarray, y: np.ndarray, made: MadeUp) -> np.ndarray:
    """Return the mean square errors over the population of students of these rows at all penalties."""
    U, root, V = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    w = V.T @ ((root * (U.T @ (y - y.mean())))[:, None] / (root[:, None] ** 2 + GRID))
    level = y.mean() - X.mean(axis=0) @ w
    return made.eigenvalues @ (w - made.teacher[:, None]) ** 2 + level**2 + made.noise**2


def own_choice(X: np.ndarray, y: np.ndarray) -> int:
    """Return the place of the penalty of the least leave-one-out error."""
    A = X - X.mean(axis=0)
    U, root, _ = np.linalg.svd(A, full_matrices=False)
    kept = root > 1e-9 * root[0]
    U, share = U[:, kept], root[kept, None] ** 2 / (root[kept, None] ** 2 + GRID)
    residual = (y - y.mean())[:, None] - U @ (share * (U.T @ (y - y.mean()))[:, None])
    left = np.maximum(1.0 - 1.0 / y.size - (U * U) @ share, 1e-9)
    return int(((residual / left) ** 2).mean(axis=0).argmin())


def measure_within(case: tuple[int, int, float, float, bool], size: int, tables: int) -> np.ndarray:
    """Return how far errors of students that choose their own penalty exceed the least one, and the prediction."""
    known, columns, exponent, noise, unequal = case
    made = make_table(10, columns, exponent=exponent, noise=noise, seed=1)
    rng = np.random.default_rng([size, 9])
    sets = [draw(made, size, unequal, rng) for _ in range(DRAWS)]
    errors = np.array([students(*one, made) for one in sets])
    best = int(errors.mean(axis=0).argmin())
    chosen = errors[np.arange(DRAWS), [own_choice(*one) for one in sets]]
    more = np.sort(chosen - errors[:, best]) / errors[:, best].mean()
    predicted = []
    for table in range(tables):
        X, y = draw(made, known, unequal, np.random.default_rng([table, 2]))
        population = estimate(decompose(X, y[:, None]))
        penalty = float(predict(population, size, None).penalty[0, 0])
        least = predict(population, size, penalty).mean_square[0, 0]
        predicted.append(predict(population, size, None, within=True).mean_square[0, 0] / least - 1)
    kept = more[: int(0.95 * DRAWS)]
    return 100 * np.array([more.mean(), more.std() / np.sqrt(DRAWS), kept.mean(), np.mean(predicted)])


def measure(case: tuple[int, int, float, float, bool], size: int, tables: int) -> np.ndarray:
    """Return for each table before, after, and whether the truly best penalty is covered."""
    known, columns, exponent, noise, unequal = case
    made = make_table(10, columns, exponent=exponent, noise=noise, seed=1)
    rng = np.random.default_rng([size, 9])
    truth = np.mean([students(*draw(made, size, unequal, rng), made) for _ in range(DRAWS)], axis=0)
    best = int(truth.argmin())
    found = []
    for table in range(tables):
        X, y = draw(made, known, unequal, np.random.default_rng([table, 2]))
        population = estimate(decompose(X, y[:, None]))
        chosen = predict(population, size, None)
        penalty = float(chosen.penalty[0, 0])
        if size > known:
            more = draw(made, size - known, unequal, np.random.default_rng([table, 5]))
            X, y = np.vstack([X, more[0]]), np.append(y, more[1])
        own = students(X[:size], y[:size], made)
        excess = np.interp(np.log(penalty), np.log(GRID), own) - own[best]
        given = predict(population, size, float(GRID[best])).mean_square[0, 0]
        least = predict(population, size, penalty).mean_square[0, 0]
        off = np.array([least, chosen.mean_square[0, 0]]) - given - excess
        covered = abs(np.log(penalty / GRID[best])) <= np.log1p(chosen.penalty_error[0, 0] / penalty)
        found.append((*(off / truth[best]), covered))
    return 100 * np.array(found)


def main(tables: int) -> None:
    for case in CASES:
        known, columns, exponent, noise, unequal = case
        print(
            f"{known} known rows, {columns} columns, k^-{exponent:g}, noise {noise:g}{', unequal' if unequal else ''}"
        )
        for share in SHARES:
            size = max(6, int(share * known))
            off = measure(case, size, tables)
            mean, error = off.mean(axis=0), off.std(axis=0) / np.sqrt(tables)
            print(
                f"  rows {size:4d}  before {mean[0]:+5.2f} ± {error[0]:4.2f}  after {mean[1]:+5.2f} ± {error[1]:4.2f}"
                f"  covered {mean[2]:3.0f}",
                flush=True,
            )
            mean, error, kept, told = measure_within(case, size, min(tables, 30))
            print(f"             one's own choice costs {mean:5.2f} ± {error:4.2f}, {kept:5.2f} in all but the worst "
                  f"twentieth, predicted {told:5.2f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
