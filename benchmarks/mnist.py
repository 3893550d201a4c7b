"""784-100-10 on MNIST: trains from the idx files, prints accuracy after each epoch, and the time.

$ python benchmarks/mnist.py ../shared/data/mnist

Exits 1 where the test accuracy stays below --least.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from chainrule import TableRun, read_table
from chainrule.tables import idx_test_part


def main() -> int:
    """Train as the command line does and say how well and how fast."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="folder of the four idx files")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--valid", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--least", type=float, default=0.975)
    asked = parser.parse_args()
    started = time.perf_counter()
    test = idx_test_part(asked.folder)
    if test is None:
        parser.error(f"{asked.folder} holds no test images")
    run = TableRun.read(
        read_table(asked.folder), "label", "simple", test_table=test, hidden=(100,),
        epochs=asked.epochs, batch_size=asked.batch_size, lr=asked.lr, dropout=asked.dropout,
        valid=asked.valid, seed=asked.seed, threads=asked.threads,
    )  # fmt: skip
    ready = time.perf_counter() - started
    for record in run.train():
        told = (
            f"epoch {record.epoch + 1}: loss {record.loss:.4f}, validation {record.monitored:.4f}"
        )
        print(f"{told}, {record.seconds:.1f} s", file=sys.stderr)
    found = run.outcome(compared=False).scores["network"]
    answer = {
        "accuracy": found["accuracy"],
        "epochs": len(run.records),
        "best_epoch": run.best_epochs[0],
        "engine": run.records[-1].engine,
        "seconds_reading": round(ready, 2),
        "seconds_training": round(run.seconds, 2),
    }
    print(json.dumps(answer))
    return 0 if found["accuracy"] >= asked.least else 1


if __name__ == "__main__":
    raise SystemExit(main())
