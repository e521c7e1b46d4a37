r"""The learning rule of two-layer SGD as one value, which goes from a system through theory and simulations.

With Δ = φ(x) − y a step of B examples changes the weights by

.. math:: w_k \to w_k - \frac{\eta}{\sqrt N} \langle v_k g'(\lambda_k)\, \Delta\, x \rangle - \frac{\kappa}{N} w_k,
    \qquad v_k \to v_k - \frac{\eta_v}{N} \langle g(\lambda_k)\, \Delta \rangle - \frac{\kappa}{N} v_k .
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.kernels.activations import check_trainable


class Rule(NamedTuple):
    """How a two-layer student learns from a two-layer teacher."""

    student: Any
    """The student's activation: a name or a pair (g, g'); in kernels its tag or one compiled function."""
    teacher: Any
    """The teacher's activation, likewise."""
    schedule: NDArray[np.float64]
    """Learning rate η(alpha) of the first layer, shape (n, 4): see :mod:`tsmech.kernels.schedules`."""
    second_layer_rate: float = 0.0
    """Learning rate η_v of the second layer; 0 keeps it fixed, whatever the weight decay."""
    noise: float = 0.0
    """Standard deviation σ of the label noise."""
    weight_decay: float = 0.0
    """κ."""
    batch: int = 1
    """Examples in a step, B."""

    def scaled(self, factor: float) -> "Rule":
        """Return the rule whose steps are so many times as large: all rates times a factor."""
        return self._replace(
            schedule=self.schedule * np.array([1.0, factor, 1.0, 1.0]),
            second_layer_rate=factor * self.second_layer_rate,
            weight_decay=factor * self.weight_decay,
        )

    def checked(self) -> "Rule":
        """Return the rule with each number in its type.

        Raises
        ------
        InputError
            If a value is out of range, or the student's activation cannot be trained.
        """
        check_trainable(self.student)
        schedule = np.array(self.schedule, dtype=np.float64, ndmin=1)
        ordered = schedule.ndim == 2 and schedule.shape[0] > 0 and schedule.shape[1] == 4 and schedule[0, 0] == 0.0
        if not (
            ordered
            and np.isfinite(schedule).all()
            and (schedule[:, 1] >= 0.0).all()
            and (np.diff(schedule[:, 0]) > 0.0).all()
        ):
            raise InputError(
                "schedule must have rows (start, rate >= 0, scale, power), finite, with starts that increase from 0, "
                f"but is {np.asarray(self.schedule).tolist()}"
            )
        numbers: dict[str, Any] = {}
        for name in ("second_layer_rate", "noise", "weight_decay"):
            numbers[name] = float(getattr(self, name))
            if not 0.0 <= numbers[name] < math.inf:
                raise InputError(f"{name} = {numbers[name]!r}: must be finite and not negative")
        if self.batch < 1 or self.batch != int(self.batch):
            raise InputError(f"batch = {self.batch!r}: must be a whole number of at least 1")
        return self._replace(schedule=schedule, **numbers, batch=int(self.batch))
