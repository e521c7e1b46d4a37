"""Write a real table for ``tsmech`` to read: scikit-learn's handwritten digits, 1797 images of 64 pixels, as CSV.

Run it, then predict and simulate ridge regression for Gaussian inputs with the covariance of the images:

    python examples/digits.py digits.csv
    tsmech run ridge --spectrum digits.csv --alpha 0.1:3:30 --penalty 0,50 --noise 20 --replicates 20
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits


def main(path: Path) -> None:
    images = load_digits().data
    header = ",".join(f"pixel_{number}" for number in range(images.shape[1]))
    np.savetxt(path, images, fmt="%g", delimiter=",", header=header, comments="")
    print(f"{path}: {images.shape[0]} images of {images.shape[1]} pixels")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "digits.csv"))
