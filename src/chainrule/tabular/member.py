"""Member: one network of a run with its rows, trained to its own best epoch."""

import math
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np

from ..core import metrics
from ..core.arrays import Array
from ..core.epoch import Batch
from ..core.losses import Loss
from ..core.network import Network
from ..core.nonfinite import Diverged
from ..model import probabilities
from ..training import Best, Record, train
from .presets import Simple


@dataclass
class Member:
    """One network with the rows that train it and those it holds out, and its best epoch so far.

    It depends on nothing of the other members, so it may be trained anywhere. `places` are its
    held-out rows among the training rows of the data; `diverged` says why it stopped where its
    numbers became infinite.
    """

    net: Network
    rows: Batch
    held_out: Batch | None
    places: Array
    seed: int
    best: Best = field(init=False)
    kept: Record | None = None  # of its best epoch
    diverged: str | None = None

    def __post_init__(self) -> None:
        self.best = Best(self.net, latest=True)

    def trial(self, rows: int) -> "Member":
        """A copy that trains on the first rows."""
        return replace(self, net=self.net.copy(), rows=self.rows.take(slice(rows)))

    def train(
        self, preset: Simple, loss: Loss, metric: str, threads: int, epochs: int
    ) -> Generator[Record, None, None]:
        """Its records, with the score of its held-out rows as the validation loss.

        However it ends, the network has the numbers of its best epoch. Raises Diverged where the
        first epoch does not end with finite numbers.
        """
        step, rows = preset.step(loss), self.rows
        records = train(
            self.net, loss, step.optimizer, rows.X, rows.y, weight=rows.weight, epochs=epochs,
            batch_size=preset.batch_size, lr=step.lr, clip=step.clip, rng=self.seed,
            threads=threads, engine=preset.engine,
        )  # fmt: skip
        try:
            with closing(records):
                for record in records:
                    score = self.score(loss, metric)
                    record = record._replace(valid_loss=score)
                    self.best.see(record.monitored, record.epoch)
                    self.kept = record if self.best.epoch == record.epoch else self.kept
                    yield record
                    if preset.patience and record.epoch - self.best.epoch >= preset.patience:
                        return
        except Diverged as error:
            if self.best.epoch < 0:
                raise
            self.diverged = str(error)
        finally:
            self.best.put_back()

    def score(self, loss: Loss, metric: str) -> float | None:
        """What the best epoch has least of, on the held-out rows; None where there are none.

        A number's loss, or the log loss ℓ of classes, or e + s ℓ / ln k with s = √(e (1 - e) / n),
        at least 1 / n, where e is the share of wrong answers, or 1 - AUC, of n rows and k classes:
        s is the standard error of e, so ℓ decides where few rows leave e to chance.
        """
        if self.held_out is None:
            return None
        y, weight = self.held_out.y, self.held_out.weight
        Z = self.net.predict(self.held_out.X).astype(np.float64)
        if metric not in metrics.FOR_CLASSES:
            return loss.value(Z, y, weight)
        P = probabilities(loss.link(Z))
        log_loss = metrics.log_loss(y, P, weight)
        right = metrics.accuracy(y, P.argmax(axis=1), weight)
        if metric == "auc":
            right = metrics.auc(y, P, weight)
        if metric == "log_loss" or math.isnan(right):
            return log_loss
        error = 1.0 - right
        deviation = math.sqrt(max(error * (1.0 - error), 1.0 / len(y)) / len(y))
        return error + deviation * log_loss / math.log(P.shape[1])
