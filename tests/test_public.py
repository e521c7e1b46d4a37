"""What a person finds at the top of the package."""

import math

import pytest

import tsmech


def test_the_functions_of_the_problems_stand_at_the_top():
    assert tsmech.critical_learning_rate("erf") == pytest.approx(math.pi * math.sqrt(5 / 3))
    assert tsmech.optimal_penalty(1.0, 0.5) == pytest.approx(0.25)
    assert tsmech.optimal_stopping(1.0, 0.5) == tsmech.GradientFlow(alpha=1.0, noise=0.5).optimal_stopping()


@pytest.mark.parametrize("name", sorted(tsmech.PLACES))
def test_each_name_is_there_and_says_what_it_is(name):
    assert name in dir(tsmech)
    assert getattr(tsmech, name).__doc__.strip()
