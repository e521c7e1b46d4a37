"""When modes of the deep linear network are half learnt, and how that depends on depth and on the start."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.systems.test_deep_linear import observed
from tsmech import DeepLinear

Array = NDArray[np.float64]


@pytest.mark.parametrize(("depth", "count"), [(1, 3), (2, 3), (3, 10), (6, 30)])
def test_half_learning_does_not_depend_on_how_often_it_is_looked_for(depth: int, count: int) -> None:
    """Between two times balanced modes follow their own curves."""
    system = DeepLinear(depth=depth, samples=count, initial_strengths=[0.01, 1.0, 0.1])
    exact = observed(system, "theory")["learning_time"]
    assert exact[1] == 0.0  # from half on
    for answer in ("reduced", "direct"):
        found = observed(system, answer, 0)["learning_time"]
        assert found == pytest.approx(exact, abs=1e-4)  # 1e-9 of the end over what is missing
    later = DeepLinear(depth=depth, samples=[8, 10], initial_strengths=0.1)
    assert not np.isnan(observed(later, "theory")["learning_time"]).any()
    assert np.isnan(observed(later, "direct", 0)["learning_time"]).all()


def test_half_learning_of_random_layers_is_exact_where_theory_is() -> None:
    one = DeepLinear(depth=1, initial="small", initial_scale=1.0, start_seed=3, samples=[3, 10])
    fine = DeepLinear(depth=1, initial="small", initial_scale=1.0, start_seed=3, samples=100)
    assert observed(one, "theory")["learning_time"] == pytest.approx(
        observed(fine, "direct", 0)["learning_time"], rel=1e-6
    )


def test_learning_from_small_random_layers_scales_with_their_size() -> None:
    """At three layers the time is inverse in it (theory/deep_linear.md, eq. 34); at two it is its logarithm."""
    same = {"depth": 3, "initial": "small", "start_seed": 1, "teacher_strengths": (3.0, 1.0), "samples": 300}
    scaled = [
        scale
        * DeepLinear(initial_scale=scale, duration=1.0 / scale, **same).curve("direct", 0).summaries["learning_time"]
        for scale in (0.16, 0.08, 0.04)
    ]
    first, second, third = (one[0] for one in scaled)
    assert abs(third - second) < 0.6 * abs(second - first), "what is left falls with the scale"
    assert third == pytest.approx(second, rel=0.03)


def fitted(depths: Array, values: Array, errors: Array) -> tuple[float, float, float]:
    """Return slope, its standard error and the mean square residual of a weighted straight line."""
    design = np.column_stack([np.ones(depths.size), depths]) / errors[:, None]
    covariance = np.linalg.inv(design.T @ design)
    line = covariance @ (design.T @ (values / errors))
    residuals = values / errors - design @ line
    return float(line[1]), float(np.sqrt(covariance[1, 1])), float((residuals**2).sum() / (depths.size - 2))


@pytest.mark.slow
def test_learning_time_against_depth_depends_on_the_start() -> None:
    """Saxe et al. 2014: exponential from small weights, linear with pretraining counted, hardly growing without.

    Ten networks a point, steps at each depth's own largest stable rate; lines through logarithms or numbers.
    """
    depths = np.array([3, 4, 5, 6, 7, 8])
    means, errors = {}, {}
    for initial, name in (("small", "training_steps"), ("pretrained", "total_steps"), ("pretrained", "training_steps")):
        every = []
        for depth in depths:
            system = DeepLinear(
                depth=int(depth), initial=initial, initial_scale=0.6, width=16, inputs=16, outputs=16,
                teacher_strengths=[2.0, 1.5], step=0.03, duration=60 if initial == "small" else 12,
                samples=400,
            )  # fmt: skip
            every.append([observed(system, "direct", seed)[name] for seed in range(10)])
        steps = np.array(every)
        assert np.isfinite(steps).mean() > 0.95
        means[initial, name] = np.nanmean(steps, axis=1)
        errors[initial, name] = np.nanstd(steps, axis=1, ddof=1) / np.sqrt(10)
    small = means["small", "training_steps"], errors["small", "training_steps"]
    slope, error, _ = fitted(depths, np.log(small[0]), small[1] / small[0])
    assert slope > 0.3 > 10 * error / 3
    total = means["pretrained", "total_steps"], errors["pretrained", "total_steps"]
    slope, error, misfit = fitted(depths, *total)
    assert slope > 10 * error
    assert misfit < 4.0
    without = means["pretrained", "training_steps"]
    assert without[-1] / without[0] < 2.0 < small[0][-1] / small[0][0] / 2.0
