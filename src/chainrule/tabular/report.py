"""The report of a run: what its outcome says, as sections of one page."""

import platform
import shlex
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ..core import metrics
from ..core.metrics import METRICS
from ..report.words import count, number, task_in_words
from ..tables.plan import ColumnPlan
from ..tables.schema import column_rows
from .outcome import Outcome
from .verdict import NETWORK

if TYPE_CHECKING:
    from ..report.html import Report, Section

MANY = 40  # columns; further ones are counted, not listed
PARTS = {"train": "training", "valid": "held-out", "test": "test"}
SHOWN_VALUES = 12  # of a layer's numbers


def training_report(outcome: Outcome, *, command: Sequence[object]) -> "Report":
    """The report of a trained run: scores, curve, errors, network, columns, one row, settings.

    `command` are the words that repeat it.
    """
    from ..report.html import Report, Section
    from ..report.pictures import loss_curves, network, scores

    model, tested = outcome.model, outcome.tested
    facts: dict[str, object] = {"table rows": outcome.table_rows}
    notes = [f"Note: {warning}." for warning in outcome.warnings]
    told = "\n\n".join([outcome.verdict, *notes, *outcome.coverage])
    worth: dict[str, Any] = {}
    if tested is not None:
        name, ours = METRICS[tested.metric].name, outcome.score_rows[0]
        facts |= {"test rows": len(tested.y), name: ours[name]}
        picture = scores(outcome.named_scores, title=f"Network: {name} {ours[name]}")
        note = "Measured on rows that neither training nor the choice of the epoch has seen."
        worth = {"table": outcome.score_rows, "picture": picture, "note": note}
    drawing = network(model.net, outcome.preparation.feature_names, model.output_names)
    sections = [
        Section("What it is worth", told, **worth),
        Section("How it was trained", outcome.told,
                picture=loss_curves(outcome.records, outcome.watched)),
        *_errors(outcome),
        Section("The network", outcome.layers, picture=drawing),
        Section("The columns", table=column_rows(outcome.schema.columns, MANY),
                note="; ".join(outcome.notes)),
        *_example(outcome),
        Section("Settings and their reasons", table=_pairs("setting", outcome.reasons)),
        Section("How to reproduce it", table=_pairs("setting", _settings(outcome)),
                code=shlex.join(map(str, command))),
    ]  # fmt: skip
    facts["parameters"] = model.net.theta.size
    task = task_in_words(outcome.schema.classes)
    subtitle = f"{task[0].upper()}{task[1:]}, learned from {outcome.model.facts['source']}"
    return Report(f"Predicting {outcome.schema.target}", subtitle, sections, facts)


def _errors(outcome: Outcome) -> "list[Section]":
    """Where the network errs on the test rows: confusion and calibration, or residuals."""
    from ..report.html import Section
    from ..report.pictures import calibration, confusion, residuals

    tested, classes = outcome.tested, outcome.schema.classes
    if tested is None:
        return []
    y, answers = tested.y, tested.answers[NETWORK]
    told = "The test rows with the largest errors; rows count from 1, as in the file."
    worst = Section("Its worst rows", told, [_shown(row) for row in outcome.worst])
    if classes is None:
        picture = residuals(y, answers, outcome.schema.target)
        return [Section("Where it misses", picture=picture), worst]
    matrix = metrics.confusion_matrix(y, answers.argmax(axis=1), len(classes), tested.weight)
    found = [Section("Which classes it confuses", picture=confusion(matrix, classes))]
    if len(classes) == 2:
        picture = calibration(y, answers[:, 1], positive=classes[1])
        found.append(Section("How reliable its probabilities are", picture=picture))
    return [*found, worst]


def _shown(row: Any) -> dict[str, object]:
    heads = {"true": "true value", "probability": "probability of the true value"}
    return {heads.get(k, k): number(v) if isinstance(v, float) else v for k, v in row.items()}


def _example(outcome: Outcome) -> "list[Section]":
    """One row from the raw cells to the answer, in two sections: prepared, then predicted."""
    from ..report.html import Section

    found = outcome.example
    cells = [
        {"column": step.column, "cell": step.raw, "filled in": step.imputed,
         "(cell - center) / scale": _scaling(plan, step.encoded),
         "features": _values(step.scaled, step.features)}
        for plan, step in zip(outcome.preparation.columns, found.steps[:MANY], strict=False)
    ]  # fmt: skip
    steps = [{"name": step.name, "is": step.formula, "numbers": _values(step.values)}
             for step in found.forward]  # fmt: skip
    parts = [
        {"column": part.name,
         f"adds, in {found.unit}": number(found.scale * (
             part.integrated if part.exact is None else part.exact))}
        for part in found.parts.largest[:MANY]
    ]  # fmt: skip
    part = "training" if outcome.tested is None else "test"
    where = f"Row {found.row + 1} of {found.source}, a {part} row."
    why = (
        f"From {number(found.start)} for the average training row to {number(found.end)} for "
        f"this one, in {found.unit}."
    )
    return [
        Section("How one row is prepared", where, cells),
        Section("How it is predicted", found.sentence, steps),
        Section("What each column adds", why, parts),
    ]


def _scaling(plan: ColumnPlan, encoded: Sequence[float]) -> str:
    """(cell - center) / scale in numbers, of each feature that is scaled."""
    told = {
        name: f"({number(x)} - {number(c)}) / {number(s)}"
        for name, x, c, s in zip(plan.features, encoded, plan.center, plan.scale, strict=True)
        if (c, s) != (0.0, 1.0)
    }
    limited = f", within ±{plan.limit:g}" if plan.limit and told else ""
    return _values(told.values(), [*told]) + limited


def _values(values: Iterable[float | str], names: Sequence[str] = ()) -> str:
    """Numbers in one line, each after its name where there are several names."""
    told = [value if isinstance(value, str) else number(value) for value in values]
    if len(names) > 1:
        told = [f"{name}: {value}" for name, value in zip(names, told, strict=True)]
    more = len(told) - SHOWN_VALUES
    return ", ".join(told[:SHOWN_VALUES]) + (f", … {more} more" if more > 0 else "")


def _settings(outcome: Outcome) -> dict[str, object]:
    """What repeats the run beside its command."""
    facts, threads = outcome.model.facts, outcome.settings["threads"]
    return {
        "preset": facts["preset"],
        "epochs": f"{facts['epochs']} of at most {outcome.settings['epochs']}",
        **{f"{PARTS[part]} rows": count(n) for part, n in facts["rows"].items()},
        "seed": facts["seed"],
        "threads": "all" if threads is None else threads,
        "engine": facts["engine"],
        **{f"seconds, {what}": number(s, 3) for what, s in outcome.seconds.items()},
        "hash of the table": facts["data_sha256"],
        **{name: version(name) for name in ("chainrule", "numpy")},
        "python": platform.python_version(),
    }


def _pairs(head: str, told: Any) -> list[dict[str, Any]]:
    return [{head: name, "value": str(value)} for name, value in told.items()]
