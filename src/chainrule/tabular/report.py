"""The report of a run: what its outcome says, as sections of one page."""

import platform
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import islice

from ..core import metrics
from ..core.metrics import METRICS
from ..report import pictures
from ..report.html import Report, Section
from ..tables.plan import ColumnPlan
from ..tables.schema import column_rows
from ..writing.words import capitalized, count, number, task_in_words
from .outcome import Outcome
from .verdict import NETWORK

MANY = 40  # columns; further ones are counted, not listed
PARTS = {"train": "training", "valid": "held-out", "test": "test"}
SHOWN_VALUES = 12  # of a layer's numbers
HEADS = {
    "prediction": "answer",
    "true": "true value",
    "probability": "probability of the true value",
}


def training_report(outcome: Outcome, *, command: Sequence[object]) -> Report:
    """The report of a trained run: scores, curve, errors, network, columns, one row, settings.

    `command` are the words that repeat it.
    """
    facts: dict[str, object] = {"table rows": outcome.table_rows}
    if outcome.tested is not None:
        name = METRICS[outcome.tested.metric].name
        facts |= {"test rows": len(outcome.tested.y), name: outcome.score_rows[0][name]}
    facts["parameters"] = outcome.model.net.theta.size
    task = task_in_words(outcome.schema.classes)
    subtitle = f"{capitalized(task)}, learned from {outcome.model.facts['source']}"
    sections = list(_sections(outcome, command))
    return Report(f"Predicting {outcome.schema.target}", subtitle, sections, facts)


def _sections(outcome: Outcome, command: Sequence[object]) -> Iterator[Section]:
    model = outcome.model
    yield _worth(outcome)
    curves = pictures.loss_curves(outcome.records, outcome.valid_loss_name)
    yield Section("How it was trained", outcome.ending, picture=curves)
    yield from _errors(outcome)
    drawing = pictures.network(model.net, outcome.preparation.feature_names, model.output_names)
    yield Section("The network", outcome.layers, picture=drawing)
    columns = column_rows(outcome.schema.columns, MANY)
    yield Section("The columns", table=columns, note="; ".join(outcome.notes))
    yield from _example(outcome)
    yield Section("Settings and their reasons", table=_pairs(outcome.reasons))
    settings, words = _pairs(_settings(outcome)), shlex.join(map(str, command))
    yield Section("How to reproduce it", table=settings, code=words)


def _worth(outcome: Outcome) -> Section:
    """The scores compared with other models, if rows were kept for a test."""
    notes = [f"Note: {warning}." for warning in outcome.warnings]
    text = "\n\n".join([outcome.verdict, *notes, *outcome.coverage])
    if outcome.tested is None:
        return Section("What it is worth", text)
    name = METRICS[outcome.tested.metric].name
    title = f"Network: {name} {outcome.score_rows[0][name]}"
    picture = pictures.scores(outcome.named_scores, title=title)
    note = "Measured on rows that neither training nor the choice of the epoch has seen."
    return Section("What it is worth", text, outcome.score_rows, picture, note=note)


def _errors(outcome: Outcome) -> Iterator[Section]:
    """Where the network errs on the test rows: confusion and calibration, or residuals."""
    tested, classes = outcome.tested, outcome.schema.classes
    if tested is None:
        return
    y, answers = tested.y, tested.answers[NETWORK]
    if classes is None:
        picture = pictures.residuals(y, answers, outcome.schema.target)
        yield Section("Where it misses", picture=picture)
    else:
        matrix = metrics.confusion_matrix(y, answers.argmax(axis=1), len(classes), tested.weight)
        yield Section("Which classes it confuses", picture=pictures.confusion(matrix, classes))
        if len(classes) == 2:
            picture = pictures.calibration(y, answers[:, 1], positive=classes[1])
            yield Section("How reliable its probabilities are", picture=picture)
    text = "The test rows with the largest errors; rows count from 1, as in the file."
    rows = [
        {HEADS.get(k, k): number(v) if isinstance(v, float) else v for k, v in row.items()}
        for row in outcome.worst
    ]
    yield Section("Its worst rows", text, rows)


def _example(outcome: Outcome) -> Iterator[Section]:
    """One row from the raw cells to the answer: prepared, predicted, explained by column."""
    row = outcome.example
    part = "training" if outcome.tested is None else "test"
    cells = [
        {
            "column": step.column,
            "cell": step.raw,
            "filled in": step.imputed,
            "(cell - center) / scale": _scaling(plan, step.encoded),
            "features": _values(step.scaled, step.features),
        }
        for plan, step in zip(outcome.preparation.columns, row.steps[:MANY], strict=False)
    ]
    where = f"Row {row.row + 1} of {row.source}, a {part} row."
    yield Section("How one row is prepared", where, cells)
    steps = [{"name": s.name, "is": s.formula, "numbers": _values(s.values)} for s in row.forward]
    yield Section("How it is predicted", row.sentence, steps)
    adds, columns = f"adds, in {row.unit}", islice(row.added.items(), MANY)
    parts = [{"column": name, adds: number(value)} for name, value in columns]
    change = (
        f"From {number(row.start)} for the average training row to {number(row.end)} for "
        f"this one, in {row.unit}."
    )
    yield Section("What each column adds", change, parts)


def _scaling(plan: ColumnPlan, encoded: Sequence[float]) -> str:
    """(cell - center) / scale in numbers, of each feature that is scaled."""
    scaled = {
        name: f"({number(x)} - {number(c)}) / {number(s)}"
        for name, x, c, s in zip(plan.features, encoded, plan.center, plan.scale, strict=True)
        if (c, s) != (0.0, 1.0)
    }
    limited = f", within ±{plan.limit:g}" if plan.limit and scaled else ""
    return _values(scaled.values(), [*scaled]) + limited


def _values(values: Iterable[float | str], names: Sequence[str] = ()) -> str:
    """Numbers in one line, each after its name where there are several names."""
    texts = [value if isinstance(value, str) else number(value) for value in values]
    if len(names) > 1:
        texts = [f"{name}: {text}" for name, text in zip(names, texts, strict=True)]
    more = len(texts) - SHOWN_VALUES
    return ", ".join(texts[:SHOWN_VALUES]) + (f", … {more} more" if more > 0 else "")


def _settings(outcome: Outcome) -> dict[str, object]:
    """What repeats the run, in addition to its command."""
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


def _pairs(settings: Mapping[str, object]) -> list[dict[str, str]]:
    return [{"setting": name, "value": str(value)} for name, value in settings.items()]
