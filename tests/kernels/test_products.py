"""Products of a few rows with many are NumPy's."""

import numpy as np
import pytest

from tsmech.kernels.products import add_combinations, add_products


@pytest.mark.parametrize("few", [1, 2, 5])
@pytest.mark.parametrize("many", [0, 3, 8, 13])
def test_they_are_those_of_matrices(few, many):
    rng, width = np.random.default_rng(0), 37
    factors, rows = rng.standard_normal((few, many)), rng.standard_normal((many, width))
    out = rng.standard_normal((few, width))
    expected = out + factors @ rows
    add_combinations(factors, rows, out)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-13)
    products = rng.standard_normal((few, many))
    expected = products + out @ rows.T
    add_products(out, rows, products)
    np.testing.assert_allclose(products, expected, rtol=1e-12, atol=1e-12)
