"""What the compiled engine hands out between two epochs, though it runs many in one call: records,
numbers and the generator are those of the readable engine, whatever the caller does with them.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from support.forms import read_only, strided
from support.numeric import Array
from support.tables import OPTIMIZERS

import chainrule as cr
from chainrule.compiled import engine, prediction
from chainrule.training import engines

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 3)), RNG.normal(size=(12, 2))
X_VALID, Y_VALID = RNG.normal(size=(7, 3)), RNG.normal(size=(7, 2))
ENGINES = ("readable", "compiled")
Edit = Callable[[cr.Network, int], None]

PLAIN = [cr.Dense(4), cr.Tanh(), cr.Dense(2)]
DRAWING = [cr.Dense(4), cr.Dropout(0.2), cr.Tanh(), cr.Dropout(cr.Cosine(0.4)), cr.Dense(2)]
NORMED = [cr.Dense(4), cr.Sigmoid(), cr.BatchNorm(0.5, 0.1), cr.Dropout(0.1), cr.Dense(2)]


@pytest.fixture(autouse=True)
def _compiled_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the engine is loaded; and as before for the tests of other files."""
    monkeypatch.setattr(cr.Network, "compiled_forward", staticmethod(prediction.forward))


@dataclass
class Seen:
    """A run as its caller saw it: a row for each epoch, and the generator's state after each."""

    rows: list[Array]
    states: list[Any]
    net: cr.Network

    def same(self, other: "Seen", rtol: float = 1e-9) -> None:
        assert len(self.rows) == len(other.rows)
        np.testing.assert_allclose(self.rows, other.rows, rtol=rtol, atol=rtol)
        np.testing.assert_allclose(self.net.numbers, other.net.numbers, rtol=rtol, atol=rtol)
        assert self.states == other.states


def watch(
    name: str, layers: Sequence[cr.Layer] = PLAIN, edit: Edit | None = None,
    stop: int | None = None, **changed: Any,
) -> Seen:  # fmt: skip
    """Train, look after each epoch, then change the network."""
    net = cr.Network(3, layers, rng=0)
    how: dict[str, Any] = {"optimizer": cr.Momentum(0.8), "X": X, "y": Y, "epochs": 300} | changed
    how = {"lr": 0.01, "batch_size": 4, "rng": 3, "loss": cr.SquaredError()} | how
    rng, seen = how["rng"], Seen([], [], net)
    run = cr.train(net, engine=name, **how)
    for record in run:
        assert record.engine == name
        assert record.epoch == len(seen.rows)
        losses = [record.loss, record.valid_loss or 0.0, record.lr]
        seen.rows.append(np.concatenate([losses, net.numbers]))
        if isinstance(rng, np.random.Generator):
            seen.states.append(str(rng.bit_generator.state))
        if edit is not None:
            edit(net, record.epoch)
        if record.epoch == stop:
            break
    run.close()  # type: ignore[attr-defined]
    return seen


def both(**how: Any) -> tuple[Seen, Seen]:
    """The same run by each engine; a function makes what a run uses up."""
    made = [{k: v() if k == "rng" and callable(v) else v for k, v in how.items()} for _ in ENGINES]
    readable, compiled = (watch(e, **m) for e, m in zip(ENGINES, made, strict=True))
    return compiled, readable


@pytest.mark.parametrize("rng", [3, lambda: np.random.default_rng(3)], ids=["seed", "generator"])
@pytest.mark.parametrize("batch_size", [1, 5, None])
@pytest.mark.parametrize("layers", [PLAIN, DRAWING, NORMED], ids=["plain", "drawing", "normed"])
def test_each_epoch_is_handed_out_as_it_was(layers: Any, batch_size: Any, rng: Any) -> None:
    compiled, readable = both(layers=layers, batch_size=batch_size, rng=rng, epochs=120)
    compiled.same(readable)


