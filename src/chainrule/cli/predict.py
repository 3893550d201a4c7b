"""`chainrule predict`: a model's answers for the rows of a table, as CSV or JSON."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .document import emit
from .options import AS_JSON, TABLE_NAME, check_apart, filled

if TYPE_CHECKING:
    from ..models.model import Model


@click.command(short_help="Answer for the rows of a table with a model.")
@click.argument("model_file", metavar="MODEL", callback=filled)
@click.argument("file", callback=filled)
@click.option("--out", metavar="PATH.csv", callback=filled, help="Write the answers to this file.")
@click.option("--proba", is_flag=True, help="Add the probability of every class.")
@TABLE_NAME
@AS_JSON
def predict(
    model_file: str, file: str, out: str | None, proba: bool, table_name: str | None, as_json: bool
) -> None:
    """Answer for every row of FILE with MODEL; rows count from 1, the header aside.

    The answers are CSV on standard output: the row, the target, one column per class with --proba,
    and the ends of the interval where MODEL was trained for one.
    """
    from ..files import check_writable, write_atomically
    from ..tables import read_table, source_files
    from ..tables.rows import unseen_notes

    check_apart({"--out": out}, {"MODEL": [model_file], "FILE": source_files(file)})
    if out is not None:
        check_writable(out)
    model = load_tabular(model_file)
    assert model.preparation is not None
    assert model.schema is not None
    table = read_table(file, table=table_name, reading=model.schema.reading)
    answers = model.predict(table).tolist()
    P = model.predict_proba(table).tolist() if proba else None
    ends = None if model.interval is None else model.predict_interval(table).tolist()
    notes = [*table.notes, *unseen_notes(model.preparation, table)]
    for note in notes:
        click.echo(f"chainrule: note: {note}", err=True)
    if out is not None or not as_json:
        text = _csv(model, answers, P, ends)
        if out is None:
            click.echo(text, nl=False)
        else:
            write_atomically(out, text.encode())
            click.echo(f"{len(answers)} answers written to {out}", err=True)
    if as_json:
        document = _document(model, answers, P) | {"intervals": ends, "interval": model.interval}
        emit(document | {"files": {"predictions": out}, "notes": notes})


def load_tabular(path: str) -> "Model":
    """The model in a file; raises ValueError where it was not trained on a table."""
    from ..models.model import Model
    from ..models.modelfile import load

    model = load(Path(path))
    if not isinstance(model, Model) or model.preparation is None or model.schema is None:
        raise ValueError(
            f"{path} holds a network without a table's preparation: use it from Python, "
            "or train a model with chainrule train"
        )
    return model


Numbers = list[list[float]]


def _csv(model: "Model", answers: list[Any], P: Numbers | None, ends: Numbers | None) -> str:
    from ..tables.table import cell_text

    assert model.preparation is not None
    target, classes = model.preparation.target_name, model.classes
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    heads = [] if P is None else [f"{target}={cell_text(label)}" for label in classes or ()]
    heads += [] if ends is None else [f"{target} low", f"{target} high"]
    writer.writerow(["row", target, *heads])
    for row, answer in enumerate(answers):
        told = answer if classes is None else cell_text(answer)
        more = [*([] if P is None else P[row]), *([] if ends is None else ends[row])]
        writer.writerow([row + 1, told, *more])
    return lines.getvalue()


def _document(model: "Model", answers: list[Any], P: list[list[float]] | None) -> dict[str, Any]:
    assert model.preparation is not None
    return {
        "task": model.task,
        "target": model.preparation.target_name,
        "classes": model.classes,
        "rows": len(answers),
        "predictions": answers,
        "probabilities": P,
    }
