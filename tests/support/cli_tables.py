"""Small tables and damaged files for the tests of the command line, and the ways to call it."""

import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from click.testing import CliRunner, Result

from chainrule.cli import main
from support.processes import completed

COMMAND = [sys.executable, "-m", "chainrule"]
QUICK = ["--preset", "simple", "--hidden", "4", "--epochs", "20", "--seed", "1"]


class Done(NamedTuple):
    code: int
    out: str
    err: str


def call(*args: object, cwd: Path | None = None) -> Result:
    """The command within this process."""
    before = Path.cwd()
    os.chdir(cwd or before)
    try:
        return CliRunner().invoke(main, [str(arg) for arg in args])
    finally:
        os.chdir(before)


def ok(*args: object, cwd: Path | None = None) -> str:
    """What the command prints on standard output, having ended well."""
    result = call(*args, cwd=cwd)
    assert result.exit_code == 0, result.output
    return result.stdout


def document(*args: object, cwd: Path | None = None) -> dict[str, Any]:
    """The one JSON document that the command prints, numbers that are not finite forbidden."""

    def refuse(text: str) -> float:
        raise AssertionError(f"{text} is no JSON number")

    loaded: dict[str, Any] = json.loads(ok(*args, "--json", cwd=cwd), parse_constant=refuse)
    return loaded


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} | more


def process(*args: object, cwd: Path, **variables: str) -> Done:
    """The command as a process of its own."""
    done = completed([*COMMAND, *map(str, args)], cwd=cwd, env=environment(**variables))
    return Done(done.returncode, done.stdout, done.stderr)


def write_flowers(path: Path, n: int = 60, seed: int = 0) -> Path:
    """Two kinds told apart by a length, with a colour, gaps and a constant column beside it."""
    rng = np.random.default_rng(seed)
    lines = ["length,colour,weight,kind,always"]
    for i in range(n):
        kind = i % 2
        weight = "" if i % 7 == 0 else f"{rng.normal():.3f}"
        length = 2 * kind + rng.normal(scale=0.3)
        lines.append(f"{length:.3f},{'red' if rng.random() < 0.5 else 'blue'},{weight},"
                     f"{('aster', 'daisy')[kind]},1")  # fmt: skip
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_slope(path: Path, n: int = 60) -> Path:
    """A number, y = 3x + noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    rows = [f"{a:.4f},{3 * a + 0.1 * b:.4f}" for a, b in zip(x, rng.normal(size=n), strict=True)]
    path.write_text("\n".join(["x,y", *rows]) + "\n", encoding="utf-8")
    return path


def rewrite_header(model: Path, into: Path, **changes: Any) -> Path:
    """A copy of a model file whose header says something else; None takes the header away."""
    data = model.read_bytes()
    size = int.from_bytes(data[:8], "little")
    outer = json.loads(data[8 : 8 + size])
    if changes:
        inner = json.loads(outer["__metadata__"]["chainrule"]) | changes
        outer["__metadata__"]["chainrule"] = json.dumps(inner)
    else:
        outer["__metadata__"] = {"format": "np"}
    text = json.dumps(outer).encode()
    text += b" " * (-len(text) % 8)
    into.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])
    return into
