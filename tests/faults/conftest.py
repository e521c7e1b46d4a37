"""What tests of interruptions and of clusters compare with."""

import pytest

from tests.gauge import Gauge
from tsmech.experiment import build
from tsmech.runs import carry_out, tables


@pytest.fixture(scope="session")
def undisturbed() -> bytes:
    """The table of a sweep of three levels and thirty replicates when nothing happens to it."""
    with carry_out(build(Gauge, {"level": [1, 2, 3]}, replicates=30)) as whole:
        return tables.to_csv(whole.rows()).encode()
