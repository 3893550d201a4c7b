"""`chainrule diagnose`: why a network does not learn a table, by controlled experiments."""

from typing import TYPE_CHECKING, Any

import click

from ..writing.words import clean
from .document import emit
from .options import AS_JSON, TIME, built, filled, network_options, table_options

if TYPE_CHECKING:
    from ..diagnosing.diagnose import Diagnosis


@click.command(short_help="Say why a network does not learn a table, and what would help.")
@click.argument("file", callback=filled)
@table_options
@network_options
@click.option("--time-limit", type=TIME, default=120.0, show_default=True, metavar="SECONDS",
              help="How long the experiments may take.")  # fmt: skip
@AS_JSON
def diagnose(file: str, time_limit: float, as_json: bool, **options: Any) -> None:
    """Run experiments on the network that `train` would train on FILE, the first where a preset
    has several, and report for each cause found its evidence, what to do, and what doing it gained.
    """
    from ..diagnosing.configuration import Configuration
    from ..diagnosing.diagnose import diagnose as examine
    from .screen import is_live, screen

    run = built(file, options)
    member, preset = run.members[0], run.preset
    step = preset.step(run.loss)
    asked = Configuration(
        member.net, step.loss, step.optimizer, lr=step.lr, epochs=preset.epochs,
        batch_size=preset.batch_size, clip=step.clip,
    )  # fmt: skip
    held_out = member.held_out
    valid = None if held_out is None else (held_out.X, held_out.y)
    console = screen(stderr=True)
    with console.status("running experiments") if is_live(console.file) else console:
        found = examine(
            asked, member.rows.X, member.rows.y, valid, rng=run.data.seed, time_limit=time_limit
        )
    names = run.data.preparation.feature_names
    if as_json:
        columns = {str(i): names[i] for f in found.findings for i in f.columns}
        emit(found.to_dict() | {"columns": columns, "notes": [*run.notes, *found.notes]})
    else:
        click.echo(_page(found, names))


def _page(found: "Diagnosis", names: list[str]) -> str:
    """The diagnosis, with the names of the columns it speaks of."""
    lines = [
        " " * (len(line) - len(line.lstrip())) + clean(line) for line in str(found).splitlines()
    ]
    spoken = sorted({i for finding in found.findings for i in finding.columns})
    if spoken:
        lines += ["", *(f"Column {i} is {clean(names[i])}." for i in spoken[:12])]
    return "\n".join(lines)
