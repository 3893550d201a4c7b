"""PyTorch, eager: batches are indexed from tensors, the optimizer is fused, no DataLoader."""

from collections.abc import Callable
from time import perf_counter

import torch
from engine_ours import Run
from engine_work import THREADS, Array, Weights, Work

torch.set_num_threads(THREADS)

LOSSES = {
    "squared": torch.nn.functional.mse_loss,
    "bce": torch.nn.functional.binary_cross_entropy_with_logits,
    "softmax": torch.nn.functional.cross_entropy,
}


def model(work: Work, start: Weights) -> torch.nn.Sequential:
    """The same net from the same weights."""
    parts: list[torch.nn.Module] = []
    for W, b in start:
        dense = torch.nn.Linear(*W.shape, dtype=getattr(torch, work.dtype))
        with torch.no_grad():
            dense.weight.copy_(torch.from_numpy(W.T.copy()))
            dense.bias.copy_(torch.from_numpy(b))
        parts += [dense, torch.nn.ReLU() if work.hidden == "relu" else torch.nn.Sigmoid()]
    return torch.nn.Sequential(*(parts if work.sigmoid_output else parts[:-1]))


def training(work: Work, start: Weights, X: Array, y: Array) -> Run:
    """A function that trains from the start and returns (seconds, loss of each epoch)."""
    T, t = torch.from_numpy(X), torch.from_numpy(y)
    t = t if work.loss == "softmax" else t[:, None]
    kind = torch.optim.Adam if work.optimizer == "adam" else torch.optim.SGD

    def run() -> tuple[float, list[float]]:
        net = model(work, start)
        optimizer = kind(net.parameters(), lr=work.lr, fused=True)
        started = perf_counter()
        losses = [epoch(work, net, optimizer, T, t) for _ in range(work.epochs)]
        return perf_counter() - started, losses

    return run


def epoch(
    work: Work,
    net: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    X: torch.Tensor,
    y: torch.Tensor,
) -> float:
    """One pass over the rows; returns the mean of the batch losses, weighted by their rows."""
    n, loss_function = len(X), LOSSES[work.loss]
    order = torch.randperm(n) if work.shuffle and not work.full_batch else None
    total = 0.0
    for k in range(0, n, work.batch):
        rows = slice(k, k + work.batch)
        A, t = (X[rows], y[rows]) if order is None else (X[order[rows]], y[order[rows]])
        optimizer.zero_grad()
        loss = loss_function(net(A), t)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(A)
    return total / n


def prediction(work: Work, start: Weights, X: Array) -> Callable[[], Array]:
    """A function that predicts X: the raw output."""
    net, T = model(work, start), torch.from_numpy(X)

    def run() -> Array:
        with torch.inference_mode():
            return net(T).numpy()

    return run
