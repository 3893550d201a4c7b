"""together(): several trainings side by side; Ctrl-C in the middle; Best, which keeps an epoch."""

import threading
import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.table_runs import built, made_up

import chainrule as cr
from chainrule.core.nonfinite import Diverged
from chainrule.training.loop import Best, Record, together


def record(epoch: int, loss: float = 0.5) -> Record:
    return Record(epoch, loss, None, 0.1, 0.0, "readable", 0)


class Stream:
    """A training that counts what is asked of it, and says when it is closed."""

    def __init__(self, epochs: int, *, fails: int | None = None, slow: float = 0.0) -> None:
        self.epochs, self.fails, self.slow = epochs, fails, slow
        self.done, self.closed, self.at_work = 0, False, False
        self.closed_at_work = False

    def run(self) -> Generator[Record, None, None]:
        try:
            for epoch in range(self.epochs):
                self.at_work = True
                time.sleep(self.slow)
                if epoch == self.fails:
                    raise Diverged(f"at epoch {epoch}")
                self.done, self.at_work = epoch + 1, False
                yield record(epoch, epoch + self.epochs / 100)
        finally:
            self.closed_at_work = self.at_work and self.fails is None
            self.closed = True


def streams(*lengths: int, **how: Any) -> tuple[list[Stream], list[Any]]:
    whole = [Stream(n, **how) for n in lengths]
    return whole, [one.run() for one in whole]


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_epoch_by_epoch_and_what_has_ended_counts_with_its_last(threads: int) -> None:
    whole, running = streams(3, 1, 4)
    told = [[r.epoch for r in records] for records in together(running, threads)]
    assert told == [[0, 0, 0], [1, 0, 1], [2, 0, 2], [2, 0, 3]]
    assert all(one.closed for one in whole)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_no_more_are_at_work_than_there_are_threads(threads: int) -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def counted() -> Generator[Record, None, None]:
        for epoch in range(4):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.005)
            with lock:
                now[0] -= 1
            yield record(epoch)

    assert len(list(together([counted() for _ in range(5)], threads))) == 4
    assert 1 <= most[0] <= threads


def test_a_break_closes_every_stream() -> None:
    whole, running = streams(9, 9)
    for records in together(running, 2):
        if records[0].epoch == 2:
            break
    del records
    assert [one.done for one in whole] == [3, 3]
    assert all(one.closed for one in whole)


def test_what_one_raises_ends_all() -> None:
    whole, running = streams(9, 9)
    failing = Stream(9, fails=2)
    rounds, seen = together([*running, failing.run()], 3), list[int]()
    with pytest.raises(Diverged, match="at epoch 2"):
        seen.extend(records[0].epoch for records in rounds)
    assert seen == [0, 1]
    assert all(one.closed for one in [*whole, failing])
    assert not any(one.closed_at_work for one in whole)


def interrupting(monkeypatch: pytest.MonkeyPatch, *, result: int, shutdown: int = 0) -> list[str]:
    """Ctrl-C at the `result`-th look at a result, and at each of the first `shutdown` waits for
    the pool; what happened, in order.
    """
    own, settle, seen = Future.result, ThreadPoolExecutor.shutdown, list[str]()

    def interrupted(future: Any, timeout: Any = None) -> Any:
        seen.append("result")
        if seen.count("result") == result:
            raise KeyboardInterrupt
        return own(future, timeout)

    def stopped(pool: ThreadPoolExecutor, **how: Any) -> None:
        seen.append("shutdown")
        if seen.count("shutdown") <= shutdown:
            raise KeyboardInterrupt
        settle(pool, **how)

    monkeypatch.setattr(Future, "result", interrupted)
    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", stopped)
    return seen


@pytest.mark.parametrize("again", [0, 1, 3])
@pytest.mark.parametrize("slow", [0.0, 0.02])
def test_ctrl_c_again_and_again_waits_for_what_is_at_work(
    again: int, slow: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, running = streams(9, 9, slow=slow)
    seen = interrupting(monkeypatch, result=5, shutdown=again)  # at the third epoch
    with pytest.raises(KeyboardInterrupt):
        list(together(running, 2))
    assert seen.count("shutdown") == again + 1
    assert all(one.closed for one in whole)
    assert not any(one.closed_at_work for one in whole)
    assert [one.done for one in whole] == [3, 3]


@pytest.mark.parametrize("result", [3, 4, 7])
def test_ctrl_c_in_an_epoch_leaves_a_run_that_can_be_told_of(
    result: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members may have finished the epoch that no record tells of: the outcome is whole anyway."""
    scores = iter(range(1000, 0, -1))
    score = "chainrule.tabular.member.metrics.held_out_score"
    monkeypatch.setattr(score, lambda *_: float(next(scores)))  # each epoch is the best
    run = built(made_up(), preset="strong", epochs=9, threads=1)
    with monkeypatch.context() as patched:
        interrupting(patched, result=result)
        with pytest.raises(KeyboardInterrupt):
            list(run.train())
    assert run.stopped == "interrupted"
    outcome = run.outcome(compared=False)
    told = outcome.ending
    assert outcome.to_dict()["training"]["stopped"] == "interrupted"
    assert told.startswith(f"Stopped by you after {len(run.records)} epoch")
    best = outcome.model.facts["best_epochs"]
    assert all(-1 <= epoch < len(run.records) for epoch in best), told


def test_a_second_run_of_the_same_member_begins_where_it_stands() -> None:
    run = built(made_up(), preset="strong")
    member = run.members[0]
    list(member.train(run.preset, run.loss, "accuracy", 1, 2))
    kept = member.net.theta.copy()
    trial = replace(member, net=member.net.copy(), rows=member.rows.take(slice(40)))
    list(trial.train(run.preset, run.loss, "accuracy", 1, 2))
    np.testing.assert_array_equal(member.net.theta, kept)
    assert len(trial.rows) == 40
    assert not np.array_equal(trial.net.theta, kept)


def seen_by(latest: bool, *losses: float) -> Best:
    net = cr.Network(1, [cr.Dense(1), cr.BatchNorm()], rng=0)
    best = Best(net, latest=latest)
    for epoch, loss in enumerate(losses):
        net.theta = np.full(net.theta.size, float(epoch))
        net.buffers = np.full(net.buffers.size, epoch + 0.5)
        best.see(loss, epoch)
    best.put_back()
    return best


@pytest.mark.parametrize(("latest", "epoch"), [(True, 3), (False, 1)])
def test_of_equal_epochs_the_first_or_the_latest_is_kept(latest: bool, epoch: int) -> None:
    best = seen_by(latest, 0.3, 0.1, 0.2, 0.1, 0.15)
    assert (best.epoch, best.loss) == (epoch, 0.1)
    assert set(best.net.theta) == {float(epoch)}
    assert set(best.net.buffers) == {epoch + 0.5}


@pytest.mark.parametrize("latest", [True, False])
def test_where_no_epoch_was_finite_the_start_is_kept(latest: bool) -> None:
    start = cr.Network(1, [cr.Dense(1), cr.BatchNorm()], rng=0).theta
    best = seen_by(latest, np.nan, np.nan)
    assert best.epoch == -1
    np.testing.assert_array_equal(best.net.theta, start)
    assert seen_by(latest, np.nan, 0.2, np.nan).epoch == 1
