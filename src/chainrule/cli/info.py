"""`chainrule info`: what is in a model file, or in a table."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..writing.words import clean, coverage_in_words, plural
from .json_output import AS_JSON, print_document
from .options import TABLE_NAME, nonempty

if TYPE_CHECKING:
    from ..core.layers import Layer
    from ..core.network import Network
    from ..models.model import Model
    from ..tables import Column

FACT_NAMES = {
    "source": "table",
    "data_sha256": "hash of it",
    "preset": "preset",
    "metric": "metric",
    "seed": "seed",
    "optimizer": "optimizer",
    "lr": "learning rate",
    "batch_size": "batch size",
    "engine": "engine",
    "temperature": "temperature",
}
"""Fact of a model file -> what it is called."""


@click.command(short_help="Show what a model file or a table holds.")
@click.argument("file", metavar="MODEL|FILE", callback=nonempty)
@click.option("--target", metavar="COL", help="Show a table as it is for predicting COL.")
@TABLE_NAME
@AS_JSON
def info(file: str, target: str | None, table_name: str | None, as_json: bool) -> None:
    """Show what a model file holds, or what the columns of a table are."""
    if is_model_file(Path(file)):
        _model(file, as_json)
    else:
        _table(file, target, table_name, as_json)


def is_model_file(path: Path) -> bool:
    """Whether a file is named or begins like safetensors: a length, then a JSON header."""
    if path.suffix == ".safetensors" or not path.is_file():
        return path.suffix == ".safetensors"
    with path.open("rb") as file:
        start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    return start[8:] == b"{" and length < path.stat().st_size


def _table(file: str, target: str | None, table_name: str | None, as_json: bool) -> None:
    from ..tables import describe_columns, infer_schema, read_table

    table = read_table(file, table=table_name)
    columns = describe_columns(table) if target is None else infer_schema(table, target).columns
    document = {
        "file": file, "kind": "table", "rows": len(table),
        "columns": [asdict(column) for column in columns], "notes": list(table.notes),
    }  # fmt: skip
    print_document(document, as_json, partial(_show_table, table.source, columns, target))


def _show_table(
    source: str, columns: "Iterable[Column]", target: str | None, document: dict[str, Any]
) -> None:
    from .screen import screen, show_next, show_notes, show_profile

    console, columns = screen(), list(columns)
    size = f"{plural(document['rows'], 'row')}, {plural(len(columns), 'column')}"
    console.print(f"{clean(source)}: {size}", style="bold")
    show_profile(console, columns)
    show_notes(console, document["notes"])
    show_next(console, ("train", document["file"], "--target", target or "COLUMN"))


def _model(file: str, as_json: bool) -> None:
    from ..models.model import Model
    from ..models.modelfile import load

    loaded = load(file)
    model = loaded if isinstance(loaded, Model) else Model(loaded)
    document = {
        "file": file, "kind": "model" if model.schema else "network", **model.target_facts,
        "columns": [asdict(column) for column in model.schema.columns] if model.schema else [],
        "network": model.network_facts(shapes=True),
        "loss": str(model.loss) if model.loss else None, "facts": model.facts,
    }  # fmt: skip
    print_document(document, as_json, partial(_show_model, model))


def _show_model(model: "Model", document: dict[str, Any]) -> None:
    from .screen import screen, show_profile

    console = screen()
    task = f": predicts {document['target']}, {model.task}" if model.schema else ""
    console.print(clean(f"{document['file']}{task}"), style="bold")
    if model.schema is not None:
        show_profile(console, model.schema.columns)
    _show_network(model.net)
    _show_facts(model)


def _show_network(net: "Network") -> None:
    from rich.text import Text

    from .screen import grid, heading, screen

    console = screen()
    size = f"{plural(net.n_in, 'feature')}, {plural(net.theta.size, 'parameter')}"
    heading(console, f"Network: {size}")
    table = grid("#", "Layer", "Numbers")
    for name, layer, numbers in _layer_rows(net, net.layers):
        table.add_row(name, Text(layer), numbers)
    console.print(table)


def _layer_rows(
    net: "Network", layers: "Iterable[Layer]", prefix: str = ""
) -> Iterator[tuple[str, str, str]]:
    """(number, layer, its numbers) of each layer, those inside of it behind it; of several branches
    the first one in full.
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


def _show_facts(model: "Model") -> None:
    from .screen import heading, screen, show_scores

    console, facts = screen(), model.facts
    lines = {word: facts[name] for name, word in FACT_NAMES.items() if facts.get(name) is not None}
    if "rows" in facts:
        lines["rows"] = ", ".join(f"{n} {part}" for part, n in facts["rows"].items())
    if "epochs" in facts:
        best = facts.get("best_epochs") or [facts.get("best_epoch")]
        kept = ", ".join(str(epoch + 1) for epoch in best if isinstance(epoch, int))
        of = " of each network" if len(best) > 1 else ""
        lines["epochs"] = f"{facts['epochs']}, kept{of}: {kept}"
    if lines:
        heading(console, "How it was trained")
    for word, value in lines.items():
        shown = f"{value:g}" if isinstance(value, float) else clean(value)
        console.print(f"  {word:<14}{shown}")
    if facts.get("interval"):
        target = model.schema.target if model.schema else ""
        console.print(clean(coverage_in_words(facts["interval"], target)))
    if are_metrics(scores := facts.get("test", {})):
        heading(console, "On the test rows of its training")
        show_scores(console, {clean(name): values for name, values in scores.items()})


def are_metrics(scores: dict[str, dict[str, float | None]]) -> bool:
    """Whether the numbers by model that a file holds are metrics, the same ones for each."""
    from ..core.metrics import METRICS

    names = {frozenset(values) for values in scores.values()}
    return len(names) == 1 and METRICS.keys() >= names.pop()
