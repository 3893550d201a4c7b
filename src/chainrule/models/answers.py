"""Explains a prediction: one row of a table, from its cells to the answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..chain.contributions import Contributions, contributions
from ..core.arrays import Array
from ..core.branch_layers import Average
from ..core.layers import Dense, Dropout, Temperature, within
from ..core.network import Network
from ..tables import Preparation, RowStep, Table
from ..tables.table import cell_text
from ..writing.words import number, plural
from .model import Model, answer_of

AVERAGED_ROWS = 10_000  # rows of a table, at most, whose mean is the average row


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
        Y, cache = layer.forward(within(p, f"{i}."), Y)
        if isinstance(layer, Dropout):
            steps.append(ForwardStep(str(i), "Dropout passes its input through", np.zeros(0)))
            continue
        key = next((key for key, array in cache.items() if array is Y), "Y")  # the name in a trace
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
    not, `last_step` how the output becomes the answer, in a sentence.
    """

    row: int
    source: str
    target: str
    answer: Any
    probability: float | None
    steps: Sequence[RowStep]
    forward: Sequence[ForwardStep]
    parts: Contributions
    scale: float
    unit: str
    start: float
    end: float
    true: str | None
    last_step: str

    @property
    def sentence(self) -> str:
        """From the last numbers of the network to the answer, and what the table says."""
        answer = number(self.answer) if self.probability is None else cell_text(self.answer)
        ending = "." if self.true is None else f"; the table says {self.true}."
        answered = f"; the answer is {answer}" if self.probability is not None else ""
        return f"{self.last_step}{answered}{ending}"

    @property
    def added(self) -> dict[str, float]:
        """What each column adds to the answer for the average row, in `unit`, the largest first."""
        best = ((p.name, p.integrated if p.exact is None else p.exact) for p in self.parts.largest)
        return {name: self.scale * value for name, value in best}

    def _in_unit(self, value: float | None) -> float | None:
        return None if value is None else self.scale * value

    def to_dict(self) -> dict[str, Any]:
        """As texts, numbers and lists."""
        return {
            "row": self.row + 1, "source": self.source, "target": self.target,
            "prediction": self.answer, "answer": self.answer,  # "answer" until the next version
            "probability": self.probability, "true": self.true,
            "unit": self.unit,
            "start": self.start, "end": self.end,
            "inputs": [
                {"name": step.column, "raw": step.raw, "scaled": step.scaled,
                 "features": step.features}
                for step in self.steps
            ],
            "contributions": [
                {"name": part.name, "exact": self._in_unit(part.exact),
                 "integrated": self._in_unit(part.integrated),
                 "gradient": self._in_unit(part.gradient)}
                for part in self.parts.largest
            ],
            "gaps": {name: self._in_unit(gap) for name, gap in self.parts.gaps.items()},
        }  # fmt: skip


def require_row(table: Table, row: int) -> None:
    """Raise ValueError unless the table has this row, counted from 0."""
    if not 0 <= row < len(table):
        has = plural(len(table), "row")
        raise ValueError(f"there is no row {row + 1}: {table.source} has {has}")


def explain_answer(model: Model, table: Table, row: int) -> Answer:
    """The explanation of one row of a table, counted from 0.

    Raises ValueError without a preparation, or for a row that is not there.
    """
    prepared = model.preparation
    if prepared is None:
        raise ValueError("this model was trained on matrices: use contributions(net, x)")
    require_row(table, row)
    single_row = table.take(np.array([row]))
    steps = prepared.steps(single_row, 0)
    X = prepared.transform(single_row)
    columns = {step.column: list(step.places) for step in steps}
    Z, terms = model.net.predict(X)[0], model.in_terms(X)[0]
    scale, shift, probability = prepared.target_scale, prepared.target_mean, None
    output, against, unit = answer_of(model.loss), None, prepared.target_name
    if prepared.classes is not None:
        classes = prepared.classes
        unit = f'log-odds of "{classes[-1]}"'
        if model.net.n_out > 1:
            output, against = np.argsort(-Z)[:2].tolist()
            unit = f'log-odds of "{classes[output]}" against "{classes[against]}"'
        scale, shift, probability = 1.0, 0.0, float(terms.max())
    parts = contributions(
        model.net, X[0], output=output, against=against, columns=columns,
        baseline=_average_row(model, prepared, table),
    )  # fmt: skip
    target = single_row.columns.get(prepared.target_name)
    return Answer(
        row, table.source, prepared.target_name, model.predict(single_row).tolist()[0],
        probability, steps, forward_steps(model.net, X[0]), parts,
        scale, unit, shift + scale * parts.start, shift + scale * parts.end,
        None if target is None else cell_text(target[0]),
        _last_step(prepared, Z, output, terms),
    )  # fmt: skip


def _last_step(prepared: Preparation, Z: Array, output: int, terms: Any) -> str:
    """How the last Z (n_out,) of a row becomes the answer in the target's terms."""
    target = prepared.target_name
    if prepared.classes is None:
        z, scale, mean = map(number, (Z[output], prepared.target_scale, prepared.target_mean))
        return f"{z} × {scale} + {mean} = {number(terms)} is {target}"
    one = len(Z) == 1
    code = len(prepared.classes) - 1 if one else int(terms.argmax())
    link, label = "sigmoid" if one else "softmax", cell_text(prepared.classes[code])
    return f"{link}(Z) = {number(terms[code])} is the probability of {target} = {label}"


def _average_row(model: Model, prepared: Preparation, table: Table) -> Array:
    """The average training row as the network sees it; if the model has none, of this table."""
    average = model.facts.get("average")
    if isinstance(average, list) and len(average) == model.net.n_in:
        return np.array(average, np.float64)
    rows = table.take(np.arange(min(len(table), AVERAGED_ROWS)))
    return np.asarray(prepared.transform(rows).mean(axis=0))
