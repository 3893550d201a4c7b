"""`chainrule verify`: make every number of a training step anew and say whether it holds."""

import click

from .document import emit
from .explain import FILE, LR, ROW, session
from .options import AS_JSON, TABLE_NAME, filled
from .predict import load_tabular


@click.command(short_help="Prove every number of a training step on rows of a table.")
@click.argument("model_file", metavar="MODEL", callback=filled)
@FILE
@ROW
@click.option("--rows", type=click.IntRange(1, 10_000), default=1, show_default=True,
              help="How many rows the step takes, from --row on.")  # fmt: skip
@click.option("--number", "numbers", multiple=True, metavar="ADDRESS",
              help="A number that is proven in any case; may be given again.")  # fmt: skip
@LR
@TABLE_NAME
@AS_JSON
def verify(
    model_file: str, file: str, row: int, rows: int, numbers: tuple[str, ...], lr: float,
    table_name: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Make one training step of MODEL on rows of FILE, and prove it: the same bits again, every
    number in plain Python and in 40 digits, gradients by central differences. Exit code 1 if a
    number does not hold.
    """
    from ..proof.verify import verify as prove
    from ..tables import read_table
    from ..trace.step import replay
    from .screen import screen

    model = load_tabular(model_file)
    assert model.schema is not None
    table = read_table(file, table=table_name, reading=model.schema.reading)
    trace = session(model, table, row, lr, rows).trace()
    size = sum(value.size for value in trace.values.values())
    with screen(stderr=True).status(f"Proving a step of {size} numbers"):
        found, other = prove(trace, *numbers), replay(trace)
    holds = bool(found) and not other
    if as_json:
        emit({
            "holds": holds, "rows": len(trace.batch), "checked": len(found.checks),
            "numbers": found.count,
            "differences": len(found.differences), "parameters": found.parameters,
            "worst": {"address": found.worst.address, "ulps": found.worst.ulps},
            "failures": [str(check) for check in found.failures],
            "other_bits": other, "not_checked": list(found.unknown),
        })  # fmt: skip
    else:
        asked = min(rows, len(table) - row + 1)
        if len(trace.batch) < asked:
            click.echo(f"{len(trace.batch)} of {asked} rows: the others have no target")
        for line in str(found).split("; "):
            click.echo(line)
        click.echo("made again: " + ("every bit the same" if not other else ", ".join(other)))
    if not holds:
        raise click.exceptions.Exit(1)
