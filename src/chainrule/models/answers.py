"""Why a model answers what it answers: one row of a table, from its cells to the answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chain.contributions import Contributions, contributions
from ..core.arrays import Array
from ..core.branch_layers import Average
from ..core.layers import Dense, Dropout, Temperature, inner
from ..core.network import Network
from ..report.words import number, plural
from ..tables.table import cell_text
from .model import Model, answer_of, in_terms

if TYPE_CHECKING:
    from ..tables import Table
    from ..tables.prepare import RowStep


MOST = 10_000  # rows of a table that the average row is taken of


@dataclass(frozen=True)
class ForwardStep:
    """One layer on a row's way through a network: `name` = `formula`, its values (units,)."""

    name: str
    formula: str
    values: Array


def forward_steps(net: Network, x: Array) -> list[ForwardStep]:
    """X → Z → A → … → Z of one prepared row x (n_in,), each layer's numbers as it predicts. A layer
    of branches is one step, and a Dropout, which passes its input through, has no values.
    """
    before, steps, Y = "X", list[ForwardStep](), net.as_input(x[None])
    p = {name: net[name] for name in (*net.shapes, *net.buffer_shapes)}
    for i, layer in enumerate(net.layers):
        Y, cache = layer.forward(inner(p, i), Y)
        if isinstance(layer, Dropout):
            steps.append(ForwardStep(str(i), "Dropout passes its input through", np.zeros(0)))
            continue
        key = next((key for key, array in cache.items() if array is Y), "Y")  # as a trace has it
        name, formula = f"{i}.{key}", f"{type(layer).__name__}({before})"
        if isinstance(layer, Dense):
            formula = f"{before} @ {i}.W" + f" + {i}.b" * layer.bias
        elif isinstance(layer, Temperature):
            formula = f"{before} / {i}.T"
        elif isinstance(layer, Average):
            formula = f"mean of {len(layer.branches)} networks of {before}"
        steps.append(ForwardStep(name, formula, Y[0]))
        before = name
    return steps


@dataclass(frozen=True)
class Answer:
    """The answer for one row, its cells on their way into the network, and what each contributed.

    `forward` are the numbers of each layer. `scale` turns a contribution into `unit`: the target's
    own for a number, log-odds for classes; `start` and `end` are the output for the average
    training row and for this one, in that unit. `true` is what the table says, None where it does
    not, `found` how the output becomes the answer, in a sentence.
    """

    row: int
    source: str
    target: str
    answer: Any
    probability: float | None
    steps: Sequence["RowStep"]
    forward: Sequence[ForwardStep]
    parts: Contributions
    scale: float
    unit: str
    start: float
    end: float
    true: str | None
    found: str

    @property
    def sentence(self) -> str:
        """From the last numbers of the network to the answer, beside what the table says."""
        answer = number(self.answer) if self.probability is None else cell_text(self.answer)
        ending = "." if self.true is None else f"; the table says {self.true}."
        told = f"; the answer is {answer}" if self.probability is not None else ""
        return f"{self.found}{told}{ending}"

    def to_dict(self) -> dict[str, Any]:
        """As texts, numbers and lists."""
        return {
            "row": self.row + 1, "source": self.source, "target": self.target,
            "answer": self.answer, "probability": self.probability, "true": self.true,
            "unit": self.unit,
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
    x, columns = preparation.transform(one)[0], {step.column: list(step.places) for step in steps}
    Z = model.net.predict(x[None])
    terms = in_terms(preparation, model.linked(x[None]), answer_of(model.loss))[0]
    regression, output, against = model.task == "regression", answer_of(model.loss), None
    if not regression and model.net.n_out > 1:
        output, against = np.argsort(-Z[0])[:2].tolist()
    parts = contributions(
        model.net, x, output=output, against=against, columns=columns,
        baseline=_average(model, table),
    )  # fmt: skip
    scale = preparation.target_scale if regression else 1.0
    shift = preparation.target_mean if regression else 0.0
    unit = preparation.target_name if regression else _asked(model, output, against)
    target = one.columns.get(preparation.target_name)
    return Answer(
        row, table.source, preparation.target_name, model.predict(one).tolist()[0],
        None if regression else float(terms.max()), steps, forward_steps(model.net, x), parts,
        scale, unit, shift + scale * parts.start, shift + scale * parts.end,
        None if target is None else cell_text(target[0]), _found(model, Z[0], terms),
    )  # fmt: skip


def _found(model: Model, Z: Array, terms: Any) -> str:
    """From the last Z (n_out,) of a row to the answer in the target's terms."""
    preparation = model.preparation
    assert preparation is not None
    target = preparation.target_name
    if preparation.classes is None:
        z, mean, scale = Z[answer_of(model.loss)], preparation.target_mean, preparation.target_scale
        return f"{number(z)} × {number(scale)} + {number(mean)} = {number(terms)} is {target}"
    one = len(Z) == 1
    code = len(preparation.classes) - 1 if one else int(terms.argmax())
    link, label = "sigmoid" if one else "softmax", cell_text(preparation.classes[code])
    return f"{link}(Z) = {number(terms[code])} is the probability of {target} = {label}"


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
