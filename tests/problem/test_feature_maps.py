"""Feature maps against scikit-learn's."""

import numpy as np

from tests.tables import X
from tsmech.problem.feature_maps import FeatureMap


def test_feature_maps_are_those_of_scikit_learn() -> None:
    from sklearn.metrics.pairwise import rbf_kernel
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    Z = StandardScaler().fit_transform(X)
    found = FeatureMap("polynomial", 1, 3, 1.0).of(X, X)
    assert np.allclose(found, PolynomialFeatures(3, include_bias=False).fit_transform(Z))
    assert found.shape[1] == FeatureMap("polynomial", 1, 3, 1.0).number(8, 120)
    kernel = FeatureMap("kernel", 1, 2, 0.7).of(X, X)
    assert np.allclose(kernel @ kernel.T, rbf_kernel(Z, gamma=1 / (2 * 8 * 0.49)), atol=1e-8)
    random = FeatureMap("random_features", 30, 2, 1.0)
    assert (random.of(X[:50], X) == random.of(X, X)[:50]).all()
    assert random.of(X, X).shape == (120, 30)
    assert (random.of(X, X) >= 0).all()
