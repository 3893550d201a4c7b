"""Why a model answers what it answers: one row of a table, from its cells to the answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .core.arrays import Array
from .explaining.contributions import Contributions, contributions
from .model import Model, answer_of, gives_probabilities
from .report.words import plural

if TYPE_CHECKING:
    from .tables import Table
    from .tables.prepare import RowStep


MOST = 10_000  # rows of a table that the average row is taken of


@dataclass(frozen=True)
class Answer:
    """The answer for one row, its cells on their way into the network, and what each contributed.

    `scale` turns a contribution into `unit`: the target's own for a number, log-odds for classes;
    `start` and `end` are the output for the average training row and for this one, in that unit.
    """

    row: int
    source: str
    target: str
    answer: Any
    probability: float | None
    steps: Sequence["RowStep"]
    parts: Contributions
    scale: float
    unit: str
    start: float
    end: float

    def to_dict(self) -> dict[str, Any]:
        """As texts, numbers and lists."""
        return {
            "row": self.row + 1, "source": self.source, "target": self.target,
            "answer": self.answer, "probability": self.probability, "unit": self.unit,
            "start": self.start, "end": self.end,
            "inputs": [
                {"name": step.column, "raw": step.raw, "scaled": step.scaled,
                 "features": step.features}
                for step in self.steps
            ],
            "contributions": [
                {"name": part.name, "exact": scaled(part.exact, self.scale),
                 "integrated": self.scale * part.integrated,
                 "gradient": self.scale * part.gradient}
                for part in self.parts.largest
            ],
            "gaps": {name: scaled(gap, self.scale) for name, gap in self.parts.gaps.items()},
        }  # fmt: skip


def scaled(value: float | None, scale: float) -> float | None:
    """A number in another unit, if there is one."""
    return None if value is None else scale * value


def explain_answer(model: Model, table: "Table", row: int) -> Answer:
    """The account of one row of a table, counted from 0.

    Raises ValueError without a preparation, or for a row that is not there.
    """
    preparation = model.preparation
    if preparation is None:
        raise ValueError("this model was trained on matrices: use contributions(net, x)")
    if not 0 <= row < len(table):
        has = plural(len(table), "row")
        raise ValueError(f"there is no row {row + 1}: {table.source} has {has}")
    one = table.take(np.array([row]))
    steps = preparation.steps(one, 0)
    x, columns, start = preparation.transform(one)[0], dict[str, list[int]](), 0
    for step in steps:
        columns[step.column] = list(range(start, start + len(step.features)))
        start += len(step.features)
    answer = model.predict(one).tolist()[0]
    output, against, probability = answer_of(model.loss), None, None
    if model.net.n_out > 1 and model.classes is not None:
        output, against = np.argsort(-model.net.predict(preparation.transform(one))[0])[:2].tolist()
    if gives_probabilities(model.loss, model.net.n_out):
        probability = float(model.predict_proba(one).max())
    average = _average(model, table)
    parts = contributions(
        model.net, x, output=output, against=against, columns=columns, baseline=average
    )
    regression = model.task == "regression"
    scale = preparation.target_scale if regression else 1.0
    shift = preparation.target_mean if regression else 0.0
    unit = preparation.target_name if regression else _asked(model, output, against)
    return Answer(
        row, table.source, preparation.target_name, answer, probability, steps, parts, scale, unit,
        shift + scale * parts.start, shift + scale * parts.end,
    )  # fmt: skip


def _average(model: Model, table: "Table") -> Array:
    """The average training row as the network sees it; of a model that has none, of this table."""
    assert model.preparation is not None
    known = model.facts.get("average")
    if isinstance(known, list) and len(known) == model.net.n_in:
        return np.array(known, np.float64)
    rows = table.take(np.arange(min(len(table), MOST)))
    mean: Array = model.preparation.transform(rows).mean(axis=0)
    return mean


def _asked(model: Model, output: int, against: int | None) -> str:
    """What the account is of: the log-odds of the second of two classes, else of the likeliest
    class against the next.
    """
    assert model.classes is not None
    if against is None:
        return f'log-odds of "{model.classes[-1]}"'
    return f'log-odds of "{model.classes[output]}" against "{model.classes[against]}"'
