"""Temperature and intervals: fitted on held-out rows alone, as they are defined."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.activations import softmax
from chainrule.core.epoch import Batch
from chainrule.tabular.calibrate import COLDEST, HOTTEST, held_out, margin, temperature
from chainrule.tabular.member import Member

SMALL: dict[str, Any] = {"hidden": (8,), "epochs": 4, "seed": 3, "threads": 1}
SEEDS = st.integers(0, 2**32 - 1)


def rows_of(n: int, k: int, seed: int, sharper: float) -> tuple[Any, Any]:
    """(Z, y): classes drawn with the probabilities softmax(sharper Z)."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, k))
    P = softmax(sharper * Z)
    return Z, (P.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, k - 1)


@pytest.mark.parametrize("sharper", [0.25, 1.0, 4.0])
def test_temperature_is_found_again(sharper: float) -> None:
    Z, y = rows_of(20_000, 3, 0, sharper)
    assert temperature(Z, y, None) == pytest.approx(1.0 / sharper, rel=0.1)


@given(SEEDS, st.integers(5, 60), st.integers(2, 5))
def test_no_other_temperature_has_a_lower_loss(seed: int, n: int, k: int) -> None:
    Z, y = rows_of(n, k, seed, 1.5)
    weight = np.random.default_rng(seed).uniform(0.1, 3.0, n)
    T = temperature(Z, y, weight)
    assert COLDEST <= T <= HOTTEST
    smoothed = cr.SoftmaxCrossEntropy(label_smoothing=1.0 / (n + 1))
    best = smoothed.value(Z / T, y, weight)
    for other in np.geomspace(COLDEST, HOTTEST, 97):
        assert best <= smoothed.value(Z / other, y, weight) + 1e-6 * (1 + abs(best))


def test_rows_without_a_mistake_leave_doubt() -> None:
    """Without smoothing the loss would fall for ever as T goes to 0."""
    Z = np.tile([4.0, 0.0], (30, 1))
    right = np.zeros(30, int)
    T = temperature(Z, right, None)
    assert T > 2 * COLDEST
    p = float(softmax(np.array([[4.0, 0.0]]) / T)[0, 1])
    assert p == pytest.approx(0.5 / 31, rel=0.01)  # half a mistake in 31 rows


def test_a_weight_of_two_is_two_rows() -> None:
    """But for the smoothing, which counts rows."""
    Z, y = rows_of(4000, 3, 1, 0.5)
    twice = np.where(np.arange(4000) < 1000, 2.0, 1.0)
    doubled = np.r_[np.arange(1000), np.arange(4000)]
    weighed, repeated = temperature(Z, y, twice), temperature(Z[doubled], y[doubled], None)
    assert weighed == pytest.approx(repeated, rel=0.01)


def test_margin_by_hand() -> None:
    """Off by -0.5, 0, 1, … 7: of 9 rows the 5th for half, rank 8.6 = 9 · 0.9 + ½ for 0.9."""
    Z = np.tile([0.0, 0.5, 1.0], (9, 1))
    y = np.array([0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, -7.0])
    assert margin(Z, y, None, 0.9) == pytest.approx(6.6)
    assert margin(Z, y, None, 0.5) == 3.0
    assert margin(Z, y, None, 0.99) == 7.0  # more than 9 rows can tell
    assert margin(Z, np.full(9, 0.75), None, 0.8) == -0.25  # narrower
    assert margin(np.zeros((0, 3)), np.zeros(0), None, 0.9) == 0.0
    double = np.r_[np.full(8, 1.0), 2.0]  # 7 weighs 2 of 10, so 6 is reached at 8 of 10: rank 7.2
    assert margin(Z, y, double, 6.7 / 9) == pytest.approx(6.0)
    assert margin(Z, y, double, 7.6 / 9) == pytest.approx(6.5)
    unused = np.r_[np.ones(8), 0.0]
    assert margin(Z, y, unused, 0.5) == margin(Z[:8], y[:8], None, 0.5)
    assert margin(Z, y, np.zeros(9), 0.5) == 0.0


def test_intervals_move_inwards_by_half_their_width_at_most() -> None:
    """Where nearly every row lies at the median, the ends would cross and be wide the other way."""
    Z = np.tile([-3.0, 0.0, 3.0], (9, 1))
    Z[0] = [-50.0, 0.0, 50.0]
    assert margin(Z, np.full(9, 1e-3), None, 0.1) == -3.0


def test_what_all_members_would_not_miss_by_makes_the_margin_smaller() -> None:
    """Half of the variance is that of fewer members: distances to the median shrink by √½."""
    rng = np.random.default_rng(0)
    Z, y = np.zeros((4000, 3)), rng.normal(size=4000)
    plain, shrunk = margin(Z, y, None, 0.8), margin(Z, y, None, 0.8, 0.5 * np.mean(y**2))
    assert shrunk == pytest.approx(np.sqrt(0.5) * plain)
    assert margin(Z, y, None, 0.8, 9.0) == 0.0


def test_crossed_ends_hold_what_they_should() -> None:
    """A row below its median must be reached by the lower end, wherever the upper one is."""
    Z = np.tile([1.0, 2.0, 0.5], (9, 1))  # the upper end below both others
    y = np.linspace(0.1, 0.9, 9)
    off = margin(Z, y, None, 0.8)
    assert off == pytest.approx(0.77)  # rank 7.7 of 0.1, 0.2, …
    ends = np.sort(Z + [-off, 0.0, off], axis=1)
    inside = (ends[:, 0] <= y + 1e-9) & (y <= ends[:, 2])
    assert inside.sum() == 7


