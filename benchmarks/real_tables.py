"""How well learning curves are predicted on real tables: those of scikit-learn, and one with more columns than rows.

``python benchmarks/real_tables.py [splits] [table ...]`` prints, for each table and each number of training rows, the
median over random splits of the relative error of the predicted test error, from all rows that are not held out and
from a fifth of the rows.  What is predicted is the error that ridge regression really has at that size on rows that it
has not seen: the mean of ``direct`` over all splits, each with held-out rows and training sets of its own.

``floor`` is the sampling floor: the median relative error of a person who is told the squared error on each of the
rows that theory knows, of students trained on other rows, and takes their mean.  It has the variance of squared errors
over all rows and over many students, divided by the number of known rows, less what knowing a part of a finite table
saves.  ``fitted`` is the floor where the students are fitted to the very rows on which errors are told: the same with
the loss of freedom, eq. 14 of theory/learning_curve.md; for least squares with Gaussian noise no unbiased estimate does
better (Lehmann and Scheffé).
``stated`` is the median of theory's own standard error, as a median error of a normal law.
``covered`` is the share of the predictions of what the split's own held-out rows show that lies within one, and
within two, standard errors (68 % and 95 % of a normal law).
"""

import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets

import tsmech

FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
TABLES = ("digits", "diabetes", "breast_cancer", "wine", "random_features")
MEDIAN = 0.6745
"""Median absolute value of a normal law of variance one."""
STUDENTS = 200
"""Students whose squared errors are looked at for the floor."""
DRAWS = 2
"""Training sets for each split."""


def write(name: str, folder: Path) -> dict[str, object]:
    """Write one table, without its constant columns, and return the parameters of its system."""
    if name == "random_features":  # of the ten columns of diabetes
        return {**write("diabetes", folder), "standardise": False, "features": "random_features"}
    bunch = getattr(datasets, f"load_{name}")()
    frame = pd.DataFrame(bunch.data, columns=[str(one).replace(" ", "_") for one in bunch.feature_names])
    frame = frame.loc[:, frame.nunique() > 1]
    frame["target"] = bunch.target.astype(float)
    frame.to_csv(folder / f"{name}.csv", index=False)
    return {"data": str(folder / f"{name}.csv"), "target": ("target",), "standardise": True}


