"""A session is the readable engine's training, step by step, and any step can be gone back to."""

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.processes import PATIENCE

import chainrule as cr
from chainrule.chain.session import Session

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(23, 3)), RNG.integers(0, 2, 23)
WEIGHT = np.where(np.arange(23) < 8, 0.0, 1.0)


def net(dropout: Any = 0.2) -> cr.Network:
    return cr.Network.mlp([3, 5, 1], "tanh", dropout=dropout, rng=1)


def session(**how: Any) -> Session:
    settings: dict[str, Any] = {"lr": 0.05, "batch_size": 5, "epochs": 6, "rng": 3} | how
    return Session(net(), cr.BinaryCrossEntropy(), cr.Adam(), X, Y, **settings)


@pytest.mark.parametrize(
    "how",
    [
        {}, {"batch_size": None}, {"shuffle": False, "clip": 0.1},
        {"penalty": cr.Penalty(0.01, 0.1)},
        {"lr": cr.Plateau(0.1, patience=1)}, {"weight": WEIGHT, "shuffle": False},
    ],
    ids=str,
)  # fmt: skip
def test_a_session_is_train(how: dict[str, Any]) -> None:
    one = session(**how)
    one.run()
    other = net()
    settings = {"lr": 0.05, "batch_size": 5, "epochs": 6, "rng": 3} | how
    records = list(
        cr.train(other, cr.BinaryCrossEntropy(), cr.Adam(), X, Y, engine="readable", **settings)
    )
    np.testing.assert_array_equal(one.net.theta, other.theta)
    assert one.epoch_losses == [record.loss for record in records]
    assert [step.lr for step in one.history][one.per_epoch - 1 :: one.per_epoch] == [
        record.lr for record in records
    ]


@settings(max_examples=40)
@given(jumps=st.lists(st.integers(0, 45), min_size=1, max_size=6), keyframes=st.integers(2, 9))
def test_any_step_again_bit_for_bit(jumps: list[int], keyframes: int) -> None:
    plain, numbers = session(epochs=9), []
    for _ in range(46):
        numbers.append((plain.net.theta.copy(), plain.state["v"].copy()))
        plain.step()
    one = session(epochs=9, keyframes=keyframes)
    for jump in jumps:
        assert one.seek(jump)["step"] == jump
        np.testing.assert_array_equal(one.net.theta, numbers[jump][0])
        np.testing.assert_array_equal(one.state["v"], numbers[jump][1])
        assert one.history == plain.history[:jump]
        assert len(one._frames) <= keyframes + 1


def test_the_trace_is_of_the_step_that_comes() -> None:
    one = session()
    one.step(7)
    trace = one.trace()
    before = one.net.theta.copy()
    np.testing.assert_array_equal(trace.net.theta, before)
    one.step()
    np.testing.assert_array_equal(trace.theta_after, one.net.theta)
    assert trace.loss == one.history[-1].loss
    assert cr.verify(trace)
    again = one.trace(step=7)
    np.testing.assert_array_equal(again.theta_after, trace.theta_after)
    assert one.done == 8
    later = one.trace(step=11)
    one.seek(11)
    np.testing.assert_array_equal(later.net.theta, one.net.theta)
    found = one.explain("0.W[1,2]", row=3, step=7)
    assert (found.row, found.value) == (3, trace.values["0.dW"][1, 2])


def test_units() -> None:
    one = session()
    assert one.step(3, "sample") == {"step": 0, "epoch": 0, "batch": 0, "sample": 3, "operation": 0}
    assert one.step(2, "sample")["step"] == 1
    count = len(one.trace().values)
    assert one.step(count - 1, "operation")["operation"] == count - 1
    assert one.step(1, "operation") == {"step": 2, "epoch": 0, "batch": 2, "sample": 0,
                                        "operation": 0}  # fmt: skip
    assert one.step(1, "epoch") == {"step": 5, "epoch": 1, "batch": 0, "sample": 0, "operation": 0}
    assert one.step(2, "epoch")["epoch"] == 3
    assert one.step(0)["step"] == 15


