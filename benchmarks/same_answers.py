"""Does this checkout answer as an earlier commit did? `python benchmarks/same_answers.py COMMIT`.

Both run the same work in one go, through public names alone: training on both engines with every
layer, loss and optimizer; scikit-learn's estimators; explanations in every format, proofs, scripts
and mis-steps; lessons; pictures and pages; diagnoses of the broken trainings and checks of the
wrong gradients that the tests hold; tables trained, predicted, explained and reported by the
command line; tables of random cells, read and prepared. What differs is listed, with the first
lines of the difference. Exit code 1 where something does.
"""

import argparse
import difflib
import hashlib
import io
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
SHOWN = 12  # lines of a difference
Answers = Iterator[tuple[str, str]]


def layers() -> dict[str, list[Any]]:
    """Chains of layers that together hold every kind, from 3 columns to 3."""
    import chainrule as c

    plain = ["Identity", "Step", "Sigmoid", "Tanh", "ReLU", "LeakyReLU", "PReLU", "ELU", "SELU",
             "GELU", "SiLU", "Mish", "Softplus", "Softsign", "HardSigmoid", "HardTanh",
             "ParametricActivation", "Scale", "Temperature", "BatchNorm", "LayerNorm"]  # fmt: skip
    found: dict[str, list[Any]] = {name: [getattr(c, name)()] for name in plain}
    found |= {
        "ELU kinked": [c.ELU(0.5)],
        "Dropout": [c.Dropout(0.3)],
        "Dropout scheduled": [c.Dropout(c.Cosine(0.4))],
        "mix of mish": [c.ParametricActivation("mish", start=0.5)],
        "mix of elu": [c.ParametricActivation("elu", start=-0.5)],
        "no bias": [c.Dense(3, bias=False)],
        "CosineEmbedding": [c.CosineEmbedding(3, 3)],
        "CosineEmbedding of some": [c.CosineEmbedding(2, 4, columns=(2, 0))],
        "CategoryEmbedding": [c.CategoryEmbedding(((0, 2),), 2)],
        "Residual": [c.Residual((c.Dense(4), c.BatchNorm(), c.Tanh(), c.Dense(3)))],
        "Average": [
            c.Average(((c.Dense(3),), (c.LayerNorm(), c.Dense(2), c.SiLU(), c.Dense(3)))),
            c.Temperature(1.7),
        ],
    }
    return found


def losses() -> dict[str, tuple[Any, int, Callable[[np.random.Generator, int], Any]]]:
    """Each loss with its outputs and its targets."""
    import chainrule as c

    def numbers(rng: np.random.Generator, n: int) -> Any:
        return rng.normal(size=(n, 2))

    def yes_no(rng: np.random.Generator, n: int) -> Any:
        return rng.integers(0, 2, size=n)

    def classes(rng: np.random.Generator, n: int) -> Any:
        return rng.integers(0, 3, size=n)

    def counts(rng: np.random.Generator, n: int) -> Any:
        return rng.poisson(2.0, size=n)

    return {
        "SquaredError": (c.SquaredError(), 2, numbers),
        "half squares": (c.SquaredError(scale=0.5, reduction="sum"), 2, numbers),
        "AbsoluteError": (c.AbsoluteError(), 2, numbers),
        "Huber": (c.Huber(0.4), 2, numbers),
        "Pinball": (c.Pinball((0.1, 0.9)), 2, numbers),
        "Pinball of one": (c.Pinball(0.8), 2, numbers),
        "BinaryCrossEntropy": (c.BinaryCrossEntropy(), 1, yes_no),
        "SoftmaxCrossEntropy": (c.SoftmaxCrossEntropy(), 3, classes),
        "smoothed": (c.SoftmaxCrossEntropy(label_smoothing=0.2), 3, classes),
        "Poisson": (c.Poisson(), 1, counts),
        "Hinge": (c.Hinge(), 1, yes_no),
    }


def optimizers() -> dict[str, Any]:
    """Each optimizer."""
    import chainrule as c

    named = [c.SGD(), c.Momentum(0.9), c.Nesterov(0.9), c.AdaGrad(), c.RMSProp(), c.Adam(),
             c.AdamHat(), c.AdamW()]  # fmt: skip
    return {type(one).__name__: one for one in named}


