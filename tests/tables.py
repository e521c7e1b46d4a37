"""A table of a person for tests, and problems of learning from it."""

from typing import Any

import numpy as np
import pandas as pd

from tsmech import LearningCurve

RNG = np.random.default_rng(8)
X = RNG.standard_normal((120, 8)) * np.linspace(0.5, 2.0, 8) + 1.0
FRAME = pd.DataFrame(X, columns=[f"unit_{i}" for i in range(8)])
FRAME["y"] = X @ np.linspace(1.0, -1.0, 8) + RNG.standard_normal(120)
for _i in range(3):
    FRAME[f"neuron_{_i}"] = X[:, _i] + (0.3 + _i) * RNG.standard_normal(120)
UNITS = ",".join(f"unit_{i}" for i in range(8))
SIZES = (0.2, 0.5, 0.8)


def problem(**given: Any) -> LearningCurve:
    return LearningCurve(**{"data": "t.csv", "target": ("y",), "columns": UNITS, "fractions": SIZES, **given})
