"""Networks of finite width in NTK parametrisation, all layers trained by gradient flow or gradient descent."""

from tsmech.sims.wide_network.network import Architecture, Network
from tsmech.sims.wide_network.training import Data, Report, Training, train

__all__ = ["Architecture", "Data", "Network", "Report", "Training", "train"]
