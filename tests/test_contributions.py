"""Contributions of the inputs to a prediction: they add up, and are right where one knows."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from support.compiled_cases import Case, cases, flat

import chainrule as cr
from chainrule.chain.contributions import contributions

SLOW = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])


@SLOW
@given(case=cases(((3, None),)))
def test_the_exact_account_adds_up(case: Case) -> None:
    net, X = case.net().astype(np.float64), case.data()["X"].astype(float)
    output = case.seed % net.n_out
    found = contributions(net, X[0], output=output, baseline=X[1])
    Z = net.forward(X)[0]
    assert (found.end, found.start) == pytest.approx((Z[0, output], Z[1, output]), rel=1e-12)
    gap = found.gaps["exact"]
    if any(isinstance(layer, cr.LayerNorm) for layer in flat(case.layers)):
        assert gap is None
    else:
        size = sum(abs(part.exact or 0.0) for part in found.parts) + abs(found.end) + 1.0
        assert gap is not None
        assert abs(gap) <= 1e-9 * size


@SLOW
@given(case=cases(((2, None),)))
def test_the_integral_nearly_adds_up_where_nothing_bends_sharply(case: Case) -> None:
    assume(all(not layer.kinks for layer in flat(case.layers)))
    assume(not any(isinstance(layer, cr.LayerNorm) for layer in flat(case.layers)))
    net, X = case.net().astype(np.float64), case.data()["X"].astype(float)
    found = contributions(net, X[0])
    gap, size = found.gaps["integrated"], sum(abs(part.integrated) for part in found.parts)
    assert gap is not None
    assert abs(gap) <= 1e-3 * (size + 1e-6)


def test_a_linear_network_has_one_answer() -> None:
    net = cr.Network(3, [cr.Dense(1)], rng=0)
    x = np.array([1.0, -2.0, 0.5])
    found = contributions(net, x)
    for part, expected in zip(found.parts, x * net["0.W"][:, 0], strict=True):
        for value in (part.gradient, part.integrated, part.exact):
            assert value == pytest.approx(expected, rel=1e-14)
    assert max(abs(gap or 0.0) for gap in found.gaps.values()) < 1e-14
    assert [part.name for part in found.largest] == sorted(
        ["x0", "x1", "x2"], key=lambda n: -abs((x * net["0.W"][:, 0])[int(n[1])])
    )


def test_one_class_against_another_is_their_log_odds() -> None:
    net, x = cr.Network.mlp([3, 4, 3], "tanh", rng=0), np.array([[0.3, -1.0, 2.0]])
    found = contributions(net, x, output=2, against=0)
    p = cr.SoftmaxCrossEntropy().link(net.predict(x))[0]
    assert found.end == pytest.approx(np.log(p[2] / p[0]), rel=1e-12)
    alone = [contributions(net, x, output=k) for k in (2, 0)]
    for part, own, other in zip(found.parts, *(one.parts for one in alone), strict=True):
        assert part.exact == pytest.approx((own.exact or 0) - (other.exact or 0), rel=1e-9)
    with pytest.raises(ValueError, match="there is no output 3"):
        contributions(net, x, output=2, against=3)


def test_columns_of_one_input_count_together() -> None:
    net = cr.Network.mlp([3, 4, 2], "tanh", rng=0)
    x = [0.3, -1.0, 2.0]
    alone, together = (
        contributions(net, x, output=1, columns=columns)
        for columns in (None, {"a": [0], "b": [1, 2]})
    )
    exact = [part.exact for part in alone.parts]
    assert together.parts[1].name == "b"
    assert together.parts[1].exact == pytest.approx((exact[1] or 0) + (exact[2] or 0), rel=1e-12)


def test_a_dead_unit_at_the_baseline_is_no_dead_end() -> None:
    """The slope at x is 0 where ReLU is off; the path's own ratio is not."""
    net = cr.Network(1, [cr.Dense(1, init=-1.0), cr.ReLU(), cr.Dense(1, init=1.0)], rng=0)
    found = contributions(net, [1.0], baseline=[-1.0])
    assert found.parts[0].gradient == 0.0
    assert found.parts[0].exact == pytest.approx(found.end - found.start) == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("x", "how", "words"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], {}, "x has 2 rows, the baseline 1: give one row each"),
        ([1.0, 2.0], {"output": 1}, "there is no output 1: this network has 1"),
        ([1.0], {}, "X has 1 features, but this network was built for 2"),
    ],
)
def test_what_does_not_fit(x: list[float], how: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        contributions(cr.Network(2, [cr.Dense(1)], rng=0), x, **how)  # type: ignore[arg-type]
