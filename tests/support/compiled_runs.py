"""One run on both engines, compared; and work that is large enough for several threads, for
processes and threads that tests start.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Event
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_info

import chainrule as cr
from support.numeric import Array
from support.processes import PATIENCE, completed

EPSILON = {"float64": 1e-9, "float32": 1e-3}


class End(NamedTuple):
    """How a run ended: its records, theta and buffers, and the exception, if any."""

    records: list[tuple[float, float | None, float]]
    theta: Array
    buffers: Array
    error: BaseException | None
    engines: set[str]


def run(engine: str, make: Callable[[], cr.Network], **how: Any) -> End:
    """Train a new network to the end, or to an exception."""
    net, records, engines, error = make(), [], set(), None
    try:
        for r in cr.train(net, **how, engine=engine):
            records.append((r.loss, r.valid_loss, r.lr))
            engines.add(r.engine)
    except Exception as stop:
        error = stop
    return End(records, net.theta.copy(), net.buffers.copy(), error, engines)


def both(make: Callable[[], cr.Network], **how: Any) -> End:
    """The run on the compiled engine, after it was found equal to that on the readable one."""
    readable, compiled = (run(engine, make, **how) for engine in ("readable", "compiled"))
    assert type(compiled.error) is type(readable.error)
    assert str(compiled.error) == str(readable.error)
    assert compiled.engines <= {"compiled"}
    assert len(compiled.records) == len(readable.records)
    close = EPSILON[readable.theta.dtype.name]
    for ours, oracle in zip(compiled.records, readable.records, strict=True):
        assert (ours[1] is None) == (oracle[1] is None)
        np.testing.assert_allclose(*(np.array(r, float) for r in (ours, oracle)), rtol=close)
    for name in ("theta", "buffers"):
        a, b = getattr(compiled, name), getattr(readable, name)
        largest = float(np.abs(b[np.isfinite(b)]).max(initial=0))
        np.testing.assert_allclose(a, b, rtol=close, atol=close * largest)
    return compiled


ROWS = np.random.default_rng(0).normal(size=(512, 96))
GOALS = np.sin(ROWS[:, :4].sum(axis=1))


def large(seed: int = 0) -> cr.Network:
    """A network of which 256 rows are enough for the parallel kernels."""
    return cr.Network.mlp([96, 64, 32, 1], "tanh", dropout=0.1, rng=seed)


def trained(seed: int = 0, **how: Any) -> cr.Network:
    """A network after two epochs on the compiled engine."""
    net, settings = large(seed), {"epochs": 2, "batch_size": 256, "lr": 0.01, "rng": seed}
    settings |= {"loss": cr.SquaredError(), "optimizer": cr.Adam(), "X": ROWS, "y": GOALS}
    run = cr.train(net, engine="compiled", **(settings | how))
    assert {record.engine for record in run} == {"compiled"}
    return net


def work(seed: int = 0) -> str:
    """Training and prediction, both large enough for several threads: a digest of every bit."""
    net = trained(seed)
    return digest(net.theta, net.predict(ROWS))


def toy() -> str:
    """Training and prediction that no second thread is worth."""
    net = cr.Network.mlp([3, 4, 1], rng=0)
    run = cr.train(net, cr.SquaredError(), cr.SGD(), ROWS[:8, :3], GOALS[:8], epochs=3, lr=0.1,
                   rng=0, engine="compiled")  # fmt: skip
    assert {record.engine for record in run} == {"compiled"}
    return digest(net.theta, net.predict(ROWS[:8, :3]))


def long_run(**how: Any) -> tuple[cr.Network, Iterator[cr.Record]]:
    """Epochs that take the kernel hundredths of a second each, on several threads."""
    rows, goals = np.tile(ROWS, (20, 1)), np.tile(GOALS, 20)
    settings = {"epochs": 10**6, "batch_size": 256, "lr": 1e-3, "rng": 0, "engine": "compiled"}
    net = large()
    return net, cr.train(net, cr.SquaredError(), cr.Adam(), rows, goals, **(settings | how))


def toy_run(**how: Any) -> tuple[cr.Network, Iterator[cr.Record]]:
    """Hundreds of epochs in one call; the best one, for the validation row, is the fourth."""
    net = cr.Network(1, [cr.Dense(1, bias=False, init=0.0)], rng=0)
    settings: dict[str, Any] = {"epochs": 10**8, "lr": 0.1, "rng": 0, "engine": "compiled"}
    settings |= {"valid": ([[1.0]], [0.6])} if "restore" in how else {}
    return net, cr.train(net, cr.SquaredError(), cr.SGD(), [[1.0]], [1.0], **(settings | how))


RUNS = {"long": long_run, "toy": toy_run}


def digest(*arrays: Array) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def blas() -> list[int]:
    """On how many threads each BLAS library computes."""
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each call returns, all made at the same moment, each in a thread of its own."""
    barrier = Barrier(len(calls))

    def start(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(start, calls))


class Seen(list[bool]):
    """Whether the parallel kernels ran, each time that they could have."""

    def __init__(self) -> None:
        super().__init__()
        self._met = Event()
        self._met.set()

    def meet(self) -> None:
        """Let the next thread that may run them wait until another one has been refused."""
        self.clear()
        self._met.clear()

    def see(self, several: bool) -> None:
        self.append(several)
        if not several:
            self._met.set()
        assert self._met.wait(PATIENCE), "threads never met"


def watch_threads() -> Seen:
    """A list that grows: whether the parallel kernels ran, each time that they could have."""
    from chainrule.compiled import engine, prediction, threads

    seen, real = Seen(), threads.several_threads

    @contextmanager
    def watched(*wanted: int | None) -> Iterator[bool]:
        with real(*wanted) as several:
            seen.see(several)
            yield several

    engine.several_threads = prediction.several_threads = watched
    return seen


def environment(**variables: str) -> dict[str, str]:
    """For processes that import this module, with two threads on any machine."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    more = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "NUMBA_NUM_THREADS": "2"}
    return {**os.environ, **more, **variables}


def python(script: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """The script as a process that has to end well."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = completed(command, env=environment(**variables))
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stderr}"
    return done
