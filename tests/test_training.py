"""train() and find_lr(): what a record holds, how a run ends, what is refused; scikit-learn's
network as a second implementation.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor
from support.forms import read_only, strided
from support.numeric import Array

import chainrule as cr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(11, 3))
Y = X @ np.array([1.0, -2.0, 0.5]) + 0.1 * RNG.normal(size=11)
WEIGHT = RNG.uniform(0.5, 2.0, 11)
X_VALID, Y_VALID = RNG.normal(size=(5, 3)), RNG.normal(size=5)


def start(train: Callable[..., Any] = cr.train, **changed: Any) -> Any:
    """A run on the data above, with some settings changed."""
    net = changed.pop("net", None) or cr.Network.mlp([3, 4, 1], "tanh", rng=0)
    how: dict[str, Any] = {"loss": cr.SquaredError(), "optimizer": cr.SGD(), "X": X, "y": Y}
    how |= {"epochs": 3, "lr": 0.05, "rng": 1, "batch_size": 4} | changed
    return train(net, **how)


def test_record_fields() -> None:
    records = list(start(valid=(X_VALID, Y_VALID)))
    assert [r.epoch for r in records] == [0, 1, 2]
    assert {r.engine for r in records} == {"readable"}
    assert {r.seed for r in records} == {1}
    assert {r.lr for r in records} == {0.05}
    assert all(r.seconds > 0 for r in records)
    assert all(r.monitored == r.valid_loss for r in records)
    assert [r.valid_loss for r in start()] == [None] * 3
    assert all(r.monitored == r.loss for r in start())
    assert {r.seed for r in start(rng=np.random.default_rng(1))} == {None}


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("penalty", [None, cr.Penalty(0.1, 0.2)], ids=["", "penalty"])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_losses_and_weights_by_hand(
    weight: Array | None, penalty: cr.Penalty | None, clip: float | None
) -> None:
    """A linear network, batches of 4, 4, 3: every loss and every step in a second writing."""
    net = cr.Network(3, [cr.Dense(1)], rng=0)
    w, b, shares = net["0.W"][:, 0].copy(), 0.0, np.ones(11) if weight is None else weight
    run = start(
        net=net, weight=weight, penalty=penalty, clip=clip, shuffle=False,
        valid=(X_VALID, Y_VALID, np.arange(1, 6)),
    )  # fmt: skip
    for record in run:
        total = 0.0
        for rows in (slice(0, 4), slice(4, 8), slice(8, 11)):
            s, error = shares[rows], X[rows] @ w + b - Y[rows]
            L = np.average(error**2, weights=s)
            dw, db = 2 * (s * error) @ X[rows] / s.sum(), 2 * (s * error).sum() / s.sum()
            if penalty is not None:
                L += 0.1 * np.abs(w).sum() + 0.5 * 0.2 * (w**2).sum()
                dw = dw + 0.1 * np.sign(w) + 0.2 * w
            norm = np.sqrt((dw**2).sum() + db**2)
            scale = 1.0 if clip is None else min(1.0, clip / norm)
            w, b, total = w - 0.05 * scale * dw, b - 0.05 * scale * db, total + L * s.sum()
        assert record.loss == pytest.approx(total / shares.sum(), rel=1e-12)
        error = X_VALID @ w + b - Y_VALID
        assert record.valid_loss == pytest.approx(np.average(error**2, weights=range(1, 6)))
        np.testing.assert_allclose(net.theta, [*w, b], rtol=1e-12)


def test_a_record_comes_with_the_theta_of_its_epoch() -> None:
    net = cr.Network.mlp([3, 4, 1], rng=0)
    for k, _ in enumerate(start(net=net, epochs=4), 1):
        other = cr.Network.mlp([3, 4, 1], rng=0)
        list(start(net=other, epochs=k, lr=0.05))
        assert net.theta.tobytes() == other.theta.tobytes()


def test_a_recorded_seed_repeats_the_run() -> None:
    def run(rng: Any) -> tuple[cr.Network, list[cr.Record]]:
        net = cr.Network.mlp([3, 4, 1], dropout=0.3, rng=0)
        return net, list(start(net=net, rng=rng))

    (net, records), (other, again) = run(None), run(None)
    assert records[0].seed != again[0].seed
    assert not np.array_equal(net.theta, other.theta)
    assert run(records[0].seed)[0].theta.tobytes() == net.theta.tobytes()


def rise_and_fall(epochs: int = 9, **changed: Any) -> tuple[cr.Network, Iterator[cr.Record]]:
    """A run whose validation loss is least in the middle: its target is where theta passes by."""
    net = cr.Network(1, [cr.Dense(1, bias=False, init=0.0)], rng=0)
    data = {"X": [[1.0]], "y": [1.0], "valid": ([[1.0]], [0.5]), "lr": 0.1, "batch_size": None}
    return net, start(net=net, epochs=epochs, **(data | changed))


def follow(net: cr.Network, run: Iterator[cr.Record], stop: Any = None) -> list[tuple[float, Any]]:
    """(validation loss, theta) of each epoch; at epoch 6 breaks off or raises `stop`."""
    seen = []
    for record in run:
        seen.append((record.monitored, net.theta.copy()))
        if record.epoch == 6 and stop is not None:
            if stop == "break":
                break
            raise stop
    return seen


@pytest.mark.parametrize("end", [None, "break", ValueError("mine"), KeyboardInterrupt()], ids=str)
@pytest.mark.parametrize("restore", ["last", "best"])
def test_the_best_epoch_is_restored_however_the_run_ends(end: Any, restore: str) -> None:
    net, run = rise_and_fall(restore=restore)
    seen: list[Any] = follow(*rise_and_fall())
    if isinstance(end, BaseException):
        with pytest.raises(type(end)):
            follow(net, run, end)
        run.close()  # type: ignore[attr-defined]  # pytest's traceback still holds the frame
    else:
        follow(net, run, end)
        run.close()  # type: ignore[attr-defined]
    losses = [loss for loss, _ in seen]
    best = int(np.argmin(losses))
    assert 0 < best < 6
    last = 8 if end is None else 6
    assert np.array_equal(net.theta, seen[best if restore == "best" else last][1])


@pytest.mark.parametrize("end", ["break", KeyboardInterrupt()], ids=str)
def test_a_plain_for_loop_restores_by_itself(end: Any) -> None:
    net, run = rise_and_fall(restore="best")
    runs = [run]
    del run
    try:
        for record in runs.pop():
            if record.epoch == 6:
                if end == "break":
                    break
                raise end
    except KeyboardInterrupt:
        pass
    losses = [loss for loss, _ in follow(*rise_and_fall())]
    assert np.array_equal(net.theta, follow(*rise_and_fall())[int(np.argmin(losses))][1])


def test_restore_brings_back_the_buffers_too() -> None:
    net = cr.Network(3, [cr.BatchNorm(), cr.Dense(1)], rng=0)
    kept = {}
    valid = (X_VALID + 3, Y_VALID)
    for record in start(net=net, valid=valid, restore="best", epochs=6, lr=0.02):
        kept[record.monitored] = net.theta.copy(), net.buffers.copy()
    theta, buffers = kept[min(kept)]
    assert np.array_equal(net.theta, theta)
    assert np.array_equal(net.buffers, buffers)


def test_patience_stops_after_so_many_epochs_without_a_new_best() -> None:
    losses = [r.monitored for r in rise_and_fall(epochs=30)[1]]
    best = int(np.argmin(losses))
    for patience in (1, 3):
        records = list(rise_and_fall(epochs=30, patience=patience)[1])
        assert len(records) == best + patience + 1
    assert len(list(rise_and_fall(epochs=9, patience=99)[1])) == 9


def test_plateau_lowers_the_rate_after_the_loss_stops_falling() -> None:
    schedule = cr.Plateau(0.1, factor=0.5, patience=2)
    records = list(rise_and_fall(epochs=12, lr=schedule)[1])
    seen: list[float] = []
    for record in records:
        assert record.lr == schedule.at(0, 1, seen)
        seen.append(record.monitored)
    assert len({record.lr for record in records}) > 1


def test_nothing_runs_before_the_first_record_is_asked_for() -> None:
    net = cr.Network.mlp([3, 4, 1], rng=0)
    before = net.theta.copy()
    start(net=net)
    assert np.array_equal(net.theta, before)


REFUSED: list[tuple[dict[str, Any], str]] = [
    *(({"epochs": bad}, "epochs is") for bad in (0, -1, 1.5, True, "3", None)),
    *(({"batch_size": bad}, "batch_size is") for bad in (0, -4, 2.0, "all")),
    *(({"patience": bad}, "patience is") for bad in (0, 1.5)),
    *(({"threads": bad}, "threads is") for bad in (0, 0.5)),
    *(({"lr": bad}, "lr is") for bad in (0, -0.1, np.nan, np.inf, "0.1", None, cr.Cosine(0.0))),
    *(({"clip": bad}, "clip is") for bad in (0, -1.0, np.nan, np.inf)),
    *(({"rng": bad}, "rng is") for bad in (-1, 1.5, "1", True)),
    ({"restore": "first"}, "restore is 'first'"),
    ({"engine": "fast"}, "engine is 'fast'"),
    ({"loss": "mse"}, r"loss is 'mse': give an instance, such as SquaredError\(\)"),
    ({"loss": cr.SquaredError}, "loss is <class"),
    ({"loss": cr.SumOfErrors()}, "SumOfErrors cannot be trained on"),
    ({"optimizer": cr.Adam}, r"optimizer is <class .*such as Adam\(\)"),
    ({"penalty": 0.1}, "penalty is 0.1"),
    ({"X": X[:, :2]}, "X has 2 features"),
    ({"X": X * np.nan}, "X holds nan"),
    ({"y": Y[:4]}, "y has shape"),
    ({"y": Y * np.inf}, "y holds"),
    ({"weight": WEIGHT[:3]}, "weight has shape"),
    ({"weight": np.zeros(11)}, "weight sums to 0"),
    ({"weight": -WEIGHT}, "negative"),
    ({"valid": (X_VALID,)}, r"valid must be \(X, y\) or"),
    ({"valid": X_VALID}, r"valid must be \(X, y\) or"),
    ({"valid": (X_VALID, Y_VALID[:2])}, "in the validation rows, y has shape"),
    ({"valid": (X_VALID, Y_VALID, np.zeros(5))}, "in the validation rows, weight sums to 0"),
]


@pytest.mark.parametrize(("changed", "said"), REFUSED, ids=lambda case: str(case)[:40])
def test_bad_arguments_are_refused_at_the_call(changed: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said) as error:
        start(**changed)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("form", [np.ndarray.tolist, np.asfortranarray, strided, read_only])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_form_of_data_trains_the_same(form: Callable[[Array], Any], dtype: type) -> None:
    nets = [cr.Network.mlp([3, 4, 1], rng=0, dtype=dtype) for _ in range(2)]
    list(start(net=nets[0], weight=WEIGHT))
    list(start(net=nets[1], X=form(X), y=form(Y), weight=form(WEIGHT)))
    assert nets[0].theta.dtype == dtype
    np.testing.assert_allclose(nets[0].theta, nets[1].theta, rtol=1e-12)


def test_float32_follows_float64() -> None:
    runs = []
    for dtype in (np.float64, np.float32):
        net = cr.Network.mlp([3, 4, 1], "tanh", rng=0, dtype=dtype)
        runs.append([r.loss for r in start(net=net, optimizer=cr.Adam(), epochs=20, lr=0.01)])
    np.testing.assert_allclose(runs[1], runs[0], rtol=1e-4)


def test_integers_train() -> None:
    net = cr.Network.mlp([2, 8, 1], "tanh", rng=1)
    corners, xor = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), [0, 1, 1, 0]
    *_, last = start(
        net=net, X=corners, y=xor, loss=cr.BinaryCrossEntropy(), optimizer=cr.Adam(), epochs=300,
        lr=0.05,
    )  # fmt: skip
    assert last.loss < 0.05


def test_threads_change_no_bit() -> None:
    nets = [cr.Network.mlp([3, 4, 1], rng=0) for _ in range(2)]
    list(start(net=nets[0]))
    list(start(net=nets[1], threads=1))
    assert nets[0].theta.tobytes() == nets[1].theta.tobytes()


def find(**changed: Any) -> Any:
    def call(net: cr.Network, **how: Any) -> Any:
        del how["epochs"], how["lr"]
        return cr.find_lr(net, **how)

    return start(call, **changed)


@pytest.mark.parametrize("optimizer", [cr.SGD(), cr.Adam()])
def test_find_lr_suggests_a_rate_that_trains(optimizer: cr.Optimizer) -> None:
    net = cr.Network(3, [cr.Dense(4), cr.BatchNorm(), cr.Tanh(), cr.Dense(1)], rng=0)
    before = net.theta.copy(), net.buffers.copy()
    found = find(net=net, optimizer=optimizer, weight=WEIGHT)
    assert np.array_equal(net.theta, before[0])
    assert np.array_equal(net.buffers, before[1])
    assert found.lrs.shape == found.losses.shape
    assert (np.diff(found.lrs) > 0).all()
    assert np.isfinite(found.losses).all()
    assert found.suggestion in found.lrs
    records = list(start(net=net, optimizer=optimizer, epochs=30, lr=found.suggestion))
    assert records[-1].loss < 0.7 * records[0].loss


def test_find_lr_passes_over_batches_without_weight() -> None:
    weight = np.zeros(11)
    weight[0] = 1.0
    found = find(weight=weight, batch_size=2)
    assert 10 <= len(found.lrs) < 100


def test_find_lr_that_starts_diverged_says_so() -> None:
    net = cr.Network(3, [cr.Dense(1, init=1e308)], rng=0)
    with pytest.raises(cr.Diverged, match="made inf"):
        find(net=net)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"low": 0.0}, "low=0.0"),
        ({"low": 1.0, "high": 0.5}, "high=0.5"),
        ({"steps": 9}, "steps=9"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"optimizer": cr.SGD}, "optimizer is <class"),
        ({"y": Y[:3]}, "y has shape"),
    ],
)
def test_find_lr_refuses(changed: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        find(**changed)


TARGETS: dict[str, tuple[Any, cr.Loss, Callable[[np.random.Generator], Array]]] = {
    "numbers": (MLPRegressor, cr.SquaredError(scale=0.5), lambda rng: rng.normal(size=(40, 2))),
    "two classes": (MLPClassifier, cr.BinaryCrossEntropy(), lambda rng: rng.integers(0, 2, 40)),
    "classes": (MLPClassifier, cr.SoftmaxCrossEntropy(), lambda rng: rng.integers(0, 3, 40)),
}
SOLVERS: dict[str, tuple[cr.Optimizer, dict[str, Any]]] = {
    "sgd": (cr.SGD(), {"solver": "sgd", "momentum": 0.0}),
    "momentum": (cr.Momentum(0.9), {"solver": "sgd", "nesterovs_momentum": False}),
    "nesterov": (cr.Nesterov(0.9), {"solver": "sgd"}),
    # scikit-learn adds epsilon elsewhere, so both take one that adds nothing
    "adam": (cr.Adam(epsilon=1e-300), {"solver": "adam", "epsilon": 1e-300}),
}


@pytest.mark.parametrize("activation", ["tanh", "logistic", "relu"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("target", TARGETS)
def test_scikit_learn_takes_the_same_steps(target: str, solver: str, activation: str) -> None:
    kind, loss, make = TARGETS[target]
    optimizer, settings = SOLVERS[solver]
    rng = np.random.default_rng(3)
    inputs, y = rng.normal(size=(40, 4)), make(rng)
    theirs = kind(
        hidden_layer_sizes=(5, 3), activation=activation, alpha=0.0, batch_size=40,
        shuffle=False, learning_rate_init=0.02, random_state=0, **settings,
    )  # fmt: skip
    first = {"classes": np.unique(y)} if kind is MLPClassifier else {}
    theirs.partial_fit(inputs, y, **first)  # makes the arrays; we start where this step ended
    del theirs._optimizer, theirs.loss_curve_[:]
    outputs = theirs.coefs_[-1].shape[1]
    ours = cr.Network.mlp(
        [4, 5, 3, outputs], {"logistic": "sigmoid"}.get(activation, activation), rng=0
    )
    for i, (W, b) in enumerate(zip(theirs.coefs_, theirs.intercepts_, strict=True)):
        ours[f"{2 * i}.W"], ours[f"{2 * i}.b"] = W, b
    run = start(
        net=ours, loss=loss, optimizer=optimizer, X=inputs, y=y, epochs=30, batch_size=None, lr=0.02
    )
    losses = [record.loss for record in run]
    for _ in range(30):
        theirs.partial_fit(inputs, y)
    for i, (W, b) in enumerate(zip(theirs.coefs_, theirs.intercepts_, strict=True)):
        np.testing.assert_allclose(ours[f"{2 * i}.W"], W, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(ours[f"{2 * i}.b"], b, rtol=1e-10, atol=1e-10)
    share = outputs if target == "numbers" else 1  # its value, not its gradient, is a mean of K
    np.testing.assert_allclose(np.array(losses) / share, theirs.loss_curve_, rtol=1e-10)


def test_find_lr_says_so_where_no_rate_lowers_the_loss() -> None:
    net = cr.Network.mlp([3, 4, 1], rng=0)
    net.theta = np.zeros(net.theta.size)
    with pytest.raises(ValueError, match="no rate at which the loss falls"):
        cr.find_lr(net, cr.SquaredError(), cr.SGD(), np.zeros((8, 3)), np.zeros(8), rng=0)
