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
from ..model import probabilities
from ..training import Best, Record, train
from .presets import Simple


@dataclass
class Member:
    """One network with the rows that train it and those it holds out, and its best epoch so far.

    It depends on nothing of the other members, so it may be trained anywhere. `places` are its
    held-out rows among the training rows of the data, `answers` (n, k) the outputs for them: each
    row's is from the epoch that the other held-out rows find best. `diverged` says why it stopped
    where its numbers became infinite.
    """

    net: Network
    rows: Batch
    held_out: Batch | None
    places: Array
    seed: int
    best: Best = field(init=False)
    answers: Array = field(init=False)
    kept: Record | None = None  # of its best epoch
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
                        self.kept = record
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
        """The record with its score. The network's numbers are kept if the score is the best so
        far, and a held-out row's answer if it is the best by the other held-out rows.
        """
        if self.held_out is not None:
            Z = self.net.predict(self.held_out.X).astype(np.float64)
            score, without = np.split(self.scores(Z, loss, metric), [1])
            better = without <= self._lowest
            self.answers[better], self._lowest[better] = Z[better], without[better]
            record = record._replace(valid_loss=float(score[0]))
        self.best.see(record.monitored, record.epoch)
        return record

    def scores(self, Z: Array, loss: Loss, metric: str) -> Array:
        """What the best epoch has least of (1 + n,): on the held-out rows, whose outputs are Z
        (n, k), then on all of them but the first, but the second, …; there the AUC to first order.

        A number's loss, or the log loss ℓ of classes, or e + s ℓ / ln k with s = √(e (1 - e) / n),
        at least 1 / n, where e is the share of wrong answers, or 1 - AUC, of n rows and k classes:
        s is the standard error of e, so ℓ decides where few rows leave e to chance.
        """
        assert self.held_out is not None
        y, n = self.held_out.y, len(Z)
        w = np.ones(n) if self.held_out.weight is None else self.held_out.weight

        def mean(values: Array) -> Array:
            """Of all rows, then of all but each; 0 where these weigh nothing."""
            sums, mass = w @ values - np.r_[0.0, w * values], w.sum() - np.r_[0.0, w]
            return np.asarray(sums / np.maximum(mass, 1e-300))

        if metric not in metrics.FOR_CLASSES:
            return mean(loss.terms(Z, loss.targets(Z, y)).sum(axis=1))
        P = probabilities(loss.link(Z))
        log_loss = mean(metrics.shares("log_loss", y, P))
        if metric == "log_loss":
            return log_loss
        error = 1.0 - mean(metrics.shares(metric, y, P, w))
        s = np.sqrt(np.maximum(error * (1.0 - error), 1.0 / n) / n)
        return np.where(np.isnan(error), log_loss, error + s * log_loss / np.log(P.shape[1]))
