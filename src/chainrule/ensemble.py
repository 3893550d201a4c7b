"""EnsembleRun: from a table to several networks, trained side by side and averaged into one.

read → what each column is → robust numbers → for each member its held-out rows, its network, its
best epoch → one network, the mean of all. `recipe.py` says how a member is built.
"""

import math
import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .core import metrics
from .core.arrays import Array
from .core.branch_layers import Average
from .core.epoch import check_batch
from .core.layers import Layer
from .core.losses import Loss, Pinball, SoftmaxCrossEntropy, SquaredError
from .core.network import Network
from .core.optimizers import AdamW
from .core.schedules import CosLog, FlatCosine
from .memory import require_memory
from .model import Model, labelled
from .recipe import Recipe, embeddings, set_factors
from .tables import Preparation, Schema, Table, infer_schema, split_rows
from .training import Record, Recorded, train

Rows = tuple[Array, Array, Array | None]  # X, y and weights
METRICS = ("accuracy", "log_loss")
FEWEST_EPOCHS = 8  # that are planned; a time limit may cut them off
TRIAL_BATCHES = 16  # that tell how long an epoch takes


@dataclass
class Member:
    """One network of the ensemble with its rows, and its numbers at its best epoch so far."""

    net: Network
    rows: Rows
    held_out: Rows | None
    seed: int
    best_epoch: int = -1
    best_score: float = math.inf
    theta: Array = field(default_factory=lambda: np.zeros(0))

    def see(self, score: float, epoch: int) -> None:
        """Keep the network's numbers unless earlier ones were better. Of equal epochs the last, in
        which the rate has settled further (Holzmüller et al. 2024, Table B.1).
        """
        if score <= self.best_score:
            self.best_score, self.best_epoch, self.theta = score, epoch, self.net.theta.copy()


