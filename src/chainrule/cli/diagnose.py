"""`chainrule diagnose`: why a network does not learn a table, by controlled experiments."""

from typing import Any

import click

from ..writing.words import clean
from .json_output import AS_JSON, print_json
from .options import TABLE_FILE, network_options, run_from_options, table_options, time_limit

SHOWN_COLUMNS = 12


@click.command(short_help="Say why a network does not learn a table, and what would help.")
@TABLE_FILE
@table_options
@network_options
@time_limit("How long the experiments may take.", 120.0)
@AS_JSON
def diagnose(file: str, time_limit: float, as_json: bool, **options: Any) -> None:
    """Run experiments on the network that `train` would train on FILE, the first where a preset
    has several, and report for each cause found its evidence, what to do, and what doing it gained.
    """
    from ..diagnosing.configuration import Configuration
    from ..diagnosing.diagnose import diagnose as run_experiments
    from .screen import working

    run = run_from_options(file, options)
    member, preset = run.members[0], run.preset
    step, held_out = preset.step(run.loss), member.held_out
    configuration = Configuration(
        member.net, step.loss, step.optimizer, lr=step.lr, epochs=preset.epochs,
        batch_size=preset.batch_size, clip=step.clip,
    )  # fmt: skip
    valid = None if held_out is None else (held_out.X, held_out.y)
    with working("running experiments"):
        diagnosis = run_experiments(
            configuration, member.rows.X, member.rows.y, valid, seed=run.data.seed,
            time_limit=time_limit,
        )  # fmt: skip
    names = run.data.preparation.feature_names
    columns = sorted({i for finding in diagnosis.findings for i in finding.columns})
    if as_json:
        notes = [*run.notes, *diagnosis.notes]
        named = {str(i): names[i] for i in columns}
        print_json(diagnosis.to_dict() | {"columns": named, "notes": notes})
        return
    for line in str(diagnosis).splitlines():
        click.echo(" " * (len(line) - len(line.lstrip())) + clean(line))
    if columns:
        click.echo()
    for i in columns[:SHOWN_COLUMNS]:
        click.echo(f"Column X[:, {i}] is {clean(names[i])}.")