def scatters(problem: tsmech.LearningCurve, penalties: np.ndarray) -> np.ndarray:
    """Return by size the variance of squared errors over their squared mean, over rows and students."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    table = problem.table()
    inputs, y = table.inputs, table.targets[:, 0]
    if problem.features != "none":
        inputs = problem._sample().features.of(inputs, inputs)
    found = []
    for size, penalty in zip(problem.sizes(), penalties, strict=True):
        fit = Ridge(alpha=max(penalty, 1e-9))
        model = make_pipeline(StandardScaler(), fit) if problem.standardise else fit
        squares = []
        for seed in range(STUDENTS):
            order = np.random.default_rng(seed).permutation(len(y))
            model.fit(inputs[order[:size]], y[order[:size]])
            squares.append((model.predict(inputs[order[size:]]) - y[order[size:]]) ** 2)
        pooled = np.concatenate(squares)
        found.append(pooled.var() / pooled.mean() ** 2)
    return np.array(found)


def lost_freedom(known, rows: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """Return by how much fitting to the known rows widens the scatter, where they are fitted as well as by m rows.

    Eq. 14 with the penalty of the known rows that has the same effective penalty, where rows are alike.
    """
    found = []
    for m, penalty in zip(rows, penalties, strict=True):
        path = np.geomspace(known.penalties[0], known.penalties[-1], 400)
        t = path / (known.s[:, None] + path)
        rest = known.free - known.s.size
        left = rest + t.sum(axis=0)
        scaled = path / left * (m - 1 - (known.free - left))
        place = int(np.argmax(scaled >= penalty)) if (scaled >= penalty).any() else 399
        t = t[:, place]
        second, fourth = rest + (t**2).sum(), rest + (t**4).sum()
        turned, mixed = rest + ((2 * t - 1) ** 2 * t**2).sum(), rest + ((2 * t - 1) * t**2).sum()
        found.append(2 * known.free * fourth / (second * turned + mixed**2))
    return np.array(found)


def measure(options: dict[str, object], penalty: float | str, known: float | None, splits: int) -> np.ndarray:
    """Print what one penalty and one share of known rows give, and return the median error by size, in per cent."""
    from tsmech.theory.learning_curve import predict

    predicted, errors, real, explained, explained_errors, r2, stated, penalties, lost = ([] for _ in range(9))
    for split in range(splits):
        problem = tsmech.LearningCurve(**options, penalty=penalty, known=known, split=split, fractions=FRACTIONS)
        theory = problem.curve("theory")
        draws = [problem.curve("direct", DRAWS * split + draw).observables for draw in range(DRAWS)]
        predicted.append(theory.observables["test_error"])
        errors.append(theory.errors["test_error"])
        explained.append(theory.observables["explained"])
        explained_errors.append(theory.errors["explained"])
        real.append(np.mean([draw["test_error"] for draw in draws], axis=0))
        r2.append(np.mean([draw["explained"] for draw in draws], axis=0))
        own = predict(problem._sample().population(), problem.sizes(), None if isinstance(penalty, str) else penalty)
        penalties.append(own.penalty[:, 0])
        lost.append(lost_freedom(problem._sample().decomposed(), own.rows, own.penalty[:, 0]))
        stated.append((own.mean_square_error / own.mean_square)[:, 0])
    _, held, pool, known_rows, *_ = problem._sample()
    count = held.size + pool.size
    predicted, errors, real = map(np.array, (predicted, errors, real))
    truth = real.mean(axis=0)
    off = np.abs(predicted / truth - 1)
    used = np.median(penalties, axis=0)
    save = np.sqrt(1.0 - known_rows.size / count)
    floor = MEDIAN * save * np.sqrt(scatters(problem, used) / known_rows.size)
    fitted = floor * np.sqrt(np.maximum(np.median(lost, axis=0), 1.0))
    z = np.abs(predicted - real) / errors
    z2 = np.abs(np.array(explained) - np.array(r2)) / np.array(explained_errors)
    rows = theory.coordinates["rows"].astype(int)
    print(f"  a = {penalty}, known {known_rows.size} of {count} rows")
    print("    rows     " + "".join(f"{m:8d}" for m in rows))
    print("    error %  " + "".join(f"{100 * v:8.1f}" for v in np.median(off, axis=0)))
    print("    bias %   " + "".join(f"{100 * v:+8.1f}" for v in np.mean(predicted, axis=0) / truth - 1))
    print("    floor %  " + "".join(f"{100 * v:8.1f}" for v in floor))
    print("    fitted % " + "".join(f"{100 * v:8.1f}" for v in fitted))
    print("    stated % " + "".join(f"{100 * MEDIAN * v:8.1f}" for v in np.median(stated, axis=0)))
    print(
        f"    covered  test error {np.mean(z < 1):.2f}, {np.mean(z < 2):.2f}; "
        f"explained {np.mean(z2 < 1):.2f}, {np.mean(z2 < 2):.2f}"
    )
    return 100 * np.median(off, axis=0)


def main(splits: int, names: tuple[str, ...]) -> None:
    warnings.simplefilter("ignore")
    summary = [
        "| table | penalty | known | " + " | ".join(f"{100 * share:g} %" for share in FRACTIONS) + " |",
        "|---" * (3 + len(FRACTIONS)) + "|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            started = time.perf_counter()
            options = write(name, Path(folder))
            problem = tsmech.LearningCurve(**options)
            print(f"{name}: {len(problem.table().inputs)} rows, {problem._sample().decomposed().columns} columns")
            print(f"  says: {problem.remark()}")
            for penalty in (10.0, "best"):
                for known in (None, 0.2):
                    errors = measure(options, penalty, known, splits)
                    cells = [name, str(penalty), f"{known or 0.8:g}", *(f"{error:.1f}" for error in errors)]
                    summary.append("| " + " | ".join(cells) + " |")
            print(f"  {time.perf_counter() - started:.0f} s", flush=True)
    print("\nmedian relative error in per cent, by training rows as shares of all rows:\n\n" + "\n".join(summary))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 240, tuple(sys.argv[2:]) or TABLES)
