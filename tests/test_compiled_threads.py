"""The same bits on one thread, on two, beside a busy one, and when several Python threads train or
predict at once; a prediction is the same alone and among others.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from support.compiled_cases import Case, cases
from support.compiled_runs import Seen, python
from support.numeric import Array
from support.thread_runs import NETS, X, run

import chainrule as cr
from chainrule.compiled import engine, prediction

SEVERAL = pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one core: one thread")


@pytest.fixture(autouse=True)
def _compiled_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the engine is loaded; and as before for the tests of other files."""
    monkeypatch.setattr(cr.Network, "compiled_forward", staticmethod(prediction.forward))


@pytest.fixture
def given_threads(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Whether several threads were given, each time that they were asked for."""
    given = Seen()
    for module in (engine, prediction):
        original = module.several_threads

        @contextmanager
        def spy(wanted: int | None = None, original: Any = original) -> Iterator[bool]:
            with original(wanted) as several:
                given.see(several)
                yield several

        monkeypatch.setattr(module, "several_threads", spy)
    return given


@contextmanager
def busy() -> Iterator[None]:
    """Two Python threads that do nothing but work."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            np.sort(np.arange(20_000.0) % 97)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@SEVERAL
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", NETS)
def test_threads_change_no_bit(name: str, dtype: str, given_threads: list[bool]) -> None:
    alone = run(name, dtype, 1)
    assert not any(given_threads)
    assert run(name, dtype, 2) == alone
    assert given_threads
    assert all(given_threads)
    with busy():
        assert [run(name, dtype, None) for _ in range(3)] == [alone] * 3


MANY_THREADS = """
import sys
from support.thread_runs import digests
print(*digests([int(n) for n in sys.argv[1:]]), sep="\\n")
"""


def test_any_number_of_threads_gives_the_same_bits() -> None:
    """In processes that load the kernels from the disk: compiled twice they may differ in bits."""
    one = python(MANY_THREADS, 1, NUMBA_NUM_THREADS="1").stdout
    assert python(MANY_THREADS, 1, 2, 3, 5, 8, NUMBA_NUM_THREADS="8").stdout == one
    assert one.count("\n") == 1


@SEVERAL
def test_training_in_several_python_threads_at_once(given_threads: Seen) -> None:
    """One of them gets the parallel kernels, the others run the serial ones: same bits."""
    alone = run("adam", "float64", 1)
    given_threads.meet()
    results: list[bytes] = []

    def work() -> None:
        for _ in range(4):
            results.append(run("adam", "float64", 2))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results) == {alone}
    assert len(results) == 12
    assert set(given_threads) == {False, True}


def readable(net: cr.Network, rows: Array) -> Array:
    """The oracle's prediction, in float64."""
    return net.astype(np.float64).forward(rows)[0]


PREDICTED = cases(tuple((n, None) for n in (1, 2, 5, 63, 64, 65, 130, 200)))


@settings(max_examples=80)
@given(case=PREDICTED)
def test_a_row_is_predicted_the_same_alone_and_among_others(case: Case) -> None:
    net, rows = case.net(), case.data()["X"]
    Z, order = net.predict(rows), np.random.default_rng(case.seed).permutation(len(rows))
    assert Z.dtype == net.dtype
    alone = np.concatenate([net.predict(rows[i : i + 1]) for i in order[:20]])
    np.testing.assert_array_equal(alone, Z[order[:20]])
    np.testing.assert_array_equal(net.predict(rows[order]), Z[order])
    for size in (3, 64):
        parts = [net.predict(rows[i : i + size]) for i in range(0, len(rows), size)]
        np.testing.assert_array_equal(np.concatenate(parts), Z)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prediction, "MANY", 0)
        many = np.tile(order, 1 + 600 // len(order))
        np.testing.assert_array_equal(net.predict(rows[many]), Z[many])
        np.testing.assert_array_equal(net.predict(rows), Z)


@settings(max_examples=80)
@given(case=PREDICTED)
def test_predictions_are_the_readable_forward(case: Case) -> None:
    net, rows = case.net(), case.data()["X"]
    exact, off = readable(net, rows), 1e-12
    if case.dtype == "float32":
        rounding = max(
            np.abs(readable(other, data["X"]) - exact).max()
            for other, data in (case.noisy(seed) for seed in range(3))
        )
        off = max(1e-5, 10 * rounding)
    np.testing.assert_allclose(net.predict(rows), exact, rtol=off, atol=off)


@SEVERAL
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_many_rows_are_predicted_by_several_threads(dtype: str, given_threads: list[bool]) -> None:
    net = cr.Network(64, NETS["deep"][0], rng=0, dtype=dtype)
    few = np.concatenate([net.predict(X[i : i + 37]) for i in range(0, 1500, 37)])
    assert not given_threads
    with busy():
        np.testing.assert_array_equal(net.predict(X), few)
    assert given_threads == [True]
    results: list[Array] = []
    threads = [threading.Thread(target=lambda: results.append(net.predict(X))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    for result in results:
        np.testing.assert_array_equal(result, few)
