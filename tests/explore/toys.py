"""Made-up systems: how a child process knows the one of every kind, and one whose solver gives up."""

from dataclasses import dataclass

from tests.systems.test_every_kind import TwoTasks
from tsmech.errors import ConvergenceError
from tsmech.problem.curve import Curve

BEGIN = """
import sys
import tests.explore.toys as toys
import tests.systems.test_every_kind as kinds
from tsmech.systems import REGISTRY
REGISTRY["two_tasks"] = "TwoTasks"
sys.modules["tsmech.systems.two_tasks"] = kinds
REGISTRY["stubborn"] = "Stubborn"
sys.modules["tsmech.systems.stubborn"] = toys
"""


@dataclass(frozen=True)
class Stubborn(TwoTasks):
    """Two tasks whose prediction is found below a rate of one alone."""

    name = "stubborn"

    def exact_curve(self) -> Curve:
        if float(self.rate) > 1:
            raise ConvergenceError(f"no fixed point was found at rate = {self.rate:g}")
        return super().exact_curve()
