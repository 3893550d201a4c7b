"""`chainrule explain`: why a model answers so for one row, and one number of a training step."""

from typing import TYPE_CHECKING

import click

from ..writing.words import clean, shorten
from .json_output import AS_JSON, print_json
from .options import MODEL_FILE, TABLE_NAME, nonempty, read_inputs

if TYPE_CHECKING:
    from ..chain.session import Session
    from ..models.answers import Answer
    from ..models.model import TableModel
    from ..tables import RowStep, Table

FORMATS = ("text", "markdown", "latex", "html")
ROW = click.option("--row", type=click.IntRange(1), default=1, show_default=True,
                   help="The row, counted from 1, the header aside.")  # fmt: skip
ROW_FILE = click.option("--file", required=True, metavar="FILE", callback=nonempty,
                        help="The table with the row.")  # fmt: skip
LR = click.option("--lr", type=float, default=0.01, show_default=True,
                  help="The learning rate of that step of plain gradient descent.")  # fmt: skip


@click.command(short_help="Explain a prediction, or one number of a training step.")
@MODEL_FILE
@ROW_FILE
@ROW
@click.option("--number", metavar="ADDRESS",
              help='One number of a training step on the row, such as "0.W[2,1]".')  # fmt: skip
@LR
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True,
              help="How a --number is written.")  # fmt: skip
@TABLE_NAME
@AS_JSON
def explain(
    model_file: str, file: str, row: int, number: str | None, lr: float, form: str,
    table_name: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Say what each column of a row contributed to MODEL's answer; with --number, show the whole
    chain behind one number of a training step on that row.
    """
    from ..models.answers import explain_answer

    if number is None and form != "text":
        raise ValueError(f"--format {form} writes a --number: name one, such as --number loss")
    model, table = read_inputs(model_file, file, table_name)
    if number is not None:
        _show_number(gradient_session(model, table, row, lr), number, form, as_json)
        return
    answer = explain_answer(model, table, row - 1)
    if as_json:
        print_json(answer.to_dict() | {"notes": table.notes})
    else:
        _show(answer)


def gradient_session(
    model: "TableModel", table: "Table", row: int, lr: float, rows: int = 1
) -> "Session":
    """A session of plain gradient descent on some rows of a table, from one on, counted from 1.

    Raises ValueError for rows that are not there or have no target.
    """
    import math

    import numpy as np

    from ..chain.session import Session
    from ..core.losses import SquaredError
    from ..core.optimizers import SGD
    from ..models.answers import require_row
    from ..models.model import repeated
    from ..tables import row_weights
    from ..tables.rows import labelled

    if not 0 < lr < math.inf:
        raise ValueError(f"--lr is {lr}: the learning rate must be a finite number above 0")
    require_row(table, row - 1)
    last = min(len(table), row - 1 + rows)
    chosen = table.take(np.arange(row - 1, last))
    name = model.schema.weight
    if name in chosen.columns and not row_weights(chosen, name).any():
        where = f"row {row} has" if len(chosen) == 1 else f"rows {row} to {last} have"
        raise ValueError(f"{where} weight 0, so there is no step to make: choose another --row")
    with_target, y, weight = labelled(model.preparation, model.schema, chosen)
    loss = model.loss or SquaredError()
    return Session(
        model.net, loss, SGD(), with_target, repeated(loss, y), lr=lr, weight=weight,
        preparation=model.preparation,
    )  # fmt: skip


def _show_number(session: "Session", address: str, form: str, as_json: bool) -> None:
    """One number of the session's step."""
    from ..writing import render

    explanation = session.explain(address)
    if as_json:
        print_json(explanation.to_json())
    else:
        click.echo(getattr(render, f"to_{form}")(explanation))


def _show(answer: "Answer") -> None:
    """The page."""
    from rich.text import Text

    from .screen import screen

    console = screen()
    console.print(Text(f"Row {answer.row + 1} of {clean(answer.source)}", "bold"))
    console.heading("From the cells to the network")
    cells = [
        (clean(step.column), "missing" if step.raw is None else shorten(step.raw), _features(step))
        for step in answer.steps
    ]
    console.show_table(("Column", "Cell", "As the network sees it"), cells)
    console.heading(f"What each column adds, in {answer.unit}")
    sums = [
        ("the average row", f"{answer.start:.4g}"),
        *((clean(name), f"{value:+.4g}") for name, value in answer.added.items()),
        ("this row", f"{answer.end:.4g}"),
    ]
    console.show_table(("Column", "Adds"), sums, ["Adds"])
    console.print(f"\n{_conclusion(answer)}")
    console.print(_sum_of_contributions(answer))


def _features(step: "RowStep") -> str:
    """The features a cell became; of many the ones that are not 0 in the encoding."""
    triples = list(zip(step.features, step.encoded, step.scaled, strict=True))
    if len(triples) > 1:
        triples = [triple for triple in triples if triple[1] != 0] or triples[:1]
    shown = ", ".join(f"{clean(name)}: {value:.4g}" for name, _, value in triples[:4])
    return shown + (" …" if len(triples) > 4 else "")


def _conclusion(answer: "Answer") -> str:
    """The answer in one line."""
    if answer.probability is None:
        value = f"{answer.answer:.6g}"
    else:
        value = f"{clean(answer.answer)}, with probability {answer.probability:.3f}"
    return f"So the model answers {clean(answer.target)} = {value}."


def _sum_of_contributions(answer: "Answer") -> str:
    """How well the contributions add up, by each way to share them out."""
    errors = {
        name: f"{abs(answer.scale * gap):.2g}"
        for name, gap in answer.parts.gaps.items()
        if gap is not None
    }
    gradient = f"Gradient × input would be off by {errors['gradient']}"
    if "exact" in errors:
        sums = f"The contributions add up to the output (error {errors['exact']})"
        return f"{sums}. {gradient}, integrated gradients by {errors['integrated']}."
    sums = "These are integrated gradients, which add up to the output"
    return f"{sums} (error {errors['integrated']}). {gradient}."
