"""check_gradients: names the cause of planted bugs, never passes a wrong gradient, never refuses a
right one, and ends in one sentence whatever the foreign code does.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from itertools import count
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.failing_code import BROKEN, GOOD, broken, forever, hanging
from support.planted_bugs import BUGS, HELD_OUT, TUNED, Bug
from support.planted_deeper import by_rows, outputs
from support.planted_networks import Problem, deep, neuron, people, two_layer
from support.planted_right import RIGHT, wide
from support.processes import PATIENCE

import chainrule as cr
from chainrule import GradientReport, check_gradients
from chainrule.gradcheck import time_limit, user_code
from chainrule.gradcheck.report import CAUSES

DESIGN = (
    "correct sign scale derivative_place derivative_missing bias_sum transposed overwritten zero "
    "some_rows stale nondeterministic kink unknown"
).split()
BY_NAME = {bug.name: bug for bug in BUGS}


def check(problem: Problem, **settings: Any) -> GradientReport:
    settings = {"rows": problem.rows, **settings}
    return check_gradients(problem.value, problem.gradient, problem.parameters, **settings)


@cache
def report_of(name: str) -> GradientReport:
    return check(BY_NAME[name].make())


def test_the_planted_bugs_are_many_and_distinct() -> None:
    assert len(BY_NAME) == len(BUGS) >= 60
    assert {bug.cause for bug in BUGS} == set(DESIGN) - {"correct", "kink"}
    assert len(RIGHT) >= 25


@pytest.mark.parametrize("name", BY_NAME)
def test_no_planted_bug_is_called_correct(name: str) -> None:
    assert not report_of(name).ok


@pytest.mark.parametrize("half", [TUNED, HELD_OUT], ids=["tuned", "held out"])
def test_nine_of_ten_planted_bugs_are_named_rightly(half: list[Bug]) -> None:
    missed = {bug.name: report_of(bug.name).cause for bug in half}
    missed = {bug.name: missed[bug.name] for bug in half if missed[bug.name] != bug.cause}
    assert len(missed) <= 0.1 * len(half), missed


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.factor], ids=lambda bug: bug.name)
def test_the_factor_is_measured(bug: Bug) -> None:
    assert report_of(bug.name).factor == pytest.approx(bug.factor, rel=1e-4)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", RIGHT)
def test_no_right_gradient_is_called_wrong(name: str, seed: int) -> None:
    report = check(RIGHT[name](), seed=seed)
    assert report.ok, str(report)
    assert report.cause == ("kink" if "hidden zero" in name else "correct")


def test_a_kink_is_called_a_kink() -> None:
    report = check(RIGHT["relu, hidden zero"]())
    assert report.ok
    assert report.cause == "kink"
    assert "W1[0, 0]" in report.evidence[0]


def test_the_causes_are_the_closed_list() -> None:
    assert list(CAUSES) == DESIGN


@pytest.mark.parametrize(
    ("problem", "rows", "words"),
    [
        (neuron("no 1/m"), 8, "1/m is missing (m = 8 rows)"),
        (neuron("no 1/m"), None, "1/m is missing, if there are 8 rows"),
        (neuron("1/m twice"), 8, "1/m is there twice"),
        (outputs("no 1/k"), 12, "1/k is missing: the loss is a mean over the k = 3 outputs"),
        (outputs("no 1/mk"), 12, "1/(m k) is missing (12 rows, 3 outputs)"),
        (people("no 2"), 4, "the 2 of the square's derivative is missing"),
        (outputs("lr"), 12, "such as a learning rate"),
        (two_layer("minus half"), 8, "beside the sign: the 2 of the square's derivative"),
        (neuron("double sum"), 8, "the bias is summed 3 times"),
        (neuron("accumulates"), 8, "not set back to zero"),
        (neuron("stale"), 8, "exactly the gradient of the parameters of the call before"),
        (deep("L-1"), 8, "no entry for W2, only dW1, db1"),
        (deep("place"), 8, "f = sigmoid"),
        (outputs("missing"), 12, "f = tanh"),
        (outputs("b1 turned"), 12, "summed over its axis 0"),
        (by_rows("off by one"), 10, "0 for rows=[9], 0.1 for the others"),
        (by_rows("negative y"), 10, "one row at a time"),
        (outputs("decay missing"), 12, "0.1 times the parameter itself in W1 and W2"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_evidence_says_it(problem: Problem, rows: int | None, words: str) -> None:
    assert words in " ".join(check(problem, rows=rows).evidence)


def test_the_report_reads_as_text() -> None:
    text = str(check(outputs("W1 sign")))
    assert text.startswith("sign: the sign is flipped (W1)\n  g / d = -1 in W1 at all 3 points")
    assert "43 entries compared at 3 points" in text
    right = check(outputs())
    assert bool(right) is True
    assert str(right).startswith("correct: the gradient is right\n")
    assert [(block.name, block.compared, block.wrong) for block in right.blocks][:2] == [
        ("W1", 20, 0),
        ("b1", 5, 0),
    ]


def test_the_same_seed_gives_the_same_report() -> None:
    assert check(outputs("missing"), seed=3) == check(outputs("missing"), seed=3)


def test_parameters_are_left_as_they_were() -> None:
    problem = RIGHT["dropout of a fixed seed"]()
    before = [p.copy() for p in problem.parameters]
    report = check(problem)
    assert all(np.array_equal(a, b) for a, b in zip(before, problem.parameters, strict=True))
    assert report.notes == ("your gradient function changes the parameters it is given",)


def test_a_cache_of_the_forward_pass_is_noted() -> None:
    assert "call value before it" in check(RIGHT["forward keeps a cache"]()).notes[0]


def test_one_wrong_entry_among_many_is_found() -> None:
    problem = wide()

    def gradient(w: Any) -> Any:
        g = problem.gradient(w)
        g[1234] *= 1.5
        return g

    report = check(problem._replace(gradient=gradient))
    assert (report.cause, report.factor) == ("scale", pytest.approx(1.5, rel=1e-4))
    assert "parameters[1234]" in report.evidence[1]
    assert "drawn" in report.checked


def test_it_works_in_a_thread_and_for_our_own_network() -> None:
    rng = np.random.default_rng(0)
    net = cr.Network.mlp([3, 4, 2], activation="gelu", rng=rng)
    X, y, loss = rng.normal(size=(6, 3)), rng.normal(size=(6, 2)), cr.SquaredError()

    def value(theta: Any) -> float:
        net.theta = theta
        return loss.value(net.forward(X)[0], y)

    def gradient(theta: Any) -> Any:
        net.theta = theta
        Z, caches = net.forward(X)
        return net.backward(caches, loss.grad(Z, y))[1]

    found: list[GradientReport] = []
    start = net.theta.copy()
    run = threading.Thread(target=lambda: found.append(check_gradients(value, gradient, start)))
    run.start()
    run.join()
    assert found[0].ok


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 5), st.just(0.0) | st.floats(0.01, 5) | st.floats(-5, -0.01),
    st.integers(-8, 8), st.integers(0, 2**31),
)  # fmt: skip
def test_a_quadratic_with_any_factor(n: int, r: float, power: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    M = rng.normal(size=(n + 1, n)) * 10.0**power
    start, c = rng.normal(size=n), rng.normal(size=n + 1) * 10.0**power
    report = check_gradients(
        lambda w: 0.5 * np.sum((M @ w - c) ** 2), lambda w: r * M.T @ (M @ w - c), start
    )
    wanted = "correct" if abs(r - 1) < 1e-7 else "zero" if r == 0 else "sign" if r < 0 else "scale"
    if abs(r - 1) < 1e-7 or abs(r - 1) > 1e-4:
        assert report.cause == wanted


@pytest.mark.parametrize("name", BROKEN)
def test_foreign_code_that_fails_is_one_sentence(name: str) -> None:
    functions, words = BROKEN[name]
    with pytest.raises(ValueError, match=".") as error:
        check_gradients(*functions)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture
def _time_ends_when_it_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the code might not have come so far within its time."""

    class Late(threading.Thread):
        def join(self, timeout: float | None = None) -> None:
            assert hanging.wait(PATIENCE)
            super().join(timeout)

    hanging.clear()
    monkeypatch.setattr(time_limit, "threading", SimpleNamespace(Thread=Late))