def cases() -> Iterator[tuple[str, Any, Any, Any, Any, Any, dict[str, Any]]]:
    """(name, network, loss, optimizer, X, y, step settings): each kind at least once."""
    import chainrule as c

    def network(chain: list[Any], outputs: int, dtype: Any = np.float64) -> Any:
        return c.Network(3, [c.Dense(3), *chain, c.Dense(outputs)], rng=3, dtype=dtype)

    rng = np.random.default_rng(5)
    X = rng.normal(size=(12, 3))
    loss, outputs, targets = losses()["SquaredError"]
    y = targets(rng, 12)
    for name, chain in layers().items():
        yield name, network(chain, outputs), loss, c.SGD(), X, y, {}
    for name, (other, outputs, targets) in losses().items():
        labels = targets(np.random.default_rng(6), 12)
        yield name, network([c.Tanh()], outputs), other, c.Adam(), X, labels, {}
    weight = rng.uniform(0.5, 2.0, 12)
    for name, optimizer in optimizers().items():
        settings = {"penalty": c.Penalty(l1=0.01, l2=0.02), "clip": 0.1, "weight": weight}
        yield name, network([c.GELU()], 2), loss, optimizer, X, y, settings
    yield "float32", network([c.SiLU()], 2, np.float32), loss, c.AdamW(), X, y, {}


def trainings() -> Answers:
    """The bits that both engines end with, and the losses on the way."""
    for name, net, loss, optimizer, X, y, settings in cases():
        run = {"X": X, "y": y, "batch_size": 5, "lr": 0.01} | settings
        yield from trained(name, net, loss, optimizer, run)
    for name, net, loss, optimizer, run in long_cases():
        yield from trained(name, net, loss, optimizer, run)


def trained(name: str, net: Any, loss: Any, optimizer: Any, run: dict[str, Any]) -> Answers:
    """One training on each engine."""
    import chainrule as c

    for engine in ("readable", "compiled"):
        own, lines = net.copy(), list[str]()
        try:
            for r in c.train(own, loss, optimizer, epochs=5, engine=engine, rng=1, **run):
                lines.append(f"{r.epoch} {r.loss!r} {r.valid_loss!r} {r.lr!r} {r.engine}")
        except c.Diverged as error:
            lines.append(str(error))
        bits = hashlib.sha256(own.numbers.tobytes()).hexdigest()
        predicted = repr(own.predict(run["X"]).tolist())
        yield f"train {name}, {engine}", "\n".join([*lines, bits, predicted])


def long_cases() -> Iterator[tuple[str, Any, Any, Any, dict[str, Any]]]:
    """(name, network, loss, optimizer, arguments of `train`): every kind of layer, loss and
    optimizer in both dtypes, in batches that are cut into shards and in batches that are not.
    """
    import chainrule as c

    rng = np.random.default_rng(7)
    X, weight = rng.normal(size=(300, 3)), rng.uniform(0.5, 2.0, 300)
    rates = [0.02, c.Cosine(0.02), c.OneCycle(0.02), c.Plateau(0.02, patience=1)]
    goals, makes = losses(), optimizers()
    settings: list[dict[str, Any]] = [
        {}, {"weight": weight}, {"clip": 0.05}, {"penalty": c.Penalty(l1=0.001, l2=0.01)},
        {"penalty": c.Penalty(l2=0.5, per_row=True), "shuffle": False},
        {"clip": 5.0, "weight": np.where(weight > 1.0, weight, 0.0)},
    ]  # fmt: skip
    for i, (name, chain) in enumerate(layers().items()):
        for dtype in ("float32", "float64"):
            for width, batch_size in ((3, 1), (3, 64), (130, 300), (130, 77)):
                if batch_size == 1 and i % 4:
                    continue
                goal = list(goals)[i % len(goals)]
                loss, outputs, targets = goals[goal]
                make = list(makes)[i % len(makes)]
                wide = [c.Dense(width), c.Tanh(), c.Dense(width), c.Dropout(c.Cosine(0.2))]
                net = c.Network(
                    3, [*wide, c.Dense(3), *chain, c.Dense(7), c.GELU(), c.Dense(outputs)], rng=3,
                    dtype=dtype,
                )  # fmt: skip
                y = targets(np.random.default_rng(6), 300)
                run = {"X": X, "y": y, "batch_size": batch_size, "lr": rates[i % len(rates)]}
                if i % 3 == 0:
                    run["valid"] = (X[:50], y[:50])
                run |= settings[i % len(settings)]
                key = f"{name}, {goal}, {make}, {dtype}, {width}, {batch_size}"
                yield key, net, loss, makes[make], run
    for goal, (loss, outputs, targets) in goals.items():
        for make, optimizer in makes.items():
            dtype = ("float32", "float64")[(len(goal) + len(make)) % 2]
            net = c.Network.mlp([3, 70, outputs], "relu", rng=4, dtype=dtype)
            y = targets(np.random.default_rng(6), 300)
            run = {"X": X, "y": y, "batch_size": 50, "lr": 0.01}
            yield f"{goal} with {make}", net, loss, optimizer, run


