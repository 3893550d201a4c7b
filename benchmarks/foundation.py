"""The foundation's figures: what `import chainrule` costs, and what tables reach out of the box.

`python benchmarks/foundation.py DATA` with DATA the folder of real tables; prints one table. Each
table is trained with seeds 0–4 and scored on the run's own test rows; then, for 20 random splits
made beforehand, trained on four fifths, and the rest answered by the reloaded model: with some 70
rows to a split, the mean of five still moves by 0.02. For MNIST see `benchmarks/mnist.py`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

import chainrule as cr
from chainrule.tables import Table

GOALS = {
    "titanic.csv": ("Survived", "accuracy", 0.80),
    "penguins.csv": ("species", "accuracy", 0.97),
    "auto-mpg.csv": ("mpg", "r2", 0.85),
    "winequality-red.csv": ("quality", "accuracy", None),
    "winequality-white.csv": ("quality", "accuracy", None),
}
SEEDS = range(5)
SPLITS = range(20)


def inside(table: Table, target: str, metric: str) -> float:
    """Mean over seeds of the score on the run's own test rows."""
    found = []
    for seed in SEEDS:
        run = cr.TableRun.read(table, target, seed=seed)
        list(run.train())
        found.append(run.outcome(compared=False).scores["network"][metric])
    return float(np.mean(found))


def outside(table: Table, target: str, metric: str, folder: Path) -> float:
    """Mean over splits of the score on a fifth of the rows that the run never got."""
    found = []
    for seed in SPLITS:
        order = np.random.default_rng(seed).permutation(len(table))
        held, kept = order[: len(table) // 5], order[len(table) // 5 :]
        run = cr.TableRun.read(table.take(np.sort(kept)), target, seed=seed)
        list(run.train())
        model = cr.load(cr.save(run.model(), folder / "model.safetensors"))
        found.append(model.evaluate(table.take(np.sort(held)))[metric])
    return float(np.mean(found))


def import_cost(runs: int = 15) -> float:
    """Median of the paired differences of `import numpy, chainrule` less `import numpy`, in ms."""
    differences = []
    for _ in range(runs):
        seconds = []
        for code in ("import numpy", "import numpy, chainrule"):
            started = perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            seconds.append(perf_counter() - started)
        differences.append(1000 * (seconds[1] - seconds[0]))
    return float(np.median(differences))


def main(data: Path) -> None:
    """Print the figures beside their goals."""
    print(f"import chainrule costs {import_cost():.1f} ms more than import numpy (goal: ≤ 30)")
    print(f"{'table':24}{'metric':10}{'goal':>6}{'own test':>10}{'split outside':>15}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (target, metric, goal) in GOALS.items():
            table = cr.read_table(data / name)
            own = inside(table, target, metric)
            apart = outside(table, target, metric, Path(folder))
            wanted = "–" if goal is None else f"{goal:.2f}"
            print(f"{name:24}{metric:10}{wanted:>6}{own:>10.4f}{apart:>15.4f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