@dataclass
class EnsembleRun(Recorded):
    """One training run of an ensemble on a table. Built, it has read the columns and split the
    rows.

    `table` holds the rows, `target` names the column to predict, `roles` says what columns are,
    `weight` names the row weights. `metric` is what the best epoch is best by: "accuracy" or
    "log_loss"; a number always goes by its squared error. `interval`, a share such as 0.9, asks for
    the quantiles at its ends beside the median, by the pinball loss. `time_limit` in seconds makes
    the epochs as few as needed. The seed fixes everything but what a time limit cuts.

    Raises ValueError with one sentence for whatever does not fit.
    """

    table: Table
    target: str
    recipe: Recipe = field(default_factory=Recipe)
    task: str | None = None
    roles: Mapping[str, str] | None = None
    weight: str | None = None
    metric: str = "accuracy"
    interval: float | None = None
    time_limit: float | None = None
    seed: int = 0
    threads: int | None = None

    schema: Schema = field(init=False)
    preparation: Preparation = field(init=False)
    loss: Loss = field(init=False)
    net: Network = field(init=False)
    members: list[Member] = field(init=False)
    average: list[float] = field(init=False)
    _split_notes: dict[str, None] = field(init=False, default_factory=dict, repr=False)
    records: list[Record] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.schema = infer_schema(
            self.table, self.target, task=self.task, roles=self.roles, weight=self.weight
        )
        self.preparation = Preparation.fit(self.table, self.schema, scaling="robust")
        known, y, weight = labelled(self.preparation, self.schema, self.table)
        if weight is not None:
            counted = np.flatnonzero(weight > 0)  # else they may be all that is held out
            known, y, weight = known.take(counted), y[counted], weight[counted]
        classes = len(self.schema.classes or ())
        share = 1.0 - self.recipe.valid
        self.recipe = self.recipe.for_table(round(share * len(known)), classes > 0)
        self.loss = self._loss()
        if isinstance(self.loss, Pinball):
            y = np.repeat(y[:, None], 3, axis=1)
        n_in, n_out = len(self.preparation.feature_names), classes or y[:1].size
        require_memory([n_in, *self.recipe.hidden, n_out], len(known), self.recipe.members)
        rows = self.preparation.transform(known).astype(np.float32), y, weight
        self.average = rows[0].mean(axis=0, dtype=np.float64).tolist()
        front = embeddings(self.preparation, rows[0])
        self.members = [
            self._member(m, self.recipe.layers(m, n_out, front), known, rows)
            for m in range(self.recipe.members)
        ]
        self.net = averaged([member.net for member in self.members])

    def _loss(self) -> Loss:
        if self.metric not in METRICS:
            raise ValueError(f"metric is {self.metric!r}: use one of {', '.join(METRICS)}")
        if self.schema.classes is not None:
            smoothing = self.recipe.label_smoothing if self.metric == "accuracy" else 0.0
            return SoftmaxCrossEntropy(label_smoothing=smoothing)
        if self.interval is None:
            return SquaredError()
        if not 0.0 < self.interval < 1.0:
            raise ValueError(f"interval is {self.interval}: give a share such as 0.9")
        return Pinball((0.5 - self.interval / 2, 0.5, 0.5 + self.interval / 2))

    def _member(self, m: int, layers: Sequence[Layer], table: Table, rows: Rows) -> Member:
        """Its rows, held out anew for each member, and its network."""
        seed, start = np.random.SeedSequence([self.seed, m]).generate_state(2).tolist()
        split = split_rows(self.schema, table, valid=self.recipe.valid, test=0.0, seed=seed)
        net = Network(rows[0].shape[1], layers, rng=start, dtype=np.float32)
        set_factors(net)
        self._split_notes |= dict.fromkeys(split.notes)
        used, held_out = (taken(rows, part) for part in (split.train, split.valid))
        check_batch(net, self.loss, *used)
        return Member(net, used, held_out if len(split.valid) else None, seed)

    def train(self) -> Generator[Record, None, None]:
        """Train the members side by side; yields the mean of their records after each epoch.

        When the loop ends, however it ends, `net` is their average, each at its best epoch. Raises
        Diverged where a member's numbers are not finite.
        """
        pool = ThreadPoolExecutor(min(self._threads, len(self.members)))
        streams = list[Generator[Record, None, None]]()
        try:
            epochs, started = self._affordable(pool), time.monotonic()
            streams = [self._epochs(member, epochs) for member in self.members]
            for _ in range(epochs):
                before = time.perf_counter()
                told = advance(pool, streams)
                seconds = time.perf_counter() - before
                self.records.append(mean_record(told, seconds, self.seed))
                yield self.records[-1]
                if self.time_limit and time.monotonic() - started > self.time_limit:
                    return
                if self.recipe.patience and self._waited >= self.recipe.patience:
                    return
        finally:
            settle(pool)
            for stream in streams:
                stream.close()
            for member in self.members:
                if member.best_epoch >= 0:
                    member.net.theta = member.theta
            self.net = averaged([member.net for member in self.members])

    def _epochs(self, member: Member, epochs: int) -> Generator[Record, None, None]:
        """One member's records, with the score of its held-out rows as their validation loss."""
        X, y, weight = member.rows
        settings = self.recipe
        assert settings.lr is not None  # for_table has set it
        optimizer = AdamW(beta2=0.95, weight_decay=FlatCosine(settings.weight_decay))
        for record in train(
            member.net, self.loss, optimizer, X, y, weight=weight, epochs=epochs,
            batch_size=settings.batch_size, lr=CosLog(settings.lr), rng=member.seed,
            threads=max(1, self._threads // len(self.members)), engine="compiled",
        ):  # fmt: skip
            score = None if member.held_out is None else self._score(member.net, member.held_out)
            member.see(record.loss if score is None else score, record.epoch)
            yield record._replace(valid_loss=score)

    def _score(self, net: Network, rows: Rows) -> float:
        """What the best epoch has least of: a number's loss, the log loss ℓ, or for accuracy
        e + s ℓ / ln k with s = √(e (1 - e) / n), e the share of wrong answers, k classes, n rows.

        s is the standard error of e: where few rows leave e to chance, ℓ decides, which is 1 in
        units of ln k for a guess.
        """
        X, y, weight = rows
        Z = net.predict(X).astype(np.float64)
        if self.schema.classes is None:
            return self.loss.value(Z, y, weight)
        P = self.loss.link(Z)
        log_loss = metrics.log_loss(y, P, weight)
        if self.metric == "log_loss":
            return log_loss
        error = 1.0 - metrics.accuracy(y, P.argmax(axis=1), weight)
        deviation = math.sqrt(max(error * (1.0 - error), 1.0 / len(y)) / len(y))
        return error + deviation * log_loss / math.log(P.shape[1])

    def _affordable(self, pool: ThreadPoolExecutor) -> int:
        """The number of epochs that the time limit allows, by how long some batches take; where
        these are too few for a network, fewer members.
        """
        if self.time_limit is None:
            return self.recipe.epochs
        most = TRIAL_BATCHES * (self.recipe.batch_size or 1)
        rows = max(len(member.rows[0]) for member in self.members)
        trials = [
            replace(
                member,
                net=member.net.copy(),
                rows=taken(member.rows, np.arange(min(most, len(member.rows[0])))),
            )
            for member in self.members
        ]
        streams = [self._epochs(trial, 2) for trial in trials]
        advance(pool, streams)  # loads the engine
        begun = time.monotonic()
        advance(pool, streams)
        epoch = (time.monotonic() - begun) * max(1.0, rows / most)
        fit, planned = self.time_limit / max(epoch, 1e-9), self.recipe.epochs
        fewest = min(FEWEST_EPOCHS, planned)
        if fit < fewest:
            kept = max(1, int(len(self.members) * fit / fewest))
            fit, self.members = fit * len(self.members) / kept, self.members[:kept]
        self.recipe = replace(
            self.recipe, members=len(self.members), epochs=int(np.clip(fit, fewest, planned))
        )
        return self.recipe.epochs

    @property
    def _waited(self) -> int:
        """How many epochs have gone by since the best mean of the members."""
        losses = [record.monitored for record in self.records]
        return len(losses) - 1 - int(np.argmin(losses))

    @property
    def _threads(self) -> int:
        return self.threads or os.cpu_count() or 1

    @property
    def rows(self) -> dict[str, int]:
        """How many rows train and validate each member."""
        member = self.members[0]
        held_out = 0 if member.held_out is None else len(member.held_out[0])
        return {"train": len(member.rows[0]), "valid": held_out, "test": 0}

    @property
    def best_epochs(self) -> list[int]:
        """The epoch of each member whose numbers were kept."""
        return [member.best_epoch for member in self.members]

    def told(self) -> dict[str, str]:
        """The settings with their reasons, in words."""
        goal = {
            "held-out score": "the squared error, or the pinball loss of the quantiles"
            if self.schema.classes is None
            else "the log loss" if self.metric == "log_loss"
            else "wrong answers, and the log loss where few rows leave their share to chance",
        }  # fmt: skip
        if self.loss == SoftmaxCrossEntropy(label_smoothing=self.recipe.label_smoothing):
            smoothing = f"{self.recipe.label_smoothing:g}: certainty is not rewarded"
            goal["label smoothing"] = smoothing
        if isinstance(self.loss, Pinball):
            quantiles = ", ".join(f"{q:.3g}" for q in np.atleast_1d(self.loss.quantile))
            goal["loss"] = f"pinball, for the quantiles {quantiles}"
        return self.recipe.told(self.members[0].net.layers) | goal

    def notes(self) -> tuple[str, ...]:
        """What happened to the rows on the way here, and to the training where time was short."""
        told = [*self.table.notes, *self.schema.notes, *self._split_notes]
        if self.time_limit and 0 < len(self.records) < self.recipe.epochs:
            told.append(f"the time limit ended training after {len(self.records)} epochs")
        return tuple(dict.fromkeys(told))

    def model(self) -> Model:
        """The trained network with everything that prediction needs, ready for `save`."""
        facts: dict[str, Any] = {
            "source": self.table.source, "rows": self.rows, "data_sha256": self.table.sha256(),
            "seed": self.seed, "epochs": len(self.records), "best_epoch": None,
            "best_epochs": self.best_epochs, "optimizer": "adamw", "lr": self.recipe.lr,
            "average": self.average, "batch_size": self.recipe.batch_size,
            "engine": self.engine, "seconds": self.seconds,
        }  # fmt: skip
        return Model(self.net, self.loss, self.preparation, self.schema, facts)


def taken(rows: Rows, part: Array) -> Rows:
    """Some of the rows."""
    X, y, weight = rows
    return X[part], y[part], None if weight is None else weight[part]


def averaged(nets: Sequence[Network]) -> Network:
    """One network that gives the mean of what these give."""
    first = nets[0]
    if len(nets) == 1:
        return first
    layers = [Average(tuple(tuple(net.layers) for net in nets))]
    whole = Network(first.n_in, layers, rng=0, dtype=first.dtype)
    for m, net in enumerate(nets):
        for name in (*net.shapes, *net.buffer_shapes):
            whole[f"0.{m}.{name}"] = net[name]
    return whole


def advance(pool: ThreadPoolExecutor, streams: Sequence[Iterator[Record]]) -> list[Record]:
    """The next record of each stream, all of them at work at once."""
    futures = [pool.submit(next, stream) for stream in streams]
    try:
        return [future.result() for future in futures]
    finally:
        wait(futures)


def settle(pool: ThreadPoolExecutor) -> None:
    """Wait until nothing is at work, also where Ctrl-C comes again: a stream at work cannot be
    closed.
    """
    while True:
        try:
            return pool.shutdown(wait=True, cancel_futures=True)
        except KeyboardInterrupt:
            continue


def mean_record(records: Sequence[Record], seconds: float, seed: int) -> Record:
    """The mean losses of members that went through one epoch together."""
    scores = [record.valid_loss for record in records if record.valid_loss is not None]
    loss = float(np.mean([record.loss for record in records]))
    valid = float(np.mean(scores)) if scores else None
    return records[0]._replace(loss=loss, valid_loss=valid, seconds=seconds, seed=seed)
