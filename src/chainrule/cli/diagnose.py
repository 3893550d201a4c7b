"""`chainrule diagnose`: why a network does not learn a table, by controlled experiments."""

from typing import TYPE_CHECKING, Any

import click

from ..report.words import clean
from .document import emit
from .options import AS_JSON, TABLE_NAME, Setting, filled, network_options
from .train import SEED, build

if TYPE_CHECKING:
    from ..diagnosing.diagnose import Diagnosis


@click.command(short_help="Say why a network does not learn a table, and what would help.")
@click.argument("file", callback=filled)
@click.option("--target", required=True, cls=Setting, metavar="COL", help="Column to predict.")
@click.option("--task", cls=Setting, help="classification or regression, if not as inferred.")
@click.option("--role", "role", multiple=True, metavar="COL=KIND", help="What a column is.")
@click.option("--drop", cls=Setting, multiple=True, metavar="COL", help="Leave a column out.")
@network_options
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=120.0,
              show_default=True, help="How long the experiments may take.")  # fmt: skip
@TABLE_NAME
@click.option("--seed", cls=Setting, type=SEED, help="Fixes split, weights, batches.")
@AS_JSON
def diagnose(file: str, seconds: float, as_json: bool, **options: Any) -> None:
    """Run experiments on the network that `train` would train on FILE, and report for each cause
    found its evidence, what to do, and what doing it gained.
    """
    from ..diagnosing.configuration import Configuration
    from ..diagnosing.diagnose import diagnose as examine
    from .screen import is_live, screen

    run = build(file, options)
    assert run.lr is not None
    X, y, _ = run.train_part
    asked = Configuration(
        run.net, run.loss, run.make_optimizer(), lr=run.lr, epochs=run.epochs,
        batch_size=run.batch_size, clip=run.clip,
    )  # fmt: skip
    valid = None if run.valid_part is None else run.valid_part[:2]
    console = screen(stderr=True)
    with console.status("running experiments") if is_live(console.file) else console:
        found = examine(asked, X, y, valid, rng=run.seed, seconds=seconds)
    names = run.preparation.feature_names
    if as_json:
        columns = {str(i): names[i] for f in found.findings for i in f.columns}
        emit(found.to_dict() | {"columns": columns, "notes": [*run.notes(), *found.notes]})
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
