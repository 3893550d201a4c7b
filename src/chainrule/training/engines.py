"""Which engine runs, and why: the one place that knows both.

The readable engine is NumPy and the oracle; the compiled one must give the same numbers. Which of
them "auto" takes depends on the amount of work alone, so that the same call gives the same bits.
"""

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..core.arrays import Array, ceil_div
from ..core.epoch import Batch, EpochResult, StepSettings, Trainer, start_state
from ..core.network import Network, multiply_adds
from ..core.optimizers import State
from .blas import at_most
from .forks import note_fork
from .plan import Plan

AUTO_SECONDS = 10.0  # of the readable engine's time from which "auto" takes the compiled one
STEP_SECONDS, PAIR_SECONDS = 1.5e-4, 2.5e-10  # of the readable engine: a step, a multiply-add

# Shows which share of the first compilation is done; None prints a line on standard error.
on_compile: Callable[[float], None] | None = None


def start(
    net: Network, settings: StepSettings, data: Batch, plan: Plan, rng: np.random.Generator, *,
    ahead: bool, losses: Sequence[float], state: State | None,
) -> tuple[str, Iterator[EpochResult]]:  # fmt: skip
    """(the engine's name, its epochs one after the other). `ahead`: nobody else draws from rng."""
    seconds = readable_seconds(net, len(data), plan.batch_rows(len(data)), plan.epochs)
    wanted = plan.engine == "compiled" or (plan.engine == "auto" and seconds > AUTO_SECONDS)
    if wanted and (compiled := load()) is not None:
        reason, warns = compiled.operations.unsupported(net, settings), plan.engine == "compiled"
        if reason is None and load(net.dtype.name) is not None:
            try:
                run = compiled.engine.Run(net, settings, data, plan, rng, ahead=ahead, state=state)
                return "compiled", run.epochs(losses)
            except MemoryError as error:
                reason, warns = f"the compiled engine has no room ({error})", True
        if reason is not None and warns:
            warnings.warn(f"{reason}: the readable engine runs instead", stacklevel=3)
    return "readable", _readable(net, settings, data, plan, rng, losses, state)


def _readable(
    net: Network, settings: StepSettings, data: Batch, plan: Plan, rng: np.random.Generator,
    losses: Sequence[float], state: State | None,
) -> Iterator[EpochResult]:  # fmt: skip
    trainer = Trainer(net, settings, start_state(settings.optimizer, net.theta, state), rng)
    for epoch in range(plan.epochs):
        started = time.perf_counter()
        with limit_threads(plan.threads):
            size = plan.batch_rows(len(data))
            mean, lr = trainer.epoch(data, epoch, plan.epochs, size, plan.shuffle, losses)
        if state is not None:
            state.update({name: value.copy() for name, value in trainer.state.items()})
        yield mean, lr, time.perf_counter() - started


def readable_seconds(net: Network, rows: int, batch_size: int, epochs: int) -> float:
    """About how long the readable engine would take."""
    steps = ceil_div(rows, batch_size)
    pairs = 3.0 * rows * multiply_adds(net.layers, net.n_in)  # forwards, and twice backwards
    return epochs * (steps * STEP_SECONDS + pairs * PAIR_SECONDS)


def load(dtype: str | None = None) -> ModuleType | None:
    """The compiled engine, with the kernels for a dtype if one is named: from the disk, or compiled
    now. None, after one warning that says what to do, where it cannot be had.

    Once kernels are there, predictions go through them too.
    """
    with _loading:
        if _failed & {None, dtype}:
            return None
        try:
            compiled = _imported()
            if dtype is not None and np.dtype(dtype) not in _ready:
                _prepare(compiled, dtype)
                _ready[np.dtype(dtype)] = compiled.prediction.forward
            Network.compiled_forward = staticmethod(_forward)
            return compiled
        except OSError as error:
            named = error.filename and error.strerror
            why = f"{error.filename}: {error.strerror}" if named else error
            advice = f"kernels cannot be kept ({why}): set CHAINRULE_CACHE to your own folder"
        except Exception as error:  # a broken library may raise anything
            fix = "pip install --upgrade --force-reinstall numba"
            advice = f"Numba cannot be loaded ({' '.join(str(error).split())}): {fix}"
        first = not _failed
        _failed.add(dtype)
    if on_compile is not None:
        on_compile(1.0)
    if first:
        sentence = f"{advice}; until then the readable engine runs"
        warnings.warn(sentence, RuntimeWarning, stacklevel=4)
    return None


def load_engine(*dtypes: DTypeLike) -> bool:
    """Have the compiled engine for these dtypes, float64 if none is named: from the disk, or
    compiled now. True if it is there; from then on `net.predict` uses it.

    For a server that only predicts, and for a container image whose first user need not wait.
    """
    kinds = [np.dtype(dtype) for dtype in dtypes or ("float64",)]
    for kind in kinds:
        if kind not in (np.float64, np.float32):
            raise ValueError(f"dtype is {kind}: a network computes in float64 or float32")
    return all(load(kind.name) is not None for kind in kinds)


def forward(net: Network, X: Array, engine: str) -> Array:
    """Z (n, n_out) in prediction mode, by the engine that runs."""
    Z = _forward(net, X) if engine == "compiled" else None
    return net.forward(X)[0] if Z is None else Z


def _forward(net: Network, X: Array) -> Array | None:
    forward = _ready.get(net.dtype)
    return None if forward is None else forward(net, X)


_loading, _failed = threading.RLock(), set[str | None]()  # None: Numba or the folder itself
_ready: dict[np.dtype[Any], Callable[[Network, Array], Array | None]] = {}  # how each predicts


def _after_fork() -> None:
    note_fork()
    _loading.release()


# A fork waits for a thread that loads the engine: the child would find the locks of the import and
# of Numba's compiler held forever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_loading.acquire, after_in_parent=_loading.release, after_in_child=_after_fork
    )


def _imported() -> ModuleType:
    from .. import compiled
    from ..compiled import cache as disk

    disk.folder()  # raises OSError for that alone
    try:
        from ..compiled import engine, kernels, operations, prediction  # noqa: F401
    except OSError as error:  # a library's own file
        raise ImportError(str(error)) from error
    return compiled


def _prepare(compiled: ModuleType, dtype: str) -> None:
    kernels, disk = compiled.kernels, compiled.cache
    try:
        kernels.addresses(dtype, on_compile)
    except OSError:
        raise
    except Exception:  # a file of the cache is damaged
        disk.empty()
        kernels.addresses(dtype, on_compile)  # which keeps only what had not been loaded yet,
        kernels.stamp(dtype).unlink()  # so the next process has to say so too


def limit_threads(threads: int | None) -> AbstractContextManager[None]:
    """A context in which matrix products use at most `threads` threads; None changes nothing."""
    return nullcontext() if threads is None else at_most(threads)
