"""The best that a fully connected network of ours has made of MNIST, without more images than there
are: 784-1024-1024-10, dropout, batch norm, label smoothing.

$ python benchmarks/mnist_best.py ../shared/data/mnist

Trains on all 60,000 images for a fixed number of epochs, so that the test images choose nothing.
Exits 1 where the test accuracy stays below --least.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.tables import Table, idx_test_part


def pixels(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """(X (n, 784) from 0 to 1, y (n,)) of a table of images."""
    names = [name for name in table.names if name != "label"]
    X = np.stack([table.columns[name] for name in names], axis=1).astype(np.float32) / 255.0
    return X, np.asarray(table.columns["label"], np.int64)


def main() -> int:
    """Train, and say how well and how fast."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="folder of the four idx files")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--lr", type=float, default=0.002)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--least", type=float, default=0.986)
    asked = parser.parse_args()
    test = idx_test_part(asked.folder)
    if test is None:
        parser.error(f"{asked.folder} holds no test images")
    X, y = pixels(cr.read_table(asked.folder))
    held_out, answers = pixels(test)
    hidden = (
        cr.Dense(asked.width, init="he_normal"), cr.BatchNorm(), cr.ReLU(), cr.Dropout(0.5),
    )  # fmt: skip
    layers = [cr.Dropout(0.2), *hidden, *hidden, cr.Dense(10)]
    net = cr.Network(784, layers, rng=asked.seed, dtype=np.float32)
    loss, started = cr.SoftmaxCrossEntropy(label_smoothing=0.1), time.perf_counter()
    for record in cr.train(
        net, loss, cr.AdamW(weight_decay=0.02), X, y, epochs=asked.epochs, batch_size=256,
        lr=cr.OneCycle(asked.lr), rng=asked.seed, threads=asked.threads, engine="compiled",
    ):  # fmt: skip
        print(f"epoch {record.epoch + 1}: loss {record.loss:.4f}, {record.seconds:.1f} s",
              file=sys.stderr)  # fmt: skip
    seconds = time.perf_counter() - started
    right = float(np.mean(net.predict(held_out).argmax(axis=1) == answers))
    print(f"test accuracy {right:.4f} after {asked.epochs} epochs, {seconds:.0f} s of training")
    return 0 if right >= asked.least else 1


if __name__ == "__main__":
    raise SystemExit(main())
