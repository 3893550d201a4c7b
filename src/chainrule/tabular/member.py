"""Member: one network of a run with its rows, trained to its own best epoch."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from ..core import metrics
from ..core.arrays import Array
from ..core.epoch import Batch
from ..core.losses import Loss
from ..core.network import Network
from ..core.nonfinite import Diverged
from ..models.model import probabilities
from ..training.loop import Best, Record, train
from .presets import Simple


@dataclass
class Member:
    """One network with the rows that train it and those it holds out, and its best epoch so far.

    It depends on nothing of the other members, so it may be trained anywhere. `places` are its
    held-out rows among the training rows of the data, `answers` (n, k) the outputs for them, as
    `see` keeps them. `diverged` says why it stopped where its numbers became infinite.
    """

    net: Network
    rows: Batch
    held_out: Batch | None
    places: Array
    seed: int
    best: Best = field(init=False)
    answers: Array = field(init=False)
    best_record: Record | None = None
    diverged: str | None = None

    def __post_init__(self) -> None:
        n = 0 if self.held_out is None else len(self.held_out)
        self.best = Best(self.net, latest=True)
        self.answers, self._lowest = np.zeros((n, self.net.n_out)), np.full(n, np.inf)

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
                    record = self.see(record, loss, metric)
                    if self.best.epoch == record.epoch:
                        self.best_record = record
                    yield record
                    if preset.patience and record.epoch - self.best.epoch >= preset.patience:
                        return
        except Diverged as error:
            if self.best.epoch < 0:
                raise
            self.diverged = str(error)
        finally:
            self.best.put_back()

    def see(self, record: Record, loss: Loss, metric: str) -> Record:
        """The record with its score. If that is the best so far, the numbers of the network are
        kept, and its answers for the held-out rows; for a regression, each row's answer is kept if
        the loss of the other held-out rows is the lowest so far.
        """
        if self.held_out is not None:
            y, weight = self.held_out.y, self.held_out.weight
            Z = self.net.predict(self.held_out.X).astype(np.float64)
            if metric in metrics.FOR_CLASSES:
                score = metrics.held_out_score(metric, y, probabilities(loss.link(Z)), weight)
                others = np.full(len(Z), score)
            else:
                score = loss.value(Z, y, weight)
                terms = loss.terms(Z, loss.targets(Z, y)).sum(axis=1)
                terms *= 1.0 if weight is None else weight
                others = terms.sum() - terms
            better, record = others <= self._lowest, record._replace(valid_loss=score)
            self.answers[better], self._lowest[better] = Z[better], others[better]
        self.best.see(record.monitored, record.epoch)
        return record
