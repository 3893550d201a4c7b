"""Write sample model files with the current code, and what they answer.

    python tests/model_files/write.py [NAME …]

A sample's name is "format-commit-name.safetensors.gz". An existing sample is never written again.
"""

import csv
import gzip
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from chainrule.storage.header import FORMAT

import chainrule as cr

HERE = Path(__file__).parent
TABLE, ANSWERS = HERE / "rows.csv", HERE / "answers.json"
ROWS = 60
KEPT = 20
"""Of how many rows the answers are kept; the scores are those of all rows."""
TOWNS = ("Aalen", "Bern", "Calw", "Davos", "Ems", "Fulda", "Gera", "Hof", "Jena", "Kiel", "Linz")
MARGIN = 1e-4
"""The least distance between the two likeliest classes of a row: no rounding may decide."""
SMALL: dict[str, Any] = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0,
                         "n_threads": 1}  # fmt: skip
SEEN = {
    "sold": "length depth count wet told colour town day seen weight remark",
    "kind": "length depth wet town",
    "price": "depth told colour weight day",
}
"""Target -> the columns that a model of it sees; few, because files are to be small."""


def rows() -> Iterator[list[Any]]:
    """The table: every kind of column, with gaps, and three targets (two classes, three, numbers).

    `seen` has the day first and a time of day, `weight` a decimal comma.
    """
    yield [*"code length depth count wet told colour town day seen weight remark".split(), *SEEN]
    rng = random.Random(7)
    for i in range(ROWS):
        town = TOWNS[i % len(TOWNS)] if i < 22 else rng.choice(TOWNS)
        colour, wet = rng.choice(("red", "green", "blue")), rng.random() < 0.4
        length, depth = rng.gauss(5, 2), rng.gauss(0, 1)
        day = datetime(2024, 1, 1) + timedelta(rng.randrange(700))
        seen = datetime(2023, 3, 1) + timedelta(rng.randrange(500), 60 * rng.randrange(1440))
        score = length - 6 + 2 * depth + (colour == "red") + TOWNS.index(town) / 4 + 0.8 * wet
        weight = f"{rng.uniform(1, 3000):,.2f}".translate(str.maketrans(",.", ".,"))
        cells = [f"R{i + 1:03}", f"{length:.2f}", f"{depth:.3f}", rng.randrange(40)]
        cells += [str(wet).lower(), rng.choice(("yes", "no")), colour, town, f"{day:%Y-%m-%d}"]
        cells += [f"{seen:%d/%m/%Y %H:%M}", weight, f"remark of visitor {rng.randrange(10**6)}"]
        for gap in (2, 5, 6, 8, 10, 11):
            cells[gap] = "" if rng.random() < 0.12 else cells[gap]
        sold = "sold" if score + rng.gauss(0, 0.7) > 0.5 else "kept"
        kind = "aster" if score < -1.2 else "daisy" if score < 1.2 else "rose"
        yield [*cells, sold, kind, f"{20 + 3 * score + rng.gauss(0, 1):.2f}"]


def unseen(target: str, *more: str) -> list[str]:
    """The columns that are left out, `more` among them; "code" is left out as an identifier."""
    names = {*SEEN["sold"].split(), *SEEN} - {target, *SEEN[target].split()} | {*more}
    return sorted(names)


def matrix(columns: int) -> Any:
    """X (7, columns): fractions that every machine computes alike, none of them 0."""
    return ((np.arange(1.0, 7 * columns + 1).reshape(7, columns) * 37) % 101 - 50.5) / 32


def told(model: Any) -> dict[str, Any]:
    """What a model answers for the rows of the table, a network for `matrix`."""
    if not isinstance(model, cr.Model) or model.preparation is None:
        return {"outputs": model.predict(matrix(getattr(model, "net", model).n_in)).tolist()}
    table = cr.read_table(TABLE, reading=model.schema.reading)
    found = {"predictions": model.predict(table)[:KEPT].tolist(), "scores": model.evaluate(table)}
    if model.classes is not None:
        P = model.predict_proba(table)
        top = np.sort(P, axis=1)
        assert (top[:, -1] - top[:, -2]).min() > MARGIN, "two classes are nearly as likely"
        found["probabilities"] = P[:KEPT].tolist()
    if model.net.n_out == 3 and model.classes is None:
        found["intervals"] = model.predict_interval(table)[:KEPT].tolist()
    return found


def by_estimator(
    cls: type, target: str, *less: str, **settings: Any
) -> Callable[[Path], dict[str, Any]]:
    """A sample that an estimator trains and saves, without the columns `less`."""

    def write(path: Path) -> dict[str, Any]:
        roles = dict.fromkeys(unseen(target, *less), "drop")
        one = cls(**{**SMALL, **settings}, roles=roles).fit(str(TABLE), target)
        one.save(path)
        return {"estimator": cls.__name__, **told(one.model_)}

    return write


def by_run(path: Path) -> dict[str, Any]:
    """A sample that `chainrule train` would write, with the scores of its test rows."""
    table, settings = cr.read_table(TABLE), {"hidden": (8,), "epochs": 5, "members": 2}
    run = cr.TableRun.read(table, "kind", drop=unseen("kind"), class_weight="balanced", **settings)
    for _ in run.train():
        pass
    model = run.outcome(compared=False).model
    cr.save(model, path)
    return told(model)