def estimators() -> Answers:
    """The scikit-learn estimators: every solver, schedule and way to stop."""
    from chainrule.estimators.mlp import MLPClassifier, MLPRegressor

    rng = np.random.default_rng(8)
    X = rng.normal(size=(150, 4))
    labels = {
        "two": (X[:, 0] > 0).astype(int), "three": rng.integers(0, 3, 150),
        "several": (X[:, :2] > 0).astype(int), "words": np.where(X[:, 1] > 0.3, "a", "b"),
    }  # fmt: skip
    ways: list[dict[str, Any]] = [
        {}, {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1, "tol": 0.01,
             "n_iter_no_change": 2},
        {"solver": "sgd", "learning_rate": "invscaling", "nesterovs_momentum": False},
        {"solver": "sgd", "momentum": 0.0, "shuffle": False, "batch_size": 31},
        {"early_stopping": True, "n_iter_no_change": 3}, {"dropout": 0.2, "clip": 0.1},
        {"solver": "lbfgs", "activation": "logistic"}, {"scoring": "loss", "early_stopping": True},
        {"activation": ["gelu", "identity"], "hidden_layer_sizes": (7, 5), "alpha": 0.0},
        {"verbose": True, "callbacks": lambda mlp, record: mlp.n_iter_ == 4, "warm_start": True},
    ]  # fmt: skip
    for i, way in enumerate(ways):
        settings = {"hidden_layer_sizes": (9,), "random_state": 0, "max_iter": 25} | way
        for name, y in labels.items():
            more = {"class_weight": "balanced"} if i % 2 and name != "several" else {}
            more |= {"label_smoothing": 0.1} if i % 3 == 1 else {}
            yield f"classifier {i}, {name}", fitted(MLPClassifier(**settings, **more), X, y)
        for loss in ("squared_error", "poisson", "huber", "absolute_error", "quantile"):
            y = np.exp(X[:, 0]) if loss == "poisson" else X[:, :2] * 3.0
            yield f"regressor {i}, {loss}", fitted(MLPRegressor(loss, **settings), X, y)


def fitted(mlp: Any, X: Any, y: Any) -> str:
    """Everything that a fit, a second one and partial_fit leave; what they print and warn of."""
    lines, printed = list[str](), io.StringIO()
    held_out = None if mlp.solver == "lbfgs" else (X[:40], y[:40])
    with redirect_stdout(printed), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for fit in (mlp.fit, partial(mlp.fit, validation_set=held_out), mlp.fit):
            fit(X, y)
            if mlp.solver != "lbfgs" and not mlp.early_stopping and hasattr(mlp, "partial_fit"):
                mlp.partial_fit(X[:50], y[:50])
            kept = {k: v for k, v in vars(mlp).items() if k.endswith("_") and k != "network_"}
            bits = hashlib.sha256(mlp.network_.numbers.tobytes()).hexdigest()
            lines += [bits, *(f"{key} {value!r}" for key, value in sorted(kept.items()))]
            lines.append(repr(mlp.predict(X[:5]).tolist()))
    files = [f"{Path(w.filename).name}: {w.category.__name__}: {w.message}" for w in warned]
    return "\n".join([*lines, printed.getvalue(), *files])


