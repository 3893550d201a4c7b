"""From a table to answers: train on a CSV file, read the scores, save the model, use it again.

`python examples/table.py FILE TARGET`; without arguments, scikit-learn's wine table.
"""

import sys
from pathlib import Path

import chainrule as cr


def wine(path: Path) -> tuple[str, str]:
    """Write the wine table of scikit-learn as CSV; returns its path and its target."""
    from sklearn.datasets import load_wine

    table = load_wine()
    lines = [",".join([*table.feature_names, "cultivar"])]
    for row, label in zip(table.data, table.target, strict=True):
        lines.append(",".join([*map(str, row), table.target_names[label]]))
    path.write_text("\n".join(lines) + "\n")
    return str(path), "cultivar"


def main(file: str, target: str) -> dict[str, dict[str, float]]:
    """Train, compare with other models, save the network, load it, answer for the first rows."""
    run = cr.TableRun.read(cr.read_table(file), target, seed=0)
    for record in run.train():
        if record.epoch % 32 == 31:
            print(f"epoch {record.epoch + 1:3d}  held-out score {record.valid_loss:.4f}")
    outcome = run.outcome()
    for name, metrics in outcome.scores.items():
        print(f"{name:18s}", {key: round(value, 4) for key, value in metrics.items()})
    print(outcome.verdict)
    path = cr.save(outcome.model, Path(file).with_suffix(".safetensors").name)
    print(cr.load(path).predict(cr.read_table(file))[:5])
    return outcome.scores


if __name__ == "__main__":
    main(*(sys.argv[1:] if len(sys.argv) > 2 else wine(Path("wine.csv"))))
