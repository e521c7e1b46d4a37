import numpy as np
import pytest

from tsmech import early_stopping
from tsmech.errors import InputError
from tsmech.problem.stopping import SUMMARY, summary


def test_the_best_time_is_where_the_error_is_least_and_the_end_is_the_end():
    assert early_stopping([0, 1, 2, 5], [4.0, 1.0, 0.5, 2.0]) == (2.0, 0.5, 2.0)


def test_of_equally_good_times_the_first_is_best():
    assert early_stopping([0, 1, 2], [2.0, 1.0, 1.0]).time == 1.0


def test_the_summary_is_three_numbers_of_the_whole_curve():
    columns = summary(np.array([0.0, 1.0, 2.0]), np.array([3.0, 1.0, 2.0]))
    assert list(columns) == list(SUMMARY)
    assert list(columns.values()) == [1.0, 1.0, 2.0]
    assert summary(np.array([]), np.array([])) == {}


def test_the_best_time_of_a_smooth_curve_is_that_of_the_parabola_through_its_least_value_and_its_neighbours():
    times = np.array([0.0, 1.0, 2.5, 3.0, 7.0])
    columns = summary(times, 0.3 + (times - 2.2) ** 2, smooth=True)
    assert columns["early_stopping_time"] == pytest.approx(2.2, rel=1e-14)
    assert columns["early_stopping_error"] == pytest.approx(0.3 + 0.3**2), "no error that was not reported"
    for errors, time in (
        ([1.0, 2, 3, 4, 5], 0.0),
        ([5.0, 4, 3, 2, 1], 7.0),
        ([1.0] * 5, 0.0),
        ([2.0, 1, 1, 1, 2], 1.75),
    ):
        assert summary(times, np.array(errors), smooth=True)["early_stopping_time"] == time


@pytest.mark.parametrize(("times", "errors"), [([0, 1], [1.0]), ([], []), ([[0, 1]], [[1.0, 2.0]])])
def test_a_curve_that_is_none_is_refused(times, errors):
    with pytest.raises(InputError, match="as many numbers"):
        early_stopping(times, errors)


def test_a_curve_with_no_number_in_it_is_refused():
    """The least of a curve with NaN was NaN, at the place of it."""
    with pytest.raises(InputError, match="NaN"):
        early_stopping([0, 1, 2], [1.0, np.nan, 0.5])
