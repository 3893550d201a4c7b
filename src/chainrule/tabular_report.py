"""The account of a training run on a table: as words, as one JSON-able summary, as a report."""

import platform
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .core import metrics
from .core.layers import Dense, Dropout
from .core.network import Network
from .model import probabilities
from .report.words import clean, count, number, plural, score
from .tables import Column, Table
from .tables.table import cell_text, is_missing
from .tabular import TableRun, finite
from .tabular_verdict import (
    METRICS,
    HeldOut,
    Scores,
    main_metric,
    mistakes,
    model_names,
    standing,
    verdict,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .report.html import Report, Section

MANY = 40
"""More columns than that are counted, not listed."""
SHOWN_VALUES = 12
"""So many numbers of a layer are listed."""
COLUMN_KEYS = ("name", "role", "kind", "missing", "distinct", "why")
SHOWN_CLASSES = 10
REPEATED = re.compile(r"(, |^)\d+ (distinct values?|levels?)$")
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def summary(run: TableRun, scores: Scores) -> dict[str, Any]:
    """{task, target, columns, rows, classes, network, training, test, baselines, seconds, …}.

    JSON-able but for numbers that are not finite; `scores` are those of `run.scores()`.
    """
    classes = run.schema.classes
    best = None if run.best_epoch is None else run.records[run.best_epoch]
    return {
        "task": run.schema.task,
        "target": run.target,
        "columns": [asdict(column) for column in run.schema.columns],
        "rows": {"table": len(run.table), **run.rows},
        "classes": None if classes is None else list(classes),
        "network": {
            "layers": [run.net.n_in, *map(str, run.net.layers)],
            "parameters": run.net.theta.size,
            "features": list(run.preparation.feature_names),
        },
        "training": {
            "epochs": len(run.records),
            "best_epoch": run.best_epoch,
            "optimizer": run.optimizer,
            "lr": run.lr,
            "batch_size": run.batch_size,
            "seed": run.seed,
            "threads": run.threads,
            "loss": None if best is None else best.loss,
            "valid_loss": None if best is None else best.valid_loss,
        },
        "test": scores.get("network"),
        "baselines": {
            "constant": scores.get("constant guess"),
            "linear": scores.get("linear model"),
        },
        "seconds": run.seconds,
        "engine": run.engine,
        "notes": list(run.notes()),
    }


def task_of(run: TableRun) -> str:
    """What is predicted: "two classes (benign, malignant)", or a number."""
    if run.schema.classes is None:
        return "a number"
    labels = [clean(label) for label in run.schema.classes]
    told = ", ".join(labels[:SHOWN_CLASSES]) + (", …" if len(labels) > SHOWN_CLASSES else "")
    many = WORDS[len(labels)] if len(labels) < len(WORDS) else str(len(labels))
    return f"{many} classes ({told})"


def layers_of(run: TableRun) -> str:
    """The sizes of the layers, inputs first: "12 → 64 → 32 → 1"."""
    sizes = [layer.n for layer in run.net.layers if isinstance(layer, Dense)]
    return " → ".join(map(str, [run.net.n_in, *sizes]))


def layers_in_words(run: TableRun) -> str:
    """Layers, activation, dropout and parameters in one line."""
    features = plural(run.net.n_in, "feature")
    hidden = f"{run.activation}, dropout {run.dropout:g}" if run.hidden else "no hidden layer"
    return f"{layers_of(run)} ({features}; {hidden}), {plural(run.net.theta.size, 'parameter')}"


@dataclass(frozen=True)
class ForwardStep:
    """One factor of a row's way through the network: `name` = `formula`, its values (units,).

    A Dropout, which hands on what it gets, has no values.
    """

    name: str
    formula: str
    values: NDArray[Any]


def forward_steps(net: Network, x: NDArray[Any]) -> list[ForwardStep]:
    """X → Z → A → … → Z of one prepared row x (n_in,), each layer's numbers as it predicts."""
    caches = net.forward(x[None])[1]
    before, steps = "X", []
    for i, (layer, cache) in enumerate(zip(net.layers, caches, strict=True)):
        if isinstance(layer, Dropout):
            steps.append(ForwardStep(str(i), "Dropout hands its input on", np.zeros(0)))
            continue
        if isinstance(layer, Dense):
            name, formula = f"{i}.Z", f"{before} @ {i}.W" + f" + {i}.b" * layer.bias
        else:
            name, formula = f"{i}.A", f"{type(layer).__name__}({before})"
        steps.append(ForwardStep(name, formula, cache[name[-1]][0]))
        before = name
    return steps


def shown_row(run: TableRun) -> tuple[Table, int, str]:
    """(table, row, "test" or "training"): the first row that shows how an answer comes about."""
    if run.test_table is not None:
        known = ~is_missing(run.test_table.columns[run.target])
        return run.test_table, int(known.argmax()), "test"
    rows, part = (run.split.test, "test") if len(run.split.test) else (run.split.train, "training")
    return run.table, int(rows[0]), part


def answer_of(run: TableRun, table: Table, row: int) -> str:
    """From the last Z of a row to the answer in the target's terms, beside what the table says."""
    one = table.take([row])
    Z = run.net.predict(run.preparation.transform(one))
    output = run.loss.link(Z)
    told = cell_text(one.columns[run.target][0])
    if run.schema.classes is None:
        mean, scale = run.preparation.target_mean, run.preparation.target_scale
        answer = float(run.preparation.restore_target(output[:, 0])[0])
        how = f"Z × {number(scale)} + {number(mean)} = {number(answer)}"
        return f"{how} is the answer for {run.target}; the table says {told}."
    P = probabilities(output)
    code = int(P[0].argmax())
    answers = run.preparation.restore_target(P.argmax(axis=1))
    link = "sigmoid" if Z.shape[1] == 1 else "softmax"
    last = len(run.schema.classes) - 1 if Z.shape[1] == 1 else code
    label = cell_text(run.schema.classes[last])
    told_p = f"{link}(Z) = {number(P[0, last])} is the probability of {run.target} = {label}"
    if cell_text(answers[0]) == told:
        says = "and so says the table"
    else:
        says = f"but the table says {told}{_one_of_its_mistakes(run, table, row)}"
    return f"{told_p}; the answer is {cell_text(answers[0])}, {says}."


def _one_of_its_mistakes(run: TableRun, table: Table, row: int) -> str:
    if table is not run.test_table and row not in run.split.test:
        return ""
    wrong = mistakes(run)
    which = "its only mistake" if wrong == 1 else f"one of its {wrong:,} mistakes"
    return f": {which} on the test rows"


def training_report(
    run: TableRun, tested: HeldOut, *, told: str, command: Sequence[object]
) -> "Report":
    """The report of a trained run: scores, curve, errors, network, columns, one row, settings.

    `told` says how training ended, `command` are the words that repeat it.
    """
    from .report.html import Report, Section
    from .report.pictures import loss_curves, network

    drawing = network(run.net, run.preparation.feature_names, run.schema.classes)
    sections = [
        Section(
            "What it is worth", verdict(run, tested), _score_rows(run, tested) or None,
            _score_bars(run, tested) if tested.scores else None,
            note="Measured on rows that neither training nor the choice of the epoch has seen."
            if tested.scores else None,
        ),
        Section("How it was trained", told, picture=loss_curves(run.records)),
        *_errors(run),
        Section("The network", layers_in_words(run), picture=drawing),
        Section("The columns", table=column_rows(run.schema.columns), note="; ".join(run.notes())),
        *_row_sections(run),
        Section("How to repeat it", table=_settings(run), code=shlex.join(map(str, command))),
    ]  # fmt: skip
    facts = {
        "table rows": len(run.table), "test rows": run.rows["test"],
        **dict(list(_score_rows(run, tested)[0].items())[1:2] if tested.scores else ()),
        "parameters": run.net.theta.size,
    }  # fmt: skip
    task = task_of(run)
    subtitle = f"{task[0].upper()}{task[1:]}, learned from {run.table.source}"
    return Report(f"Predicting {run.target}", subtitle, sections, facts)


def _score_rows(run: TableRun, tested: HeldOut) -> list[dict[str, str]]:
    names = model_names(run)
    return [
        {"model": names[name], **{METRICS[m][0]: score(m, value) for m, value in values.items()}}
        for name, values in tested.scores.items()
    ]


def _score_bars(run: TableRun, tested: HeldOut) -> "Figure":
    from .report.pictures import scores

    names, metric = model_names(run), main_metric(run)
    ours = score(metric, tested.scores["network"][metric])
    return scores(
        {names[name]: finite(values) for name, values in tested.scores.items()},
        title=f"Network, {METRICS[metric][0]} {ours}: {standing(run, tested)}",
    )


def _errors(run: TableRun) -> "list[Section]":
    """Where the network errs on the test rows: confusion and calibration, or residuals."""
    from .report.html import Section
    from .report.pictures import calibration, confusion, residuals

    if run.test_part is None:
        return []
    X, y, weight = run.test_part
    output = run.loss.link(run.net.predict(X))
    restore = run.preparation.restore_target
    if run.schema.classes is None:
        picture = residuals(restore(y), restore(output[:, 0]), run.target)
        return [Section("Where it misses", picture=picture)]
    P, classes = probabilities(output), run.schema.classes
    matrix = metrics.confusion_matrix(y, P.argmax(axis=1), len(classes), weight)
    found = [Section("Which classes it confuses", picture=confusion(matrix, classes))]
    if run.schema.task == "binary":
        picture = calibration(y, P[:, 1], positive=classes[1])
        found.append(Section("Whether its probabilities can be believed", picture=picture))
    return found


def _row_sections(run: TableRun) -> "list[Section]":
    """One row from the raw cells to the answer, in two sections: prepared, then predicted."""
    from .report.html import Section

    table, row, part = shown_row(run)
    cells = [
        {
            "column": step.column,
            "cell": step.raw,
            "filled in": step.imputed,
            "(cell - mean) / deviation": _scaling(plan.center, plan.scale, step.encoded),
            "features": _values(step.scaled, step.features),
        }
        for plan, step in zip(
            run.preparation.columns, run.preparation.steps(table, row)[:MANY], strict=False
        )
    ]
    x = run.preparation.transform(table.take([row]))[0]
    steps = [
        {"name": step.name, "is": step.formula, "numbers": _values(step.values)}
        for step in forward_steps(run.net, x)
    ]
    where = f"Row {row + 1} of {table.source}, a {part} row."
    return [
        Section("How one row is prepared", where, cells),
        Section("How it is predicted", answer_of(run, table, row), steps),
    ]


def _scaling(center: Sequence[float], scale: Sequence[float], encoded: Sequence[float]) -> str:
    """(cell - mean) / deviation in numbers, for a column with one feature that is scaled."""
    numbers = zip(encoded, center, scale, strict=True)
    told = [
        f"({number(x)} - {number(mean)}) / {number(deviation)}"
        for x, mean, deviation in numbers
        if (mean, deviation) != (0.0, 1.0)
    ]
    return told[0] if len(told) == 1 else ""


def _values(values: Any, names: Sequence[str] = ()) -> str:
    """Numbers in one line, each after its name where it has one."""
    told = [number(value) for value in values]
    if len(names) > 1:
        told = [f"{name}: {value}" for name, value in zip(names, told, strict=True)]
    more = len(told) - SHOWN_VALUES
    return ", ".join(told[:SHOWN_VALUES]) + (f", … {more} more" if more > 0 else "")


def why_of(column: Column) -> str:
    """Why a column was taken for what it is, without the count that stands beside it."""
    return REPEATED.sub("", column.why)


def column_rows(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """The columns as rows of a table; where there are many, how many of each role and kind.

    What is empty in every row is left out.
    """
    if len(columns) <= MANY:
        rows = [{**asdict(column), "why": why_of(column)} for column in columns]
        told = [key for key in COLUMN_KEYS if any(row[key] for row in rows)]
        return [{key: row[key] for key in told} for row in rows]
    kinds = Counter((column.role, column.kind) for column in columns)
    return [{"columns": n, "role": role, "kind": kind} for (role, kind), n in kinds.most_common()]


def _settings(run: TableRun) -> list[dict[str, Any]]:
    settings = {
        "hidden layers": ", ".join(map(str, run.hidden)) or "none",
        "activation": run.activation,
        "dropout": run.dropout,
        "optimizer": run.optimizer,
        "weight decay": f"{run.weight_decay:g}" if run.optimizer == "adamw" else 0,
        "learning rate": f"{run.lr:g}, falling to 0 as half a cosine",
        "gradient clipped": "no" if run.clip is None else f"to the length {run.clip:g}",
        "batch size": run.batch_size,
        "epochs": f"{len(run.records)} of at most {run.epochs}, kept the numbers of "
        f"epoch {run.best_epoch} (counted from 0)",
        "patience": f"{run.patience} epochs",
        **{f"{part} rows": count(n) for part, n in run.rows.items()},
        "seed": run.seed,
        "threads": "all" if run.threads is None else run.threads,
        "engine": run.engine,
        "seconds": number(run.seconds, 3),
        "hash of the table": run.table.sha256(),
        **{name: version(name) for name in ("chainrule", "numpy")},
        "python": platform.python_version(),
    }
    return [{"setting": name, "value": str(value)} for name, value in settings.items()]
