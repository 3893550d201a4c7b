"""`chainrule explain`: why a model answers so for one row, and one number of a training step."""

from typing import TYPE_CHECKING, Any

import click

from ..writing.words import clean, shorten
from .document import emit
from .options import AS_JSON, TABLE_NAME, filled
from .predict import load_tabular

if TYPE_CHECKING:
    from ..chain.session import Session
    from ..models.answers import Answer
    from ..models.model import Model
    from ..tables import Table

FORMATS = ("text", "markdown", "latex", "html")
ROW = click.option("--row", type=click.IntRange(1), default=1, show_default=True,
                   help="The row, counted from 1, the header aside.")  # fmt: skip
FILE = click.option("--file", required=True, metavar="FILE", callback=filled,
                    help="The table with the row.")  # fmt: skip
LR = click.option("--lr", type=float, default=0.01, show_default=True,
                  help="The learning rate of that step of plain gradient descent.")  # fmt: skip


@click.command(short_help="Explain a prediction, or one number of a training step.")
@click.argument("model_file", metavar="MODEL", callback=filled)
@FILE
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
    from ..tables import read_table

    if number is None and form != "text":
        raise ValueError(f"--format {form} writes a --number: name one, such as --number loss")
    model = load_tabular(model_file)
    assert model.schema is not None
    table = read_table(file, table=table_name, reading=model.schema.reading)
    if number is not None:
        _number(session(model, table, row, lr), number, form, as_json)
        return
    from ..models.answers import explain_answer

    found = explain_answer(model, table, row - 1)
    if as_json:
        emit(found.to_dict() | {"notes": table.notes})
    else:
        _show(found)


def session(model: "Model", table: "Table", row: int, lr: float, rows: int = 1) -> "Session":
    """A session of plain gradient descent on so many rows of a table from one on.

    Raises ValueError for rows that are not there or have no target.
    """
    import math

    import numpy as np

    from ..chain.session import Session
    from ..core.losses import SquaredError
    from ..core.optimizers import SGD
    from ..models.model import repeated
    from ..tables import row_weights
    from ..tables.rows import labelled

    assert model.preparation is not None
    assert model.schema is not None
    if not 0 < lr < math.inf:
        raise ValueError(f"--lr is {lr}: the learning rate must be a finite number above 0")
    if row > len(table):
        raise ValueError(f"there is no row {row}: {table.source} has {len(table)} rows")
    chosen = table.take(np.arange(row - 1, min(len(table), row - 1 + rows)))
    name = model.schema.weight
    if name in chosen.columns and not row_weights(chosen, name).any():
        where = (
            f"row {row} has" if len(chosen) == 1 else f"rows {row} to {row + len(chosen) - 1} have"
        )
        raise ValueError(f"{where} weight 0, so there is no step to make: choose another --row")
    known, y, weight = labelled(model.preparation, model.schema, chosen)
    loss = model.loss or SquaredError()
    return Session(
        model.net,
        loss,
        SGD(),
        known,
        repeated(loss, y),
        lr=lr,
        weight=weight,
        preparation=model.preparation,
    )


def _number(one: "Session", address: str, form: str, as_json: bool) -> None:
    """One number of the session's step."""
    from ..writing.render import to_html, to_latex, to_markdown, to_text

    found = one.explain(address)
    if as_json:
        emit(found.to_json())
    else:
        write = {"text": to_text, "markdown": to_markdown, "latex": to_latex, "html": to_html}
        click.echo(write[form](found))


def _show(found: "Answer") -> None:
    """The page."""
    from rich.text import Text

    from .screen import grid, heading, screen

    console = screen()
    console.print(Text(f"Row {found.row + 1} of {clean(found.source)}", "bold"))
    heading(console, "From the cells to the network")
    cells = grid("Column", "Cell", "As the network sees it")
    for step in found.steps:
        raw = "missing" if step.raw is None else shorten(clean(str(step.raw)))
        cells.add_row(clean(step.column), raw, _seen(step))
    console.print(cells)
    heading(console, f"What each column adds, in {found.unit}")
    sums = grid("Column", "Adds", numbers=["Adds"])
    sums.add_row("the average row", f"{found.start:.4g}")
    for part in found.parts.largest:
        value = part.integrated if part.exact is None else part.exact
        sums.add_row(clean(part.name), f"{found.scale * value:+.4g}")
    sums.add_row("this row", f"{found.end:.4g}")
    console.print(sums)
    console.print(f"\n{_answer(found)}")
    console.print(f"{_account(found)}")


def _seen(step: Any) -> str:
    """The features a cell became; of many the ones that are not 0 in the encoding."""
    pairs = list(zip(step.features, step.encoded, step.scaled, strict=True))
    if len(pairs) > 1:
        pairs = [pair for pair in pairs if pair[1] != 0] or pairs[:1]
    shown = ", ".join(f"{clean(name)}: {value:.4g}" for name, _, value in pairs[:4])
    return shown + (" …" if len(pairs) > 4 else "")


def _answer(found: "Answer") -> str:
    """The answer in one line."""
    sure = "" if found.probability is None else f", with probability {found.probability:.3f}"
    told = clean(str(found.answer)) if found.probability is not None else f"{found.answer:.6g}"
    return f"So the model answers {clean(found.target)} = {told}{sure}."


def _account(found: "Answer") -> str:
    """How the account adds up."""
    gaps = {name: gap for name, gap in found.parts.gaps.items() if gap is not None}
    apart = {name: f"{abs(found.scale * gap):.2g}" for name, gap in gaps.items()}
    if "exact" in gaps:
        return (
            f"The contributions add up to the output (error {apart['exact']}). Gradient × input "
            f"would be off by {apart['gradient']}, integrated gradients by {apart['integrated']}."
        )
    return (
        f"These are integrated gradients, which add up to the output (error {apart['integrated']})."
        f" Gradient × input would be off by {apart['gradient']}."
    )
