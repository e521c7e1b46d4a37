"""Write a real table for ``tsmech`` to read: scikit-learn's handwritten digits, 1797 images of 64 pixels, as CSV.

Run it, then predict and simulate ridge regression for Gaussian inputs with the covariance of the images, as they are
or with each pixel divided by its standard deviation:

    python examples/digits.py digits.csv
    tsmech run ridge --spectrum digits.csv --alpha 0.1:3:30 --penalty 0,50 --noise 20 --replicates 20
    tsmech run ridge --spectrum digits.csv --standardise --alpha 0.1:3:30 --replicates 20
"""

import sys
from pathlib import Path

import pandas as pd
from sklearn.datasets import load_digits


def main(path: Path) -> None:
    digits = load_digits()
    pd.DataFrame(digits.data, columns=digits.feature_names).to_csv(path)
    print(f"{path}: {digits.data.shape[0]} images of {digits.data.shape[1]} pixels")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "digits.csv"))
