"""TableRun: from the rows of a table to a trained model, by one preset or another.

data → preset → members, each with held-out rows of its own → training, side by side → one network,
the mean of all → its outcome, compared with other models.
"""

import inspect
import os
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from ..core import metrics
from ..core.arrays import Array
from ..core.epoch import Batch, check_batch, check_settings
from ..core.layers import Dense, Temperature
from ..core.losses import Loss
from ..core.network import Network
from ..core.nonfinite import finite
from ..models.model import TableModel, covered, repeated, true_terms
from ..models.spec import check_count
from ..renamed import RenamedAttribute
from ..tables import Table
from ..tables.rows import class_weighted
from ..training.loop import Record, Recorded, together
from ..training.plan import Plan
from ..writing.words import percent, plural
from .baselines import CONSTANT, Watch, compare, constant
from .calibrate import held_out, margin, temperature
from .data import TableData
from .member import Member
from .memory import require_memory
from .outcome import Outcome, worst_rows
from .presets import PRESETS, Simple, get_preset
from .verdict import COMPARED_FOR_NUMBERS, NETWORK, Tested, verdict

FEWEST_EPOCHS = 8  # that are planned; a time limit may cut them off
TRIAL_BATCHES = 16  # that tell how long an epoch takes
COMPARE_SECONDS = 5.0  # that other models may take in any case


