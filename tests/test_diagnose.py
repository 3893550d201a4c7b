"""`diagnose` names the cause of runs broken on purpose, and nothing in healthy ones."""

import json
import re
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.broken_cases import BCE, SQ, Run, setup
from support.broken_data import moons, wave
from support.broken_held_out import run as held_out
from support.broken_kinds import KINDS
from support.broken_runs import run as tuned
from support.broken_score import Judged, figures, judge

import chainrule as cr
from chainrule.core.epoch import Batch
from chainrule.core.initializers import normal
from chainrule.diagnosing import changes, runner
from chainrule.diagnosing import diagnose as diagnosing
from chainrule.diagnosing.baselines import constant_output, guess_loss, perfect_loss
from chainrule.diagnosing.experiments import Setup
from chainrule.diagnosing.runner import FUNCTION, Runner
from chainrule.writing.words import in_text

DOCUMENT = Path(__file__).parents[1] / "docs" / "diagnose.md"
TABLE = DOCUMENT.read_text(encoding="utf-8").partition("## Causes")[2].partition("## ")[0]
CAUSES = {
    cause
    for row in re.findall(r"^\| (`.*?) \|", TABLE, re.M)
    for cause in row.strip("`").split("`, `")
}
ALL = {run.name: run for run in [*tuned, *held_out]}
SHORT = [
    "healthy_moons", "healthy_wave", "healthy_xor_table", "rate_of_50", "rate_of_a_ten_thousandth",
    "one_column_times_1000", "text_003_people_unscaled", "two_constant_columns",
    "target_in_dollars", "text_003_all_ones_scaled", "zeros_under_relu", "weights_of_ten",
    "relu_biases_of_minus_10", "biases_of_30", "classes_1_and_2_under_log_loss",
    "a_column_that_is_the_answer", "a_column_of_row_numbers", "a_line_between_circles",
    "holes_in_the_table", "same_row_different_label",
]  # fmt: skip
SHORT_HELD_OUT = [
    "healthy_circles", "momentum_rate_too_low", "inputs_far_from_zero", "every_weight_a_half",
    "weights_of_three_under_relu", "second_layer_dead", "classes_of_plus_and_minus_1",
    "exp_overflows_in_poisson",
]  # fmt: skip
"""One of each kind, picked by name before any of them had been run."""
DONE: dict[str, Judged] = {}


def judged(name: str) -> Judged:
    """The judgement of a run, made once."""
    if name not in DONE:
        DONE[name] = judge(ALL[name])
    return DONE[name]


@pytest.mark.parametrize("name", SHORT)
def test_cause_is_found(name: str) -> None:
    one = judged(name)
    assert (one.missed, one.wrong) == (set(), set())


@pytest.mark.parametrize("names", [SHORT, SHORT_HELD_OUT], ids=["tuned", "held out"])
def test_precision_and_recall(names: list[str]) -> None:
    precision, recall = figures(judged(name) for name in names)
    assert precision >= 0.9
    assert recall >= 0.9


def test_the_table_is_as_large_as_promised() -> None:
    for half in (tuned, held_out):
        assert sum(bool(run.expected) for run in half) >= 20
        assert sum(not run.expected for run in half) >= 6
    assert len(ALL) == len(tuned) + len(held_out)
    named = {cause for run in ALL.values() for cause in run.expected | run.allowed}
    assert named == set(CAUSES)
    assert set().union(*(run.expected for run in ALL.values())) == set(CAUSES)


def test_figures_count_what_is_missed_and_what_is_wrong() -> None:
    run = Run("a", lambda: pytest.fail("not built"), {"x"}, set(), False)
    both = [Judged(run, {"x"}, {"y"}, set()), Judged(run, set(), set(), {"x"})]
    assert figures(both) == (0.5, 0.5)


def test_text_002b_is_a_constant_predictor(texts: dict[str, object]) -> None:
    training = ALL["text_002b_xor"].build()
    diagnosis = cr.diagnose(training.configuration, training.X, training.y)
    assert diagnosis.causes == ["small_initialization"]
    words = str(diagnosis)
    assert "a constant predictor: the loss equals ln 2 = 0.6931" in words
    assert "Too small an initialisation under Sigmoid()" in words
    text = str(texts["002B-xor-stuck"]["diagnosis"])  # type: ignore[index]
    assert text == (
        "a constant predictor: the loss equals ln 2; too small an initialisation under sigmoid"
    )
    gain = diagnosis.findings[0].gain
    assert gain is not None
    assert gain.before == pytest.approx(np.log(2), abs=1e-6)
    assert gain.after < 0.05


