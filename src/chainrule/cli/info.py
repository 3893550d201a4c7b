"""`chainrule info`: what is in a model file, or in a table."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..writing.words import clean, coverage_in_words, plural
from .json_output import AS_JSON, print_json
from .options import TABLE_NAME, nonempty

if TYPE_CHECKING:
    from ..core.layers import Layer
    from ..core.network import Network
    from ..models.model import Model
    from .screen import Screen

FACTS = "source data_sha256 preset metric seed optimizer lr batch_size engine temperature".split()
FACT_NAMES = {"source": "table", "data_sha256": "hash of it", "lr": "learning rate"}
"""What the facts of a model file are called on a screen, if not by their own names."""


@click.command(short_help="Show what a model file or a table holds.")
@click.argument("file", metavar="MODEL|FILE", callback=nonempty)
@click.option("--target", metavar="COL", help="Show a table as it is for predicting COL.")
@TABLE_NAME
@AS_JSON
def info(file: str, target: str | None, table_name: str | None, as_json: bool) -> None:
    """Show what a model file holds, or what the columns of a table are."""
    if is_model_file(Path(file)):
        _describe_model(file, as_json)
    else:
        _describe_table(file, target, table_name, as_json)


def is_model_file(path: Path) -> bool:
    """Whether a file is named or begins like safetensors: a length, then a JSON header."""
    if path.suffix == ".safetensors" or not path.is_file():
        return path.suffix == ".safetensors"
    with path.open("rb") as file:
        start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    return start[8:] == b"{" and length < path.stat().st_size


def _describe_table(file: str, target: str | None, table_name: str | None, as_json: bool) -> None:
    from ..tables import describe_columns, infer_schema, read_table
    from .screen import screen

    table = read_table(file, table=table_name)
    columns = describe_columns(table) if target is None else infer_schema(table, target).columns
    if as_json:
        print_json({
            "file": file, "kind": "table", "rows": len(table),
            "columns": [asdict(column) for column in columns], "notes": list(table.notes),
        })  # fmt: skip
        return
    console = screen()
    size = f"{plural(len(table), 'row')}, {plural(len(columns), 'column')}"
    console.print(f"{clean(table.source)}: {size}", style="bold")
    console.show_profile(columns)
    console.show_notes(table.notes)
    console.show_next(("train", file, "--target", target or "COLUMN"))


def _describe_model(file: str, as_json: bool) -> None:
    from ..models.model import Model
    from ..models.modelfile import load
    from .screen import screen

    loaded = load(file)
    model = loaded if isinstance(loaded, Model) else Model(loaded)
    schema = model.schema
    if as_json:
        print_json({
            "file": file, "kind": "model" if schema else "network", **model.target_facts,
            "columns": [asdict(column) for column in schema.columns] if schema else [],
            "network": model.network_facts(shapes=True),
            "loss": str(model.loss) if model.loss else None, "facts": model.facts,
        })  # fmt: skip
        return
    console = screen()
    task = f": predicts {model.target_facts['target']}, {model.task}" if schema else ""
    console.print(clean(f"{file}{task}"), style="bold")
    if schema is not None:
        console.show_profile(schema.columns)
    net = model.net
    size = f"{plural(net.n_in, 'feature')}, {plural(net.theta.size, 'parameter')}"
    console.heading(f"Network: {size}")
    console.show_table(("#", "Layer", "Numbers"), _layer_rows(net, net.layers))
    _show_facts(console, model)


def _layer_rows(
    net: "Network", layers: "Iterable[Layer]", prefix: str = ""
) -> Iterator[tuple[str, str, str]]:
    """(number, layer, shapes) of each layer, followed by the layers inside it. Only the first of
    several branches is listed in full.
    """
    for i, layer in enumerate(layers):
        name = f"{prefix}{i}"
        inside = {n: shape for n, shape in net.shapes.items() if n.startswith(f"{name}.")}
        if not layer.branches:
            shapes = (f"{n} {' × '.join(map(str, shape))}" for n, shape in inside.items())
            yield name, str(layer), ", ".join(shapes)
            continue
        yield name, f"{type(layer).__name__} of {plural(len(layer.branches), 'chain')}", ""
        for k, (branch, chain) in enumerate(layer.branches.items()):
            if k == 0:
                yield from _layer_rows(net, chain, f"{name}.{branch}")
                continue
            own = (s for n, s in inside.items() if n.startswith(f"{name}.{branch}"))
            learned = plural(sum(map(math.prod, own)), "parameter")
            yield f"{name}.{k}", plural(len(chain), "layer"), learned


def _show_facts(console: "Screen", model: "Model") -> None:
    facts = model.facts
    known = (name for name in FACTS if facts.get(name) is not None)
    lines = {FACT_NAMES.get(name, name.replace("_", " ")): facts[name] for name in known}
    if "rows" in facts:
        lines["rows"] = ", ".join(f"{n} {part}" for part, n in facts["rows"].items())
    if "epochs" in facts:
        best = facts.get("best_epochs") or [facts.get("best_epoch")]
        kept = ", ".join(str(epoch + 1) for epoch in best if isinstance(epoch, int))
        of = " of each network" if len(best) > 1 else ""
        lines["epochs"] = f"{facts['epochs']}, kept{of}: {kept}"
    if lines:
        console.heading("How it was trained")
    for word, value in lines.items():
        shown = f"{value:g}" if isinstance(value, float) else clean(value)
        console.print(f"  {word:<14}{shown}")
    if facts.get("interval"):
        target = model.schema.target if model.schema else ""
        console.print(clean(coverage_in_words(facts["interval"], target)))
    if are_metrics(scores := facts.get("test", {})):
        console.heading("On the test rows of its training")
        console.show_scores({clean(name): values for name, values in scores.items()})


def are_metrics(scores: dict[str, dict[str, float | None]]) -> bool:
    """Whether the numbers by model that a file holds are metrics, the same ones for each."""
    from ..core.metrics import METRICS

    names = {frozenset(values) for values in scores.values()}
    return len(names) == 1 and METRICS.keys() >= names.pop()