@pytest.mark.usefixtures("_time_ends_when_it_hangs")
@pytest.mark.parametrize("which", ["value", "gradient"])
def test_code_that_never_ends_is_stopped(which: str) -> None:
    before = set(threading.enumerate())
    with pytest.raises(TimeoutError, match=rf"your {which} function did not come back within"):
        check_gradients(*broken(**{which: forever}), time_limit=0.3)
    left_behind = set(threading.enumerate()) - before
    assert all(thread.daemon for thread in left_behind)  # it does not hold up the program's end


@pytest.mark.usefixtures("_time_ends_when_it_hangs")
def test_slow_code_is_told_from_code_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call takes 0.01 s by its clock; the 31st never ends."""
    clock = count()
    monkeypatch.setattr(user_code, "time", SimpleNamespace(perf_counter=lambda: next(clock) / 100))

    def slow(p: Any) -> Any:
        return forever(p) if next(clock) > 90 else np.sum(p**2)

    with pytest.raises(TimeoutError, match=r"its \d\d calls took 0.01\d* s each"):
        check_gradients(*broken(value=slow), time_limit=0.3)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rows": 0}, "rows is 0"),
        ({"rows": 1.5}, "rows is 1.5"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": None}, "seed is None"),
        ({"time_limit": 0}, "time_limit is 0"),
        ({"time_limit": math.inf}, "time_limit is inf"),
        ({"time_limit": "a"}, "time_limit is 'a'"),
    ],  # fmt: skip
)
def test_settings_are_checked(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_gradients(*GOOD, **settings)


LAYOUTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "a number": (lambda p: 0.5 * p * p, 1.5),
    "a list of numbers": (lambda p: 0.5 * sum(x * x for x in p), [1, 2, 3]),
    "a tuple of arrays": (lambda p: 0.5 * sum(x @ x for x in p), (np.ones(2), np.ones(3))),
    "nested": (
        lambda p: 0.5 * (p["a"]["b"][0] ** 2).sum() + 0.5 * p["a"]["b"][1] ** 2,
        {"a": {"b": [np.ones(2), 3.0]}},
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_parameters_come_in_any_layout(name: str) -> None:
    value, parameters = LAYOUTS[name]
    assert check_gradients(value, lambda p: p, parameters).cause == "correct"


class Pair(NamedTuple):
    a: Any
    b: Any


def test_named_tuples_and_own_dicts_stay_what_they_are() -> None:
    def loss(p: Any) -> float:
        assert isinstance(p, Pair | OrderedDict)
        a, b = (p.a, p.b) if isinstance(p, Pair) else (p["a"], p["b"])
        return float(np.sum(a**2) * b)

    def gradient(p: Any) -> Any:
        a, b = (p.a, p.b) if isinstance(p, Pair) else (p["a"], p["b"])
        return type(p)(*[2 * a * b, np.sum(a**2)]) if isinstance(p, Pair) else {
            "a": 2 * a * b, "b": np.sum(a**2)
        }  # fmt: skip

    for parameters in (Pair(np.ones(3), 0.5), OrderedDict(a=np.ones(3), b=0.5)):
        assert cr.check_gradients(loss, gradient, parameters).ok


def test_endless_parameters_are_refused() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    with pytest.raises(ValueError, match="nested more than 50 deep"):
        cr.check_gradients(lambda p: 1.0, lambda p: p, endless)


def test_an_exception_whose_message_fails_is_named() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def mute(p: Any) -> float:
        raise Mute

    with pytest.raises(ValueError, match="raised Mute"):
        cr.check_gradients(mute, lambda p: p, np.ones(2))


def test_a_rough_loss_says_what_it_cannot_tell() -> None:
    def loss(p: Any) -> float:
        return float(np.sum(p.astype(np.float32) ** 2))

    report = cr.check_gradients(loss, lambda p: 2 * p, np.array([1.0, 2.0, 3.0]))
    assert report.ok
    assert "the loss is rough: of less than" in report.evidence[1]
    sharp = cr.check_gradients(lambda p: float(p @ p), lambda p: 2 * p, np.array([1.0, 2.0]))
    assert len(sharp.evidence) == 1


def test_one_entry_of_a_matrix_is_no_factor_of_all() -> None:
    W = np.random.default_rng(0).normal(size=(6, 8))
    X = np.random.default_rng(1).normal(size=(10, 6))

    def gradient(p: Any) -> Any:
        g = X.T @ (2 * X @ p)
        g[2, 3] *= 1.5
        return g

    report = cr.check_gradients(lambda p: float(np.sum((X @ p) ** 2)), gradient, W)
    assert (report.ok, report.cause) == (False, "unknown")
    assert "1 of 48 entries" in report.evidence[0]


def test_a_constant_added_to_every_entry_is_not_blamed_on_rows() -> None:
    X = np.random.default_rng(1).normal(size=(10, 4))
    report = cr.check_gradients(
        lambda p: float(np.sum(np.tanh(X @ p) ** 2)),
        lambda p: X.T @ (2 * np.tanh(X @ p) * (1 - np.tanh(X @ p) ** 2)) + 1e-3, np.ones((4, 3)),
    )  # fmt: skip
    assert (report.ok, report.cause) == (False, "unknown")
