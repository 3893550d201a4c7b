"""`chainrule info`: what is in a model file, or in a table."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..writing.words import clean, coverage_in_words, plural
from .document import emit
from .options import AS_JSON, TABLE_NAME, filled

if TYPE_CHECKING:
    from ..core.layers import Layer
    from ..core.network import Network
    from ..models.model import Model
    from ..tables import Column, Table

FACTS = {
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
@click.argument("file", metavar="MODEL|FILE", callback=filled)
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
    if as_json:
        emit(
            {
                "file": file,
                "kind": "table",
                "rows": len(table),
                "columns": [asdict(column) for column in columns],
                "notes": list(table.notes),
            }
        )
        return
    _show_table(file, table, columns, target)


def _show_table(file: str, table: "Table", columns: "Sequence[Column]", target: str | None) -> None:
    from .screen import screen, show_next, show_notes, show_profile

    console = screen()
    size = f"{plural(len(table), 'row')}, {plural(len(columns), 'column')}"
    console.print(f"{clean(table.source)}: {size}", style="bold")
    show_profile(console, columns)
    show_notes(console, table.notes)
    show_next(console, ("train", file, "--target", target or "COLUMN"))


def _model(file: str, as_json: bool) -> None:
    from ..models.model import Model
    from ..models.modelfile import load

    loaded = load(Path(file))
    model = loaded if isinstance(loaded, Model) else Model(loaded)
    if as_json:
        emit(_document(file, model))
        return
    from .screen import screen, show_profile

    console = screen()
    task = f": predicts {model.schema.target}, {model.task}" if model.schema else ""
    console.print(clean(f"{file}{task}"), style="bold")
    if model.schema is not None:
        show_profile(console, model.schema.columns)
    _show_network(model.net)
    _show_facts(model)


def _document(file: str, model: "Model") -> dict[str, Any]:
    schema, net = model.schema, model.net
    return {
        "file": file,
        "kind": "model" if schema else "network",
        "task": model.task,
        "target": schema and schema.target,
        "classes": model.classes,
        "columns": [asdict(column) for column in schema.columns] if schema else [],
        "network": {
            "layers": [net.n_in, *map(str, net.layers)],
            "parameters": net.theta.size,
            "shapes": {name: list(shape) for name, shape in net.shapes.items()},
            "features": model.preparation.feature_names if model.preparation else None,
        },
        "loss": str(model.loss) if model.loss else None,
        "facts": model.facts,
    }


def _show_network(net: "Network") -> None:
    from rich.text import Text

    from .screen import grid, heading, screen

    console = screen()
    heading(
        console, f"Network: {plural(net.n_in, 'feature')}, {plural(net.theta.size, 'parameter')}"
    )
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
        mine = [n for n in net.shapes if n.startswith(f"{name}.")]
        if not layer.branches:
            told = ", ".join(f"{n} {' × '.join(map(str, net.shapes[n]))}" for n in mine)
            yield name, str(layer), told
            continue
        many = plural(len(layer.branches), "chain")
        yield name, f"{type(layer).__name__} of {many}", ""
        for k, (own, chain) in enumerate(layer.branches.items()):
            if k == 0:
                yield from _layer_rows(net, chain, f"{name}.{own}")
                continue
            size = sum(math.prod(net.shapes[n]) for n in mine if n.startswith(f"{name}.{own}"))
            of = plural(len(chain), "layer")
            yield f"{name}.{k}", of, plural(size, "parameter")


def _show_facts(model: "Model") -> None:
    from .screen import heading, screen, show_scores

    console, facts = screen(), model.facts
    told = {word: facts[name] for name, word in FACTS.items() if facts.get(name) is not None}
    rows = facts.get("rows")
    if isinstance(rows, dict):
        told["rows"] = ", ".join(f"{n} {part}" for part, n in rows.items())
    if isinstance(facts.get("epochs"), int):
        best = facts.get("best_epochs") or [facts.get("best_epoch")]
        kept = ", ".join(str(epoch + 1) for epoch in best if isinstance(epoch, int))
        of = " of each network" if len(best) > 1 else ""
        told["epochs"] = f"{facts['epochs']}, kept{of}: {kept}"
    if told:
        heading(console, "How it was trained")
    for word, value in told.items():
        shown = f"{value:g}" if isinstance(value, float) else clean(value)
        console.print(f"  {word:<14}{shown}")
    if isinstance(interval := facts.get("interval"), dict):
        console.print(
            clean(coverage_in_words(interval, model.schema.target if model.schema else ""))
        )
    if are_scores(facts.get("test")):
        heading(console, "On the test rows of its training")
        show_scores(console, {clean(name): v for name, v in facts["test"].items()})


def are_scores(test: Any) -> bool:
    """Whether a fact of a file, which may be anything, is metrics by model."""
    from ..core.metrics import METRICS

    if not isinstance(test, dict) or not test:
        return False
    known = [isinstance(v, dict) and v.keys() <= METRICS.keys() for v in test.values()]
    return (
        all(known)
        and len({frozenset(v) for v in test.values()}) == 1
        and all(
            value is None or isinstance(value, float | int)
            for v in test.values()
            for value in v.values()
        )
    )
