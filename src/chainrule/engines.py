"""Which engine runs, and why: the one place that knows both.

The readable engine is NumPy and the oracle; the compiled one must give the same numbers. Which of
them "auto" takes depends on the amount of work alone, so that the same call gives the same bits.
"""

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from .core.epoch import Batch, StepSettings, run_epoch
from .core.network import Network, multiply_adds

ENGINES = ("auto", "readable", "compiled")
AUTO_SECONDS = 3.0  # of the readable engine's time from which "auto" takes the compiled one
STEP_SECONDS, PAIR_SECONDS = 1.5e-4, 2.5e-10  # of the readable engine: a step, a multiply-add

Epochs = Iterator[tuple[float, float, float]]  # mean loss, last learning rate, seconds


def start(
    net: Network, settings: StepSettings, data: Batch, *, epochs: int, batch_size: int,
    shuffle: bool, threads: int | None, rng: np.random.Generator, ahead: bool,
    losses: Sequence[float], engine: str,
) -> tuple[str, Epochs]:  # fmt: skip
    """(the engine's name, its epochs one after the other). `ahead`: nobody else draws from rng."""
    plan = {"epochs": epochs, "batch_size": batch_size, "shuffle": shuffle, "threads": threads,
            "rng": rng}  # fmt: skip
    wanted = engine == "compiled" or (
        engine == "auto" and readable_seconds(net, len(data), batch_size, epochs) > AUTO_SECONDS
    )
    if wanted and (compiled := load()) is not None:
        reason = compiled.rules.unsupported(net, settings.loss, settings.optimizer)
        if reason is None:
            run = compiled.engine.Run(net, settings, data, ahead=ahead, **plan)
            return "compiled", run.epochs(losses)
        if engine == "compiled":
            warnings.warn(f"{reason}: the readable engine runs instead", stacklevel=4)
    return "readable", _readable(net, settings, data, losses=losses, **plan)


def _readable(
    net: Network, settings: StepSettings, data: Batch, *, epochs: int, threads: int | None,
    losses: Sequence[float], **plan: Any,
) -> Epochs:  # fmt: skip
    state = settings.optimizer.init(net.theta)
    for epoch in range(epochs):
        started = time.perf_counter()
        with limit_threads(threads):
            mean, lr = run_epoch(
                net, settings, state, data, epoch=epoch, epochs=epochs, losses=losses, **plan
            )
        yield mean, lr, time.perf_counter() - started


def readable_seconds(net: Network, rows: int, batch_size: int, epochs: int) -> float:
    """About how long the readable engine would take."""
    steps = -(-rows // batch_size)
    pairs = 3.0 * rows * multiply_adds(net.layers, net.n_in)  # forwards, and twice backwards
    return epochs * (steps * STEP_SECONDS + pairs * PAIR_SECONDS)


@cache
def load() -> ModuleType | None:
    """The compiled engine; None, after one warning that says what to do, where it cannot be had.

    Once it is there, predictions go through it too.
    """
    try:
        from . import compiled
        from .compiled import engine, prediction, rules  # noqa: F401
    except ImportError as error:
        advice = f"Numba cannot be loaded ({error}): pip install --upgrade --force-reinstall numba"
    except OSError as error:
        advice = f"kernels cannot be kept ({error}): set CHAINRULE_CACHE to a folder of your own"
    else:
        Network.compiled_forward = staticmethod(prediction.forward)
        return compiled
    warnings.warn(f"{advice}; until then the readable engine runs", RuntimeWarning, stacklevel=5)
    return None


def limit_threads(threads: int | None) -> AbstractContextManager[Any]:
    """A context in which matrix products use at most so many threads; None changes nothing."""
    if threads is None:
        return nullcontext()
    limits: AbstractContextManager[Any] = _libraries().limit(limits=threads, user_api="blas")
    return limits


@cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()  # it looks through all libraries, which takes milliseconds
