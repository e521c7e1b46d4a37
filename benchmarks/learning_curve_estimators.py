"""Ways to predict a learning curve from some rows, compared on made-up tables of known truth.

``python benchmarks/learning_curve_estimators.py [tables]`` prints the mean relative error of each way over made-up
tables, with its standard error, and the scatter from table to table; theory/learning_curve.md quotes it.

=========  ======================================================================================================
naive      eigenvectors, target and noise from the same rows, put into the fixed point
split      eigenvectors from one half of the rows, the target's power along them and the noise from the other
gcv        generalised cross-validation along the path
rows       what the package does: each row's squared residual over what noise leaves there, and left-out errors
=========  ======================================================================================================
"""

import sys

import numpy as np
from scipy.optimize import brentq

from tsmech.sims.learning_curve import make_table
from tsmech.theory.learning_curve import decompose, estimate, predict
from tsmech.theory.learning_curve.diagnostics import generalised_errors

WAYS = ("naive", "split", "gcv", "rows")
CASES = (
    # known rows, columns, exponent, noise, penalty, predicted sizes
    (50, 20, 1.0, 1.0, 1.0, (25, 200)),
    (150, 60, 1.0, 0.5, 0.1, (37, 600)),
    (120, 60, 0.0, 0.5, 0.1, (90, 480)),
    (100, 300, 1.0, 0.5, 1.0, (25, 200)),
)


def fixed_point(s, power, noise, rows, penalty):
    """Return the error of a population with eigenvalues s, of which ``power`` is s w², and label noise."""
    free = rows - 1
    kappa = np.exp(brentq(lambda t: np.exp(t) * (1 - (s / (s + np.exp(t))).sum() / free) - penalty / free, -60, 60))
    bias = (power * (kappa / (s + kappa)) ** 2).sum()
    return (bias + noise) / (1 - ((s / (s + kappa)) ** 2).sum() / free) * (1 + 1 / rows)


def naive(X, y, rows, penalty):
    A, b = X - X.mean(axis=0), y - y.mean()
    left, root, _ = np.linalg.svd(A, full_matrices=False)
    kept = root > 1e-9 * root[0]
    left, s = left[:, kept], root[kept] ** 2 / len(X)
    c = left.T @ b
    return fixed_point(s, c**2 / len(X), np.sum((b - left @ c) ** 2) / len(X), rows, penalty)


def split(X, y, rows, penalty):
    half = len(X) // 2
    A = X[:half] - X[:half].mean(axis=0)
    s, vectors = np.linalg.eigh(A.T @ A / (half - 1))
    B, b = (X[half:] - X[half:].mean(axis=0)) @ vectors, y[half:] - y[half:].mean()
    own = (B**2).mean(axis=0)
    products = B * b[:, None]
    power = (products.mean(axis=0) ** 2 - products.var(axis=0) / len(b)) / np.maximum(own, 1e-12)  # without its noise
    noise = max(b.var() - power.sum(), 0.0)
    return fixed_point(np.maximum(s, 1e-12), power, noise, rows, penalty)


def generalised(known):
    """Return the estimate by generalised cross-validation: all residuals over what noise leaves of all, rows alike."""
    t = known.penalties / (known.s[:, None] + known.penalties)
    second = known.free - known.s.size + (t**2).sum(axis=0)
    each = known.residual * known.rows / second[:, None]
    found = estimate(known._replace(each=each, loo=generalised_errors(known)))
    return found._replace(excess=np.zeros_like(found.excess))


def truth(made, rows, penalty, draws=150):
    rng = np.random.default_rng(rows)
    errors = []
    for _ in range(draws):
        X = rng.standard_normal((rows, made.teacher.size)) * np.sqrt(made.eigenvalues)
        y = X @ made.teacher + made.noise * rng.standard_normal(rows)
        A = X - X.mean(axis=0)
        w = A.T @ np.linalg.solve(A @ A.T + penalty * np.eye(rows), y - y.mean())
        offset = y.mean() - X.mean(axis=0) @ w
        errors.append(made.eigenvalues @ (w - made.teacher) ** 2 + offset**2 + made.noise**2)
    return np.mean(errors)


def main(tables: int) -> None:
    for known, columns, exponent, noise, penalty, sizes in CASES:
        made = make_table(10, columns, exponent=exponent, noise=noise, seed=1)
        values = np.empty((tables, len(sizes), len(WAYS)))
        for table in range(tables):
            rng = np.random.default_rng([table, known])
            X = rng.standard_normal((known, columns)) * np.sqrt(made.eigenvalues)
            y = X @ made.teacher + noise * rng.standard_normal(known)
            rows = decompose(X, y[:, None])
            found, other = estimate(rows), generalised(rows)
            for i, m in enumerate(sizes):
                values[table, i] = (
                    naive(X, y, m, penalty),
                    split(X, y, m, penalty),
                    predict(other, m, penalty).mean_square[0, 0],
                    predict(found, m, penalty).mean_square[0, 0],
                )
        print(f"{known} known rows, {columns} columns, eigenvalues k^-{exponent:g}, noise {noise:g}, a = {penalty:g}")
        print("  rows " + "".join(f"{way:>20s}" for way in WAYS))
        for i, m in enumerate(sizes):
            off = values[:, i] / truth(made, m, penalty) - 1
            cells = [
                f"{100 * one.mean():+6.1f} ± {100 * one.std() / tables**0.5:3.1f} ({100 * one.std():4.1f})"
                for one in off.T
            ]
            print(f"  {m:4d} " + "".join(f"{cell:>20s}" for cell in cells))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
