"""EnsembleRun: several networks for one table, each with rows and an embedding of its own."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import chainrule as cr
from chainrule.core.embedding_layers import CategoryEmbedding, CosineEmbedding
from chainrule.core.nonfinite import Diverged
from chainrule.ensemble import EnsembleRun, Member, averaged
from chainrule.recipe import ONE_HOT, QUICK, SMALL, Recipe, embeddings

QUICKLY = Recipe(members=3, hidden=(16, 16), epochs=12)


def frame(n: int = 160) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x, town = rng.normal(size=n), rng.choice(list("abcdefghijkl"), n)
    yes = (x + 0.5 * (town < "e") + 0.4 * rng.normal(size=n)) > 0.2
    odd = rng.integers(0, 2, n)
    return pd.DataFrame({"odd": odd, "x": x, "town": town, "y": np.where(yes, "yes", "no")})


def made(target: str = "y", recipe: Recipe = QUICKLY, **settings: Any) -> EnsembleRun:
    return EnsembleRun(cr.read_table(frame()), target, recipe, **settings)


def test_its_network_is_the_mean_of_its_members() -> None:
    run = made()
    records = list(run.train())
    X = run.preparation.transform(run.table).astype(np.float32)
    mean = np.mean([member.net.predict(X) for member in run.members], axis=0)
    np.testing.assert_allclose(run.net.predict(X), mean, atol=1e-6)
    assert [record.epoch for record in records] == list(range(12))
    assert run.records == records
    assert len({member.seed for member in run.members}) == 3
    assert run.model().evaluate(run.table)["accuracy"] > 0.8
    assert averaged([run.members[0].net]) is run.members[0].net


def test_each_member_has_rows_an_embedding_and_a_best_epoch_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores: dict[int, list[float]] = {}
    own = EnsembleRun._score

    def score(run: EnsembleRun, net: cr.Network, rows: Any) -> float:
        found = own(run, net, rows)
        scores.setdefault(id(net), []).append(found)
        return found

    monkeypatch.setattr(EnsembleRun, "_score", score)
    run = made(threads=1)
    records = list(run.train())
    held_out = [member.held_out for member in run.members]
    assert all(part is not None for part in held_out)
    cells = {tuple(np.sort(part[0][:, 1])) for part in held_out if part is not None}
    assert len(cells) == 3
    spreads = [layer.spread for member in run.members for layer in member.net.layers
               if isinstance(layer, CosineEmbedding)]  # fmt: skip
    assert spreads == [0.1, 0.3, 0.1]
    for member in run.members:
        seen = np.array(scores[id(member.net)])
        assert member.best_epoch == len(seen) - 1 - int(np.argmin(seen[::-1]))
        assert member.best_score == seen.min()
    mean = np.mean([scores[id(member.net)] for member in run.members], axis=0)
    np.testing.assert_allclose([record.valid_loss for record in records], mean)
    assert run.best_epochs == [member.best_epoch for member in run.members]


def test_of_equal_scores_the_last_is_kept() -> None:
    member = made().members[0]
    for epoch, score in enumerate([0.3, 0.1, 0.2, 0.1, 0.15]):
        member.net.theta = np.full(member.net.theta.size, float(epoch))
        member.see(score, epoch)
    assert (member.best_epoch, member.best_score, member.theta[0]) == (3, 0.1, 3.0)


def test_a_break_leaves_the_best_so_far() -> None:
    run, whole = made(), made()
    for record in run.train():
        if record.epoch == 4:
            break
    assert len(run.records) == 5
    seen = [[member.net.theta.copy() for member in whole.members] for _ in whole.train()]
    for m, (member, best) in enumerate(zip(run.members, run.best_epochs, strict=True)):
        assert best <= 4
        np.testing.assert_array_equal(member.net.theta, seen[best][m])
        for name in member.net.shapes:
            np.testing.assert_array_equal(run.net[f"0.{m}.{name}"], member.net[name])


def test_a_time_limit_makes_epochs_fewer_and_ends_the_schedule() -> None:
    run = made(recipe=replace(QUICKLY, epochs=10**6), time_limit=1.0)
    records = list(run.train())  # without the limit they would take days
    planned = run.recipe.epochs
    assert 8 <= planned < 10**6
    assert run.told()["epochs"].startswith(f"{planned}, of which")
    if len(records) == planned:  # else a busy machine cut it off
        assert records[-1].lr < 0.1 * max(record.lr for record in records)
    assert len(list(made(time_limit=1000.0).train())) == 12


def test_where_time_is_short_fewer_members_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.ensemble.FEWEST_EPOCHS", 10**5)
    run = made(recipe=replace(QUICKLY, epochs=10**6), time_limit=0.2)
    list(run.train())
    assert len(run.members) == run.recipe.members == 1
    assert run.net.layers == run.members[0].net.layers
    assert any("the time limit ended training after" in note for note in run.notes())


def test_ctrl_c_again_and_again_waits_for_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    run, asked = made(), list[int]()
    shutdown = ThreadPoolExecutor.shutdown

    def interrupted(pool: ThreadPoolExecutor, **how: Any) -> None:
        asked.append(1)
        if len(asked) < 3:
            raise KeyboardInterrupt
        shutdown(pool, **how)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", interrupted)
    for record in run.train():
        if record.epoch == 2:
            break
    assert len(asked) == 3
    assert max(run.best_epochs) <= 2


def test_patience_ends_it() -> None:
    run = made(recipe=replace(QUICKLY, epochs=200, patience=3))
    losses = [record.monitored for record in run.train()]
    assert len(losses) < 200
    assert len(losses) - 1 - int(np.argmin(losses)) == 3


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
    X = run.preparation.transform(run.table)
    picked, fine = embeddings(run.preparation, X)
    assert isinstance(picked, CategoryEmbedding)
    assert isinstance(fine, CosineEmbedding)
    names = run.preparation.feature_names
    (first, behind), = picked.groups  # fmt: skip
    assert behind - first > ONE_HOT
    assert {name.partition("=")[0] for name in names[first:behind]} == {"town"}
    alone = [names[i] for i in picked.alone(len(names))]
    assert [alone[i] for i in fine.columns or ()] == ["x"]  # "odd" has two values


def test_log_loss_as_the_metric_trains_without_smoothed_labels() -> None:
    assert made().loss == cr.SoftmaxCrossEntropy(label_smoothing=0.1)
    run = made(metric="log_loss")
    assert run.loss == cr.SoftmaxCrossEntropy()
    list(run.train())
    member = run.members[0]
    assert member.held_out is not None
    X, y, _ = member.held_out
    P = run.loss.link(member.net.predict(X).astype(float))
    assert member.best_score == pytest.approx(cr.metrics.log_loss(y, P), rel=1e-6)


def test_weights_count_and_rows_of_weight_0_do_not() -> None:
    table = frame()
    table["w"] = np.where(np.arange(len(table)) % 3 == 0, 0.0, 1.0)
    other = table.copy()
    gone = table["w"] == 0
    other.loc[gone, "x"] = other.loc[gone, "x"].to_numpy()[::-1]  # the same quartiles
    answers = []
    for one in (table, other):
        run = EnsembleRun(cr.read_table(one), "y", QUICKLY, weight="w")
        list(run.train())
        kept = cr.read_table(table[~gone])
        answers.append(run.model().predict_proba(kept))
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)


def test_no_held_out_rows_keep_the_epoch_of_the_lowest_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, own = made(recipe=replace(QUICKLY, valid=0.0)), dict[int, list[float]]()
    see = Member.see

    def spy(member: Member, score: float, epoch: int) -> None:
        own.setdefault(member.seed, []).append(score)
        see(member, score, epoch)

    monkeypatch.setattr(Member, "see", spy)
    records = list(run.train())
    assert all(record.valid_loss is None for record in records)
    assert run.rows == {"train": 160, "valid": 0, "test": 0}
    assert run.told()["held-out rows"] == "none: the epoch of the lowest training loss is kept"
    for member in run.members:
        assert member.best_epoch == len(records) - 1 - int(np.argmin(own[member.seed][::-1]))


def test_what_does_not_fit_is_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="metric is 'auc': use one of accuracy, log_loss"):
        made(metric="auc")
    with pytest.raises(ValueError, match=r"interval is 1\.5: give a share such as 0\.9"):
        made("x", interval=1.5)
    with pytest.raises(ValueError, match="of memory in training"):
        made(recipe=replace(QUICKLY, hidden=(10**6, 10**6)))
    with pytest.raises(Diverged):
        list(made("x", recipe=replace(QUICKLY, lr=1e30)).train())
