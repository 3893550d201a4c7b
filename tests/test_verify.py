"""The proof of a trace: it holds for every network, and no changed number escapes it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support.compiled_cases import Case, cases
from support.traces import address, alice, boolean_trace, printed, some_trace

import chainrule as cr
from chainrule.formulas.expression import derivative_of
from chainrule.proof.differences import NEAR, Probe, cost
from chainrule.proof.script import LINES, to_python
from chainrule.proof.verify import SAMPLED, verify
from chainrule.trace.step import Trace, replay, trace_step

FEW = tuple((n, None) for n in (1, 2, 5))
SLOW = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def size(trace: Trace) -> int:
    return sum(value.size for value in trace.values.values())


@SLOW
@given(case=cases(FEW))
def test_every_number_of_every_network_is_proven(case: Case) -> None:
    trace = some_trace(case)
    assume(size(trace) < 6000)
    found = verify(trace)
    assert found, str(found)
    assert found.unknown == ()
    assert len(found.checks) == found.numbers
    assert str(found).startswith("proven: ")


@SLOW
@given(case=cases(FEW))
def test_a_step_made_again_has_the_same_bits(case: Case) -> None:
    assert replay(some_trace(case)) == []


def changed(trace: Trace, name: str, index: tuple[int, ...], value: float) -> Trace:
    """The trace with another number at one place."""
    array = trace.values[name].copy()
    array[index] = value
    return replace(trace, values={**trace.values, name: array})


@SLOW
@given(case=cases(FEW), where=st.integers(0, 10**9), bit=st.integers(0, 63))
def test_one_flipped_bit_is_caught_by_replay(case: Case, where: int, bit: int) -> None:
    trace = some_trace(case)
    names = [name for name in trace.values if trace.values[name].size]
    name = names[where % len(names)]
    flat = where // len(names) % trace.values[name].size
    bits = trace.values[name].copy()
    bits.view(np.uint64).reshape(-1)[flat] ^= np.uint64(1 << bit)
    assert name in replay(replace(trace, values={**trace.values, name: bits}))


@SLOW
@given(case=cases(FEW), where=st.integers(0, 10**9), up=st.booleans())
def test_a_change_beyond_rounding_is_refused_at_its_place(case: Case, where: int, up: bool) -> None:
    trace = some_trace(case)
    assume(size(trace) < 3000)
    found = verify(trace)
    checks = [check for check in found.checks if math.isfinite(check.value)]
    check = checks[where % len(checks)]
    name, _, inside = check.address.partition("[")
    index = tuple(int(part) for part in inside.rstrip("]").split(",")) if inside else ()
    far = 2.1 * check.allowed + 2 * math.ulp(check.value)
    wrong = changed(trace, name, index, check.value + (far if up else -far))
    assume(not name.endswith(".M"))  # 0 or 1 / (1 - rate): a mask is told by whether it is 0
    refused = verify(wrong)
    assert not refused
    assert check.address in [failure.address for failure in refused.failures]
    assert str(refused).startswith("refused: ")


def test_what_is_given_must_be_what_was_given() -> None:
    trace = alice()
    assert not verify(changed(trace, "X", (0, 0), 99.0))
    net = cr.Network(2, [cr.Dropout(0.5), cr.Dense(1)], rng=0)
    step = trace_step(net, cr.SquaredError(), cr.Momentum(), [[1.0, 2.0]], [1.0], lr=0.1)
    assert verify(step)
    assert not verify(changed(step, "1.W.v_before", (0, 0), 1e-12))
    assert not verify(changed(step, "0.rate.after", (), 0.25))


def test_what_is_not_finite_is_proven_only_where_it_must_be() -> None:
    net = cr.Network.mlp([2, 3, 1], "tanh", rng=0)
    loss = cr.BinaryCrossEntropy()
    trace = trace_step(net, loss, cr.SGD(), [[0.5, -1.0]], [1], lr=0.1)
    for wrong in (math.nan, math.inf, -math.inf):
        assert not verify(changed(trace, "dl_dYhat", (0, 0), wrong))
    far = cr.Network(1, [cr.Dense(1, init=800.0)], rng=0)
    saturated = trace_step(far, loss, cr.SGD(), [[1.0]], [0], lr=0.1)
    assert saturated.values["dl_dYhat"][0, 0] == math.inf
    assert verify(saturated)
    for wrong in (math.nan, -math.inf):
        assert not verify(changed(saturated, "dl_dYhat", (0, 0), wrong))


def test_saturated_and_tiny_steps_are_proven() -> None:
    net = cr.Network(1, [cr.Dense(1, init=500.0)], rng=0)
    loss = cr.BinaryCrossEntropy()
    assert verify(trace_step(net, loss, cr.SGD(), [[2.0], [-2.0]], [0, 1], lr=0.1))
    three = cr.Network(1, [cr.Dense(3)], rng=0)
    three["0.W"] = [[800.0, 0.0, -800.0]]
    classes = cr.SoftmaxCrossEntropy()
    assert verify(trace_step(three, classes, cr.SGD(), [[1.0], [2.0]], np.array([2, 0]), lr=0.1))
    count = cr.Network(1, [cr.Dense(1, init=1.0)], rng=0)
    step = trace_step(count, cr.Poisson(), cr.SGD(), [[-800.0]], [0.0], lr=0.1)
    assert verify(step)  # ŷ is 0, and 0 / 0 counts as 0
    assert printed(to_python(step, "dl_dYhat[0,0]")) == 1.0
    silu = cr.Network(1, [cr.SiLU(), cr.Dense(1, init=1.0)], rng=0)
    assert verify(trace_step(silu, cr.SquaredError(), cr.SGD(), [[-746.0]], [1.0], lr=0.1))
    small = cr.Network.mlp([3, 2, 1], "tanh", rng=0)
    X = np.random.default_rng(0).normal(size=(3, 3))
    for scale in (1e-200, 1e-310):
        y = np.arange(3) * scale
        assert verify(trace_step(small, cr.SquaredError(), cr.SGD(), X * scale, y, lr=0.1))


@pytest.mark.parametrize("norm", [cr.BatchNorm(), cr.LayerNorm()], ids=str)
@pytest.mark.parametrize("level", [0.0, 1e3, 1e6])
def test_normalising_what_is_nearly_constant(norm: cr.Layer, level: float) -> None:
    """Where the mean is a million deviations: no number is refused, and a small change is."""
    rng = np.random.default_rng(0)
    net = cr.Network(6, [norm, cr.Dense(1)], rng=0)
    X = level + rng.normal(size=(20, 6))
    trace = trace_step(net, cr.SquaredError(), cr.SGD(), X, rng.normal(size=20), lr=0.01)
    found = verify(trace)
    assert found, str(found)
    for name in ("0.var", "0.S", "0.H"):
        value = trace.values[name]
        index = (1,) + (0,) * (value.ndim - 1)
        refused = verify(changed(trace, name, index, float(value[index]) * (1 + 2.0**-48)))
        assert address(name, index) in [one.address for one in refused.failures]


def test_long_sums_of_one_sign_are_proven() -> None:
    """Every row pulls the same way: the roundings of a long batch do not cancel."""
    rng = np.random.default_rng(0)
    for rows in (64, 1500):
        X, net = 1.0 + 0.1 * rng.random((rows, 1)), cr.Network(1, [cr.Dense(1, init=1.0)], rng=0)
        trace = trace_step(net, cr.SquaredError(), cr.SGD(), X, np.zeros(rows), lr=0.01)
        found = verify(trace)
        assert found, str(found)
        assert len(found.checks) == found.numbers


@SLOW
@given(case=cases(FEW))
def test_central_differences_agree(case: Case) -> None:
    trace = some_trace(case)
    assume(size(trace) < 6000)
    probe, rng = Probe(trace), np.random.default_rng(case.seed)
    for name, shape in trace.net.shapes.items():
        found = probe.difference(name, tuple(int(rng.integers(0, n)) for n in shape))
        assert found.holds, str(found)


def test_a_wrong_gradient_is_seen_by_differences() -> None:
    trace = alice()
    wrong = changed(trace, "0.dW", (0, 0), 2 * float(trace.values["0.dW"][0, 0]))
    assert not Probe(wrong).difference("0.W", (0, 0)).holds
    assert "by central differences with ε" in str(Probe(wrong).difference("0.W", (0, 0)))


@pytest.mark.parametrize("activation", ["softsign", "elu"])
def test_differences_hold_where_the_curvature_jumps(activation: str) -> None:
    """XOR and biases of 0 put z at 0, where the second derivative of these has a step."""
    X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]
    for seed in range(5):
        net = cr.Network.mlp([2, 4, 4, 1], activation, rng=seed)
        found = verify(trace_step(net, cr.BinaryCrossEntropy(), cr.SGD(), X, y, lr=0.1))
        assert found, str(found)


@pytest.mark.parametrize("scale", [1e-2, 1e3, 1e4])
def test_differences_hold_for_inputs_that_are_not_scaled(scale: float) -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X, y = scale * rng.normal(size=(8, 3)), rng.normal(size=8)
        for middle in (cr.Tanh(), cr.LayerNorm()):
            layers = [cr.Dense(4), middle, cr.LayerNorm(), cr.Dense(1)]
            net = cr.Network(3, layers, rng=seed)
            trace = trace_step(net, cr.SquaredError(), cr.SGD(), X, y, lr=0.1)
            found = verify(trace)
            assert found, str(found)
            probe, slope = Probe(trace), float(trace.values["3.dW"][0, 0])
            if abs(slope) > 1e-3:
                wrong = changed(trace, "3.dW", (0, 0), slope * 1.001)
                assert not Probe(wrong).difference("3.W", (0, 0)).holds
            assert probe.difference("3.W", (0, 0)).holds


def test_a_kink_is_called_a_kink() -> None:
    net = cr.Network(1, [cr.Dense(1, init=1.0), cr.ReLU(), cr.Dense(1, init=1.0)], rng=0)
    trace = trace_step(net, cr.SquaredError(), cr.SGD(), [[0.0]], [1.0], lr=0.1)
    found = Probe(trace).difference("0.b", (0,))
    assert found.kink
    assert found.holds
    assert "there is a kink between the two" in str(found)


def test_a_large_step_is_drawn_from() -> None:
    net = cr.Network.mlp([40, 60, 30, 3], rng=0)
    X = np.random.default_rng(0).normal(size=(16, 40))
    trace = trace_step(net, cr.SoftmaxCrossEntropy(), cr.Adam(), X, np.arange(16) % 3, lr=0.01)
    found = verify(trace, "0.dW[3,7]")
    assert found
    assert [check.address for check in found.checks][0] == "0.dW[3,7]"
    assert len(found.checks) == SAMPLED + 1
    assert f"{SAMPLED + 1} numbers of {found.numbers}, drawn by seed" in str(found)
    assert ("no central differences" in str(found)) == (not found.differences)
    again, other = verify(trace, seed=0), verify(trace, seed=1)
    assert [c.address for c in again.checks] == [c.address for c in found.checks[1:]]
    assert [c.address for c in again.checks] != [c.address for c in other.checks]


def test_what_is_given_is_not_made_anew() -> None:
    trace = alice()
    names = {check.address.partition("[")[0] for check in verify(trace).checks}
    assert "Y" not in names
    assert "0.Z" in names
    assert cost(trace) == 17


PLAIN = [
    (cr.Sigmoid(), cr.SquaredError(scale=0.5)), (cr.Tanh(), cr.BinaryCrossEntropy()),
    (cr.GELU(), cr.Huber(0.3)), (cr.LeakyReLU(0.2), cr.Pinball(0.3)), (cr.Mish(), cr.Poisson()),
    (cr.ELU(0.5), cr.AbsoluteError()), (cr.SELU(), cr.SoftmaxCrossEntropy()),
]  # fmt: skip


@pytest.mark.parametrize(("activation", "loss"), PLAIN, ids=str)
def test_a_small_step_is_copied_whole(activation: cr.Layer, loss: cr.Loss) -> None:
    outputs = 3 if isinstance(loss, cr.SoftmaxCrossEntropy) else 1
    net = cr.Network(2, [cr.Dense(3), activation, cr.Dense(outputs)], rng=1)
    X, y = np.array([[0.5, -1.0], [2.0, 0.3], [-0.7, 0.1]]), np.array([0, 1, 0])
    trace = trace_step(net, loss, cr.SGD(), X, y, lr=0.1)
    for name, index in (("0.dW", (1, 2)), ("2.db", (0,)), ("0.Z", (1, 0)), ("1.dA", (2, 1)),
                        ("Yhat", (1, 0)), ("L_data", ()), ("L", ())):  # fmt: skip
        script = to_python(trace, address(name, index))
        assert len(script.splitlines()) <= LINES
        assert "X = " in script
        assert "chainrule" not in script
        assert printed(script) == pytest.approx(
            float(trace.values[name][index]), rel=1e-13, abs=1e-15
        )


@SLOW
@given(case=cases(FEW), where=st.integers(0, 10**9))
def test_any_number_can_be_copied(case: Case, where: int) -> None:
    """One of each value: forwards, backwards, of the loss, of the update."""
    trace = some_trace(case)
    for name, value in trace.values.items():
        index = tuple(int(i) for i in np.unravel_index(where % value.size, value.shape))
        if name == "dl_dYhat" and not value[index]:
            continue  # 0 / 0 where an output is no class of the row and its p is 0
        script, right = to_python(trace, address(name, index)), float(value[index])
        assert len(script.splitlines()) <= LINES
        if math.isfinite(right):
            assert abs(printed(script) - right) <= 1e-9 * max(abs(right), 1e-3), script


def test_a_script_of_one_number_reads_like_its_formula() -> None:
    net = cr.Network(2, [cr.Dense(3), cr.LayerNorm(), cr.PReLU(), cr.Dense(1)], rng=0)
    X = np.array([[0.5, -1.0], [2.0, 0.3]])
    trace = trace_step(net, cr.SquaredError(), cr.Momentum(), X, [0.0, 1.0], lr=0.1)
    mean, s, z = (float(trace[name][1, 0]) for name in ("1.mean", "1.S", "0.Z"))
    assert to_python(trace, "1.H[1,0]").splitlines() == [
        f"Z0 = {z!r}  # 0.Z[1,0]", f"mean1 = {mean!r}  # 1.mean[1,0]",
        f"S1 = {s!r}  # 1.S[1,0]", "print((Z0 - mean1) * S1)",
    ]  # fmt: skip
    assert "print(fsum([x * y for x, y in zip(X, dZ0)]))" in to_python(trace, "0.W[0,1]")
    assert to_python(trace, "0.W[0,1]") == to_python(trace, "0.dW[0,1]")
    assert printed(to_python(trace, "Y[1,0]")) == 1.0


def test_what_cannot_be_copied_says_so() -> None:
    with pytest.raises(ValueError, match=r'input "x0" is a sum over columns: ask for one number'):
        to_python(alice(), 'input "x0"')
    net = cr.Network(1, [cr.Dense(2, init=800.0)], rng=0)
    net["0.W"] = [[800.0, -800.0]]
    trace = trace_step(net, cr.SoftmaxCrossEntropy(), cr.SGD(), [[1.0]], np.array([1]), lr=0.1)
    assert printed(to_python(trace, "l[0,1]")) == 1600.0
    with pytest.raises(ValueError, match="dl_dYhat cannot be copied: its formula divides by 0"):
        to_python(trace, "dl_dYhat[0,1]")


def test_the_boolean_network_of_text_001_is_proven(texts: dict[str, object]) -> None:
    found = verify(boolean_trace(texts))
    assert found
    assert len(found.differences) == found.parameters == 12
    assert all(one.error <= NEAR for one in found.differences)


def test_own_layers_are_named_as_not_made_anew() -> None:
    from support.models import Shift

    class Moved(Shift):
        def backward(self, p, cache, dY):  # type: ignore[no-untyped-def]
            return dY, {"s": dY.sum(axis=0)}

        def forward(self, p, X, *, train=False, rng=None):  # type: ignore[no-untyped-def]
            return X + p["s"], {}

    net = cr.Network(2, [cr.Dense(2), Moved(), cr.Dense(1)], rng=0)
    trace = trace_step(net, cr.SquaredError(), cr.SGD(), [[1.0, 2.0]], [1.0], lr=0.1)
    assert replay(trace) == []
    found = verify(trace)
    assert found
    assert "1.Y" in found.unknown
    assert "not made anew, for want of a formula: 1.Y" in str(found)
    assert derivative_of("1.s") in trace.values


def test_somebodys_own_layer_of_our_name_is_not_taken_for_ours() -> None:
    class Tanh(cr.Layer):
        def forward(self, p, X, *, train=False, rng=None):  # type: ignore[no-untyped-def]
            return 3.0 * X, {}

        def backward(self, p, cache, dY):  # type: ignore[no-untyped-def]
            return 3.0 * dY, {}

    net = cr.Network(2, [cr.Dense(2), Tanh(), cr.Dense(1)], rng=0)
    trace = trace_step(net, cr.SquaredError(), cr.SGD(), [[1.0, 2.0]], [1.0], lr=0.1)
    found = verify(trace)
    assert found
    assert "1.Y" in found.unknown
