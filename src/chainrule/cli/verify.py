"""`chainrule verify`: recompute every number of a training step and say whether it is right."""

import click

from .errors import NO
from .explain import LR, ROW, ROW_FILE, gradient_session
from .json_output import AS_JSON, print_json
from .options import MODEL_FILE, TABLE_NAME, read_inputs


@click.command(short_help="Prove every number of a training step on rows of a table.")
@MODEL_FILE
@ROW_FILE
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
) -> int:  # fmt: skip
    """Make one training step of MODEL on rows of FILE, and prove it: the same bits again, every
    number in plain Python and in 40 digits, gradients by central differences. Exit code 1 if a
    number does not hold.
    """
    from ..proof.verify import verify as prove
    from ..trace.step import replay
    from .screen import working

    model, table = read_inputs(model_file, file, table_name)
    trace = gradient_session(model, table, row, lr, rows).trace()
    size = sum(value.size for value in trace.values.values())
    with working(f"Proving a step of {size} numbers"):
        proof, other_bits = prove(trace, *numbers), replay(trace)
    holds = bool(proof) and not other_bits
    if as_json:
        print_json({
            "holds": holds, "rows": len(trace.batch), "checked": len(proof.checks),
            "numbers": proof.numbers,
            "differences": len(proof.differences), "parameters": proof.parameters,
            "worst": {"address": proof.worst.address, "ulps": proof.worst.ulps},
            "failures": [str(check) for check in proof.failures],
            "other_bits": other_bits, "not_checked": list(proof.unknown),
        })  # fmt: skip
    else:
        chosen = min(rows, len(table) - row + 1)
        if len(trace.batch) < chosen:
            click.echo(f"{len(trace.batch)} of {chosen} rows: the others have no target")
        click.echo(str(proof).replace("; ", "\n"))
        click.echo("made again: " + (", ".join(other_bits) or "every bit the same"))
    return 0 if holds else NO
