"""Teacher-student statistical mechanics: theory, exact reduced simulations and networks side by side.

Everything public is imported when it is first used, so that ``import tsmech`` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsmech.compare import check as check
    from tsmech.errors import InputError as InputError
    from tsmech.experiment import Experiment as Experiment
    from tsmech.runs import merge as merge
    from tsmech.runs import run as run
    from tsmech.systems.gradient_flow import GradientFlow as GradientFlow
    from tsmech.systems.online_sgd import OnlineSGD as OnlineSGD
    from tsmech.systems.ridge import Ridge as Ridge
    from tsmech.systems.sample_reuse import SampleReuse as SampleReuse
    from tsmech.systems.start import Overlaps as Overlaps
    from tsmech.systems.stopping import early_stopping as early_stopping

__version__ = "0.1.0"

PLACES = {
    "Experiment": "tsmech.experiment",
    "InputError": "tsmech.errors",
    "Overlaps": "tsmech.systems.start",
    "check": "tsmech.compare",
    "early_stopping": "tsmech.systems.stopping",
    "merge": "tsmech.runs",
    "run": "tsmech.runs",
}


def __getattr__(name: str) -> Any:
    from tsmech.systems import REGISTRY

    places = PLACES | {cls: f"tsmech.systems.{module}" for module, cls in REGISTRY.items()}
    if name not in places:
        raise AttributeError(f"module 'tsmech' has no attribute '{name}'")
    return getattr(importlib.import_module(places[name]), name)


def __dir__() -> list[str]:
    from tsmech.systems import REGISTRY

    return [*globals(), *PLACES, *REGISTRY.values()]