def test_healthy_run_says_what_losses_are_worth() -> None:
    training = setup(moons(200), [2, 8, 1], lr=0.02)
    diagnosis = cr.diagnose(training.configuration, training.X, training.y)
    assert not diagnosis
    text = str(diagnosis)
    assert "is what guessing gives" in text
    assert "A linear model reaches" in text
    assert "Nothing is wrong that an experiment could show." in text


def test_nothing_handed_in_is_changed_and_the_seed_repeats_it() -> None:
    training = setup(wave(80), [3, 8, 1], "relu", loss=SQ, epochs=10, lr=1e-5)
    theta, X, y = training.configuration.net.theta.copy(), training.X.copy(), training.y.copy()
    first, second = (
        cr.diagnose(training.configuration, training.X, training.y, seed=3) for _ in range(2)
    )
    assert first.to_dict() == second.to_dict()
    np.testing.assert_array_equal(training.configuration.net.theta, theta)
    np.testing.assert_array_equal(training.X, X)
    np.testing.assert_array_equal(training.y, y)


def test_findings_are_ordered_by_gain_and_are_json() -> None:
    training = ALL["rate_of_30_and_a_constant_column"].build()
    diagnosis = cr.diagnose(training.configuration, training.X, training.y)
    shares = [f.gain.share for f in diagnosis.findings if f.gain is not None]
    assert shares == sorted(shares, reverse=True)
    document = json.loads(json.dumps(diagnosis.to_dict(), allow_nan=False))
    assert [f["cause"] for f in document["findings"]] == diagnosis.causes
    assert all(f["evidence"] and f["fix"] for f in document["findings"])
    assert list(document["findings"][0]["gain"]) == ["measure", "before", "after", "share", "with"]
    assert set(diagnosis.causes) <= set(CAUSES)


