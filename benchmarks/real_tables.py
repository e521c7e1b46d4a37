"""How well learning curves are predicted on real tables: those of scikit-learn, and one with more columns than rows.

``python benchmarks/real_tables.py [splits] [table ...]`` prints, for each table and each number of training rows, the
median over random splits of the relative error of the predicted test error, from all rows that are not held out and
from a fifth of the rows.  What is predicted is the error that ridge regression really has at that size on rows that it
has not seen: the mean of ``direct`` over all splits, each with held-out rows and training sets of its own.

``floor`` is the sampling floor: the median relative error of a person who is told the squared error on each of the
rows that theory knows, of students trained on other rows, and takes their mean; all rows of the table have none.
``stated`` is the same for theory's own standard error, which knows that students and errors come from the same rows.
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
DRAWS = 2
MORE = 4
"""Splits on which direct alone runs, for each on which theory runs too: they make the real error known well."""


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


def measure(options: dict[str, object], penalty: float | str, known: float | None, splits: int) -> None:
    from tsmech.theory.learning_curve import predict

    predicted, errors, real, explained, explained_errors, r2, stated, others = ([] for _ in range(8))
    for split in range(splits):
        problem = tsmech.LearningCurve(**options, penalty=penalty, known=known, split=split, fractions=FRACTIONS)
        theory = problem.curve("theory")
        draws = [problem.curve("direct", draw).observables for draw in range(DRAWS)]
        predicted.append(theory.observables["test_error"])
        errors.append(theory.errors["test_error"])
        explained.append(theory.observables["explained"])
        explained_errors.append(theory.errors["explained"])
        real.append(np.mean([draw["test_error"] for draw in draws], axis=0))
        r2.append(np.mean([draw["explained"] for draw in draws], axis=0))
        own = predict(problem._population(), problem.sizes(), None if isinstance(penalty, str) else penalty)
        stated.append((own.mean_square_error / own.mean_square)[:, 0])
    for split in range(splits, MORE * splits):
        more = tsmech.LearningCurve(**options, penalty=penalty, known=known, split=split, fractions=FRACTIONS)
        others.append(more.curve("direct", 0).observables["test_error"])
    held, pool, known_rows = problem._split_rows()
    count = held.size + pool.size
    predicted, errors, real = map(np.array, (predicted, errors, real))
    truth = np.vstack([real, *others]).mean(axis=0)
    off = np.abs(predicted / truth - 1)
    # squared errors on rows scatter as those on held-out rows: their mean over the known rows, drawn from the table
    spread = real.std(axis=0, ddof=1) / truth * np.sqrt(held.size / (1 - held.size / count))
    floor = 0.6745 * spread / np.sqrt(known_rows.size) * np.sqrt(1 - known_rows.size / count)
    z = np.abs(predicted - real) / errors
    z2 = np.abs(np.array(explained) - np.array(r2)) / np.array(explained_errors)
    rows = theory.coordinates["rows"].astype(int)
    print(f"  a = {penalty}, known {known_rows.size} of {count} rows")
    print("    rows     " + "".join(f"{m:8d}" for m in rows))
    print("    error %  " + "".join(f"{100 * v:8.1f}" for v in np.median(off, axis=0)))
    print("    bias %   " + "".join(f"{100 * v:+8.1f}" for v in np.mean(predicted, axis=0) / truth - 1))
    print("    floor %  " + "".join(f"{100 * v:8.1f}" for v in floor))
    print("    stated % " + "".join(f"{100 * 0.6745 * v:8.1f}" for v in np.median(stated, axis=0)))
    print(
        f"    covered  test error {np.mean(z < 1):.2f}, {np.mean(z < 2):.2f}; "
        f"explained {np.mean(z2 < 1):.2f}, {np.mean(z2 < 2):.2f}"
    )


def main(splits: int, names: tuple[str, ...]) -> None:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            started = time.perf_counter()
            options = write(name, Path(folder))
            problem = tsmech.LearningCurve(**options)
            print(f"{name}: {len(problem.table().inputs)} rows, {problem._decomposed().columns} columns")
            print(f"  says: {problem.remark()}")
            for penalty in (10.0, "best"):
                for known in (None, 0.2):
                    measure(options, penalty, known, splits)
            print(f"  {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40, tuple(sys.argv[2:]) or TABLES)