def by_mlp(path: Path) -> dict[str, Any]:
    """The bare network of an MLPClassifier."""
    X = np.random.default_rng(0).normal(size=(40, 4))
    net = cr.MLPClassifier((5,), max_iter=20, early_stopping=True, random_state=0)
    net.fit(X, (X[:, 0] > X[:, 1]).astype(int))
    cr.save(net.network_, path)
    return told(net.network_)


def stirred(net: Any) -> Any:
    """The network with other numbers than those it begins with, its buffers above 0."""
    rng = np.random.default_rng(1)
    net.theta += 0.3 * rng.normal(size=net.theta.size)
    net.buffers[:] = rng.uniform(0.5, 1.5, net.buffers.size)
    return net


def every_layer(path: Path) -> dict[str, Any]:
    """A bare network: the average of chains that begin with each layer, so that each of them counts
    in the outputs, and of one with a dropout by each schedule.
    """
    sys.path.insert(0, str(HERE.parent))
    from support.tables import LAYER_VARIANTS, LAYERS, SCHEDULES

    some = LAYER_VARIANTS["cosine_embedding_of_some"]
    chains = [[layer, cr.Dense(2, bias=False)] for layer in (*LAYERS.values(), some)]
    rates = [cr.Dropout(replace(one, value=0.25)) for one in SCHEDULES.values()]
    net = stirred(cr.Network(3, [cr.Average([*chains, [*rates, cr.Dense(2)]])], rng=0))
    cr.save(net, path)
    return told(net)


def unknown_reading(path: Path) -> dict[str, Any]:
    """A model of the first versions, which did not keep how columns were read, saved again."""
    path.write_bytes(gzip.decompress((HERE / "1-d352808-binary.safetensors.gz").read_bytes()))
    model = cr.load(path)
    cr.save(model, path)
    return told(model)


def with_loss(loss: Any, outputs: int) -> Callable[[Path], dict[str, Any]]:
    """A model of matrices with this loss."""

    def write(path: Path) -> dict[str, Any]:
        model = cr.Model(stirred(cr.Network.mlp([2, outputs], rng=0)), loss, facts={"note": "loss"})
        cr.save(model, path)
        return told(model)

    return write


def samples() -> dict[str, Callable[[Path], dict[str, Any]]]:
    """Name -> what writes the sample to a path and returns what it answers."""
    sys.path.insert(0, str(HERE.parent))
    from support.tables import LOSSES, UNTRAINABLE

    fine = ("count", "day", "seen", "weight")  # whose embeddings would be large
    classes, numbers = cr.TabularClassifier, cr.TabularRegressor
    kinds = {type(case.loss).__name__: case for case in (LOSSES | UNTRAINABLE).values()}
    return {
        "table-run": by_run,
        "simple-classes": by_estimator(classes, "sold", preset="simple"),
        "simple-number": by_estimator(numbers, "price", preset="simple"),
        "strong-classes": by_estimator(classes, "kind", n_members=2),
        "strong-alone": by_estimator(classes, "kind", n_members=1, metric="log_loss"),
        "strong-number": by_estimator(numbers, "price", "weight", n_members=2),
        "strong-interval": by_estimator(numbers, "price", "day", n_members=2, interval=0.8),
        "ensemble-classes": by_estimator(classes, "sold", *fine, preset="ensemble", n_members=2),
        "mlp": by_mlp,
        "every-layer": every_layer,
        "unknown-reading": unknown_reading,
        **{f"loss-{name.lower()}": with_loss(c.loss, c.outputs) for name, c in kinds.items()},
    }


def version() -> tuple[str, str]:
    """(commit, its time): the last change of the sources, "after-…" where they are changed since.

    Raises RuntimeError outside of a checkout.
    """

    def git(*args: str) -> str:
        done = subprocess.run(["git", *args], cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"git {args[0]} failed: run this in a checkout of the repository")
        return done.stdout.strip()

    source = str(HERE.parents[1] / "src")
    commit, when = git("log", "-1", "--format=%h %cI", "--", source).split()
    return ("after-" if git("status", "--porcelain", "--", source) else "") + commit, when


def main(wanted: list[str]) -> None:
    """Write the samples of these names, all without names, that are not there."""
    if not TABLE.exists():
        with TABLE.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=";", lineterminator="\n").writerows(rows())
    known, (commit, when) = samples(), version()
    if unknown := set(wanted) - set(known):
        raise SystemExit(f"no sample {', '.join(unknown)}: use some of {', '.join(known)}")
    for name in wanted or known:
        sample = f"{FORMAT}-{commit}-{name}.safetensors"
        file = HERE / f"{sample}.gz"
        if file.exists():
            print(f"{file.name} is there already: kept")
            continue
        with tempfile.TemporaryDirectory() as folder:
            fresh = Path(folder, sample)  # packed at the end: an error leaves no half sample
            entry = {"format": FORMAT, "commit": commit, "date": when, **known[name](fresh)}
            add(sample, entry)
            file.write_bytes(gzip.compress(fresh.read_bytes(), mtime=0))
        print(f"{file.name}: {file.stat().st_size:,} bytes")


def add(name: str, entry: dict[str, Any]) -> None:
    """Add the answers of a sample to those of the others, one sample a line."""
    answers = json.loads(ANSWERS.read_text(encoding="utf-8")) if ANSWERS.exists() else {}
    answers = dict(sorted({**answers, name: entry}.items()))
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(one)}" for key, one in answers.items())
    ANSWERS.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