@pytest.mark.parametrize("kind", ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"])
def test_draws_are_those_of_every_generator(kind: str) -> None:
    """Shuffles and masks, and the state after each epoch; the generator was used before."""

    def make() -> np.random.Generator:
        rng = np.random.Generator(getattr(np.random, kind)(7))
        rng.random(3, dtype=np.float32)  # leaves half a draw behind
        return rng

    compiled, readable = both(layers=DRAWING, rng=make, epochs=20)
    compiled.same(readable)


FORMS = [np.ndarray.tolist, np.asfortranarray, strided, read_only, np.float32, np.longdouble]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_of_data_trains_the_same(form: Any) -> None:
    weight = np.arange(12) % 3
    for dtype in (np.float64, np.float32):
        nets = [cr.Network(3, PLAIN, rng=0, dtype=dtype) for _ in range(2)]
        for net, name in zip(nets, ENGINES, strict=True):
            data = {"X": form(X), "y": form(Y), "weight": form(weight)}
            how = {"epochs": 3, "batch_size": 4, "lr": 0.01, "rng": 0, "engine": name}
            records = list(cr.train(net, cr.SquaredError(), cr.Adam(), **data, **how))
            assert {record.engine for record in records} == {name}
        tolerance = 1e-12 if dtype is np.float64 else 1e-5
        np.testing.assert_allclose(nets[1].theta, nets[0].theta, rtol=tolerance, atol=tolerance)


def change_theta(net: cr.Network, epoch: int) -> None:
    if epoch in (17, 18, 60):
        net.theta *= 0.9


def change_one_number(net: cr.Network, epoch: int) -> None:
    net["0.W"][1, 0] += 1e-3 if epoch % 30 == 29 else 0.0


def change_buffers(net: cr.Network, epoch: int) -> None:
    if epoch == 30:
        net.buffers = net.buffers + 0.05


def change_lr_factor(net: cr.Network, epoch: int) -> None:
    if epoch == 9:
        net.lr_factor[3:9] = 0.0
    if epoch == 70:
        net.lr_factor = np.ones(net.theta.size)


def change_decay_factor(net: cr.Network, epoch: int) -> None:
    if epoch in (0, 41):
        net.decay_factor[...] = 1.5 + epoch


def change_always(net: cr.Network, epoch: int) -> None:
    net.theta += 1e-3


EDITS: list[Edit] = [
    change_theta, change_one_number, change_buffers, change_lr_factor, change_decay_factor,
    change_always,
]  # fmt: skip


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_what_the_caller_changes_counts(edit: Edit, optimizer: str) -> None:
    """With shuffles and dropout, whose draws the engine must take back."""
    how: dict[str, Any] = {"layers": NORMED, "optimizer": OPTIMIZERS[optimizer], "epochs": 80}
    how["penalty"] = cr.Penalty(l2=0.01)
    compiled, readable = both(edit=edit, **how)
    compiled.same(readable)
    alone = watch("compiled", **how)
    assert not np.array_equal(alone.rows[-1][0], compiled.rows[-1][0])


@pytest.mark.parametrize("stop", [0, 1, 140, 299])
@pytest.mark.parametrize("rng", [3, lambda: np.random.default_rng(3)], ids=["seed", "generator"])
def test_break_leaves_the_network_at_that_epoch(rng: Any, stop: int) -> None:
    compiled, readable = both(layers=DRAWING, rng=rng, stop=stop)
    compiled.same(readable)
    np.testing.assert_array_equal(compiled.net.numbers, compiled.rows[stop][3:])
    assert len(compiled.rows) == stop + 1


def test_break_after_a_change_leaves_the_change() -> None:
    def edit(net: cr.Network, epoch: int) -> None:
        net.theta[...] = epoch

    compiled, readable = both(edit=edit, stop=20)
    compiled.same(readable)
    assert set(compiled.net.theta) == {20.0}


ENDS: dict[str, dict[str, Any]] = {
    "valid": {"valid": (X_VALID, Y_VALID)},
    "restore": {"valid": (X_VALID, Y_VALID), "restore": "best", "lr": 0.1},
    "restore_training": {"restore": "best", "lr": 0.1},
    "patience": {"valid": (X_VALID, Y_VALID), "patience": 3, "lr": 0.1},
    "patience_restore": {"valid": (X_VALID, Y_VALID), "patience": 3, "restore": "best", "lr": 0.1},
    "break_restore": {"valid": (X_VALID, Y_VALID), "restore": "best", "stop": 77, "lr": 0.1},
    "edit_restore": {"valid": (X_VALID, Y_VALID), "restore": "best", "edit": change_theta},
}


@pytest.mark.parametrize("rng", [3, lambda: np.random.default_rng(3)], ids=["seed", "generator"])
@pytest.mark.parametrize("end", ENDS)
def test_runs_end_as_in_the_readable_engine(end: str, rng: Any) -> None:
    compiled, readable = both(layers=NORMED, rng=rng, **ENDS[end])
    compiled.same(readable)
    assert ("patience" in end) == (len(compiled.rows) < 300 and "stop" not in ENDS[end])
    last = np.array_equal(compiled.net.theta, compiled.rows[-1][3 : 3 + compiled.net.theta.size])
    assert last == ("restore" not in end)


@dataclass(frozen=True)
class Reading(cr.Schedule):
    """A schedule that looks at the losses, from some step on."""

    how: str = "last"
    start: int = 0

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        if step < self.start:
            return 1.0
        if self.how == "len":
            return 1.0 / (1.0 + len(losses))
        if self.how == "truth":
            return 0.5 if losses else 1.0
        if self.how == "loop":
            return 1.0 / (1.0 + sum(loss > 2.0 for loss in losses))
        return min(1.0, losses[-1]) if len(losses) > 0 else 1.0


@pytest.mark.parametrize("start", [0, 100])
@pytest.mark.parametrize("how", ["len", "truth", "loop", "last"])
def test_a_schedule_sees_the_losses_of_every_epoch(how: str, start: int) -> None:
    lr = Reading(0.05, how, start)
    decay = cr.AdamW(weight_decay=Reading(0.1, how, start))
    rate = [cr.Dense(4), cr.Dropout(Reading(0.4, how, start)), cr.Dense(2)]
    for changed in ({"lr": lr}, {"optimizer": decay}, {"layers": rate}):
        compiled, readable = both(epochs=60, **changed)
        compiled.same(readable)
    rates = [row[2] for row in watch("compiled", lr=lr, epochs=60).rows]
    assert len(set(rates)) > 1


@pytest.mark.parametrize("valid", [None, (X_VALID, Y_VALID)], ids=["training", "validation"])
def test_plateau_falls_at_the_same_epochs(valid: Any) -> None:
    plateau = cr.Plateau(0.3, factor=0.5, patience=2)
    compiled, readable = both(lr=plateau, valid=valid, layers=DRAWING, epochs=100)
    compiled.same(readable)
    assert len({row[2] for row in compiled.rows}) > 2


@pytest.mark.parametrize(
    ("changed", "longest"),
    [({}, 300), ({"rng": np.random.default_rng(3)}, 1), ({"lr": Reading(0.05)}, 1)],
    ids=["toy", "generator", "reading"],
)
def test_toys_run_many_epochs_in_a_call(
    changed: dict[str, Any], longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else this file would test nothing: an epoch a call has nothing to take back."""
    calls, original = list[int](), engine.train

    def spy(*arguments: Any) -> Any:
        calls.append(len(arguments[11]))
        return original(*arguments)

    monkeypatch.setattr(engine, "train", spy)
    watch("compiled", **changed)
    assert max(calls) == longest
    assert sum(calls) == 300


@pytest.mark.parametrize("layers", [PLAIN, DRAWING], ids=["plain", "drawing"])
def test_two_runs_may_share_a_network(layers: Any) -> None:
    """Each sees what the other changed."""
    seen = []
    for name in ENGINES:
        net, how = cr.Network(3, layers, rng=0), {"batch_size": 4, "epochs": 40, "engine": name}
        pair = [
            cr.train(net, loss, optimizer, X, Y, rng=seed, lr=0.01, **how)
            for seed, (loss, optimizer) in enumerate(
                [(cr.SquaredError(), cr.Adam()), (cr.AbsoluteError(), cr.Momentum())]
            )
        ]
        rows = [(a.loss, b.loss, *net.theta) for a, b in zip(*pair, strict=True)]
        seen.append(rows)
    np.testing.assert_allclose(seen[1], seen[0], rtol=1e-9, atol=1e-9)


def test_a_shared_generator_is_free_while_a_kernel_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a child forked in that time would wait for its lock for ever."""
    rng, original, free = np.random.default_rng(0), engine.train, list[bool]()
    lock = rng.bit_generator.lock

    def spy(*arguments: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            free.append(pool.submit(lambda: lock.acquire(False) and not lock.release()).result())
        return original(*arguments)

    monkeypatch.setattr(engine, "train", spy)
    net, rows = cr.Network.mlp([1, 2, 1], rng=0), np.arange(8.0)
    list(cr.train(net, cr.SquaredError(), cr.SGD(), rows[:, None], rows, rng=rng, epochs=2, lr=0.1,
                  batch_size=4, engine="compiled"))  # fmt: skip
    assert free == [True] * 2


LOOKS: dict[str, Callable[[Sequence[float]], float]] = {
    "size": lambda losses: 1.0 / (1.0 + np.size(losses)),
    "min": lambda losses: float(np.min(losses, initial=0.5)),
    "equal": lambda losses: 0.5 if losses == [] else 1.0,
    "last": lambda losses: 0.5 if not losses else min(1.0, losses[-1]),
    "asarray": lambda losses: float(np.asarray(losses).sum() + 1.0),
    "list": lambda losses: float(len([*losses]) + 1.0),
}


@dataclass(frozen=True)
class Looking(cr.Schedule):
    """A learning rate that looks at the losses in some way of its own."""

    look: str = "size"

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        return LOOKS[self.look](losses)


@pytest.mark.parametrize("look", LOOKS)
def test_a_schedule_that_looks_at_the_losses_sees_them(look: str) -> None:
    readable, compiled = both(lr=Looking(0.01, look), epochs=6)
    compiled.same(readable)


@pytest.mark.parametrize("engine_name", ENGINES)
def test_validation_rows_go_through_the_engine_that_runs(
    engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, original = list[int](), prediction.forward

    def spy(net: cr.Network, rows: Array) -> Array | None:
        seen.append(len(rows))
        return original(net, rows)

    assert cr.load_engine()
    monkeypatch.setitem(engines._ready, np.dtype("float64"), spy)
    net = cr.Network(3, PLAIN, rng=0)
    run = cr.train(net, cr.SquaredError(), cr.SGD(), X, Y, epochs=3, lr=0.1, engine=engine_name,
                   valid=(X_VALID, Y_VALID))  # fmt: skip
    losses = [record.valid_loss for record in run]
    assert seen == ([7] * 3 if engine_name == "compiled" else [])
    assert losses[-1] == pytest.approx(cr.SquaredError().value(net.forward(X_VALID)[0], Y_VALID))
