"""How the steps of a training follow each other: epochs, batches, when to stop."""

from dataclasses import dataclass

from ..core.checks import require_count
from ..core.epoch import Order

ENGINES = ("auto", "readable", "compiled")


@dataclass(frozen=True)
class Plan:
    """The settings of `train` that are not part of a step; raises ValueError if one is wrong."""

    epochs: int
    batch_size: int | None
    shuffle: bool | Order
    patience: int | None
    restore: str
    threads: int | None
    engine: str = "auto"

    def __post_init__(self) -> None:
        require_count("train", "epochs", self.epochs)
        if not (isinstance(self.shuffle, bool) or callable(self.shuffle)):
            raise ValueError(f"shuffle is {self.shuffle!r}: use True, False or a function")
        for name in ("batch_size", "patience", "threads"):
            if getattr(self, name) is not None:
                require_count("train", name, getattr(self, name))
        for name, allowed in (("restore", ("last", "best")), ("engine", ENGINES)):
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(f"{name} is {value!r}: use one of {', '.join(allowed)}")

    def batch_rows(self, rows: int) -> int:
        """The rows of a whole batch, when there are `rows` in all."""
        return rows if self.batch_size is None else min(self.batch_size, rows)