@pytest.mark.parametrize(
    ("epochs", "note"), [(20, "nothing was tried"), (200, "Time ran out before: ")], ids=str
)
def test_seconds_bound_the_experiments_and_notes_name_what_is_missing(
    epochs: int, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch takes a second of this clock, which is looked at before each, and at the start."""
    training = setup(wave(4000), [3, 64, 64, 1], "relu", loss=SQ, epochs=40)
    clock = count()
    for module in (runner, diagnosing):
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    diagnosis = cr.diagnose(training.configuration, training.X, training.y, time_limit=epochs)
    notes = " ".join(diagnosis.notes)
    assert "2,000 of the 4,000 rows" in notes
    assert note in notes
    assert next(clock) == epochs + 2
    assert "Nothing is wrong" not in str(diagnosis)


def test_a_trained_model_is_examined_as_it_stands() -> None:
    X, y = moons(200)
    net = cr.Network.mlp([2, 16, 1], rng=1)
    net["0.b"] = np.full(16, -10.0)
    diagnosis = cr.diagnose(cr.Model(net, BCE), X, y)
    assert diagnosis.causes == ["dead_relu"]
    assert "how this network was trained is not known" in diagnosis.notes[0]


def test_a_well_trained_model_has_no_finding() -> None:
    X, y = moons(200)
    for _ in cr.train(good := cr.Network.mlp([2, 16, 1], rng=1), BCE, cr.Adam(), X, y,
                      epochs=60, lr=0.02, rng=0):  # fmt: skip
        pass
    assert not cr.diagnose(cr.Model(good, BCE), X, y)


def test_diverged_run_says_where() -> None:
    training = ALL["rate_diverges"].build()
    diagnosis = cr.diagnose(training.configuration, training.X, training.y)
    assert diagnosis.causes[0] == "learning_rate_too_high"
    evidence = next(f for f in diagnosis.findings if f.cause == "nonfinite").evidence[0]
    assert "training diverged at epoch 1, step" in evidence
    assert "0x" not in evidence


def test_functions_are_shown_without_their_addresses() -> None:
    assert FUNCTION.sub(r"\1(…)", repr(normal(0.1))) == "normal(…)"
    assert FUNCTION.sub(r"\1(…)", repr(cr.Dense(2, init=normal(0.1)))).endswith("init=normal(…))")


def test_cells_that_are_not_finite_are_named() -> None:
    training = ALL["holes_in_the_table"].build()
    finding = cr.diagnose(training.configuration, training.X, training.y).findings[0]
    assert "3 numbers that are not finite in column X[:, 1]; the first is X[3, 1] = nan" in str(
        finding
    )
    assert finding.gain is not None
    assert "none → 0." in str(finding.gain)


def test_duplicates_are_scored_apart() -> None:
    training = ALL["validation_rows_copied_from_training"].build()
    diagnosis = cr.diagnose(training.configuration, training.X, training.y, valid=training.valid)
    copies = next(f for f in diagnosis.findings if f.cause == "duplicates_across_split")
    assert "50 % of your validation rows" in copies.evidence[0]


MISTAKES = {
    "loss is not known": lambda c: cr.diagnose(c.configuration.net, c.X, c.y),
    "give a Configuration": lambda c: cr.diagnose("net", c.X, c.y),
    "one target for each": lambda c: cr.diagnose(c.configuration, c.X, c.y[:5]),
    "3 features": lambda c: cr.diagnose(c.configuration, c.X[:, [0, 1, 1]], c.y),
    "seed is -1": lambda c: cr.diagnose(c.configuration, c.X, c.y, seed=-1),
    "time_limit is 0": lambda c: cr.diagnose(c.configuration, c.X, c.y, time_limit=0),
    "lr is 0": lambda c: replace(c.configuration, lr=0),
    "epochs is 0": lambda c: replace(c.configuration, epochs=0),
    "batch_size is 0": lambda c: replace(c.configuration, batch_size=0),
    "loss is 'mse'": lambda c: replace(c.configuration, loss="mse"),
    "clip is -1": lambda c: replace(c.configuration, clip=-1),
}


@pytest.mark.parametrize("complaint", MISTAKES)
def test_mistakes_are_one_sentence(complaint: str) -> None:
    training = setup(moons(60), [2, 4, 1])
    with pytest.raises(ValueError, match=complaint) as caught:
        MISTAKES[complaint](training)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("loss", "y", "value"),
    [
        (BCE, np.array([0, 1, 1, 1]), -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))),
        (SQ, np.array([1.0, 2.0, 6.0]), 14 / 3),
        (cr.AbsoluteError(), np.array([0.0, 1.0, 5.0]), 5 / 3),
        (cr.Pinball(0.5), np.array([0.0, 1.0, 5.0]), 5 / 6),
        (cr.Poisson(), np.array([1.0, 3.0]), 2 - 2 * np.log(2)),
        (cr.SquaredError(reduction="sum"), np.array([1.0, 2.0, 6.0]), 14 / 3),
        (cr.Hinge(), np.array([0, 1, 1, 1]), 0.5),
    ],
    ids=lambda v: type(v).__name__,
)
def test_guessing_is_the_best_constant(loss: cr.Loss, y: np.ndarray, value: float) -> None:
    assert guess_loss(loss, y, 1) == pytest.approx(value, rel=1e-9)
    assert perfect_loss(loss, y, 1) <= value
    Z = np.ones((len(y), 1)) * constant_output(loss, y, 1)
    for step in (-0.01, 0.01):
        assert replace(loss, reduction="mean").value(Z + step, y) >= value - 1e-12


def test_guessing_under_huber_is_descended_to() -> None:
    y = np.array([0.0, 0.1, 0.4, 30.0])
    values = [cr.Huber().value(np.full((4, 1), z), y) for z in np.linspace(0, 2, 2001)]
    assert guess_loss(cr.Huber(), y, 1) == pytest.approx(min(values), abs=1e-6)


def test_softmax_guess_is_the_entropy_of_the_shares() -> None:
    y = np.array([0, 1, 2, 2])
    assert guess_loss(cr.SoftmaxCrossEntropy(), y, 3) == pytest.approx(1.5 * np.log(2))


def test_numbers_in_words() -> None:
    shown = {0.693147: "0.6931", 12345.6: "12,346", 0: "0", 2e5: "200,000", 1e-6: "1e-06"}
    assert {value: in_text(value) for value in shown} == shown
    assert in_text(float("inf")) == "inf"


def test_other_layers_keep_every_number_that_fits() -> None:
    X, y = moons(60)
    inside = cr.Residual([cr.Dense(6), cr.BatchNorm(), cr.Dropout(0.5), cr.ReLU()])
    layers = [cr.Dense(6), cr.BatchNorm(), cr.ReLU(), cr.Dropout(0.5), inside, cr.Dense(1)]
    net = cr.Network(2, [*layers, cr.Tanh()], rng=1)
    rng = np.random.default_rng(0)
    vectors = ("theta", "lr_factor", "decay_factor")
    for name in vectors:
        setattr(net, name, rng.normal(size=net.theta.shape))
    for name in ("1.mean", "1.var", "4.1.mean", "4.1.var"):
        net[name] = rng.random(6)
    asked = Setup(cr.Configuration(net, SQ, penalty=cr.Penalty(l2=0.1)), Batch(X, y))
    tried = [changes.with_leaky_relu, changes.unbounded, changes.without_restraint,
             lambda s: changes.with_loss(s, BCE, 1)]  # fmt: skip
    for change in tried:
        other = change(asked).config.net
        for name in vectors:
            np.testing.assert_array_equal(getattr(other, name), getattr(net, name))
        for name in ("1.mean", "1.var", "4.1.mean", "4.1.var"):
            np.testing.assert_array_equal(other[name], net[name])
        rate = 0.0 if change is changes.without_restraint else 0.5
        assert other["3.rate"] == other["4.2.rate"] == rate
    afresh = changes.fresh(asked, 2).config.net
    np.testing.assert_array_equal(afresh.lr_factor, net.lr_factor)
    np.testing.assert_array_equal(afresh.decay_factor, net.decay_factor)
    np.testing.assert_array_equal(afresh["1.mean"], np.zeros(6))
    assert not np.any(afresh.theta == net.theta)


def test_frozen_layers_stay_frozen_whatever_is_changed() -> None:
    X, y = moons(60)
    net = cr.Network.mlp([2, 6, 1], rng=1)
    net.views(net.lr_factor)["0.W"][...] = 0.0
    asked = Setup(cr.Configuration(net, BCE, lr=0.1, epochs=3), Batch(X, y))
    for changed in (changes.with_leaky_relu(asked), changes.without_restraint(asked),
                    changes.fresh(asked, 2), changes.with_relu(asked, 2)):  # fmt: skip
        before = changed.config.net["0.W"]
        np.testing.assert_array_equal(Runner(0).run(changed).net["0.W"], before)


def test_linear_model_and_shuffled_targets_are_run_once_for_a_setup() -> None:
    X, y = wave(60)
    far = Setup(cr.Configuration(cr.Network.mlp([3, 4, 1], rng=1), SQ), Batch(X, 1000 + 50 * y))
    runs = Runner(0)
    assert runs.linear(far) is runs.linear(far)
    assert runs.shuffled(far) is runs.shuffled(far)
    assert runs.linear(far) is not runs.linear(replace(far))
    line = np.column_stack([X, np.ones(60)])
    rest = far.train.y - line @ np.linalg.lstsq(line, far.train.y, rcond=None)[0]
    linear = runs.linear(far).loss_in_units_of(far)
    assert linear == pytest.approx(np.mean(rest**2), rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network_can_be_diagnosed(kind: str) -> None:
    training = KINDS[kind]
    json.dumps(
        cr.diagnose(training.configuration, training.X, training.y).to_dict(), allow_nan=False
    )


@pytest.mark.parametrize("scale", [1e-6, 1e154])
def test_tiny_and_huge_targets_are_not_constant_ones(scale: float) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    net = cr.Network.mlp([3, 5, 1], rng=0)
    config = cr.Configuration(net, cr.SquaredError(), lr=0.05, epochs=20, batch_size=16)
    diagnosis = cr.diagnose(config, X, scale * (X @ [1.0, 2.0, 3.0]))
    assert "imbalance" not in [finding.cause for finding in diagnosis.findings]
    assert "unscaled_target" in [finding.cause for finding in diagnosis.findings]


def yes_or_no() -> tuple[cr.Configuration, np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(60, 3))
    net = cr.Network.mlp([3, 5, 1], rng=0)
    return cr.Configuration(net, cr.BinaryCrossEntropy(), lr=0.05, epochs=5), X, X[:, 0] > 0


def test_yes_and_no_are_targets() -> None:
    config, X, answers = yes_or_no()
    numbers = cr.diagnose(config, X, answers * 1)
    assert cr.diagnose(config, X, answers).to_dict() == numbers.to_dict()


def test_valid_is_a_pair() -> None:
    config, X, answers = yes_or_no()
    for valid in ((X,), (X, answers, answers), X):
        with pytest.raises(ValueError, match=r"valid must be \(X, y\)"):
            cr.diagnose(config, X, answers, valid=valid)  # type: ignore[arg-type]
