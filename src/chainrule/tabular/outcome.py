"""Outcome: the result of a run, as one plain value for screen, JSON, report and model file."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..core.metrics import METRICS
from ..core.nonfinite import finite
from ..models.answers import Answer, explain_answer
from ..models.model import TableModel
from ..renamed import RenamedAttribute
from ..tables import Preparation, Schema
from ..tables.rows import Rows
from ..tables.table import cell_text
from ..training.loop import Record
from ..writing.words import clean, coverage_in_words, number, plural, score
from .baselines import BOOSTING, CONSTANT, LINEAR
from .verdict import NETWORK, Tested

WORST = 5  # rows
KEYS = {BOOSTING: "boosting", LINEAR: "linear", CONSTANT: "constant"}


@dataclass(frozen=True)
class Outcome:
    """The result of a run: the model, how it was trained, its scores compared with other models.

    `settings` are the preset's as numbers, `reasons` in words, `valid_loss_name` is what the
    records' `valid_loss` is called; `stopped` is "epochs", "patience", "time", "interrupted" or, if
    all networks diverged, "diverged"; `diverged` counts those that did. `tested` is None without
    test rows, `worst` are the ones with the largest errors, `shown` the test rows, or the training
    rows if there is no test. Epochs count from 0.
    """

    model: TableModel
    schema: Schema
    preparation: Preparation
    table_rows: int
    layers: str
    settings: Mapping[str, Any]
    reasons: Mapping[str, str]
    records: Sequence[Record]
    valid_loss_name: str
    stopped: str
    diverged: int
    tested: Tested | None
    interval: Mapping[str, float] | None
    verdict: str
    worst: Sequence[Mapping[str, Any]]
    shown: Rows
    seconds: Mapping[str, float]
    notes: Sequence[str]
    warnings: Sequence[str]
    ended, told = RenamedAttribute("stopped"), RenamedAttribute("ending")
    watched = RenamedAttribute("valid_loss_name")

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """The test metrics of each model, the network first; empty without test rows."""
        return {} if self.tested is None else self.tested.scores

    @property
    def names(self) -> dict[str, str]:
        """The models as a person reads them: what the constant guess answers is in its name."""
        names = {name: name for name in self.scores}
        if self.tested is not None and CONSTANT in names:
            guess, classes = self.tested.answers[CONSTANT][0], self.schema.classes
            always = f'"{cell_text(classes[int(guess.argmax())])}"' if classes else number(guess)
            names[CONSTANT] = f"always {always}" + ", the mean" * (classes is None)
        return names

    @cached_property
    def example(self) -> Answer:
        """The explanation of the first shown row, from its cells to the answer."""
        return explain_answer(self.model, self.shown.table, int(self.shown.places[0]))

    @property
    def named_scores(self) -> dict[str, dict[str, float]]:
        """The metrics of each model under the name that a person reads."""
        return {clean(self.names[name]): values for name, values in self.scores.items()}

    @property
    def score_rows(self) -> list[dict[str, str]]:
        """The same as rows of texts."""
        heading, leads = self.ahead
        return [
            {"model": name, **{METRICS[m].name: score(m, v) for m, v in values.items()},
             heading: leads.get(name, "")}
            for name, values in self.named_scores.items()
        ]  # fmt: skip

    @cached_property
    def ahead(self) -> tuple[str, dict[str, str]]:
        """(a heading, by how much the network is ahead of each other model ± the standard error)"""
        heading = f"network ahead, {METRICS[self.model.facts['metric']].name}"
        others = [name for name in self.scores if name != NETWORK]
        leads = {clean(self.names[n]): self.tested.gap(n) for n in others if self.tested}
        return heading, leads

    @property
    def coverage(self) -> list[str]:
        """How many test rows lie within their intervals, in a sentence if there are intervals."""
        return [coverage_in_words(self.interval, self.schema.target)] if self.interval else []

    @property
    def ending(self) -> str:
        """How training ended, in a sentence; epochs are counted from 1."""
        done, best = plural(len(self.records), "epoch"), self.model.facts["best_epochs"]
        kept = f"kept epoch {best[0] + 1}"
        if len(best) > 1:
            low, high = min(best) + 1, max(best) + 1
            kept = f"kept each network's best epoch ({f'{low} to {high}' if low < high else low})"
        if self.diverged and self.stopped != "diverged":
            kept += f"; {self.diverged} of {len(best)} networks diverged"
        how = {
            "epochs": f"All {done} done" if len(self.records) > 1 else "The one epoch is done",
            "patience": f"Stopped after {done} without a new best",
            "time": f"Time ran out after {done}",
            "interrupted": f"Stopped by you after {done}",
            "diverged": f"Diverged after {done}",
        }
        return f"{how[self.stopped]}; {kept}"

    def to_dict(self) -> dict[str, Any]:
        """As texts, finite numbers, lists and dicts: the document of `train --json`."""
        model, facts, tested = self.model, self.model.facts, self.tested
        gains = {} if tested is None else {
            KEYS[name]: dict(zip(("gain", "error"), tested.gain(name), strict=True))
            for name in self.scores if name != NETWORK
        }  # fmt: skip
        worst = [{**row, "answer": row["prediction"]} for row in self.worst]  # the old name
        document = {
            **model.target_facts,
            "columns": [asdict(column) for column in self.schema.columns],
            "rows": {"table": self.table_rows, **facts["rows"]},
            "network": model.network_facts(),
            "training": {
                **self.settings, "planned_epochs": self.settings["epochs"],
                **{key: facts[key] for key in ("epochs", "best_epoch", "best_epochs", "seed")},
                "reasons": dict(self.reasons), "stopped": self.stopped,
                "ending": self.ending, "told": self.ending,  # "told" until the next version
            },
            "metric": facts["metric"], "test": self.scores.get(NETWORK),
            "baselines": {key: self.scores.get(name) for name, key in KEYS.items()},
            "gains": gains, "verdict": self.verdict, "worst_rows": worst,
            "temperature": facts["temperature"], "interval": self.interval,
            "seconds": facts["seconds"], "seconds_of": dict(self.seconds),
            "engine": facts["engine"], "notes": list(self.notes), "warnings": list(self.warnings),
        }  # fmt: skip
        return dict(finite(document))


def worst_rows(tested: Tested, places: Any, classes: Sequence[Any] | None) -> list[dict[str, Any]]:
    """The WORST test rows with the largest errors: {row, true, prediction, probability or error};
    rows count from 1, as in their file.
    """
    answers, rows = tested.answers[NETWORK], list[dict[str, Any]]()
    wrong = tested.shares("mae" if classes is None else "log_loss", NETWORK)
    for i in np.argsort(-wrong, kind="stable")[:WORST].tolist():
        true, answer = tested.y[i].item(), answers[i]
        row: dict[str, Any] = {"row": int(places[i]) + 1}
        if classes is None:
            row |= {"true": true, "prediction": float(answer), "error": float(answer) - true}
        else:
            row |= {"true": classes[true], "prediction": classes[answer.argmax()]}
            row["probability"] = float(answer[true])
        rows.append(row)
    return rows