def addresses(trace: Any) -> Iterator[str]:
    """A few numbers of each value of a trace."""
    for name, array in {**trace.values, **trace.numbers}.items():
        places = list(np.ndindex(array.shape))
        for at in {places[0], places[len(places) // 2], places[-1]}:
            yield f"{name}[{','.join(map(str, at))}]" if at else name


def explanations() -> Answers:
    """Every format, proof, script and mis-step of one step."""
    import chainrule as c

    for name, net, loss, optimizer, X, y, settings in cases():
        for rows in (1, 2):
            kept = {k: v[:rows] if k == "weight" else v for k, v in settings.items()}
            trace = c.trace_step(net, loss, optimizer, X[:rows], y[:rows], lr=0.1, rng=2, **kept)
            yield f"verify {name}, {rows}", str(c.verify(trace))
            yield (
                f"bits {name}, {rows}",
                "\n".join(
                    f"{key} {hashlib.sha256(v.tobytes()).hexdigest()}"
                    for key, v in trace.values.items()
                ),
            )
            for i, address in enumerate(sorted(addresses(trace))):
                key = f"{name}, {rows}, {address}"
                try:
                    found = c.explain(trace, address)
                except Exception as error:  # an earlier commit may have had a fault here
                    yield f"text {key}", f"{type(error).__name__}: {error}"
                    continue
                yield f"text {key}", found.to_text()
                yield f"json {key}", json.dumps(found.to_json(), indent=1, sort_keys=True)
                yield f"python {key}", _said(partial(c.to_python, trace, address))
                if i % 4 == 0:
                    yield from pages(key, trace, found)
                if i % 16 == 0 and rows == 1:
                    mine = round(-found.value, 3)
                    yield f"why {key}", _said(partial(c.why, trace, address, mine))


def pages(key: str, trace: Any, found: Any) -> Answers:
    """One number in the other formats, and the mis-steps behind another one."""
    import chainrule as c

    signs = c.Notation(digits=6, columns=True, brackets=True, half_squares=True)
    yield f"markdown {key}", found.to_markdown(signs)
    yield f"latex {key}", found.to_latex()
    yield f"html {key}", found.to_html()
    if len(trace.batch) == 1:
        yield f"paper {key}", _said(lambda: found.to_text(paper=c.Paper(trace, 3)))


def _said(answer: Callable[[], Any]) -> str:
    try:
        return str(answer())
    except Exception as error:  # an earlier commit may have had a fault here
        return f"{type(error).__name__}: {error}"


def lessons() -> Answers:
    """Each lesson as Markdown, as JSON, on a terminal, and its pictures."""
    from rich.console import Console

    from chainrule.lessons import LESSONS, Picture, to_json, to_markdown
    from chainrule.lessons.terminal import render_terminal

    for name, lesson in LESSONS.items():
        parts = list(lesson.run())
        screen = Console(file=io.StringIO(), width=80)
        render_terminal(parts, screen)
        yield f"lesson {name}, terminal", screen.file.getvalue()  # type: ignore[attr-defined]
        for part in parts:
            if isinstance(part, Picture):
                yield f"picture {part.name}", _drawn(part.make())
        yield f"lesson {name}", to_markdown(parts, lesson)
        yield f"lesson {name}, json", json.dumps(to_json(parts, lesson), indent=1)


def pictures() -> Answers:
    """Every kind of picture, and a page that shows one."""
    import chainrule as c
    from chainrule.report import pictures as p
    from chainrule.report.html import Report, Section, report_html

    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = (X.sum(axis=1) > 0).astype(int)
    net, loss = c.Network.mlp([2, 3, 1], "tanh", rng=0), c.BinaryCrossEntropy()
    records = list(c.train(net, loss, c.Adam(), X, y, epochs=5, lr=0.1, valid=(X, y), rng=0))
    probability = loss.link(net.predict(X))[:, 0]
    matrix = c.metrics.confusion_matrix(y, (probability > 0.5).astype(int), 2)
    figures = {
        "loss_curves": p.loss_curves(records),
        "decision_boundary": p.decision_boundary(lambda Z: loss.link(net.predict(Z)), X, y),
        "network": p.network(net, ["x1", "x2"], ["above"]),
        "large network": p.network(c.Network.mlp([20, 14, 3], rng=0)),
        "confusion": p.confusion(matrix, ["below", "above"]),
        "calibration": p.calibration(y, probability),
        "roc": p.roc(y, probability),
        "fitted_line": p.fitted_line(lambda Z: Z[:, 0] ** 2, X[:, 0], X[:, 1]),
        "residuals": p.residuals(X[:, 0], X[:, 1], "kg"),
        "scores": p.scores({"a": {"accuracy": 0.8, "r2": -0.1}, "b": {"accuracy": 0.7}}),
    }
    for name, figure in figures.items():
        yield f"picture {name}", _drawn(figure)
    rows = [{"a": 1, "b": 2.34567, "c": True}, {"a": None, "b": math.nan, "c": "95.58 %"}]
    text = "One.\n\n- first\n- second"
    section = Section("All", text, rows, figures["roc"], "a < b", "A note.")
    yield "page", report_html(Report("Title", "Below", [section] * 4, {"rows": 1234}, "End."))


def _drawn(figure: Any) -> str:
    from chainrule.report.pictures import to_svg

    return to_svg(figure) + str(figure.get_label())


def diagnoses() -> Answers:
    """Everything found in trainings of every kind, sound and broken, and in trained networks."""
    from support.broken_held_out import run as held_out
    from support.broken_kinds import KINDS
    from support.broken_runs import run as tuned

    import chainrule as c

    trainings = {run.name: run.build() for run in [*tuned, *held_out]} | KINDS
    for name, training in trainings.items():
        rows = training.X, training.y, training.valid
        yield from _diagnosis(name, training.configuration, *rows)
    for run in tuned[::2]:
        training = run.build()
        net, loss = training.configuration.net, training.configuration.loss
        yield from _diagnosis(f"{run.name}, a model", c.Model(net, loss), training.X, training.y)
        with suppress(ValueError, c.Diverged):  # data that no training takes
            list(c.train(net, loss, c.Adam(), training.X, training.y, epochs=3, lr=0.01, rng=0))
        trained = c.Model(net, loss)
        yield from _diagnosis(f"{run.name}, trained", trained, training.X, training.y)


def _diagnosis(name: str, asked: Any, *rows: Any) -> Answers:
    import chainrule as c

    try:
        diagnosis = c.diagnose(asked, *rows)
    except ValueError as error:
        yield f"diagnose {name}", str(error)
        return
    yield f"diagnose {name}", str(diagnosis)
    yield f"diagnose {name}, json", json.dumps(diagnosis.to_dict(), indent=1)


def gradients() -> Answers:
    """The whole report of gradients with planted bugs, of right ones, and of code that fails."""
    from support.failing_code import BROKEN
    from support.planted_bugs import BUGS
    from support.planted_right import RIGHT

    for name, make in ({bug.name: bug.make for bug in BUGS} | RIGHT).items():
        for seed, rows_are_known in enumerate((True, False)):
            value, gradient, parameters, rows = make()
            yield from _check(
                f"{name}, seed {seed}", value, gradient, parameters,
                rows=rows if rows_are_known else None, seed=seed,
            )  # fmt: skip
    for name, (functions, _) in BROKEN.items():
        yield from _check(name, *functions)


def _check(name: str, *functions: Any, **settings: Any) -> Answers:
    import chainrule as c

    try:
        # With the usual limit a busy machine would compare fewer entries.
        report = c.check_gradients(*functions, time_limit=86_400, **settings)
    except ValueError as error:
        yield f"gradient {name}", str(error)
        return
    yield f"gradient {name}", str(report)
    yield f"gradient {name}, in full", repr(report)


def tables() -> Answers:
    """The verbs on a generated table; timings and dates left out."""
    rng = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        lines = ["age,town,height,hot,price"]
        for _ in range(240):
            age, town, height = (
                rng.integers(18, 80),
                rng.choice(["Bonn", "Ulm"]),
                rng.normal(170, 9),
            )
            hot = "yes" if age + 20 * (town == "Ulm") > 60 else "no"
            shown = "" if rng.random() < 0.1 else f"{height:.1f}"
            lines.append(f"{age},{town},{shown},{hot},{age * 2 + rng.normal():.2f}")
        (place / "rows.csv").write_text("\n".join(lines) + "\n")
        for target in ("hot", "price"):
            for preset in ("simple", "strong"):
                model = f"{target}-{preset}.safetensors"
                verbs = [
                    f"train rows.csv --target {target} --preset {preset} --no-compare --epochs 8"
                    f" --out {model} --report {target}-{preset}.html --json",
                    f"info {model} --json", f"info {model}", f"predict {model} rows.csv",
                    f"predict {model} rows.csv --json", f"evaluate {model} rows.csv",
                    f"evaluate {model} rows.csv --json",
                    f"explain {model} --file rows.csv --row 3",
                    f"explain {model} --file rows.csv --row 3 --json",
                    f"explain {model} --file rows.csv --row 999",
                    f"train rows.csv --target {target} --preset {preset} --no-compare --epochs 8"
                    " --verbose --out again.safetensors",
                ]  # fmt: skip
                for verb in verbs:
                    yield f"chainrule {verb}", _run(verb.split(), place)
                report = (place / f"{target}-{preset}.html").read_text(encoding="utf-8")
                yield f"report {target}-{preset}", _timeless(report)


CELLS = {
    "whole": "{0}", "long": "900719925474099{1}", "point": "{0}.{1}", "comma": "{0},{1}",
    "german": "1.{2},5", "english": "1,{2}.5", "thousands": "{1},{2}", "percent": "{0} %",
    "zeros": "0{0}", "infinite": "inf", "truth": "true", "lie": "FALSE", "yes": "yes", "no": "no",
    "word": "w{1}", "text": "a note of some length, number {2}", "missing": "NA", "blank": " {1} ",
    "iso": "2020-0{1}-17", "moment": "2020-0{1}-17 10:{0}:00", "day": "1{1}/0{1}/2020",
    "month": "0{1}/1{1}/2020", "dots": "{0}.0{1}.2021", "named": "{0} Jan 2020", "lost": "1\ufffd5",
}  # fmt: skip


def readings() -> Answers:
    """Random cells, read freely and in a given way; what their columns are, prepared and stored."""
    from chainrule.tables import Preparation, infer_schema, read_table
    from chainrule.tables.reading import READINGS

    kinds = list(CELLS.values())
    for seed in range(80):
        rng = np.random.default_rng(seed)

        def column(rng: np.random.Generator = rng) -> list[str]:
            shares = [0.85, 0.1, 0.05] if rng.random() < 0.6 else [1.0, 0.0, 0.0]
            chosen = rng.choice([*rng.choice(kinds, 2), "NA"], 40, p=shares)
            return [c.format(*rng.integers([10, 1, 100], [29, 10, 999])) for c in chosen]

        columns = {name: column() for name in "abcd"} | {"y": [*"pqpq" * 10]}
        rows = [";".join(columns), *map(";".join, zip(*columns.values(), strict=True))]
        given = {name: READINGS[rng.integers(len(READINGS))] for name in "ab"}
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "rows.csv")
            file.write_text("\n".join(rows), encoding="utf-8")
            for reading in (None, given):
                key = f"{seed}, {'given' if reading else 'free'}"
                try:
                    table = read_table(file, reading=reading)
                    yield f"cells {key}", repr([table.columns, table.notes, dict(table.reading)])
                    schema = infer_schema(table, "y")
                    yield f"schema {key}", json.dumps(schema.to_dict(), indent=1)
                    prepared = Preparation.fit(table, schema, scaling="robust")
                    yield f"preparation {key}", json.dumps(prepared.to_dict(), indent=1)
                    yield f"X {key}", repr(prepared.transform(table).tolist())
                except ValueError as error:
                    yield f"refused {key}", str(error).replace(folder, "")


def _run(words: list[str], place: Path) -> str:
    command = [sys.executable, "-m", "chainrule", *words]
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, env=environment)
    return _timeless(f"{done.returncode}\n{done.stdout}\n{done.stderr}")


