"""`chainrule evaluate`: what a model is worth on a table whose answers are known."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..writing.words import clean, coverage_in_words, plural, shorten
from .json_output import AS_JSON, print_json
from .options import MODEL_FILE, TABLE_FILE, TABLE_NAME, read_inputs

if TYPE_CHECKING:
    from .screen import Screen

WIDEST_MATRIX = 12


@click.command(short_help="Score a model on rows whose answers are known.")
@MODEL_FILE
@TABLE_FILE
@TABLE_NAME
@AS_JSON
def evaluate(model_file: str, file: str, table_name: str | None, as_json: bool) -> None:
    """Score MODEL on the rows of FILE that have a target, beside the scores of its own test."""
    from ..tables.rows import counted_rows, unseen_notes

    model, table = read_inputs(model_file, file, table_name)
    scores = model.evaluate(table)
    counted, lost = counted_rows(table, model.schema)
    notes = [*table.notes, *unseen_notes(model.preparation, table), *lost]
    if table.sha256() == model.facts.get("data_sha256"):
        notes.append("this is the table it was trained on: most of these rows are no test")
    own_scores = model.facts.get("test", {}).get("network")  # "stored" until the next version
    document = {
        "task": model.task, "target": model.schema.target, "source": table.source,
        "rows": len(counted), "test": scores, "model_test": own_scores, "stored": own_scores,
        "interval": model.coverage(table), "classes": model.classes,
        "confusion": model.confusion(table).tolist() if model.classes else None, "notes": notes,
    }  # fmt: skip
    (print_json if as_json else _show)(document)


def _show(document: dict[str, Any]) -> None:
    from .screen import screen

    console, scores, own_scores = screen(), document["test"], document["model_test"]
    console.print(f"{clean(document['source'])}: {plural(document['rows'], 'row')} scored")
    console.show_notes(document["notes"])
    console.heading(f"How well {document['target']} is predicted")
    by_model = {"on these rows": scores}
    if own_scores is not None and own_scores.keys() == scores.keys():
        by_model["on its own test rows"] = own_scores
    console.show_scores(by_model, mark=False)
    if document["interval"] is not None:
        console.print(clean(coverage_in_words(document["interval"], document["target"])))
    if document["confusion"] is not None and len(document["classes"]) <= WIDEST_MATRIX:
        console.heading("Rows by their true class (down) and the answer (across)")
        _show_matrix(console, document["classes"], document["confusion"])


def _show_matrix(console: "Screen", classes: Sequence[Any], matrix: list[list[float]]) -> None:
    from rich.text import Text

    from ..tables.table import cell_text

    names, rows = [shorten(cell_text(label), 14) for label in classes], []
    for i, counts in enumerate(matrix):
        cells = [Text(f"{n:,g}", "bold" if i == j else "") for j, n in enumerate(counts)]
        share = f"{100 * counts[i] / sum(counts):.1f} %" if sum(counts) else "–"
        rows.append([Text(names[i]), *cells, Text(share)])
    console.show_table(("true class", *names, "right"), rows, numbers=(*names, "right"))
