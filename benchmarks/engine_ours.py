"""Ours: train() as a user calls it, from the call to the last record."""

from collections.abc import Callable
from time import perf_counter

from engine_work import THREADS, Array, Work, network

import chainrule as cr

LOSSES = {
    "squared": cr.SquaredError(),
    "bce": cr.BinaryCrossEntropy(),
    "softmax": cr.SoftmaxCrossEntropy(),
}
OPTIMIZERS = {"sgd": cr.SGD(), "adam": cr.Adam()}
ENGINE = "compiled"

Run = Callable[[], tuple[float, list[float]]]


def training(work: Work, X: Array, y: Array, engine: str = ENGINE) -> Run:
    """A function that trains from the start and returns (seconds, loss of each epoch)."""
    net = network(work)
    start = net.theta.copy()

    def run() -> tuple[float, list[float]]:
        net.theta = start
        started = perf_counter()
        records = list(
            cr.train(
                net, LOSSES[work.loss], OPTIMIZERS[work.optimizer], X, y, epochs=work.epochs,
                batch_size=work.batch, lr=work.lr, shuffle=work.shuffle, rng=0, threads=THREADS,
                engine=engine,
            )
        )  # fmt: skip
        seconds = perf_counter() - started
        if records[-1].engine != engine:
            raise SystemExit(f"{work.name} ran on the {records[-1].engine} engine, not {engine}")
        return seconds, [record.loss for record in records]

    return run


def prediction(work: Work, X: Array) -> Callable[[], Array]:
    """A function that predicts X: the raw output."""
    net = network(work)
    if not cr.load_engine(net.dtype):
        raise SystemExit(f"{work.name}: the compiled engine cannot be had")
    return lambda: net.predict(X)
