"""Members: several networks for one table, each with rows and an embedding of its own, averaged."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.cli.train_and_save import exit_code
from chainrule.core.embedding_layers import CategoryEmbedding, CosineEmbedding
from chainrule.core.nonfinite import Diverged
from chainrule.tables import Table, read_table
from chainrule.tabular.member import Member
from chainrule.tabular.presets import ONE_HOT, PRESETS, QUICK, SMALL, Simple, Strong
from chainrule.tabular.run import TableRun
from chainrule.training.loop import train

QUICKLY: dict[str, Any] = {"preset": "strong", "members": 3, "hidden": (16, 16), "epochs": 12}


def frame(n: int = 160) -> Table:
    rng = np.random.default_rng(0)
    x, town = rng.normal(size=n), rng.choice(list("abcdefghijkl"), n)
    yes = (x + 0.5 * (town < "e") + 0.4 * rng.normal(size=n)) > 0.2
    odd = rng.integers(0, 2, n)
    return read_table({"odd": odd, "x": x, "town": town, "y": np.where(yes, "yes", "no")})


def made(target: str = "y", **settings: Any) -> TableRun:
    return TableRun.read(frame(), target, **{**QUICKLY, "test": 0.0, **settings})


def outputs(run: TableRun, X: Any) -> Any:
    """The mean of the members' outputs, by the layers alone."""
    return np.mean([member.net.predict(X) for member in run.members], axis=0)


def test_its_network_is_the_mean_of_its_members() -> None:
    run = made("x")
    records = list(run.train())
    X = run.data.train.X.astype(np.float32)
    np.testing.assert_allclose(run.net.predict(X), outputs(run, X), atol=1e-6)
    assert [record.epoch for record in records] == list(range(12))
    assert run.records == records
    assert len({member.seed for member in run.members}) == 3
    assert made(members=1).net.layers == made(members=1).members[0].net.layers


def test_classes_follow_the_mean_of_the_logits_of_the_members() -> None:
    run = made()
    list(run.train())
    X = run.data.train.X.astype(np.float32)
    wanted = outputs(run, X)
    Z = run.net.predict(X)
    gap, mean = np.diff(Z, axis=1), np.diff(wanted, axis=1)
    np.testing.assert_allclose(gap * (run.temperature or 1.0), mean, rtol=1e-4, atol=1e-5)
    assert run.model().evaluate(run.data.table)["accuracy"] > 0.8


def test_each_member_has_rows_an_embedding_and_a_best_epoch_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores: dict[int, list[float]] = {}
    own = Member.see

    def kept(member: Member, *how: Any) -> Any:
        found = own(member, *how)
        scores.setdefault(member.seed, []).append(found.valid_loss)
        return found

    monkeypatch.setattr(Member, "see", kept)
    run = made(threads=1, seed=2, epochs=24)
    records = list(run.train())
    cells = {tuple(np.sort(m.held_out.X[:, 1])) for m in run.members if m.held_out is not None}
    assert len(cells) == 3
    spreads = [layer.spread for member in run.members for layer in member.net.layers
               if isinstance(layer, CosineEmbedding)]  # fmt: skip
    assert spreads == [0.1, 0.3, 0.1]
    for member in run.members:
        seen = np.array(scores[member.seed])
        assert member.best.epoch == len(seen) - 1 - int(np.argmin(seen[::-1]))
        assert member.best.loss == seen.min()
    mean = np.mean([scores[member.seed] for member in run.members], axis=0)
    np.testing.assert_allclose([record.valid_loss for record in records], mean)
    assert run.model().facts["best_epochs"] == [member.best.epoch for member in run.members]
    assert len({member.best.epoch for member in run.members}) > 1


def test_a_member_trains_alone_as_it_does_among_others() -> None:
    """Another machine needs nothing but the member."""
    run, alone = made(threads=1), made(threads=1)
    list(run.train())
    for member, other in zip(reversed(alone.members), reversed(run.members), strict=True):
        list(member.train(alone.preset, alone.loss, "accuracy", 1, 12))
        np.testing.assert_array_equal(member.net.theta, other.net.theta)
        assert (member.best.epoch, member.best.loss) == (other.best.epoch, other.best.loss)