@given(SEEDS, st.integers(3, 80), st.sampled_from([0.5, 0.8, 0.9]))
def test_as_many_rows_are_held_as_the_rank_says(seed: int, n: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    low, y = rng.normal(size=n), 3 * rng.normal(size=n)
    Z = np.column_stack([low, low + 0.01, low + 0.02])  # nearly nothing to move inwards by
    off = margin(Z, y, None, share)
    inside = (Z[:, 0] - off <= y + 1e-12) & (y - 1e-12 <= Z[:, 2] + off)
    wanted = min(n, math.floor(share * n + 0.5 + 1e-9))
    assert inside.sum() == wanted or (off == -0.01 and inside.sum() >= wanted)


def test_a_row_more_is_held_as_often_as_promised() -> None:
    """Over many draws of 40 rows at random and one more, which lies below rank 32.5 of 41."""
    rng, share, hits = np.random.default_rng(0), 0.8, 0
    for _ in range(4000):
        y = rng.normal(size=41)
        off = margin(np.zeros((40, 3)), y[:40], None, share)
        hits += abs(y[40]) <= off
    wanted = (share * 40 + 0.5) / 41
    assert hits / 4000 == pytest.approx(wanted, abs=4 * math.sqrt(wanted * (1 - wanted) / 4000))


def constant(value: float) -> cr.Network:
    net = cr.Network(1, [cr.Dense(1, init=0.0)], rng=0)
    net["0.b"] = [value]
    return net


def test_a_row_is_answered_by_the_members_that_held_it_out() -> None:
    rows = Batch(np.zeros((5, 1)), np.arange(5.0))
    members = [
        Member(constant(value), rows, rows.take(places) if len(places) else None, places, 0)
        for value, places in (
            (1.0, np.array([0, 1])), (3.0, np.array([1, 4])), (9.0, np.array([], int)),
        )
    ]  # fmt: skip
    for member in members:
        member.answers[...] = member.net["0.b"][0]
    Z, places, V = held_out(members, 5)
    np.testing.assert_array_equal(places, [0, 1, 4])
    # row 1 was answered 1 and 3: variance 2; that of one member is 2 (1 - 1/3) more than of three
    np.testing.assert_allclose(V, [4 / 3, 2 * (1 / 2 - 1 / 3), 4 / 3])
    alone = held_out(members[:1], 5)
    np.testing.assert_array_equal(alone[2], [0.0, 0.0])
    np.testing.assert_array_equal(Z[:, 0], [1.0, 2.0, 3.0])


def table(n: int = 240) -> Any:
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=n), rng.integers(0, 3, n)
    return cr.read_table({
        "x": x, "c": np.array(list("abc"), object)[c],
        "kind": np.array(["no", "yes"], object)[(x + 0.5 * rng.normal(size=n) > 0).astype(int)],
        "size": 3 * x + c + rng.normal(size=n),
    })  # fmt: skip


def trained(target: str, preset: str, **settings: Any) -> cr.TableRun:
    other = "size" if target == "kind" else "kind"
    run = cr.TableRun.read(table(), target, preset, drop=[other], **{**SMALL, **settings})
    for _ in run.train():
        pass
    return run


@pytest.mark.parametrize("members", [1, 3])
def test_strong_networks_are_cooled_by_their_held_out_rows(members: int) -> None:
    run = trained("kind", "strong", members=members)
    assert isinstance(run.net.layers[-1], cr.Temperature)
    last = f"{len(run.net.layers) - 1}.T"
    Z, places, _ = held_out(run.members, len(run.data.train))
    wanted = temperature(Z, run.data.train.y[places], None)
    assert float(run.net[last][0]) == pytest.approx(wanted, rel=1e-6)
    assert run.temperature == run.model().facts["temperature"] == run.net.layers[-1].start
    X = run.data.train.X.astype(np.float32)
    plain = cr.Network.average([member.net for member in run.members]).predict(X)
    np.testing.assert_array_equal(run.net.predict(X).argmax(axis=1), plain.argmax(axis=1))
    np.testing.assert_allclose(run.net.predict(X), plain / run.temperature, rtol=1e-5, atol=1e-6)


def test_who_can_be_followed_by_hand_is_not_cooled() -> None:
    assert trained("kind", "simple").temperature is None
    assert trained("size", "strong").temperature is None
    assert trained("kind", "strong", valid=0.0).temperature is None


@pytest.mark.parametrize("preset", ["simple", "strong", "ensemble"])
def test_intervals_of_every_preset_hold_their_share_of_the_held_out_rows(preset: str) -> None:
    run = trained("size", preset, interval=0.8, members=2)
    Z, places, V = held_out(run.members, len(run.data.train))
    off = margin(Z, run.data.train.y[places], None, 0.8, V)
    X = run.data.train.X.astype(run.preset.dtype)
    for member in run.members:
        best = member.net.copy()
        best.theta = member.best._theta  # before the margin
        moved = member.net.predict(X) - best.predict(X)
        np.testing.assert_allclose(moved, np.tile([-off, 0.0, off], (len(X), 1)), atol=1e-5)
    mean = np.mean([member.net.predict(X) for member in run.members], axis=0)
    np.testing.assert_allclose(run.net.predict(X), mean, atol=1e-5)
    outcome = run.outcome(compared=False)
    assert outcome.interval is not None
    assert outcome.interval == outcome.model.facts["interval"]
    ends = outcome.model.predict_interval(run.data.test.as_table)  # type: ignore[union-attr]
    y = run.data.test.as_table.columns["size"]  # type: ignore[union-attr]
    inside = (ends[:, 0] <= y) & (y <= ends[:, 1])
    assert outcome.interval["coverage"] == pytest.approx(inside.mean(), abs=1 / len(y))
    assert outcome.interval["share"] == 0.8
