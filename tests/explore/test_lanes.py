"""Work in the background: news come, a new question takes the place of an old one, failures are said."""

import threading
import time
from collections.abc import Iterator

import pandas as pd
import pytest

import tsmech
from tests.gauge import Gauge
from tsmech.experiment import build
from tsmech.explore.lanes import Lane, News, Question
from tsmech.explore.stages import draws, predictions


class Heard:
    """Collects news until the last of a question has come."""

    def __init__(self) -> None:
        self.news: list[News] = []
        self._ended: dict[int, threading.Event] = {}

    def __call__(self, news: News) -> None:
        self.news.append(news)
        if news.ended:
            self._ended.setdefault(news.number, threading.Event()).set()

    def last(self, number: int) -> News:
        assert self._ended.setdefault(number, threading.Event()).wait(60)
        return next(news for news in reversed(self.news) if news.number == number)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def lane(heard: Heard) -> Iterator[Lane]:
    found = Lane(heard)
    yield found
    found.close()
    found.join(10)


def test_the_rows_are_those_of_a_run(lane: Lane, heard: Heard) -> None:
    asked = build(Gauge, {"level": [1, 2], "noise": 0.3}, replicates=3, seed=5)
    tasks = [
        *map(list, predictions(asked)),
        *draws(asked, [answer for answer in asked.answers if asked.simulates(answer)]),
    ]
    count = sum(map(len, tasks))
    lane.ask(Question(1, asked, lambda: tasks, count))
    news = heard.last(1)
    assert (news.finished, news.total, news.failures) == (count, count, [])
    table = tsmech.run(asked, workers=1)
    there = pd.DataFrame([row for row in news.rows if row["level"] in (1, 2)])
    keys = ["answer", "level"]
    pd.testing.assert_frame_equal(
        there[list(table.columns)].sort_values(keys, ignore_index=True), table.sort_values(keys, ignore_index=True)
    )


def test_a_new_question_takes_the_place_of_one_that_never_ends(lane: Lane, heard: Heard) -> None:
    long = build(Gauge, {"level": 1.0, "fault": "hang"}, replicates=1, answers="direct")
    lane.ask(Question(1, long, lambda: list(draws(long, ["direct"]))))
    time.sleep(1.0)
    short = build(Gauge, {"level": 1}, replicates=1)
    lane.ask(Question(2, short, lambda: predictions(short)))
    assert heard.last(2).rows
    before = len(heard.news)
    assert all(news.number == 2 or not news.ended for news in heard.news)
    time.sleep(0.3)
    assert len(heard.news) == before


def test_what_fails_is_said_once_and_the_rest_is_there(lane: Lane, heard: Heard) -> None:
    asked = build(Gauge, {"level": [1, 2, 3], "fault": ["none", "raise"]}, replicates=1)
    lane.ask(Question(1, asked, lambda: list(draws(asked, [one for one in asked.answers if asked.simulates(one)]))))
    news = heard.last(1)
    assert 1 <= len(news.failures) <= 3
    assert {row["fault"] for row in news.rows} == {"none"}
