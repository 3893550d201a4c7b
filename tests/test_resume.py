"""Rows in an order of one's own, and training that goes on where another one ended."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(50, 3)), RNG.normal(size=50)
ENGINES = ["readable", "compiled"]
each = pytest.mark.parametrize("engine", ENGINES)
OPTIMIZERS = [
    cr.SGD(), cr.Momentum(), cr.Nesterov(), cr.AdaGrad(), cr.RMSProp(), cr.Adam(), cr.AdamHat(),
    cr.AdamW(),
]  # fmt: skip


def run(net: cr.Network, optimizer: cr.Optimizer = cr.Adam(), **how: Any) -> list[float]:  # noqa: B008
    settings = {"epochs": 6, "batch_size": 8, "lr": 0.01, "rng": 1} | how
    return [record.loss for record in cr.train(net, cr.SquaredError(), optimizer, X, Y, **settings)]


def network() -> cr.Network:
    return cr.Network.mlp([3, 5, 1], "tanh", rng=0)


@each
@pytest.mark.parametrize("batch_size", [8, None])
def test_rows_come_in_the_order_given(engine: str, batch_size: int | None) -> None:
    """The same order by hand: epoch after epoch on rows that are sorted before."""
    orders = [np.random.default_rng(k).permutation(50) for k in range(6)]
    given, by_hand, state = network(), network(), dict[str, Any]()
    run(given, shuffle=lambda epoch: orders[epoch], engine=engine, batch_size=batch_size)
    for order in orders:
        steps = cr.train(by_hand, cr.SquaredError(), cr.Adam(), X[order], Y[order], epochs=1,
                         batch_size=batch_size, lr=0.01, shuffle=False, state=state,
                         engine=engine)  # fmt: skip
        assert len(list(steps)) == 1
    np.testing.assert_allclose(given.theta, by_hand.theta, rtol=1e-12)


@each
@pytest.mark.parametrize(
    "rows",
    [np.arange(49), np.zeros(50, int), np.arange(50) - 1, np.arange(50) + 1, np.arange(50.0), [0]],
    ids=["short", "twice", "below", "beyond", "floats", "one"],
)
def test_no_order_is_refused(engine: str, rows: Any) -> None:
    with pytest.raises(ValueError, match=r"shuffle\(0\) gave no order of 50 rows: give each"):
        run(network(), shuffle=lambda _: rows, engine=engine)
    with pytest.raises(ValueError, match="shuffle is 1: use True, False or a function"):
        run(network(), shuffle=1)


@each
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: type(one).__name__)
def test_training_goes_on_where_it_ended(engine: str, optimizer: cr.Optimizer) -> None:
    whole, parts, state = network(), network(), dict[str, Any]()
    losses = run(whole, optimizer, shuffle=False, engine=engine)
    first = run(parts, optimizer, shuffle=False, engine=engine, epochs=2, state=state)
    assert set(state) == set(optimizer.init(parts.theta))
    rest = run(parts, optimizer, shuffle=False, engine=engine, epochs=4, state=state)
    assert first + rest == losses
    np.testing.assert_array_equal(parts.theta, whole.theta)


def test_either_engine_goes_on_from_the_other() -> None:
    whole, parts, state = network(), network(), dict[str, Any]()
    run(whole, shuffle=False)
    for engine in ENGINES:
        run(parts, shuffle=False, engine=engine, epochs=3, state=state)
    np.testing.assert_allclose(parts.theta, whole.theta, rtol=1e-12)
    assert state["t"] == 6 * 7


@each
def test_a_state_that_does_not_fit_is_refused(engine: str) -> None:
    with pytest.raises(ValueError, match=r"state does not fit Adam.*it keeps t \(\), m \(26,\)"):
        run(network(), state={"v": np.zeros(26)}, engine=engine)


@each
def test_a_penalty_per_row_is_that_of_the_batch(engine: str) -> None:
    """Of 50 rows in batches of 8 the last has 2, and four times the penalty."""
    net, by_hand, state = network(), network(), dict[str, Any]()
    run(net, penalty=cr.Penalty(0.1, 0.4, per_row=True), shuffle=False, epochs=1, engine=engine)
    for start in range(0, 50, 8):
        rows = slice(start, start + 8)
        n = len(Y[rows])
        steps = cr.train(by_hand, cr.SquaredError(), cr.Adam(), X[rows], Y[rows], epochs=1, lr=0.01,
                         batch_size=None, penalty=cr.Penalty(0.1 / n, 0.4 / n),
                         state=state)  # fmt: skip
        list(steps)
    np.testing.assert_allclose(net.theta, by_hand.theta, rtol=1e-12)


def test_a_trace_shows_the_penalty_of_its_batch() -> None:
    how: dict[str, Any] = {"lr": 0.1, "penalty": cr.Penalty(l2=0.5, per_row=True)}
    trace = cr.trace_step(network(), cr.SquaredError(), cr.SGD(), X[:5], Y[:5], **how)
    assert trace.settings.penalty == cr.Penalty(l2=0.1)
    assert cr.verify(trace)
