"""The learning curve of a real table: is a handwritten digit even or odd, from how many images?

Writes scikit-learn's digits, 1797 images of 61 pixels that vary, with a column ``odd``, predicts the error of ridge
regression on -1 and 1 at every number of images, from a fifth of them and from half, and lays real fits beside it:

    python examples/digits_learning_curve.py digits_odd.csv picture.png

What it runs is also had on the command line:

    tsmech run learning_curve --data digits_odd.csv --target odd --fractions 0.02:0.5:12 --held-out 0.5 --replicates 20
"""

import sys
import warnings
from pathlib import Path

import pandas as pd
from sklearn.datasets import load_digits

import tsmech

KNOWN = {0.2: "predicted from a fifth of the images", 0.5: "predicted from half of them"}
"""Shares of the images that are known to the prediction."""


def main(table: Path, picture: Path) -> None:
    digits = load_digits()
    frame = pd.DataFrame(digits.data, columns=digits.feature_names)
    frame = frame.loc[:, frame.nunique() > 1].assign(odd=digits.target % 2)
    frame.to_csv(table, index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # heavy tails: pixels at the edge are almost always zero
        found = tsmech.run(
            "learning_curve", data=str(table), target="odd", held_out=0.5, known=list(KNOWN), penalty=[10.0, 1e3, 1e5],
            fractions=[0.02, 0.03, 0.035, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5], replicates=20, workers=1,
        )  # fmt: skip
        axes = tsmech.draw(found, y="test_error", by="penalty")
        for ax, (share, words) in zip(axes, KNOWN.items(), strict=True):
            known = tsmech.LearningCurve(data=str(table), target="odd", held_out=0.5, known=share).curve("theory")
            floor, error = (float(part["noise_floor"][0]) for part in (known.observables, known.errors))
            ax.axhline(floor, color="0.35", linestyle=":", linewidth=1.2)
            ax.axhspan(floor - error, floor + error, color="0.35", alpha=0.15, linewidth=0)
            ax.annotate("noise floor", (0.02, floor - error), xycoords=("axes fraction", "data"), va="top", fontsize=8)
            ax.set_title(words, fontsize=11)
    axes[0].figure.suptitle("Even or odd? Digits of scikit-learn: predicted (lines) and real (symbols) test errors")
    axes[0].figure.savefig(picture, dpi=150, bbox_inches="tight")
    curve = tsmech.LearningCurve(data=str(table), target="odd", held_out=0.5)
    for error in (0.35, 0.25, 0.22):
        print(f"a test error of {error} needs", curve.rows_for(error))


if __name__ == "__main__":
    main(*(Path(word) for word in [*sys.argv[1:], "digits_odd.csv", "digits_odd.png"][:2]))