def test_fewer_members_are_the_first_of_more() -> None:
    many, few = (made(members=m).members for m in (3, 2))
    for member, other in zip(few, many[:2], strict=True):
        assert member.seed == other.seed
        np.testing.assert_array_equal(member.net.theta, other.net.theta)
        np.testing.assert_array_equal(member.places, other.places)


def test_a_break_leaves_the_best_so_far() -> None:
    run, whole = made("x"), made("x")
    for record in run.train():
        if record.epoch == 4:
            break
    assert len(run.records) == 5
    assert run.stopped == "interrupted"
    seen = [[member.net.theta.copy() for member in whole.members] for _ in whole.train()]
    for m, member in enumerate(run.members):
        assert member.best.epoch <= 4
        np.testing.assert_array_equal(member.net.theta, seen[member.best.epoch][m])
        for name in member.net.shapes:
            np.testing.assert_array_equal(run.net[f"0.{m}.{name}"], member.net[name])


def test_a_time_limit_makes_epochs_fewer_and_ends_the_schedule() -> None:
    run = made(epochs=10**6, time_limit=1.0)
    records = list(run.train())
    planned = run.preset.epochs
    assert 8 <= planned < 10**6
    assert run.reasons["epochs"].startswith(f"at most {planned}, of which")
    if len(records) == planned:  # else a busy machine cut it off
        assert records[-1].lr < 0.1 * max(record.lr for record in records)
    assert any("the time limit of 1 s leaves 3 of 3 networks, " in note for note in run.notes)
    unhurried = made(time_limit=1e6)
    assert len(list(unhurried.train())) == 12
    assert unhurried.stopped == "epochs"
    assert unhurried.notes == []


def test_a_trial_for_the_time_limit_changes_no_network() -> None:
    plain, limited = made(), made(time_limit=1e6)
    for run in (plain, limited):
        list(run.train())
    np.testing.assert_array_equal(plain.net.theta, limited.net.theta)


