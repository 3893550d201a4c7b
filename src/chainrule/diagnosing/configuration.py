"""Configuration: the arguments of `train` as one value that experiments can vary."""

from dataclasses import dataclass

import numpy as np

from ..core.checks import require_count
from ..core.losses import Loss
from ..core.network import Network
from ..core.optimizers import Adam, Optimizer
from ..core.penalty import Penalty
from ..core.schedules import Schedule


@dataclass(frozen=True)
class Configuration:
    """θ₀ = net.theta, then epochs · ⌈n / batch_size⌉ steps of `optimizer` on `loss` at rate `lr`.

    The arguments of `train` by the same names. `net.theta` is the initialisation under examination
    and is never changed; `batch_size=None` takes all rows at once. `diagnose` takes the `valid`
    rows and the seed. Raises ValueError if `net`, `loss` or `optimizer` has the wrong type, and for
    epochs or batch sizes below 1.
    """

    net: Network
    loss: Loss
    optimizer: Optimizer = Adam()
    lr: float | Schedule = 0.001
    epochs: int = 100
    batch_size: int | None = 32
    penalty: Penalty | None = None
    clip: float | None = None
    shuffle: bool = True

    def __post_init__(self) -> None:
        kinds = {"net": Network, "loss": Loss, "optimizer": Optimizer}
        for name, kind in kinds.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ValueError(f"{name} is {value!r}: give {EXAMPLES[name]}, as `train` takes it")
        require_count("Configuration", "epochs", self.epochs)
        if self.batch_size is not None:
            require_count("Configuration", "batch_size", self.batch_size)
        rate = self.lr.value if isinstance(self.lr, Schedule) else self.lr
        if not isinstance(rate, int | float | np.number) or not 0 < rate < float("inf"):
            raise ValueError(f"lr is {self.lr!r}: give a number above 0, or a schedule")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip is {self.clip!r}: give the gradient's largest norm, above 0")

    @property
    def rate(self) -> float:
        """The learning rate; for a schedule, its peak."""
        return float(self.lr.value if isinstance(self.lr, Schedule) else self.lr)


EXAMPLES = {"net": "a Network", "loss": "a loss such as SquaredError()", "optimizer": "Adam()"}
