"""The compiled engine in forked and spawned processes, in many threads at once, under Ctrl-C: it
gives the same bits, and never ends the process.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import numpy as np
import pytest
from support.compiled_runs import (
    GOALS,
    ROWS,
    RUNS,
    at_once,
    blas,
    digest,
    large,
    long_run,
    python,
    toy,
    trained,
    work,
)
from threadpoolctl import threadpool_limits

import chainrule as cr
from chainrule.training import engines
from chainrule.training.blas import at_most

LAYERS = pytest.mark.parametrize("layer", ["omp", "workqueue"])


@cache
def expected(seed: int) -> str:
    return work(seed)


FORK = """
import os, sys
from support.compiled_runs import toy, watch_threads, work
first = {"toy": toy, "work": work}[sys.argv[1]]()
seen = watch_threads()
print(work(), any(seen), flush=True) if sys.argv[1] == "work" else None
for generation in range(2):
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code == 0, f"the child ended with {code}"
        print(work(), flush=True)
        os._exit(0)
    del seen[:]
    print(work(), any(seen), flush=True)
os._exit(0)
"""
"""A child and a grandchild, each of which works, and then its parent once more."""


@LAYERS
@pytest.mark.parametrize("first", ["work", "toy"])
def test_a_forked_child_runs_serial_kernels(first: str, layer: str) -> None:
    """Also where the parent has only loaded the parallel kernels: OpenMP has started then."""
    told = python(FORK, first, NUMBA_THREADING_LAYER=layer).stdout.split()
    bits = expected(0)
    before = [bits, "True"] if first == "work" else []
    assert told == [*before, bits, "False", bits, "False", bits, bits]


OWN_POOL = """
import os, sys
import numba, numpy as np
if sys.argv[1] == "chainrule first":
    import chainrule
@numba.njit(parallel=True)
def own(x):
    for i in numba.prange(len(x)):
        x[i] += 1
    return x.sum()
