"""Does this checkout answer as an earlier commit did? `python benchmarks/same_answers.py COMMIT`.

Both run the same work in one go, through public names alone: training on both engines with every
layer, loss and optimizer; explanations in every format, proofs, scripts and mis-steps; lessons;
gradient checks and diagnoses; tables trained, predicted, explained and reported by the command
line. What differs is listed, with the first lines of the difference. Exit code 1
where something does.
"""

import argparse
import difflib
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
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
    import chainrule as c

    for name, net, loss, optimizer, X, y, settings in cases():
        for engine in ("readable", "compiled"):
            own = net.copy()
            records = c.train(
                own, loss, optimizer, X, y, epochs=5, batch_size=5, lr=0.01, engine=engine, rng=1,
                **settings,
            )  # fmt: skip
            told = [f"{record.epoch} {record.loss!r}" for record in records]
            bits = hashlib.sha256(own.numbers.tobytes()).hexdigest()
            yield f"train {name}, {engine}", "\n".join([*told, bits, repr(own.predict(X).tolist())])


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
    """Each lesson as Markdown and as JSON."""
    from chainrule.lessons import LESSONS, to_json, to_markdown

    for name, lesson in LESSONS.items():
        parts = list(lesson.run())
        yield f"lesson {name}", to_markdown(parts, lesson)
        yield f"lesson {name}, json", json.dumps(to_json(parts, lesson), indent=1)


def diagnoses() -> Answers:
    """A sound training, three broken ones, and gradients with mistakes."""
    import chainrule as c

    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 4))
    y = X[:, 0] * 2 - X[:, 1] + 0.1 * rng.normal(size=60)
    broken = {
        "sound": (X, y, 0.05), "rate": (X, y, 50.0), "scale": (X * 1e4, y, 0.05),
        "targets": (X, rng.permutation(y), 0.05),
    }  # fmt: skip
    for name, (rows, targets, lr) in broken.items():
        net = c.Network.mlp([4, 8, 1], "tanh", rng=1)
        setup = c.Configuration(net, c.SquaredError(), c.SGD(), lr=lr, batch_size=16, epochs=20)
        told = str(c.diagnose(setup, rows, targets))
        yield f"diagnose {name}", re.sub(r"\d+(\.\d+)? s\b", "… s", told)
    W = rng.normal(size=(4, 2))
    right = {"sign": -1.0, "correct": 1.0, "double": 2.0, "rows": 60.0}
    for name, factor in right.items():
        report = c.check_gradients(
            lambda w: float(((X @ w) ** 2).sum()), lambda w, f=factor: f * 2 * X.T @ (X @ w), W,
            rows=60,
        )  # fmt: skip
        yield f"gradient {name}", str(report)


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
                    f"evaluate {model} rows.csv", f"explain {model} rows.csv --row 3",
                    f"verify {model} rows.csv",
                ]  # fmt: skip
                for verb in verbs:
                    yield f"chainrule {verb}", _run(verb.split(), place)
                report = (place / f"{target}-{preset}.html").read_text(encoding="utf-8")
                yield f"report {target}-{preset}", _timeless(report)


def _run(words: list[str], place: Path) -> str:
    command = [sys.executable, "-m", "chainrule", *words]
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, env=environment)
    return _timeless(f"{done.returncode}\n{done.stdout}\n{done.stderr}")


def _timeless(text: str) -> str:
    """The text without what is another time the next time."""
    text = re.sub(r'"[a-z_]*seconds[a-z_]*": ?[-\d.e]+', '"seconds": 0', text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?[^\s\"<]*", "(date)", text)
    text = re.sub(r"<(img|svg|path|use)\b[^>]*>", r"<\1>", text)
    return re.sub(r"\b\d+(\.\d+)? (s|min|seconds)\b", "0 s", text)


WORK = {
    "trainings": trainings, "explanations": explanations, "lessons": lessons,
    "diagnoses": diagnoses, "tables": tables,
}  # fmt: skip


def record(chosen: list[str], out: Path) -> None:
    """All answers of the chainrule that is imported, as JSON."""
    warnings.simplefilter("ignore")
    found = {key: text for name in chosen for key, text in WORK[name]()}
    out.write_text(json.dumps(found), encoding="utf-8")


def answers(source: Path, chosen: list[str], out: Path) -> dict[str, str]:
    """What the chainrule in a `src` folder answers, in a process of its own."""
    command = [sys.executable, __file__, "--record", str(out), "--only", *chosen]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(source)})
    found: dict[str, str] = json.loads(out.read_text(encoding="utf-8"))
    return found


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
