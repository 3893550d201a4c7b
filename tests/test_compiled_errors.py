"""Bad data, odd arrays and diverging runs: the compiled engine says and leaves what the readable
one does.
"""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.compiled_runs import GOALS, ROWS, both, large, run
from support.numeric import Array

import chainrule as cr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(11, 3))
Y = X @ np.array([1.0, -2.0, 0.5]) + 0.1 * RNG.normal(size=11)
WEIGHT = RNG.uniform(0.5, 2.0, 11)
X_VALID, Y_VALID = RNG.normal(size=(5, 3)), RNG.normal(size=5)
BASE: dict[str, Any] = {
    "loss": cr.SquaredError(), "optimizer": cr.SGD(), "X": X, "y": Y, "weight": WEIGHT,
    "epochs": 3, "lr": 0.05, "rng": 1, "batch_size": 4,
}  # fmt: skip


def small(dtype: Any = np.float64) -> cr.Network:
    layers = [cr.Dense(4), cr.Tanh(), cr.BatchNorm(), cr.Dropout(0.2), cr.Dense(1)]
    return cr.Network(3, layers, rng=0, dtype=dtype)


def put(array: Array, value: float) -> Array:
    array = array.copy()
    array.flat[-2] = value
    return array


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"X": X[:, :2]}, "X has 2 features"),
    ({"X": X[0]}, "X has shape"),
    ({"X": X[None]}, "X has shape"),
    ({"X": X[:0]}, "X has no rows"),
    ({"X": X[:, :0]}, "X has 0 features"),
    ({"X": X[:5]}, "y has shape"),
    ({"X": X.astype(str)}, "X has type"),
    ({"X": X.astype(object).tolist()[:10] + [["a", "b", "c"]]}, "X has type"),
    ({"X": X + 1j}, "X has type"),
    ({"X": np.ma.masked_less(X, 0)}, "X is a masked array"),
    *(({"X": put(X, bad)}, "X holds") for bad in (np.nan, np.inf, -np.inf)),
    *(({"y": put(Y, bad)}, "y holds") for bad in (np.nan, np.inf)),
    ({"y": Y[:, None, None]}, "y has shape"),
    ({"y": 1.0}, "y has shape"),
    ({"y": np.stack([Y, Y], axis=1)}, "y has shape"),
    ({"y": Y.astype(str)}, "y has type"),
    ({"y": Y, "loss": cr.Poisson()}, "Poisson"),
    ({"y": np.arange(11), "loss": cr.SoftmaxCrossEntropy()}, "SoftmaxCrossEntropy"),
    *(({"weight": put(WEIGHT, bad)}, "weight holds") for bad in (np.nan, np.inf, -1.0)),
    ({"weight": WEIGHT * 1e-40}, "weight sums to"),
    ({"weight": WEIGHT[:, None]}, "weight has shape"),
    ({"valid": (X_VALID, put(Y_VALID, np.nan))}, "in the validation rows, y holds"),
]


@pytest.mark.parametrize(("changed", "said"), REFUSED, ids=lambda case: str(case)[:30])
def test_data_that_do_not_fit_are_refused_alike(changed: dict[str, Any], said: str) -> None:
    end = both(small, **(BASE | changed))
    assert isinstance(end.error, ValueError)
    assert said in str(end.error)
    assert np.array_equal(end.theta, small().theta)


def test_a_number_too_large_for_float32_is_refused_alike() -> None:
    end = both(lambda: small(np.float32), **(BASE | {"X": put(X, 1e39)}))
    assert "too large for float32" in str(end.error)


def fortran(a: Array) -> Array:
    return np.asfortranarray(np.stack([a, a], axis=-1))[..., 0]


def backwards(a: Array) -> Array:
    return a[::-1].copy()[::-1]


def read_only(a: Array) -> Array:
    a = a.copy()
    a.flags.writeable = False
    return a


def unaligned(a: Array) -> Array:
    moved = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    moved[...] = a
    return moved


def structured(a: Array) -> Array:
    """A field of a record array: numbers with gaps between them."""
    held = np.zeros(a.shape, [("flag", np.int8), ("a", a.dtype)])
    held["a"] = a
    return held["a"]


