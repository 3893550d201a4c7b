"""minimize(): a network's loss over all rows at once by L-BFGS, through scipy; records like
`train`'s.
"""

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..core.arrays import Array
from ..core.checks import require_count
from ..core.epoch import Batch, StepSettings, check_batch, check_settings
from ..core.losses import Loss
from ..core.network import Network
from ..core.nonfinite import Diverged, name_nonfinite
from ..core.optimizers import SGD
from ..core.penalty import Penalty
from .engines import limit_threads
from .loop import Best, Record, check_valid, evaluate
from .plan import Plan


def minimize(
    net: Network,
    loss: Loss,
    X: ArrayLike,
    y: ArrayLike,
    *,
    iterations: int = 200,
    tol: float = 1e-8,
    weight: ArrayLike | None = None,
    valid: tuple[ArrayLike, ...] | None = None,
    penalty: Penalty | None = None,
    patience: int | None = None,
    restore: str = "last",
    threads: int | None = None,
) -> Iterator[Record]:
    """argmin over theta of L(theta) + P(theta); every evaluation uses all rows. Yields a Record per
    iteration.

    Limited-memory BFGS (Byrd, Lu, Nocedal, Zhu 1995) of scipy. It ends after `iterations`, or when
    the loss falls by less than `tol` of itself, or no gradient is larger than `tol`. `Record.loss`
    is the loss after the iteration, penalty included, its lr is 1. The other arguments are as in
    `train`. Raises ValueError for a network with Dropout: the loss must not be random.
    """
    check_settings(StepSettings(loss, SGD(), 1.0, penalty))
    require_count("minimize", "iterations", iterations)
    if not 0 <= tol < np.inf:
        raise ValueError(f"tol is {tol}: it must be a finite number of at least 0")
    plan = Plan(iterations, None, False, patience, restore, threads)
    if any(layer.random for layer in net.layers):
        raise ValueError(
            "minimize needs the same loss at every look, but this network has Dropout: use train"
        )
    data = check_batch(net, loss, X, y, weight)
    held_out = check_valid(net, loss, valid)
    objective = Objective(net.astype(np.float64), loss, data, penalty)
    return _records(net, objective, held_out, plan, tol)


class Objective:
    """theta -> (L, gradient), computed on a float64 copy: `net` moves only between records."""

    def __init__(self, net: Network, loss: Loss, data: Batch, penalty: Penalty | None) -> None:
        X = data.X.astype(np.float64)
        self.net, self.loss = net, loss
        self.data = Batch(X, data.y, data.weight)
        self.penalty = penalty and penalty.of(self.data.mass)

    def __call__(self, theta: Array) -> tuple[float, Array]:
        net, data = self.net, self.data
        net.theta = theta
        with np.errstate(all="ignore"):
            Z, caches = net.forward(data.X, train=True)
            L = self.loss.value(Z, data.y, data.weight)
            grad = net.backward(caches, self.loss.grad(Z, data.y, data.weight))[1]
            if self.penalty is not None:
                L += self.penalty.value(theta, net.decay_factor)
                grad += self.penalty.grad(theta, net.decay_factor)
        if not (np.isfinite(L) and np.isfinite(grad).all()):
            raise Diverged(name_nonfinite(net, self.loss, data.X, caches, Z, L, grad))
        return L, grad

    def settle(self) -> None:
        """Set the running statistics to those of all rows at this theta."""
        caches = self.net.forward(self.data.X, train=True)[1]
        for _ in range(1000):  # each call moves them only part of the way
            before = self.net.buffers.copy()
            self.net.absorb(caches)
            if np.all(np.abs(self.net.buffers - before) <= 1e-12 * (1.0 + np.abs(before))):
                break


def _records(
    net: Network, objective: Objective, valid: Batch | None, plan: Plan, tol: float
) -> Iterator[Record]:
    best, epoch, started = Best(net), 0, time.perf_counter()
    steps = _Steps(objective, net.theta.astype(np.float64), plan, tol)
    try:
        for theta, value in steps:
            net.theta = theta
            objective.net.theta = theta
            objective.settle()
            net.buffers = objective.net.buffers
            valid_loss = None if valid is None else evaluate(net, objective.loss, valid, epoch)
            seconds = time.perf_counter() - started
            record = Record(epoch, value, valid_loss, 1.0, seconds, "readable")
            best.see(record.monitored, epoch)
            yield record
            if plan.patience is not None and epoch - best.epoch >= plan.patience:
                return
            epoch, started = epoch + 1, time.perf_counter()
    finally:
        steps.stop()
        if plan.restore == "best":
            best.put_back()


class _Steps:
    """scipy's iterations one by one: it runs in a thread of its own and waits while the caller
    looks.
    """

    def __init__(self, objective: Objective, start: Array, plan: Plan, tol: float) -> None:
        self._out: queue.Queue[tuple[Array, float] | BaseException | None] = queue.Queue()
        self._go, self._stopped = threading.Semaphore(0), False
        arguments = (objective, start, plan, tol)
        self._thread = threading.Thread(target=self._minimize, args=arguments, daemon=True)

    def _minimize(self, objective: Objective, start: Array, plan: Plan, tol: float) -> None:
        from scipy.optimize import minimize as scipy_minimize  # type: ignore[import-untyped]

        def hand_over(intermediate_result: Any) -> None:
            self._out.put((intermediate_result.x.copy(), float(intermediate_result.fun)))
            self._go.acquire()
            if self._stopped:
                raise StopIteration

        try:
            self._go.acquire()
            with limit_threads(plan.threads):
                limits = {"maxiter": plan.epochs, "maxfun": 20 * plan.epochs}
                result = scipy_minimize(
                    objective, start, jac=True, method="L-BFGS-B", callback=hand_over,
                    options=limits | {"ftol": tol, "gtol": tol},
                )  # fmt: skip
            if result.nit == 0:  # the start is the minimum: no iteration was called back
                self._out.put((result.x, float(result.fun)))
            self._out.put(None)
        except BaseException as error:  # handed to the caller, who raises it
            self._out.put(error)

    def __iter__(self) -> Iterator[tuple[Array, float]]:
        self._thread.start()
        while not self._stopped:
            self._go.release()
            if self._out.empty() and not self._thread.is_alive():
                raise RuntimeError("minimize cannot go on after a fork: start it in the child")
            item = self._out.get()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def stop(self) -> None:
        """End scipy's run at the iteration where it waits."""
        self._stopped = True
        if self._thread.is_alive():
            self._go.release()
            self._thread.join()