@pytest.mark.parametrize(("fewest", "members"), [(10**9, 1), (8, 3)])
def test_where_time_is_short_fewer_members_train(
    fewest: int, members: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chainrule.tabular.run.FEWEST_EPOCHS", fewest)
    run = made(epochs=10**9, time_limit=0.2 if members == 1 else 20.0)
    for record in run.train():
        if record.epoch == 3:
            break
    assert len(run.members) == run.preset.members == members
    assert len(run.model().facts["best_epochs"]) == members
    planned = f"{run.preset.epochs:,} of {10**9:,} epochs"
    assert f"the time limit of {run.time_limit:g} s leaves {members} of 3 networks, {planned}" in (
        run.notes
    )
    assert run.rows["train"] == len(run.members[0].rows)


def test_a_time_limit_that_is_up_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(time_limit=1e6)
    records = run.train()
    next(records)
    run.time_limit = 1e-9
    assert list(records) == []
    assert run.stopped == "time"
    assert run.outcome().ending.startswith("Time ran out after 1 epoch; kept each network's best")


@pytest.mark.parametrize("preset", PRESETS)
def test_patience_ends_it(preset: str) -> None:
    run = made(preset=preset, members=1, hidden=(8,), epochs=400, patience=3, metric="log_loss")
    losses = [record.monitored for record in run.train()]
    assert len(losses) < 400
    assert run.stopped == "patience"
    assert len(losses) - 1 - run.members[0].best.epoch == 3
    assert run.members[0].best.loss == min(losses)


def test_a_member_that_stops_counts_with_its_last_record() -> None:
    run = made(epochs=400, patience=3, metric="log_loss", threads=1)
    records = list(run.train())
    ends = [member.best.epoch + 3 for member in run.members]
    assert len(records) == max(ends) + 1
    assert len(set(ends)) > 1  # else nothing is tested
    alone = made(epochs=400, patience=3, metric="log_loss", threads=1)
    told = [list(m.train(alone.preset, alone.loss, "log_loss", 1, 400)) for m in alone.members]
    last = np.mean([records_of[-1].loss for records_of in told])
    assert records[-1].loss == pytest.approx(last)


def test_what_diverges_keeps_its_best_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    def diverging(net: cr.Network, *args: Any, **how: Any) -> Any:
        for record in train(net, *args, **how):
            yield record
            if record.epoch == 2:
                net.theta = np.full(net.theta.size, np.nan)
                raise Diverged("training diverged at epoch 3: the loss became nan")

    monkeypatch.setattr("chainrule.tabular.member.train", diverging)
    run = made("x")
    list(run.train())
    assert run.stopped == "diverged"
    assert np.isfinite(run.net.theta).all()
    why = "training diverged at epoch 3: the loss became nan"
    assert run.divergences == [f"network {m}: {why}" for m in (1, 2, 3)]
    outcome = run.outcome()
    assert outcome.warnings[0] == f"network 1: {why}"
    assert outcome.ending.startswith("Diverged after 3 epochs; kept each network's best epoch (")


@pytest.mark.parametrize("limit", [None, 1e6])
def test_one_that_diverges_does_not_end_the_others(
    limit: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made("x")
    second = run.members[1].seed

    def diverging(net: cr.Network, *args: Any, **how: Any) -> Any:
        for record in train(net, *args, **how):
            yield record
            if record.epoch == 2 and how["rng"] == second:
                raise Diverged("training diverged at epoch 3: the loss became nan")

    monkeypatch.setattr("chainrule.tabular.member.train", diverging)
    for record in run.train():
        if limit and record.epoch == 5:
            run.time_limit = 1e-9
    outcome = run.outcome()
    assert outcome.stopped == ("time" if limit else "epochs")
    assert outcome.ending.startswith(
        "Time ran out after 6" if limit else "All 12 epochs done; kept"
    )
    assert outcome.ending.endswith("; 1 of 3 networks diverged")
    assert exit_code(outcome) == 1


def test_with_a_time_the_latest_rows_are_held_out_by_all() -> None:
    assert len({tuple(member.places) for member in made(time="x").members}) == 1
    assert made(time="x").reasons["held-out rows"].startswith("20 %, the latest, to choose")
    drawn = made()
    assert len({tuple(member.places) for member in drawn.members}) == 3
    assert drawn.reasons["held-out rows"].startswith("20 %, drawn separately for each network, to")


def test_no_held_out_rows_keep_the_epoch_of_the_lowest_loss() -> None:
    run = made(valid=0.0)
    records = list(run.train())
    assert all(record.valid_loss is None for record in records)
    assert run.rows == {"train": 160, "valid": 0, "test": 0}
    assert run.reasons["held-out rows"] == "none: the epoch with the lowest loss is kept"
    assert "best epoch by" not in run.reasons
    alone = made(valid=0.0)
    for member, other in zip(run.members, alone.members, strict=True):
        own = [r.loss for r in other.train(alone.preset, alone.loss, "accuracy", 1, 12)]
        assert member.best.epoch == len(own) - 1 - int(np.argmin(own[::-1]))


def test_the_neural_tangent_parametrisation_and_the_other_rates() -> None:
    net = made().members[0].net
    rates, decays = net.views(net.lr_factor), net.views(net.decay_factor)
    kinds = [type(layer).__name__ for layer in net.layers]
    assert kinds[:4] == ["CategoryEmbedding", "CosineEmbedding", "Scale", "Dense"]
    assert set(np.unique(rates["0.E0"])) == {np.float32(SMALL)}
    assert set(np.unique(rates["2.gamma"])) == {np.float32(QUICK)}
    n = len(rates["3.W"])
    np.testing.assert_allclose(rates["3.W"], 1 / np.sqrt(n), rtol=1e-6)
    np.testing.assert_allclose(rates["3.W"] * decays["3.W"], 1.0, rtol=1e-6)
    assert set(np.unique(rates["3.b"])) == {np.float32(SMALL)}
    assert not decays["3.b"].any()


def test_categories_of_many_levels_and_numbers_are_embedded() -> None:
    run = made()
    picked, fine = run.members[0].net.layers[:2]
    assert isinstance(picked, CategoryEmbedding)
    assert isinstance(fine, CosineEmbedding)
    names = run.data.preparation.feature_names
    (first, behind), = picked.groups  # fmt: skip
    assert behind - first > ONE_HOT
    assert {name.partition("=")[0] for name in names[first:behind]} == {"town"}
    alone = [names[i] for i in picked.alone(len(names))]
    assert [alone[i] for i in fine.columns or ()] == ["x"]  # "odd" has two values


LOSSES: dict[str, tuple[str, dict[str, Any], cr.Loss]] = {
    "accuracy": ("strong", {}, cr.SoftmaxCrossEntropy(label_smoothing=0.1)),
    "log_loss": ("strong", {"metric": "log_loss"}, cr.SoftmaxCrossEntropy()),
    "auc": ("ensemble", {"metric": "auc"}, cr.SoftmaxCrossEntropy()),
    "simple": ("simple", {}, cr.BinaryCrossEntropy()),
    "number": ("strong", {"target": "x"}, cr.SquaredError()),
    "mae": ("simple", {"target": "x", "metric": "mae"}, cr.AbsoluteError()),
    "interval": ("ensemble", {"target": "x", "interval": 0.5}, cr.Pinball((0.25, 0.5, 0.75))),
}


@pytest.mark.parametrize("case", LOSSES)
def test_what_is_asked_decides_the_loss(case: str) -> None:
    preset, settings, loss = LOSSES[case]
    assert made(preset=preset, **settings).loss == loss


SIZES: list[tuple[Simple, int, int]] = [  # preset, training rows, batch size
    (Simple(valid=0.0), 48 * 64, 64), (Simple(valid=0.0), 100, 16), (Strong(valid=0.0), 1024, 64),
    (Strong(valid=0.0), 1025, 128), (Strong(valid=0.0), 8193, 256), (Strong(valid=0.0), 30001, 512),
    (Strong(valid=0.5), 2048, 64), (Simple(valid=0.0, batch_size=7), 5000, 7),
]  # fmt: skip


@pytest.mark.parametrize(("preset", "rows", "size"), SIZES, ids=lambda v: str(v)[:12])
def test_the_batch_size_goes_by_the_rows_that_train(preset: Simple, rows: int, size: int) -> None:
    table = read_table({"x": np.arange(rows) % 97, "y": np.arange(rows) * 1.5})
    data = TableRun.read(table, "y", "simple", test=0.0, hidden=()).data
    chosen = preset.for_table(data)
    assert chosen.batch_size == size
    assert chosen.lr == (0.003 if type(preset) is Simple else 0.07)
    assert replace(preset, optimizer="sgd").for_table(data).lr == 0.1
    assert replace(preset, optimizer="sgd", lr=0.2).for_table(data).lr == 0.2


REASONS: dict[str, Callable[[TableRun], object]] = {
    "networks": lambda run: f"{len(run.members)}, averaged: their errors differ and partly cancel",
    "embedding": lambda run: "cosines of the numbers, spread 0.1, 0.3, none: so jumps are easy to "
                             "learn",
    "hidden layers": lambda run: "16 → 16 units, selu",
    "batch size": lambda run: f"{run.preset.batch_size} rows (by the number of rows, if not given)",
    "class weights": lambda run: "balanced: every class weighs the same",
    "loss": lambda run: str(run.loss),
}  # fmt: skip


def test_the_reasons_are_those_of_this_run() -> None:
    run = made(spreads=(0.1, 0.3, 0.0), class_weight="balanced")
    told = run.reasons
    for name, wanted in REASONS.items():
        assert told[name] == wanted(run)
    assert "dropout" not in made(dropout=0.0).reasons
    assert "weight decay" not in made(optimizer="adam").reasons
    assert made(hidden=()).reasons["hidden layers"] == "none"
    assert "embedding" not in made(spreads=(0.0,)).reasons
    assert made(preset="simple", members=1).reasons["networks"] == "1"


def test_records_are_the_means_of_the_members_records() -> None:
    run, alone = made("x", threads=1), made("x", threads=1)
    list(run.train())
    own = [list(m.train(alone.preset, alone.loss, "rmse", 1, 12)) for m in alone.members]
    for record, members in zip(run.records, zip(*own, strict=True), strict=True):
        assert record.loss == pytest.approx(np.mean([one.loss for one in members]))
        assert record.valid_loss == pytest.approx(np.mean([one.valid_loss for one in members]))
        assert (record.lr, record.engine) == (members[0].lr, "compiled")
    assert {record.seed for record in run.records} == {run.data.seed}
    assert run.seconds == pytest.approx(sum(record.seconds for record in run.records))
