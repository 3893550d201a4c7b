"""`chainrule predict`: a model's answers for the rows of a table, as CSV or JSON."""

import csv
import io
from typing import TYPE_CHECKING, Any

import click

from .json_output import AS_JSON, print_json
from .options import MODEL_FILE, TABLE_FILE, TABLE_NAME, check_distinct, nonempty, read_inputs

if TYPE_CHECKING:
    from ..models.model import TableModel

Columns = list[list[float]] | None  # numbers of each row


@click.command(short_help="Answer for the rows of a table with a model.")
@MODEL_FILE
@TABLE_FILE
@click.option(
    "--out", metavar="PATH.csv", callback=nonempty, help="Write the answers to this file."
)
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
    from ..tables import source_files
    from ..tables.rows import unseen_notes

    check_distinct({"--out": out}, {"MODEL": [model_file], "FILE": source_files(file)})
    if out is not None:
        check_writable(out)
    model, table = read_inputs(model_file, file, table_name)
    answers = model.predict(table).tolist()
    P = model.predict_proba(table).tolist() if proba else None
    ends = None if model.interval is None else model.predict_interval(table).tolist()
    notes = [*table.notes, *unseen_notes(model.preparation, table)]
    for note in notes:
        click.echo(f"chainrule: note: {note}", err=True)
    if out is not None:
        write_atomically(out, _csv(model, answers, P, ends).encode())
        click.echo(f"{len(answers)} answers written to {out}", err=True)
    elif not as_json:
        click.echo(_csv(model, answers, P, ends), nl=False)
    if as_json:
        print_json({
            **model.target_facts, "rows": len(answers), "predictions": answers,
            "probabilities": P, "intervals": ends, "interval": model.interval,
            "files": {"predictions": out}, "notes": notes,
        })  # fmt: skip


def _csv(model: "TableModel", answers: list[Any], P: Columns, ends: Columns) -> str:
    from ..tables.table import cell_text

    target, classes = model.schema.target, model.classes
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    heads = [f"{target}={cell_text(label)}" for label in classes or () if P]
    heads += [f"{target} {end}" for end in ("low", "high") if ends]
    writer.writerow(["row", target, *heads])
    for i, answer in enumerate(answers):
        text = answer if classes is None else cell_text(answer)
        writer.writerow([i + 1, text, *(P[i] if P else ()), *(ends[i] if ends else ())])
    return lines.getvalue()