def _timeless(text: str) -> str:
    """The text without what is another time the next time."""
    text = re.sub(r'"seconds_of": ?{[^}]*}', '"seconds_of": {}', text)
    text = re.sub(r'"[a-z_]*seconds[a-z_]*": ?[-\d.e]+', '"seconds": 0', text)
    text = re.sub(r'(scope="row">seconds, [^<]*</th><td>)[-\d.e]+', r"\1 0", text)
    text = re.sub(r'"seconds_of": \{[^}]*\}', '"seconds_of": {}', text)
    text = re.sub(r"(seconds, [a-z ]+</th><td[^>]*>)[^<]*", r"\1 0", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?[^\s\"<]*", "(date)", text)
    text = re.sub(r"<(img|svg|path|use)\b[^>]*>", r"<\1>", text)
    return re.sub(r"\b\d+(\.\d+)? (s|min|seconds)\b", "0 s", text)


WORK = {
    "trainings": trainings, "estimators": estimators, "explanations": explanations,
    "lessons": lessons, "pictures": pictures, "diagnoses": diagnoses, "gradients": gradients,
    "tables": tables, "readings": readings,
}  # fmt: skip


def record(chosen: list[str], out: Path) -> None:
    """All answers of the chainrule that is imported, as JSON."""
    warnings.simplefilter("ignore")
    found = {key: text for name in chosen for key, text in WORK[name]()}
    out.write_text(json.dumps(found), encoding="utf-8")


# New names in JSON documents, beside the old ones that an earlier commit writes alone.
RENAMED = {
    "ending": "told", "prediction": "answer", "model_test": "stored", "equation": "made",
    "path_count": "count",
}  # fmt: skip


def with_old_names(text: str) -> str:
    """A JSON document without the new names of what it also holds by its old ones."""

    def cut(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = {name for name, _ in pairs}
        return {name: value for name, value in pairs if RENAMED.get(name) not in names}

    with suppress(ValueError):
        if text.lstrip().startswith("{"):
            return json.dumps(json.loads(text, object_pairs_hook=cut), indent=1)
    return text


def answers(source: Path, chosen: list[str], out: Path) -> dict[str, str]:
    """What the chainrule in a `src` folder answers, in a process of its own."""
    command = [sys.executable, __file__, "--record", str(out), "--only", *chosen]
    path = os.pathsep.join([str(source), str(ROOT / "tests")])
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": path})
    found: dict[str, str] = json.loads(out.read_text(encoding="utf-8"))
    return {key: with_old_names(text) for key, text in found.items()}


def main() -> int:
    """Compare, and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", nargs="?", help="the commit to compare with")
    parser.add_argument("--only", nargs="*", default=list(WORK), choices=list(WORK))
    parser.add_argument("--record", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.record:
        record(given.only, given.record)
        return 0
    if not given.commit:
        parser.error("give the commit to compare with")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        packed = subprocess.run(
            ["git", "-C", str(ROOT), "archive", given.commit, "src"],
            capture_output=True,
            check=True,
        )
        subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True)
        before = answers(place / "src", given.only, place / "before.json")
        now = answers(ROOT / "src", given.only, place / "now.json")
    other = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    for key in other:
        lines = difflib.unified_diff(
            before.get(key, "").splitlines(), now.get(key, "").splitlines(), "before", "now",
            lineterm="", n=0,
        )  # fmt: skip
        print(f"{key}:", *list(lines)[2 : 2 + SHOWN], sep="\n  ")
    print(f"{len(other)} of {len({**before, **now})} answers differ from {given.commit}")
    return 1 if other else 0


if __name__ == "__main__":
    sys.exit(main())