FORMS: dict[str, Callable[[Array], Any]] = {
    "plain": np.copy, "list": np.ndarray.tolist, "fortran": fortran, "backwards": backwards,
    "read-only": read_only, "unaligned": unaligned, "structured": structured,
    "float16": lambda a: a.astype(np.float16), "float32": lambda a: a.astype(np.float32),
    "longdouble": lambda a: a.astype(np.longdouble), "object": lambda a: a.astype(object),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "bool": lambda a: a > 0.5, "int8": lambda a: np.sign(a).astype(np.int8) ** 2,
    "uint64": lambda a: (a > 0.5).astype(np.uint64),
    "frame": lambda a: pd.DataFrame(a) if a.ndim == 2 else pd.Series(a),
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
}  # fmt: skip


def compiled() -> int:
    """How many times the kernels that take the caller's arrays have been compiled."""
    from chainrule.compiled import epochs, predict

    return sum(len(getattr(kernel, "signatures", ())) for kernel in (epochs.train, predict.predict))


@pytest.fixture
def nothing_compiled() -> Iterator[None]:
    """Arrays of all kinds go to the same two kernels, one for each dtype."""
    for dtype in (np.float64, np.float32):
        assert run("compiled", lambda dtype=dtype: small(dtype), **BASE).error is None
    before = compiled()
    yield
    assert compiled() == before


@pytest.mark.usefixtures("nothing_compiled")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("form", FORMS)
def test_arrays_of_every_form_train_alike(form: str, dtype: type) -> None:
    data = {name: FORMS[form](BASE[name]) for name in ("X", "y", "weight")}
    kept = {name: np.array(value) for name, value in data.items()}
    arrays = {name: value for name, value in data.items() if isinstance(value, np.ndarray)}
    writeable = {name: array.flags.writeable for name, array in arrays.items()}
    end = both(lambda: small(dtype), **(BASE | data))
    plain = {name: np.array(value, np.float64) for name, value in data.items()}
    again = run("compiled", lambda: small(dtype), **(BASE | plain))
    assert end.error is again.error is None
    np.testing.assert_allclose(end.theta, again.theta, rtol=1e-5 if form == "float16" else 1e-7)
    for name, value in data.items():
        assert np.array_equal(np.array(value), kept[name])
    assert {name: array.flags.writeable for name, array in arrays.items()} == writeable


@pytest.mark.usefixtures("nothing_compiled")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("form", FORMS)
def test_arrays_of_every_form_are_predicted_alike(form: str, dtype: type) -> None:
    list(cr.train(net := small(dtype), **(BASE | {"engine": "compiled"})))
    rows = FORMS[form](X)
    plain = np.array(rows, dtype)
    assert np.array_equal(net.predict(rows), net.predict(plain))
    close = 1e-12 if dtype is np.float64 else 1e-5
    np.testing.assert_allclose(net.predict(rows), net.forward(plain)[0], rtol=close, atol=close)


