"""TableRun: from a table to a trained network, one visible stage after the other.

read → what each column is → which rows train, validate, test → numbers → network → training →
scores beside two baselines → a model that can be saved. The command line and the reports are drawn
from it.
"""

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .core.arrays import Array
from .core.epoch import StepSettings, check_batch, check_settings
from .core.layers import Dropout
from .core.losses import BinaryCrossEntropy, Loss, SoftmaxCrossEntropy, SquaredError
from .core.network import Network
from .core.nonfinite import finite
from .core.optimizers import OPTIMIZERS, AdamW, Optimizer
from .core.penalty import Penalty
from .core.schedules import Cosine
from .engines import limit_threads
from .lbfgs import minimize
from .memory import require_memory
from .model import Model, labelled, probabilities, scores, unseen_notes
from .tables import Preparation, Schema, Split, Table, infer_schema, split_rows
from .training import Plan, Record, Recorded, train

LEARNING_RATES = {"sgd": 0.1, "momentum": 0.02, "nesterov": 0.02, "adagrad": 0.02}
LINEAR_WORK = 2e9
"""So many numbers of X the linear model may look at: a baseline must not outlast the network."""


@dataclass
class TableRun(Recorded):
    """One training run on a table. Built, it has read the columns, split the rows and made the net.

    `table` holds the rows, `target` names the column to predict; `test_table`, where given, is the
    test instead of a share of the rows. `roles` says what columns are ({"Pclass": "category"}),
    `drop` leaves some out, `group` and `time` steer the split, `weight` names the row weights.
    `hidden` are the hidden layers' sizes, `valid` and `test` shares of the rows; `patience` epochs
    without a new best validation loss end the run, `clip` is the gradient's largest norm; what is
    None is chosen by the size of the table. `wanted_engine` is as in `train`, `time_limit` in
    seconds ends it. The seed fixes split, weights and batches.

    Raises ValueError with one sentence for whatever does not fit.
    """

    table: Table
    target: str
    test_table: Table | None = None
    task: str | None = None
    roles: Mapping[str, str] | None = None
    drop: Sequence[str] = ()
    group: str | None = None
    time: str | None = None
    weight: str | None = None
    hidden: Sequence[int] = (128, 64)
    activation: str = "relu"
    dropout: float = 0.2
    epochs: int = 200
    lr: float | None = None
    batch_size: int | None = None
    optimizer: str = "adamw"
    clip: float | None = 5.0
    patience: int = 40
    valid: float = 0.2
    test: float = 0.2
    seed: int = 0
    threads: int | None = 1
    wanted_engine: str = "auto"
    time_limit: float | None = None

    schema: Schema = field(init=False)
    split: Split = field(init=False)
    preparation: Preparation = field(init=False)
    net: Network = field(init=False)
    loss: Loss = field(init=False)
    records: list[Record] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.schema = infer_schema(
            self.table, self.target, task=self.task, roles=self.roles, drop=self.drop,
            group=self.group, time=self.time, weight=self.weight,
        )  # fmt: skip
        share = 0.0 if self.test_table is not None else self.test
        self.split = split_rows(
            self.schema, self.table, valid=self.valid, test=share, seed=self.seed
        )
        self.preparation = Preparation.fit(self.table, self.schema, self.split.train)
        self.train_part = self._part(self.split.train)
        self.valid_part = self._part(self.split.valid) if len(self.split.valid) else None
        if self.test_table is not None:
            self.test_part = self._prepared(self.test_table)
        else:
            self.test_part = self._part(self.split.test) if len(self.split.test) else None
        outputs = len(self.schema.classes or ())
        self.loss = _loss_of(self.schema.task)
        sizes = [len(self.preparation.feature_names), *self.hidden, outputs if outputs > 2 else 1]
        held_out = [len(part[0]) for part in (self.valid_part, self.test_part) if part]
        require_memory(sizes, max(held_out, default=0))
        self.net = Network.mlp(
            sizes, self.activation, dropout=self.dropout if self.hidden else 0.0, rng=self.seed,
        )  # fmt: skip
        if self.batch_size is None:
            self.batch_size = int(np.clip(2 ** round(np.log2(len(self.split.train) / 48)), 16, 256))
        if self.lr is None:
            self.lr = LEARNING_RATES.get(self.optimizer, 0.003)
        self._check()

    def _check(self) -> None:
        """What `train` would refuse, but only when its first record is taken."""
        assert self.lr is not None  # chosen above
        Dropout(self.dropout)
        check_settings(StepSettings(self.loss, self.make_optimizer(), self.lr, clip=self.clip))
        Plan(self.epochs, self.batch_size, True, self.patience, "best", self.threads)
        parts = {"training": self.train_part, "validation": self.valid_part, "test": self.test_part}
        for name, part in parts.items():
            try:
                if part is not None:
                    check_batch(self.net, self.loss, *part)
            except ValueError as error:
                raise ValueError(f"in the {name} rows, {error}") from None

    def _part(self, rows: Array) -> tuple[Array, Array, Array | None]:
        return self._prepared(self.table.take(rows))

    def _prepared(self, table: Table) -> tuple[Array, Array, Array | None]:
        known, y, weight = labelled(self.preparation, self.schema, table)
        return self.preparation.transform(known), y, weight

    def make_optimizer(self) -> Optimizer:
        """The optimizer by its name; raises ValueError for a name that is none."""
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer is {self.optimizer!r}: use one of {', '.join(OPTIMIZERS)}")
        if self.optimizer == "adamw":
            return AdamW(weight_decay=self.weight_decay)
        return OPTIMIZERS[self.optimizer]()

    @property
    def weight_decay(self) -> float:
        """AdamW's decay: 150 / training rows, from 0.01 to 0.3 – few rows want small weights."""
        return float(np.clip(150 / len(self.split.train), 0.01, 0.3))

    def train(self) -> Generator[Record, None, None]:
        """Train; yields the records of `chainrule.train`. The best epoch's numbers are put back."""
        assert self.lr is not None  # set in __post_init__
        (X, y, weight), started = self.train_part, time.monotonic()
        for record in train(
            self.net, self.loss, self.make_optimizer(), X, y, weight=weight,
            valid=self.valid_part, epochs=self.epochs, batch_size=self.batch_size,
            lr=Cosine(self.lr), clip=self.clip, patience=self.patience, restore="best",
            rng=self.seed + 1, threads=self.threads, engine=self.wanted_engine,
        ):  # fmt: skip
            self.records.append(record)
            yield record
            if self.time_limit and time.monotonic() - started > self.time_limit:
                return

    @property
    def rows(self) -> dict[str, int]:
        """How many rows train, validate and test."""
        test = 0 if self.test_part is None else len(self.test_part[0])
        return {"train": len(self.split.train), "valid": len(self.split.valid), "test": test}

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose numbers were kept; None before training."""
        if not self.records:
            return None
        return min(self.records, key=lambda record: record.monitored).epoch

    def outputs(self, *, linear: bool = True) -> dict[str, Array]:
        """Ŷ (test rows, outputs) after the link, of the network and of two baselines, by name.

        The linear model is the same loss without hidden layers at its minimum (L-BFGS, slight L2;
        on tables of more than ten million cells as near to it as 30 to 200 iterations come); the
        constant is the commonest class with the shares as probabilities, or the mean. Empty
        where no row was kept for the test. `linear=False` leaves the linear model out.
        """
        if self.test_part is None:
            return {}
        X = self.test_part[0]
        found = {"network": self.loss.link(self.net.predict(X))}
        if linear:
            found["linear model"] = self.loss.link(self._linear().predict(X))
        return found | {"constant guess": np.tile(self._constant(), (len(X), 1))}

    def scores(
        self, outputs: Mapping[str, Array] | None = None, *, linear: bool = True
    ) -> dict[str, dict[str, float]]:
        """The test metrics of each model, by name, from its `outputs`, made here if not given."""
        if self.test_part is None:
            return {}
        _, y, weight = self.test_part
        known = self.outputs(linear=linear) if outputs is None else outputs
        return {name: scores(self.preparation, y, Y, weight) for name, Y in known.items()}

    def _linear(self) -> Network:
        X, y, weight = self.train_part
        net = Network.mlp([self.net.n_in, self.net.n_out], init=0.0, rng=0)
        penalty = Penalty(l2=1.0 / len(X))
        most = int(np.clip(LINEAR_WORK / X.size, 30, 200))
        with limit_threads(self.threads):
            for _ in minimize(
                net, self.loss, X, y, weight=weight, penalty=penalty, iterations=most
            ):
                pass
        return net

    def _constant(self) -> Array:
        _, y, weight = self.train_part
        w = np.ones(len(y)) if weight is None else weight
        if self.schema.task == "regression":
            return np.array([np.sum(w * y) / w.sum()])
        shares = np.bincount(y, w, minlength=len(self.schema.classes or ())) / w.sum()
        return shares[1:] if self.net.n_out == 1 else shares

    @property
    def constant_answer(self) -> Any:
        """What the constant guess answers, in the target's terms: a class, or the mean."""
        if self.schema.task == "regression":
            return float(self.preparation.restore_target(self._constant())[0])
        code = probabilities(self._constant()[None]).argmax(axis=1)
        return self.preparation.restore_target(code)[0]

    def told(self) -> dict[str, str]:
        """The settings with their reasons, in words."""
        units = " → ".join(map(str, self.hidden)) or "none"
        return {
            "held-out rows": f"{self.rows['valid']:,}, which choose the best epoch",
            "numbers": "mean 0, deviation 1: one learning rate suits all columns",
            "hidden layers": f"{units} units, {self.activation}",
            "dropout": f"{self.dropout:g}: less of the rows by heart",
            "optimizer": f"{self.optimizer}, which needs little tuning",
            "weight decay": f"{self.weight_decay:g}: 150 / training rows, few rows want small ones",
            "learning rate": f"{self.lr:g}, falling to 0 as half a cosine: to settle at the end",
            "batch size": f"{self.batch_size}, by the number of rows",
            "epochs": f"{self.epochs} at most, {self.patience} without a new best end it",
        }

    def notes(self) -> tuple[str, ...]:
        """What happened to the rows on the way here: mended, dropped, grouped, unknown."""
        test = self.test_table
        told = [*self.table.notes, *self.schema.notes, *self.split.notes]
        if test is not None:
            if len(test) == len(self.table) and test.sha256() == self.table.sha256():
                told.append(f"{test.source} is the table that was trained on: no test at all")
            told += [f"{test.source}: {note}" for note in test.notes]
            told += unseen_notes(self.preparation, test)
        return tuple(dict.fromkeys(told))

    def model(self, test: Mapping[str, Mapping[str, float]] | None = None) -> Model:
        """The trained network with everything that prediction needs, ready for `save`.

        `test` are the scores where they are known already.
        """
        facts: dict[str, Any] = {
            "source": self.table.source,
            "rows": self.rows,
            "data_sha256": self.table.sha256(),
            "seed": self.seed,
            "average": self.train_part[0].mean(axis=0).tolist(),
            "epochs": len(self.records),
            "best_epoch": self.best_epoch,
            "optimizer": self.optimizer,
            "lr": self.lr,
            "batch_size": self.batch_size,
            "engine": self.engine,
            "seconds": self.seconds,
            "test": finite(self.scores() if test is None else test),
        }
        return Model(self.net, self.loss, self.preparation, self.schema, facts)


def _loss_of(task: str) -> Loss:
    losses: dict[str, Loss] = {
        "binary": BinaryCrossEntropy(),
        "multiclass": SoftmaxCrossEntropy(),
        "regression": SquaredError(),
    }
    return losses[task]