own(np.zeros(100_000))
child = os.fork()
if child == 0:
    from support.compiled_runs import work
    print(work(), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("order", ["chainrule first", "chainrule in the child"])
def test_a_child_of_a_parent_with_parallel_kernels_of_its_own(order: str) -> None:
    assert python(OWN_POOL, order).stdout.split() == [expected(0)]


POOLS = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from joblib import Parallel, delayed
from support.compiled_runs import work
if __name__ == "__main__":
    kind, seeds = sys.argv[1], (0, 1, 0)
    assert work(0)
    if kind in ("fork", "spawn"):
        context = multiprocessing.get_context(kind)
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            told = list(pool.map(work, seeds))
    else:
        told = Parallel(n_jobs=2, backend=kind)(delayed(work)(seed) for seed in seeds)
    print(*told)
"""


@LAYERS
@pytest.mark.parametrize("kind", ["fork", "spawn", "loky", "threading"])
def test_pools_of_workers_give_the_same_bits(kind: str, layer: str) -> None:
    done = python(POOLS, kind, NUMBA_THREADING_LAYER=layer)
    assert done.stdout.split() == [expected(0), expected(1), expected(0)]


THREADS = """
import sys
import numpy as np
from support.compiled_runs import ROWS, at_once, trained, watch_threads, work
part = sys.argv[1]
net = trained()
seen = watch_threads()
sizes = [1, 7, 100, 512, 512, 512]
alone = {n: net.predict(ROWS[:n]) for n in sizes}
assert seen == [True] * 3, seen
seen.meet()
def predict(n):
    return all(np.array_equal(net.predict(ROWS[:n]), alone[n]) for _ in range(40))
if part == "train":
    print(*at_once([lambda seed=seed: work(seed) for seed in (0, 1, 2, 0, 1, 2)]))
elif part == "predict":
    print(*at_once([lambda n=n: predict(n) for n in sizes]))
else:
    calls = [lambda n=n: predict(n) for n in sizes]
    print(*at_once([*calls, lambda: work(0), lambda: work(1)]))
assert set(seen) == {True, False}, "threads never met"
"""


@LAYERS
@pytest.mark.parametrize("part", ["train", "predict", "both"])
def test_threads_at_once_give_the_same_bits(part: str, layer: str) -> None:
    told = python(THREADS, part, NUMBA_THREADING_LAYER=layer).stdout.split()
    digests = [expected(seed) for seed in (0, 1, 2)]
    predicted = ["True"] * 6
    right = {"train": digests * 2, "predict": predicted, "both": [*predicted, *digests[:2]]}
    assert told == right[part]


SERVER = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.request import urlopen
from support.compiled_runs import ROWS, at_once, trained, work
from support.processes import PATIENCE
net = trained()
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        answer = net.predict(ROWS[: int(self.path[1:])]).tobytes()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *_):
        pass
alone = {n: net.predict(ROWS[:n]).tobytes() for n in (1, 400, 512)}
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
Thread(target=server.serve_forever, daemon=True).start()
def ask(n):
    address = f"http://127.0.0.1:{server.server_port}/{n}"
    return all(urlopen(address, timeout=PATIENCE).read() == alone[n] for _ in range(15))
print(*at_once([*(lambda n=n: ask(n) for n in (1, 400, 512, 512, 400, 400)), work]))
server.shutdown()
"""


@LAYERS
def test_a_threaded_server_predicts_while_it_trains(layer: str) -> None:
    told = python(SERVER, NUMBA_THREADING_LAYER=layer).stdout.split()
    assert told == ["True"] * 6 + [expected(0)]


INTERRUPTED = """
import os, signal, sys
from threading import Timer
from support.compiled_runs import RUNS, digest
net, run = RUNS[sys.argv[1]](**dict(pair.split("=") for pair in sys.argv[2:]))
epochs = 0
try:
    for record in run:
        epochs += 1
        if epochs == 10:
            Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
except KeyboardInterrupt:
    del run
    print(epochs, record.engine, digest(net.theta))
"""


def interrupted(*arguments: str) -> tuple[int, str]:
    """(epochs that were handed out, digest of theta) of a run that got Ctrl-C.

    It sends the signal to itself: until a busy machine lets another process do so, it might train
    for minutes, and so would the run that it is compared with.
    """
    epochs, engine, bits = python(INTERRUPTED, *arguments).stdout.split()
    assert engine == "compiled"
    return int(epochs), bits


def bits_after(kind: str, *epochs: int) -> list[str]:
    """Digests of theta of the run after so many epochs."""
    (net, run), bits = RUNS[kind](), []
    for record in run:
        if record.epoch + 1 in epochs:
            bits.append(digest(net.theta))
        if len(bits) == len(epochs):
            break
    return bits


@pytest.mark.parametrize("kind", RUNS)
def test_ctrl_c_leaves_the_state_of_a_whole_epoch(kind: str) -> None:
    """The last one handed out, or the next if that had ended already."""
    epochs, bits = interrupted(kind)
    assert bits in bits_after(kind, epochs, epochs + 1)


def test_an_epoch_that_ended_is_kept_where_ctrl_c_came_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python raises KeyboardInterrupt as soon as the kernel has returned."""
    from chainrule.compiled import engine

    real = engine.train

    def interrupted(*arguments: Any) -> Any:
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "train", interrupted)
    net, run = long_run(epochs=3)
    with pytest.raises(KeyboardInterrupt):
        next(run)
    monkeypatch.undo()
    after, again = long_run(epochs=3)
    next(again)
    np.testing.assert_array_equal(net.numbers, after.numbers)


def test_ctrl_c_puts_back_the_best_epoch() -> None:
    epochs, bits = interrupted("toy", "restore=best")
    assert epochs > 4
    assert [bits] == bits_after("toy", 4)


@pytest.fixture
def three() -> Iterator[list[int]]:
    """BLAS on three threads, whatever the machine has; how many each library then says."""
    with threadpool_limits(3, user_api="blas"):
        before = blas()
        assert set(before) == {3}
        yield before


@pytest.mark.parametrize("threads", [None, 1, 2])
@pytest.mark.parametrize("end", ["all", "break", "diverged", "raised"])
@pytest.mark.parametrize("engine", ["readable", "compiled"])
def test_blas_has_its_threads_back(
    end: str, engine: str, threads: int | None, three: list[int]
) -> None:
    lr = 1e200 if end == "diverged" else 0.01
    run = cr.train(
        large(), cr.SquaredError(), cr.SGD(), ROWS, GOALS, epochs=2, lr=lr, rng=0, engine=engine,
        threads=threads, batch_size=256, valid=(ROWS[:9], GOALS[:9]),
    )  # fmt: skip
    try:
        for _ in run:
            assert blas() == three
            if end == "raised":
                raise KeyError
            if end == "break":
                break
    except (KeyError, cr.Diverged):
        assert end in ("raised", "diverged")
    else:
        assert end in ("all", "break")
    assert blas() == three


def test_limits_that_overlap_end_in_any_order(three: list[int]) -> None:
    """As those of several Python threads do, of which each has its own stack of contexts."""
    first, second, third = ExitStack(), ExitStack(), ExitStack()
    first.enter_context(engines.limit_threads(2))
    assert set(blas()) == {2}
    second.enter_context(at_most(1))
    third.enter_context(engines.limit_threads(1))
    first.close()
    second.close()
    assert set(blas()) == {1}
    third.close()
    assert blas() == three


def test_blas_has_its_threads_back_after_trainings_at_once(three: list[int]) -> None:
    limits = [None, 1, 2, 1, None, 2]
    at_once([lambda n=n: trained(0, threads=n, epochs=4) for n in limits])
    assert blas() == three


FORKED_INSIDE = """
import os, sys
from threading import Event, Thread
from support.processes import PATIENCE, start
from threadpoolctl import threadpool_limits
from chainrule.training import engines
from support.compiled_runs import blas, toy
toy()
threadpool_limits(3, user_api="blas")
inside, leave = Event(), Event()
def hold():
    with engines.limit_threads(1):
        inside.set()
        leave.wait()
Thread(target=hold).start()
inside.wait()
child = os.fork()
if not child:
    print(set(blas()), flush=True)
    with engines.limit_threads(2):
        print(set(blas()), flush=True)
    print(set(blas()), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
leave.set()
"""


def test_a_child_forked_while_a_thread_trains_has_all_blas_threads() -> None:
    assert python(FORKED_INSIDE).stdout.splitlines() == ["{3}", "{2}", "{3}"]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Numba told to use one thread, as a caller may have done for kernels of his own."""
    import numba

    toy()
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_numba_has_the_callers_threads_afterwards() -> None:
    import numba

    trained(0)
    assert numba.get_num_threads() == 1
    with pytest.raises(cr.Diverged):
        trained(0, lr=1e300, optimizer=cr.SGD())
    assert numba.get_num_threads() == 1