@dataclass
class TableRun(Recorded):
    """One training run on a table. Once it is built, its networks are there, untrained.

    `metric` chooses the best epoch, and the verdict goes by it: accuracy, log_loss or auc for
    classes, rmse or mae for numbers; None is the preset's for the epoch, accuracy or rmse for the
    verdict. `interval`, a share such as 0.9, asks for the quantiles at its ends and the median.
    `class_weight` is "balanced" or {class: weight}. `time_limit` in seconds reduces the epochs and,
    where too few are left, the members. The seed of the data fixes everything but what that cuts.

    Raises ValueError with one sentence for whatever does not fit.
    """

    data: TableData
    preset: Simple = PRESETS["strong"]
    metric: str | None = None
    interval: float | None = None
    class_weight: str | Mapping[Any, float] | None = None
    time_limit: float | None = None
    threads: int | None = None

    loss: Loss = field(init=False)
    members: list[Member] = field(init=False)
    net: Network = field(init=False)
    records: list[Record] = field(init=False, default_factory=list)
    stopped: str | None = field(init=False, default=None)
    temperature: float | None = field(init=False, default=None)
    _notes: list[str] = field(init=False, default_factory=list)
    ended, judged_by = RenamedAttribute("stopped"), RenamedAttribute("test_metric")
    watched = RenamedAttribute("valid_loss_name")

    @classmethod
    def read(cls, table: Table, target: str, preset: str = "strong", **settings: Any) -> Self:
        """The run of a table; the settings of `TableData.read`, of the run and of the preset, each
        by its name.
        """
        ours = {f.name for f in fields(cls) if f.init} - {"data", "preset"}
        theirs = inspect.signature(TableData.read).parameters.keys() - {"scaling"}
        of_run = {name: settings.pop(name) for name in ours & settings.keys()}
        of_data = {name: settings.pop(name) for name in theirs & settings.keys()}
        chosen = get_preset(preset, **settings)
        data = TableData.read(table, target, scaling=chosen.scaling, **of_data)
        return cls(data, chosen, **of_run)

    def __post_init__(self) -> None:
        data = self.data
        names = metrics.FOR_CLASSES if data.outputs else COMPARED_FOR_NUMBERS
        if self.metric not in (None, *names):
            raise ValueError(f"metric is {self.metric!r}: use one of {', '.join(names)}")
        if self.interval is not None and data.outputs:
            taken = f'"{data.schema.target}" is taken for {data.outputs} classes'
            fix = "set the task to regression if it is a number"
            raise ValueError(f"interval is {self.interval}, but {taken}: {fix}")
        if self.interval is not None and not 0.0 < self.interval < 1.0:
            raise ValueError(f"interval is {self.interval}: give a share such as 0.9")
        if self.time_limit is not None and not self.time_limit > 0:
            raise ValueError(f"time_limit is {self.time_limit}: give seconds, such as 60")
        self.preset = preset = self.preset.for_table(data)
        self.loss = preset.loss(data, self._chosen_by, self.interval)
        train, n_out = data.train, data.outputs or (3 if self.interval else 1)
        rows = Batch(train.X.astype(preset.dtype), repeated(self.loss, train.y), self.weight)
        require_memory([rows.X.shape[1], *preset.hidden, n_out], len(rows), preset.members)
        Plan(preset.epochs, preset.batch_size, True, preset.patience, "best", self.threads,
             preset.engine)  # fmt: skip
        check_settings(preset.step(self.loss))
        self.members = [self._member(m, rows, n_out) for m in range(preset.members)]
        self.net = Network.average([member.net for member in self.members])
        check_count(self.net.layers)  # so that the model can be saved

    @property
    def test_metric(self) -> str:
        """The metric by which the network is compared with other models."""
        return self.metric or ("accuracy" if self.data.outputs else "rmse")

    @property
    def _chosen_by(self) -> str:
        """The metric of the held-out rows that chooses the best epoch."""
        return self.metric or (self.preset.metric if self.data.outputs else "rmse")

    @cached_property
    def weight(self) -> Array | None:
        """The weights (n,) of the training rows, times those of their classes."""
        return class_weighted(self.data.train, self.data.preparation, self.class_weight)

    def _member(self, m: int, rows: Batch, n_out: int) -> Member:
        """A network with rows of its own, drawn afresh for each member."""
        seed, start = np.random.SeedSequence([self.data.seed, m]).generate_state(2).tolist()
        split = self.data.held_out(self.preset.valid, seed)
        net = self.preset.network(self.data, m, n_out, start)
        used, held_out = rows.take(split.train), rows.take(split.valid)
        for name, part in (("training", used), ("held-out", held_out)):
            try:
                if len(part):
                    check_batch(net, self.loss, part.X, part.y, part.weight)
            except ValueError as error:
                raise ValueError(f"in the {name} rows, {error}") from None
        return Member(net, used, held_out if len(held_out) else None, split.valid, seed)

    def train(self) -> Generator[Record, None, None]:
        """Train the members side by side; yields the mean of their records after each epoch. A
        member that has stopped counts with its last record.

        When the loop ends, however it ends, `net` is their average, each at its best epoch. Raises
        Diverged if a member has no epoch with finite numbers, ValueError if it is already trained.
        """
        if self.records:
            raise ValueError("this run has already been trained: build a new run to train again")
        self.stopped = "interrupted"
        try:
            epochs, started = self._affordable()
            before = time.perf_counter()
            with closing(self._together(self.members, epochs)) as rounds:
                for epoch, of_members in enumerate(rounds):
                    seconds, before = time.perf_counter() - before, time.perf_counter()
                    if epoch == 0:  # without what loads the engine
                        seconds = min(seconds, sum(record.seconds for record in of_members))
                    self.records.append(Record.mean(of_members, epoch, seconds, self.data.seed))
                    yield self.records[-1]
                    if self.time_limit and time.monotonic() - started > self.time_limit:
                        self.stopped = "time"
                        return
            early = "patience" if len(self.records) < epochs else "epochs"
            self.stopped = "diverged" if all(member.diverged for member in self.members) else early
        finally:
            self._calibrate()

    def _calibrate(self) -> None:
        """Average the members, each at its best epoch, and correct what their held-out rows say:
        the temperature of the logits, the width of the intervals.
        """
        nets = [member.net for member in self.members]
        Z, places, V = held_out(self.members, len(self.data.train))
        y, weight = self.data.train.y[places], None if self.weight is None else self.weight[places]
        if self.interval is not None:
            off = margin(Z, y, weight, self.interval, V)
            if len(y) < self.interval * (len(y) + 1):
                self._notes.append(
                    f"{plural(len(y), 'held-out row')} can calibrate intervals up to "
                    f"{percent(len(y) / (len(y) + 1))}: yours may hold less than you asked"
                    if len(y) else "no rows were held out, so the intervals are not calibrated"
                )  # fmt: skip
            for net in nets:
                net[f"{len(net.layers) - 1}.b"] += (-off, 0.0, off)
        elif self.data.outputs and self.preset.calibrated and len(Z):
            self.temperature = temperature(Z, y, weight)
        cooled = [] if self.temperature is None else [Temperature(self.temperature)]
        self.net = Network.average(nets, *cooled)

    def _together(self, members: list[Member], epochs: int) -> Generator[list[Record], None, None]:
        threads = self.threads or os.cpu_count() or 1
        each = max(1, threads // len(members))
        how = self.preset, self.loss, self._chosen_by, each, epochs
        return together([member.train(*how) for member in members], threads)

    def _affordable(self) -> tuple[int, float]:
        """(the number of epochs that the time limit allows by how long some batches take, when its
        time began); where these are too few for a network, fewer members.
        """
        planned, members = self.preset.epochs, self.preset.members
        if self.time_limit is None:
            return planned, time.monotonic()
        n = TRIAL_BATCHES * (self.preset.batch_size or 1)
        rows = max(len(member.rows) for member in self.members)
        copies = [replace(m, net=m.net.copy(), rows=m.rows.take(slice(n))) for m in self.members]
        with closing(self._together(copies, 2)) as trials:
            next(trials)  # loads the engine
            begun = time.monotonic()
            next(trials, None)
        epoch = (time.monotonic() - begun) * max(1.0, rows / n)
        fit, fewest = self.time_limit / max(epoch, 1e-9), min(FEWEST_EPOCHS, planned)
        if fit < fewest:
            left = max(1, int(members * fit / fewest))
            fit, self.members = fit * members / left, self.members[:left]
        epochs = int(np.clip(fit, fewest, planned))
        self.preset = replace(self.preset, members=len(self.members), epochs=epochs)
        if (len(self.members), epochs) != (members, planned):
            cut = f"{len(self.members)} of {plural(members, 'network')}, {epochs:,} of {planned:,}"
            self._notes.append(f"the time limit of {self.time_limit:g} s leaves {cut} epochs")
        return epochs, begun

    @property
    def best_epochs(self) -> list[int]:
        """The epoch of each member whose numbers were kept, -1 before training."""
        return [member.best.epoch for member in self.members]

    @property
    def divergences(self) -> list[str]:
        """Why members stopped that diverged, each keeping its best epoch."""
        several = len(self.members) > 1
        whys = ((m, member.diverged) for m, member in enumerate(self.members, start=1))
        return [f"network {m}: " * several + why for m, why in whys if why]

    @property
    def rows(self) -> dict[str, int]:
        """How many rows train and validate each member, and test."""
        member, test = self.members[0], self.data.test
        return {"train": len(member.rows), "valid": len(member.places), "test": len(test or ())}

    @property
    def notes(self) -> list[str]:
        """What happened to the rows on the way here, and what a time limit cut."""
        return list(dict.fromkeys([*self.data.notes, *self._notes]))

    @property
    def valid_loss_name(self) -> str:
        """The name of the score of the held-out rows; for accuracy and AUC it is not a loss."""
        return "held-out score" if self._chosen_by in ("accuracy", "auc") else "held-out loss"

    @property
    def layers(self) -> str:
        """Their sizes, inputs first, the other layers, and how many numbers are learned."""
        net, layers, which = self.net, self.net.layers, ""
        if branches := list(net.layers[0].branches.values()):
            layers, which = branches[0], f"{len(branches)} networks, averaged; the first: "
        sizes = [net.n_in, *(layer.n for layer in layers if isinstance(layer, Dense))]
        kinds = dict.fromkeys(type(layer).__name__ for layer in layers)
        others = ", ".join(kind for kind in kinds if kind != "Dense") or "no hidden layer"
        features, learned = plural(net.n_in, "feature"), plural(net.theta.size, "parameter")
        return f"{which}{' → '.join(map(str, sizes))} ({features}; {others}), {learned}"

    @property
    def settings(self) -> dict[str, Any]:
        """The settings as numbers and texts, with the losses of the members' best epochs."""
        best = [member.best_record for member in self.members if member.best_record is not None]
        mean = Record.mean(best, 0, 0.0, 0) if best else None
        chosen = asdict(self.preset)
        return {"preset": chosen.pop("name"), **chosen} | {
            "threads": self.threads, "class_weight": self.class_weight,
            "loss": mean and mean.loss, "valid_loss": mean and mean.valid_loss,
        }  # fmt: skip

    @property
    def reasons(self) -> dict[str, str]:
        """The settings with their reasons, in words."""
        reasons = self.preset.reasons(self.members[0].net, self.data)
        close = "and a little of the log loss, which decides between near equals"
        goal = {"accuracy": f"wrong answers, {close}", "auc": f"the AUC, {close}"}
        goal["log_loss"] = "the log loss"
        if self.rows["valid"]:
            reasons["best epoch by"] = goal.get(self._chosen_by, "the loss")
        reasons["loss"] = str(self.loss)
        if self.class_weight is not None:
            alike = ": every class weighs the same" if self.class_weight == "balanced" else ""
            reasons["class weights"] = f"{self.class_weight}{alike}"
        return reasons

    def model(self) -> TableModel:
        """The trained network with everything that prediction needs, ready for `save`; its facts
        say how it was trained, and in an outcome how well it did.
        """
        data, preset, best = self.data, self.preset, self.best_epochs
        facts: dict[str, Any] = {
            "source": data.table.source, "rows": self.rows, "data_sha256": data.table.sha256(),
            "preset": preset.name, "metric": self.test_metric, "seed": data.seed,
            "average": data.train.X.mean(axis=0, dtype=np.float64).tolist(),
            "epochs": len(self.records), "best_epochs": best,
            "best_epoch": best[0] if len(best) == 1 else None,
            "optimizer": preset.optimizer, "lr": preset.lr, "batch_size": preset.batch_size,
            "engine": self.engine, "seconds": self.seconds, "temperature": self.temperature,
            "test": {}, "interval": None,
        }  # fmt: skip
        return TableModel(self.net, self.loss, data.preparation, data.schema, facts)

    def outcome(self, *, compared: bool = True, watch: Watch | None = None) -> Outcome:
        """The result: the test of the network and, unless `compared` is False, of other models
        that were trained on the same rows, for at most as long as it or COMPARE_SECONDS.

        `watch(name)` gives a context in which that model is trained. ValueError before training.
        """
        if not self.records:
            raise ValueError("this run has no epochs yet: go through run.train() first")
        data, test, model = self.data, self.data.test, self.model()
        tested, interval, others, worst = None, None, [], []
        if test is not None:
            if compared:
                seconds = max(COMPARE_SECONDS, self.seconds)
                others = list(compare(data, test, self.weight, seconds, self.threads, watch))
            answers = {NETWORK: model.in_terms(test.X)}
            answers |= {other.name: other.answers for other in others if other.answers is not None}
            answers[CONSTANT] = constant(data, len(test))
            y = true_terms(data.preparation, test.y)
            tested = Tested(data.schema.target, self.test_metric, y, answers, test.weight)
            if self.interval is not None:
                interval = covered(model.interval_of(test.X), y, test.weight, self.interval)
            model.facts.update(test=finite(tested.scores), interval=interval)
            worst = worst_rows(tested, test.places, data.schema.classes)
        return Outcome(
            model, data.schema, data.preparation, len(data.table),
            self.layers, self.settings, self.reasons, self.records, self.valid_loss_name,
            self.stopped or "interrupted", len(self.divergences), tested, interval,
            verdict(tested, compared=compared), worst, test or data.train,
            {"training": self.seconds} | {other.name: other.seconds for other in others},
            data.notes,
            [*self._notes, *self.divergences, *(other.note for other in others if other.note)],
        )  # fmt: skip
