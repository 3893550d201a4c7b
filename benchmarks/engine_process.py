"""One whole process, to a trained model: `engine_process.py WHO DATA SIZES EPOCHS BATCH`.

Each function is what a user of that library writes. DATA is an .npz file with X and y; prints the
last loss, the peak memory in MB, and for ours the engine that ran, as JSON.
"""

import json
import resource
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

THREADS = 2
LR = 1e-3


def ours(
    X: Any, y: Any, sizes: list[int], epochs: int, batch: int, engine: str
) -> tuple[float, str]:
    """Train with chainrule."""
    import chainrule as cr

    net = cr.Network.mlp(sizes, rng=0, dtype=np.float32)
    *_, last = cr.train(
        net, cr.SoftmaxCrossEntropy(), cr.Adam(), X, y,
        epochs=epochs, batch_size=batch, lr=LR, rng=0, threads=THREADS,
        engine=engine,
    )  # fmt: skip
    return last.loss, last.engine


auto, compiled = partial(ours, engine="auto"), partial(ours, engine="compiled")


def sklearn(X: Any, y: Any, sizes: list[int], epochs: int, batch: int) -> tuple[float, str]:
    """Train with scikit-learn."""
    import warnings

    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore")
    model = MLPClassifier(
        tuple(sizes[1:-1]), alpha=0.0, batch_size=batch, learning_rate_init=LR,
        max_iter=epochs, n_iter_no_change=epochs + 1, random_state=0,
    ).fit(X, y)  # fmt: skip
    return float(model.loss_), ""


def torch(X: Any, y: Any, sizes: list[int], epochs: int, batch: int) -> tuple[float, str]:
    """Train with PyTorch."""
    import torch
    from torch import nn

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    parts: list[nn.Module] = []
    for n, m in zip(sizes, sizes[1:], strict=False):
        parts += [nn.Linear(n, m), nn.ReLU()]
    net = nn.Sequential(*parts[:-1])
    optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=True)
    A, t = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(epochs):
        order, total = torch.randperm(len(A)), 0.0
        for rows in order.split(batch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(A[rows]), t[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
    return total / len(A), ""


def jax(X: Any, y: Any, sizes: list[int], epochs: int, batch: int) -> tuple[float, str]:
    """Train with JAX: the scan that is timed warm elsewhere, here with its compilation."""
    import engine_jax
    from engine_work import Work, network, weights

    work = Work("", sizes, len(X), batch, epochs, lr=LR)
    _, losses = engine_jax.training(work, weights(network(work)), X, y)()
    return losses[-1], ""


def peak_megabytes() -> float:
    """The most memory this process held; Linux passes ru_maxrss on from the parent, so not that."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def main(who: str, data: str, sizes: str, epochs: str, batch: str) -> None:
    """Train and say how it went."""
    with np.load(data) as arrays:
        X, y = arrays["X"], arrays["y"]
    widths = [int(n) for n in sizes.split("-")]
    loss, engine = globals()[who](X, y, widths, int(epochs), int(batch))
    print(json.dumps({"loss": loss, "engine": engine, "megabytes": peak_megabytes()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
