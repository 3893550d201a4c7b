"""Losses against loops of plain Python floats; weights, ends of the number line, wrong targets."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from support.numeric import Array
from support.tables import LOSSES, UNTRAINABLE, LossCase, classes, numbers

import chainrule as cr
from chainrule.core.contracts import contract

ALL = LOSSES | UNTRAINABLE
ROWS = 6
each_loss = pytest.mark.parametrize("case", ALL.values(), ids=ALL)
each_trainable = pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES)
Row = Sequence[float]


def batch(case: LossCase, n: int = ROWS, spread: float = 2.0) -> tuple[Array, Array]:
    rng = np.random.default_rng(7)
    return rng.normal(size=(n, case.outputs)) * spread, case.targets(rng, n)


def log(p: float) -> float:
    return math.log(p) if p > 0 else -math.inf


def softmax_loss(loss: cr.SoftmaxCrossEntropy, z: Row, y: Row) -> float:
    k, s = len(z), loss.label_smoothing
    total = sum(math.exp(v) for v in z)
    wanted = [float(j == y[0]) for j in range(k)] if len(y) == 1 else y
    smooth = [(1 - s) * t + s / k for t in wanted]
    return -sum(t * math.log(math.exp(v) / total) for t, v in zip(smooth, z, strict=True))


def huber(delta: float, r: float) -> float:
    return 0.5 * r * r if abs(r) <= delta else delta * (abs(r) - 0.5 * delta)


def pinball(loss: cr.Pinball, z: Row, y: Row) -> float:
    q = loss.quantile if isinstance(loss.quantile, tuple) else (loss.quantile,) * len(z)
    return sum(
        a * (t - v) if t >= v else (1 - a) * (v - t) for a, v, t in zip(q, z, y, strict=True)
    )


def binary(z: float, t: float) -> float:
    p = 1 / (1 + math.exp(-z))
    return -(t * math.log(p) + (1 - t) * math.log(1 - p))


def hinge(z: Row, y: Row) -> float:
    if len(y) < len(z):
        y = [float(j == y[0]) for j in range(len(z))]
    return sum(max(0.0, 1 - (1 if t > 0 else -1) * v) for v, t in zip(z, y, strict=True))


def each(f: Callable[[float, float], float]) -> Callable[[Any, Row, Row], float]:
    return lambda loss, z, y: sum(f(v, t) for v, t in zip(z, y, strict=True))


# One row's loss, from the textbook, without scale.
ROW_LOSS: dict[str, Callable[[Any, Row, Row], float]] = {
    "SquaredError": each(lambda z, t: (t - z) ** 2),
    "AbsoluteError": each(lambda z, t: abs(t - z)),
    "SumOfErrors": each(lambda z, t: t - z),
    "Huber": lambda loss, z, y: each(lambda v, t: huber(loss.delta, t - v))(loss, z, y),
    "Pinball": pinball,
    "BinaryCrossEntropy": each(binary),
    "SoftmaxCrossEntropy": softmax_loss,
    "Poisson": each(lambda z, t: math.exp(z) - t * z),
    "Hinge": lambda loss, z, y: hinge(z, y),
}


def by_loop(loss: cr.Loss, Z: Array, y: Array, weight: Array) -> float:
    total = 0.0
    for z, t, w in zip(Z.tolist(), y.tolist(), weight.tolist(), strict=True):
        row = t if isinstance(t, list) else [t]
        total += w * ROW_LOSS[type(loss).__name__](loss, z, row)
    return loss.scale * total / (sum(weight.tolist()) if loss.reduction == "mean" else 1.0)


@each_loss
def test_value_is_the_mean_over_rows_of_the_sum_over_outputs(case: LossCase) -> None:
    Z, y = batch(case)
    plain = case.loss.value(Z, y)
    assert type(plain) is float
    assert plain == pytest.approx(by_loop(case.loss, Z, y, np.ones(ROWS)), rel=1e-12)
    weight = np.random.default_rng(8).uniform(size=ROWS)
    wanted = by_loop(case.loss, Z, y, weight)
    assert case.loss.value(Z, y, weight) == pytest.approx(wanted, rel=1e-12)


@each_loss
def test_integer_weights_are_repeated_rows(case: LossCase) -> None:
    Z, y = batch(case)
    weight = np.array([1, 3, 2, 1, 2, 4])
    repeated = np.repeat(np.arange(ROWS), weight)
    once = case.loss.value(Z, y, weight)
    assert once == pytest.approx(case.loss.value(Z[repeated], y[repeated]), rel=1e-12)
    if case in LOSSES.values():
        grad = case.loss.grad(Z[repeated], y[repeated])
        summed = np.array([grad[repeated == i].sum(axis=0) for i in range(ROWS)])
        np.testing.assert_allclose(case.loss.grad(Z, y, weight), summed, rtol=1e-12, atol=1e-15)


@each_trainable
def test_rows_of_weight_0_do_not_matter(case: LossCase) -> None:
    Z, y = batch(case)
    weight = np.array([1, 0, 2, 1, 0, 3.0])
    kept = weight > 0
    value = case.loss.value(Z[kept], y[kept], weight[kept])
    assert case.loss.value(Z, y, weight) == pytest.approx(value, rel=1e-14)
    grad = case.loss.grad(Z, y, weight)
    assert not grad[~kept].any()
    np.testing.assert_allclose(grad[kept], case.loss.grad(Z[kept], y[kept], weight[kept]))


@each_trainable
def test_gradient_is_that_of_the_value(case: LossCase) -> None:
    Z, y = batch(case)
    weight = np.random.default_rng(8).uniform(size=ROWS)
    grad, h = case.loss.grad(Z, y, weight), 1e-4
    for place in np.ndindex(Z.shape):
        ends = []
        for k in (-2, -1, 1, 2):
            moved = Z.copy()
            moved[place] += k * h
            ends.append(case.loss.value(moved, y, weight))
        a, b, c, d = ends
        assert grad[place] == pytest.approx((8 * (c - b) - (d - a)) / (12 * h), rel=1e-8, abs=1e-10)


@each_trainable
def test_factors_multiply_to_the_gradient(case: LossCase) -> None:
    Z, y = batch(case)
    weight = np.random.default_rng(8).uniform(size=ROWS)
    for w in (None, weight):
        factors = case.loss.factors(Z, y, w)
        np.testing.assert_allclose(
            contract(factors), case.loss.grad(Z, y, w), rtol=1e-12, atol=1e-15
        )
    share = weight / (weight.sum() if case.loss.reduction == "mean" else 1.0)
    np.testing.assert_allclose(factors["dL_dl"][:, 0], case.loss.scale * share, rtol=1e-14)


@each_trainable
def test_link_factor_is_the_slope_of_the_link(case: LossCase) -> None:
    Z, y = batch(case)
    slope, h = case.loss.factors(Z, y)["dYhat_dZ"], 1e-5
    for b in range(case.outputs):
        e = h * np.eye(case.outputs)[b]
        numeric = (case.loss.link(Z + e) - case.loss.link(Z - e)) / (2 * h)
        analytic = slope[:, :, b] if slope.ndim == 3 else slope * np.eye(case.outputs)[b]
        np.testing.assert_allclose(numeric, analytic, rtol=1e-7, atol=1e-9)


@each_trainable
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_finite_at_1000(case: LossCase, sign: float) -> None:
    Z, y = batch(case)
    Z = np.where(np.arange(Z.size).reshape(Z.shape) % 2 == 0, 1000.0, -1000.0) * sign
    with np.errstate(over="ignore" if isinstance(case.loss, cr.Poisson) else "raise"):
        value, grad = case.loss.value(Z, y), case.loss.grad(Z, y)
    if isinstance(case.loss, cr.Poisson):
        assert value == math.inf
        assert np.isinf(case.loss.link(Z)).any()
    else:
        assert np.isfinite(value)
        assert np.isfinite(grad).all()


@each_trainable
def test_factors_multiply_to_the_gradient_far_out(case: LossCase) -> None:
    """At ±1000 a probability is exactly 0 and its factor 1/0; at ±150 the product still holds."""
    _, y = batch(case)
    Z = np.where(np.arange(ROWS * case.outputs) % 2 == 0, 150.0, -150.0).reshape(ROWS, -1)
    grad, product = case.loss.grad(Z, y), contract(case.loss.factors(Z, y))
    np.testing.assert_allclose(product, grad, rtol=1e-12, atol=1e-15)


def test_cross_entropies_at_1000_by_hand() -> None:
    Z = np.array([[1000.0], [-1000.0]])
    assert cr.BinaryCrossEntropy(reduction="sum").value(Z, np.array([0, 1])) == 2000.0
    assert cr.BinaryCrossEntropy().value(Z, np.array([1, 0])) == 0.0
    Z = np.array([[1e4, 0.0, -1e4]])
    assert [cr.SoftmaxCrossEntropy().value(Z, np.array([c])) for c in range(3)] == [0, 1e4, 2e4]


@each_loss
def test_float32_stays_float32(case: LossCase) -> None:
    Z, y = batch(case)
    Z32, weight = Z.astype(np.float32), np.ones(ROWS)
    assert case.loss.link(Z32).dtype == np.float32
    assert case.loss.targets(Z32, y).dtype == np.float32
    assert case.loss.terms(Z32, case.loss.targets(Z32, y)).dtype == np.float32
    assert case.loss.value(Z32, y) == pytest.approx(case.loss.value(Z, y), rel=1e-4)
    if case in LOSSES.values():
        assert case.loss.grad(Z32, y, weight).dtype == np.float32
        assert {v.dtype for v in case.loss.factors(Z32, y, weight).values()} == {np.dtype("f4")}


@each_loss
def test_changes_neither_outputs_nor_targets_nor_weights(case: LossCase) -> None:
    Z, y = batch(case)
    arrays = (Z, y, np.ones(ROWS))
    for array in arrays:
        array.flags.writeable = False
    case.loss.value(*arrays)
    if case in LOSSES.values():
        case.loss.grad(*arrays)
        case.loss.factors(*arrays)


def refused(loss: cr.Loss, Z: Array, y: Any, said: str, weight: Any = None) -> None:
    calls = [loss.value, loss.grad, loss.factors]
    for call in calls if not isinstance(loss, cr.SumOfErrors) else calls[:1]:
        with pytest.raises(ValueError, match=said) as error:
            call(Z, np.asarray(y), weight if weight is None else np.asarray(weight))
        assert "\n" not in str(error.value)


@each_loss
def test_targets_are_never_broadcast(case: LossCase) -> None:
    Z, y = batch(case)
    k, vector = case.outputs, y.reshape(ROWS, -1)[:, 0]
    wrong = [y[:1], y[:-1], y[0], np.r_[y, y], y.reshape(ROWS, -1)[:, :, None]]
    wrong.append(np.ones((ROWS, k + 1)))
    if k > 1:
        wrong += [vector[:, None], np.ones((ROWS, 1)), np.ones((1, k)), np.ones(k)]
        wrong += [np.linspace(0, 1, ROWS)]  # (n,) numbers for k outputs
    for bad in wrong:
        refused(case.loss, Z, bad, "y has shape|y holds")
    refused(case.loss, Z[:, 0], y, "Z has shape")


@each_loss
def test_targets_that_are_no_numbers_are_refused(case: LossCase) -> None:
    Z, y = batch(case)
    for bad in (np.nan, np.inf, -np.inf):
        filled = y.reshape(ROWS, -1).astype(float)
        filled = np.broadcast_to(filled, (ROWS, case.outputs)).copy()
        filled[-1, -1] = bad
        refused(case.loss, Z, filled, "target")


@each_loss
def test_bad_weights_are_refused(case: LossCase) -> None:
    Z, y = batch(case)
    for weight, said in (
        (np.ones(ROWS - 1), "weight has shape"),
        (np.ones((ROWS, 1)), "weight has shape"),
        (1.0, "weight has shape"),
        ([1, 1, 1, 1, 1, -1], "negative or non-finite"),
        ([1, 1, 1, 1, 1, np.nan], "negative or non-finite"),
        ([1, 1, 1, 1, 1, np.inf], "negative or non-finite"),
    ):
        refused(case.loss, Z, y, said, weight)
    if case.loss.reduction == "mean":
        refused(case.loss, Z, y, "weight sums to 0", np.zeros(ROWS))


@pytest.mark.parametrize(
    ("loss", "outputs", "y", "said"),
    [
        (cr.BinaryCrossEntropy(), 1, [0, 2], r"targets between .* \[0, 1\]"),
        (cr.BinaryCrossEntropy(), 1, [-1, 1], r"targets between .* \[0, 1\]"),
        (cr.SoftmaxCrossEntropy(), 3, [0, 3], "y holds classes 0 to 3"),
        (cr.SoftmaxCrossEntropy(), 3, [-1, 2], "y holds classes -1 to 2"),
        (cr.SoftmaxCrossEntropy(), 3, [0.0, 1.0], "type float64.*integer classes"),
        (cr.SoftmaxCrossEntropy(), 3, ["a", "b"], "integer classes"),
        (cr.SoftmaxCrossEntropy(), 1, [0, 1], "needs an output for each class"),
        (cr.SoftmaxCrossEntropy(), 2, [[0.5, 0.4], [1, 0]], "no probabilities"),
        (cr.SoftmaxCrossEntropy(), 2, [[1.5, -0.5], [1, 0]], "no probabilities"),
        (cr.Poisson(), 1, [1, -1], "Poisson got a target of -1"),
        (cr.Hinge(), 1, [0, 2], "targets other than 0/1 or -1/1"),
        (cr.Hinge(), 1, [0.5, 1], "targets other than 0/1 or -1/1"),
        (cr.Hinge(), 3, [0, 3], "y holds classes 0 to 3"),
        (cr.Hinge(), 3, [0.0, 1.0], "type float64"),
        (cr.Pinball(quantile=(0.1, 0.9)), 3, np.zeros((2, 3)), "2 quantiles for 3 outputs"),
    ],
)
def test_targets_that_the_loss_cannot_mean_are_refused(
    loss: cr.Loss, outputs: int, y: Any, said: str
) -> None:
    refused(loss, np.zeros((2, outputs)), y, said)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: cr.SquaredError(reduction="none"), "reduction is 'none'"),
        (lambda: cr.SquaredError(scale=0.0), "scale is 0.0"),
        (lambda: cr.SquaredError(scale=math.nan), "scale is nan"),
        (lambda: cr.Huber(delta=0.0), "delta is 0.0"),
        (lambda: cr.Huber(delta=math.inf), "delta is inf"),
        (lambda: cr.Pinball(quantile=1.0), "quantile is 1.0"),
        (lambda: cr.Pinball(quantile=(0.5, 0.0)), r"quantile is \(0.5, 0.0\)"),
        (lambda: cr.SoftmaxCrossEntropy(label_smoothing=1.0), "label_smoothing is 1.0"),
    ],
)
def test_bad_settings_are_refused(make: Callable[[], cr.Loss], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_classes_in_every_accepted_form_are_equal() -> None:
    Z, y = batch(LossCase(cr.SoftmaxCrossEntropy(), 3, classes(3)))
    for loss in (cr.SoftmaxCrossEntropy(), cr.Hinge()):
        values = {loss.value(Z, form) for form in (y, y.astype(np.uint8), np.eye(3)[y])}
        assert len(values) == 1
    Z, y = Z[:, :1], y > 0
    for loss in (cr.BinaryCrossEntropy(), cr.Hinge()):
        forms = (y, y.astype(int), y.astype(float), y[:, None])
        assert len({loss.value(Z, form) for form in forms}) == 1
    assert cr.Hinge().value(Z, y) == cr.Hinge().value(Z, np.where(y, 1, -1))


def test_sum_of_errors_cannot_be_trained_on() -> None:
    Z, y = batch(LossCase(cr.SumOfErrors(), 1, numbers(1)))
    for call in (cr.SumOfErrors().grad, cr.SumOfErrors().factors):
        with pytest.raises(ValueError, match="cannot be trained on: errors of opposite sign"):
            call(Z, y)


@pytest.mark.parametrize(("quantile", "share"), [(0.1, 0.1), (0.5, 0.5), (0.9, 0.9)])
def test_pinball_is_least_at_the_quantile(quantile: float, share: float) -> None:
    y = np.random.default_rng(0).normal(size=1001)
    loss, places = cr.Pinball(quantile=quantile), np.linspace(-3, 3, 601)
    values = [loss.value(np.full((1001, 1), z), y) for z in places]
    assert places[int(np.argmin(values))] == pytest.approx(np.quantile(y, share), abs=0.02)


def test_a_loss_takes_its_own_setting_first() -> None:
    assert cr.Huber(0.5).delta == 0.5
    assert cr.Pinball(0.9).quantile == 0.9
    assert cr.SoftmaxCrossEntropy(0.1).label_smoothing == 0.1
    with pytest.raises(TypeError, match="positional"):
        cr.SquaredError(0.5)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("weight", "named"),
    [
        (np.full(3, 1e308), "weight sums to"),
        (np.full(3, 1e-320), "weight sums to"),
        (np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0]), "weight is a masked array"),
        (np.ones(3) * 1j, "weight has type complex128: give real numbers"),
    ],
)
def test_weights_that_cannot_be_shares(weight: np.ndarray, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        cr.SquaredError().value(np.zeros((3, 1)), np.zeros(3), weight)