def test_a_memory_mapped_file_trains_and_is_not_written_to(tmp_path: Path) -> None:
    data = {}
    for name in ("X", "y", "weight"):
        np.save(tmp_path / f"{name}.npy", BASE[name])
        data[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    end = both(small, **(BASE | data))
    assert np.array_equal(end.theta, run("compiled", small, **BASE).theta)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("rows", [X[:, :2], X[0], X.astype(str)], ids=["narrow", "row", "text"])
def test_rows_that_cannot_be_predicted_are_refused_alike(rows: Array) -> None:
    list(cr.train(net := small(), **(BASE | {"engine": "compiled"})))
    said = []
    for way in (net.forward, net.predict):
        with pytest.raises(ValueError, match=r"^X has ") as error:
            way(rows)
        said.append(str(error.value))
    assert said[0] == said[1]


@pytest.mark.parametrize("rows", [X[:0], X[:1], X * np.nan, put(X, np.inf)], ids=str)
def test_odd_rows_are_predicted_alike(rows: Array) -> None:
    list(cr.train(net := small(), **(BASE | {"engine": "compiled"})))
    with np.errstate(all="ignore"):
        expected = net.forward(rows)[0]
    with np.errstate(all="raise"):
        assert net.predict(rows).shape == expected.shape
        np.testing.assert_allclose(net.predict(rows), expected, rtol=1e-12)


def linear(w: float, dtype: Any = np.float64) -> cr.Network:
    return cr.Network(3, [cr.Dense(1, init=w)], rng=0, dtype=dtype)


def growing(factor: float = 1.0, dtype: Any = np.float64) -> Callable[[], cr.Network]:
    """A weight that each full-batch step at learning rate 1.1 multiplies by -1.2."""
    return lambda: cr.Network(1, [cr.Dense(1, False, factor)], rng=0, dtype=dtype)


ONE: dict[str, Any] = {"X": [[1.0]], "y": [0.0], "weight": None, "lr": 1.1, "epochs": 4000}
COUNTS = np.arange(11.0) % 4
LATE = X * np.where(np.arange(11) == 9, 1e180, 1.0)[:, None]
DIVERGING: dict[str, tuple[Callable[[], cr.Network], dict[str, Any]]] = {
    "first step": (lambda: linear(1e308), {}),
    "first step, float32": (lambda: linear(3e38, np.float32), {}),
    "loss": (lambda: linear(1e160), {"shuffle": False}),
    "theta at the start": (lambda: linear(np.nan), {}),
    "in a chunk of toy epochs": (growing(), ONE),
    "in a chunk, float32": (growing(dtype=np.float32), ONE),
    "momentum in a chunk": (growing(), ONE | {"optimizer": cr.Momentum(), "lr": 5.0}),
    "Adam in a chunk": (growing(1e60), ONE | {"optimizer": cr.Adam(), "lr": 1e154}),
    "AdamW's decay": (growing(), ONE | {"optimizer": cr.AdamW(weight_decay=2.0), "lr": 1.1}),
    "a later batch": (lambda: linear(1.0), {"X": LATE, "shuffle": False}),
    "a later batch, shuffled": (lambda: linear(1.0), {"X": LATE}),
    "after an epoch": (growing(1e152), ONE),
    "huge rate": (small, {"lr": 1e200}),
    "huge rate, no batch norm": (lambda: cr.Network.mlp([3, 4, 1], rng=0), {"lr": 1e120}),
    "dropout, weights": (
        lambda: cr.Network.mlp([3, 8, 1], dropout=0.5, rng=0), {"lr": 1e90, "epochs": 9},
    ),
    "penalty": (lambda: linear(1e200), {"penalty": cr.Penalty(l2=1.0)}),
    "clipped": (lambda: linear(1e200), {"clip": 1.0}),
    "exp": (lambda: linear(800.0), {"loss": cr.Poisson(), "y": COUNTS}),
    "exp, float32": (lambda: linear(90.0, np.float32), {"loss": cr.Poisson(), "y": COUNTS}),
    "exp, later": (
        lambda: linear(0.1), {"loss": cr.Poisson(), "y": COUNTS, "lr": 2.0, "epochs": 50},
    ),
    "output, float32": (
        lambda: linear(1.0, np.float32), {"loss": cr.AbsoluteError(), "lr": 3e38, "epochs": 9},
    ),
    "update": (lambda: linear(1.0), {"loss": cr.AbsoluteError(), "X": 9 * X, "lr": 1.7e308}),
    "update, float32": (
        lambda: linear(1.0, np.float32), {"loss": cr.AbsoluteError(), "X": 9 * X, "lr": 3e38},
    ),
    "running statistics": (
        lambda: cr.Network(3, [cr.BatchNorm(), cr.Dense(1)], rng=0), {"X": X * 1e200},
    ),
    "validation": (lambda: linear(1.0), {"valid": (X_VALID * 1e200, Y_VALID)}),
    "scheduled rate": (lambda: linear(1.0), {"lr": cr.WarmUp(1e30, warm=90), "epochs": 90}),
    "several threads": (
        large, {"X": ROWS, "y": GOALS, "weight": None, "batch_size": 256, "lr": 1e80},
    ),
}  # fmt: skip


@pytest.mark.parametrize("restore", ["last", "best"])
@pytest.mark.parametrize("name", DIVERGING)
def test_a_diverging_run_ends_alike(name: str, restore: str) -> None:
    make, changed = DIVERGING[name]
    end = both(make, **(BASE | changed), restore=restore)
    assert isinstance(end.error, cr.Diverged), end
    assert "in the compiled engine" not in str(end.error)
    assert np.isfinite(end.theta).all() == np.isfinite(make().theta).all()
    assert np.isfinite(end.buffers).all()


def test_divergence_comes_in_the_middle_of_what_is_run_ahead() -> None:
    """So that the cases above hold one that has handed out hundreds of records before."""
    make, changed = DIVERGING["in a chunk of toy epochs"]
    assert len(both(make, **(BASE | changed)).records) > 1000


OPTIMIZERS = [
    cr.SGD(), cr.Momentum(), cr.Nesterov(), cr.AdaGrad(), cr.RMSProp(), cr.Adam(), cr.AdamW(),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_every_optimizer_diverges_alike(optimizer: cr.Optimizer, dtype: Any) -> None:
    lr = 1e200 if dtype is np.float64 else 1e25
    end = both(lambda: linear(1.0, dtype), **(BASE | {"optimizer": optimizer, "lr": lr}))
    assert isinstance(end.error, cr.Diverged)
    assert "epoch 1, step 2" in str(end.error)


@pytest.mark.parametrize("net", [small, lambda: linear(1.0)], ids=["draws masks", "draws order"])
@pytest.mark.parametrize("lr", [0.05, 1e200])
def test_the_generator_stands_where_it_would(net: Callable[[], cr.Network], lr: float) -> None:
    drawn = []
    for engine in ("readable", "compiled"):
        rng = np.random.default_rng(5)
        end = run(engine, net, **(BASE | {"lr": lr, "rng": rng}))
        assert (end.error is None) == (lr < 1)
        drawn.append(rng.integers(2**60))
    assert drawn[0] == drawn[1]


TINY = np.where(np.arange(11) < 4, 1.0, 1e-32)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_batch_of_tiny_weight_is_refused_alike(dtype: Any) -> None:
    end = both(lambda: small(dtype), **(BASE | {"weight": TINY, "shuffle": False}))
    assert isinstance(end.error, ValueError)
    assert "weight sums to 4e-32" in str(end.error)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_batch_without_weight_is_passed_over_alike(dtype: Any) -> None:
    for weight in (np.where(TINY < 1, 0.0, 1.0), np.where(TINY < 1, 1e-20, 1.0)):
        assert both(lambda: small(dtype), **(BASE | {"weight": weight})).error is None


@pytest.mark.parametrize("name", [None, "exp", "first step", "huge rate", "in a chunk, float32"])
def test_the_callers_error_state_stays_and_nothing_warns(name: str | None) -> None:
    make, changed = DIVERGING[name] if name else (small, {})
    how = BASE | changed
    for state in ("raise", "warn", "ignore", "print"):
        with np.errstate(all=state), warnings.catch_warnings():  # type: ignore[call-overload]
            warnings.simplefilter("error")
            before = np.geterr()
            end = run("compiled", make, **how)
            assert np.geterr() == before
            assert type(end.error) is (cr.Diverged if name else type(None))
            assert np.all(np.ones(3) + 1.0 == 2.0)  # no flag of the kernels comes up here


def spoiled(net: cr.Network, engine: str) -> int:
    """Set a number of theta to nan after epoch 3; returns how many records there were."""
    records = 0
    for record in cr.train(net, **(BASE | {"epochs": 20, "engine": engine})):
        records += 1
        if record.epoch == 3:
            net.theta[1] = np.nan
    return records


def test_theta_set_to_nan_between_two_records() -> None:
    ends = []
    for engine in ("readable", "compiled"):
        net = linear(1.0)
        with pytest.raises(cr.Diverged, match="epoch 5, step 1: theta holds nan") as stop:
            spoiled(net, engine)
        ends.append((str(stop.value), net.theta))
    assert ends[0][0] == ends[1][0]
    np.testing.assert_allclose(*(theta for _, theta in ends), rtol=1e-12)