def test_run_until() -> None:
    one = session()
    assert one.run(4)["step"] == 4
    assert one.run(lambda step: step.epoch == 2)["step"] == 11
    assert one.run()["step"] == one.planned == 30
    assert one.run()["step"] == 30


def test_pause_from_another_thread() -> None:
    one = session(epochs=100_000)
    seen = threading.Event()

    def told(step: Any) -> bool:
        seen.set()
        return False

    runner = threading.Thread(target=one.run, args=(told,), daemon=True)
    runner.start()
    assert seen.wait(PATIENCE)
    one.pause()
    runner.join(PATIENCE)
    assert not runner.is_alive()
    assert 0 < one.done < one.planned
    assert len(one.history) == one.done


def test_a_pause_that_comes_before_the_run_ends_it() -> None:
    one = session()
    one.pause()
    assert one.run()["step"] == 0
    assert one.run()["step"] == one.planned


def test_forks() -> None:
    one = session()
    one.step(6)
    same, slow = one.fork(), one.fork(lr=0.001, numbers={"0.W[0,1]": 0.5})
    assert slow.net["0.W"][0, 1] == 0.5
    assert one.net["0.W"][0, 1] != 0.5
    for s in (one, same, slow):
        s.step(4)
    np.testing.assert_array_equal(one.net.theta, same.net.theta)
    assert not np.array_equal(one.net.theta, slow.net.theta)
    with pytest.raises(ValueError, match="forked at step 6: ask the one it came from"):
        same.seek(2)
    other = one.fork(optimizer=cr.SGD())
    assert other.state == {}
    other.step()
    with pytest.raises(ValueError, match=r"1.A\[0,0\] is no parameter"):
        one.fork(numbers={"1.A[0,0]": 1.0})


def test_a_step_that_diverges_changes_nothing() -> None:
    one = Session(net(0.0), cr.SquaredError(), cr.Adam(), X, Y * 1e200, lr=0.1, rng=0)
    before = one.export()
    with pytest.raises(cr.Diverged):
        one.step()
    assert one.export() == before
    assert int(one.state["t"]) == 0


def test_grid_predict_export() -> None:
    one = session()
    one.step(3)
    xs, ys, values = one.grid(0, 2, size=7)
    assert (xs.shape, ys.shape, values.shape) == ((7,), (7,), (7, 7, 1))
    point = X.mean(axis=0)
    point[0], point[2] = xs[4], ys[1]
    np.testing.assert_allclose(values[1, 4], one.predict([point])[0], rtol=1e-12)
    told = one.export()
    assert told["position"]["step"] == len(told["history"]) == 3
    assert told["seed"] == 3
    np.testing.assert_array_equal(told["numbers"]["0.W"], one.net["0.W"])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.step(1, "row"), "step got 1 of 'row': give a number ≥ 0 of operation, sample"),
        (lambda s: s.step(-1), "step got -1"),
        (lambda s: s.seek(-3), "there is no step -3: steps count from 0"),
        (lambda s: s.grid(0, 9), "grid got the columns 0 and 9"),
        (lambda s: session(batch_size=0), "Session batch_size is 0: it must be a whole number"),
        (lambda s: session(batch_size=2.5), "Session batch_size is 2.5"),
        (lambda s: s.run(until="x"), "until is 'x': give a number of steps or a function"),
        (lambda s: s.grid(size=2.5), "grid size is 2.5"),
        (lambda s: s.fork(numbers={"0.W[0,0]": "a"}), "is to become 'a': give a finite number"),
        (lambda s: s.explain("0.W[9,9]"), "every index starts at 0"),
        (lambda s: s.fork(lr=-1.0), "lr is -1.0"),
    ],
)
def test_mistakes(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call(session())
