"""Faults of what is learnt: rare classes, too few rows, noise, too much and too little fitting."""

from dataclasses import replace

import numpy as np

from ..core.arrays import Array
from ..core.epoch import Batch
from ..core.losses import BinaryCrossEntropy, Loss, SoftmaxCrossEntropy, SquaredError
from ..core.network import Network
from ..core.penalty import Penalty
from ..writing.words import in_text, percent
from . import changes
from .baselines import by_rows, class_codes, guess_loss, perfect_loss
from .examination import UNFINISHED, Examination, long_enough, lowest_loss, training_losses
from .experiments import Outcome, Setup
from .findings import Gain
from .runner import Stream

HALVES, COUNTS = 4, 0.08  # the number of halvings, and by how much half of the rows must be worse
MANY = 40  # held-out rows that are enough for a standard error


def answers(net: Network, loss: Loss, X: Array, values: Array) -> Array:
    """The class code (n,) that the network predicts; for a single number, the nearest class."""
    with np.errstate(all="ignore"):
        Z = net.forward(X)[0]
    if Z.shape[1] > 1:
        return np.asarray(Z.argmax(axis=1))
    if loss.classifies:
        return (Z[:, 0] > 0).astype(int)
    return np.asarray(np.abs(Z - values).argmin(axis=1))


def recalls(net: Network, loss: Loss, rows: Batch, codes: Array) -> Array:
    """The share of each class's rows that is answered rightly (k,), nan for a class without rows;
    `codes` (n,) are the rows' classes.
    """
    values = np.unique(rows.y) if rows.y.ndim == 1 else np.arange(rows.y.shape[1])
    right = answers(net, loss, rows.X, values) == codes
    return np.asarray(np.bincount(codes, right) / np.bincount(codes))


def gain_in_recall(before: Array, after: Array, in_common: str = "") -> Gain:
    """The gain in the mean recall of the classes that have rows."""
    a, b = float(np.nanmean(before)), float(np.nanmean(after))
    return Gain("mean of the classes' shares answered rightly", a, b, b - a, in_common)


def imbalance(exam: Examination) -> None:
    """A rare class that is hardly predicted; the experiment gives each class the same weight."""
    setup, loss = exam.setup, exam.setup.config.loss
    rows = setup.all_rows
    codes, all_codes = class_codes(loss, setup.train.y), class_codes(loss, rows.y)
    if codes is None or all_codes is None or not loss.classifies or exam.now.stopped:
        return
    shares = np.bincount(codes) / len(codes)
    rare = int(np.where(shares > 0, shares, 1.0).argmin())  # a class without rows does not count
    if shares[rare] > 0.25 / len(shares):
        return
    weight = (1 / (len(shares) * shares))[codes]
    after = exam.runner.run(replace(setup, train=replace(setup.train, weight=weight)))
    judged = exam.base.net if exam.trained else exam.now.net
    a, b = (recalls(net, loss, rows, all_codes) for net in (judged, after.net))
    gain, commonest = gain_in_recall(a, b), shares.argmax()
    if a[rare] > 0.6 or gain.share < 0.05 or b[rare] - a[rare] < 0.15:
        return
    evidence = (
        f"Class {rare} is {percent(shares[rare])} of the rows, and {percent(a[rare])} of its rows "
        f"are answered rightly; of the commonest class {percent(a[commonest])}.",
        f"With each class weighted alike it is {percent(b[rare])} and {percent(b[commonest])}.",
    )
    fix = "weight each row by 1 / (the share of its class), if the rare class matters as much"
    exam.add("imbalance", evidence, fix, gain)


def gap(outcome: Outcome) -> float:
    """How far the loss on held-out rows lies above the training loss, in units of guessing."""
    return outcome.judged.capped - outcome.train.capped


def overfitting(exam: Examination) -> None:
    """A training loss far below that of new rows; the experiments restrain the network."""
    setup, now = exam.setup, exam.now
    if gap(now) < 0.2 or exam.recovered:
        return
    penalties = {f"Penalty(l2={l2:g})": Penalty(l2=l2) for l2 in (0.01, 0.1)}
    options = {name: setup.change(penalty=penalty) for name, penalty in penalties.items()}
    for n in changes.hidden_sizes(setup.config.net)[:1]:
        fewer = max(4, n // 4)
        smaller = changes.rebuilt(setup, [fewer], exam.runner.seed)
        options[f"one hidden layer of {fewer}"] = smaller
    trials = {name: exam.runner.run(changed) for name, changed in options.items()}
    trials["the best epoch"] = now.best
    best = lowest_loss(trials)
    after = trials[best]
    a, b = now.judged.capped, after.judged.capped
    large = a - b >= 0.4 or after.lead(now.net) >= 2.0
    if not (large and b <= 0.85 * a and a - b >= 0.15):
        return
    losses = (f"{name}: {in_text(outcome.judged.loss)}" for name, outcome in trials.items())
    evidence = (train_and_held(now), f"On the rows held out, with {', '.join(losses)}.")
    fix = f"restrain the network: {best}"
    if best == "the best epoch":
        fix = 'stop at the best epoch: valid=…, patience=10, restore="best"'
    exam.add("overfitting", evidence, fix, exam.gain(after))


def train_and_held(outcome: Outcome) -> str:
    """The losses on the training rows and on the held-out rows, as a sentence."""
    return (
        f"The loss is {in_text(outcome.train.loss)} on the rows trained on and "
        f"{in_text(outcome.judged.loss)} on the rows held out."
    )


def too_few_rows(exam: Examination) -> None:
    """Half of the rows do clearly worse than all, or so few rows can be learnt with any labels."""
    n = len(exam.setup.train)
    if exam.setup.held is None or exam.recovered or gap(exam.now) < 0.15 or not 8 <= n <= 300:
        return
    if sign := half_the_rows(exam) or shuffled_targets_are_learnt(exam):
        fix = "collect more rows; until then use fewer columns, fewer units and a penalty"
        exam.add("too_few_rows", (sign, train_and_held(exam.now)), fix, None)


def half_the_rows(exam: Examination) -> str | None:
    """What half of the rows loses against all, a mean over halvings, if it is much."""
    setup, n = exam.setup, len(exam.setup.train)
    rng, epochs = exam.runner.rng(Stream.HALVED), exam.runner.epochs(setup)
    whole, half = reach(exam, setup, epochs, 0), 0.0
    for seed in range(HALVES):
        part = replace(setup, train=setup.train.take(rng.permutation(n)[: n // 2]))
        half += reach(exam, part, 2 * epochs, seed) / HALVES
    if half - whole < COUNTS:
        return None
    return (
        f"Of {n} rows, half reach {half:.2f} of what guessing gives on the rows held out, all of "
        f"them {whole:.2f}, the better of network and linear model at its best epoch: every row "
        "still counts."
    )


def shuffled_targets_are_learnt(exam: Examination) -> str | None:
    """With few more rows than columns: whether the network learns shuffled targets too."""
    n, d = exam.setup.train.X.shape
    if n >= 5 * (d + 1):
        return None
    shuffled = exam.runner.shuffled(exam.setup).train
    if shuffled.excess > 0.15:
        return None
    return (
        f"With the targets shuffled these {n} rows of {d} columns are learnt as well, to "
        f"{in_text(shuffled.loss)}: what is learnt of so few rows need not be true of others."
    )


def reach(exam: Examination, setup: Setup, epochs: int, seed: int) -> float:
    """The lowest excess on held-out rows of this network and the linear model at any epoch."""
    runs = exam.runner.run(setup, epochs=epochs, seed=seed), exam.runner.linear(setup)
    return min(run.best.judged.capped for run in runs)


def noise_floor(exam: Examination) -> None:
    """Nothing to learn: held-out rows no better than guessing, shuffled targets learnt as well."""
    setup, now = exam.setup, exam.now
    if exam.has_found("too_few_rows"):
        return  # more rows may show what now looks like noise
    if (floor := floor_of_equal_rows(setup)) is not None:
        return report_floor(exam, floor)
    if setup.held is None or len(setup.held) < MANY or now.stopped or not np.ptp(setup.train.X):
        return
    line = exam.runner.linear(setup)
    wider = changes.scaled(changes.wider(setup, exam.runner.seed))
    wide = exam.runner.run(wider, epochs=long_enough(exam))
    if any(outcome.lead() > 2.0 for outcome in (now, line, wide)):
        return
    shuffled = exam.runner.shuffled(setup).train
    if shuffled.capped - now.train.capped > 0.15:
        return
    evidence = (
        f"On the rows held out neither this network ({in_text(now.judged.loss)}) nor a wider "
        f"one ({in_text(wide.judged.loss)}) nor the linear model "
        f"({in_text(line.loss_in_units_of(setup))}) is better than guessing by more than two "
        "standard errors.",
        f"With the targets shuffled the training rows are learnt as well: {in_text(shuffled.loss)} "
        f"against {in_text(now.train.loss)}.",
    )
    fix = "look for other columns: these say nothing about the target"
    exam.add("noise_floor", evidence, fix, None)


def floor_of_equal_rows(setup: Setup) -> float | None:
    """The lowest loss that rows with equal X and different y allow, if most rows are like that."""
    rows, loss, n_out = setup.all_rows, setup.config.loss, setup.config.net.n_out
    _, group, size = np.unique(rows.X, axis=0, return_inverse=True, return_counts=True)
    group = group.ravel()
    if len(size) < 2 or np.mean(size[group] >= 5) < 0.9:
        return None
    Y = loss.targets(np.zeros((len(rows), n_out)), rows.y)
    mean = np.stack([np.bincount(group, y) / size for y in Y.T], axis=1)[group]
    if isinstance(loss, BinaryCrossEntropy | SoftmaxCrossEntropy):
        return perfect_loss(loss, mean, n_out)
    return by_rows(loss).value(mean, rows.y) if isinstance(loss, SquaredError) else None


def report_floor(exam: Examination, floor: float) -> None:
    """Rows that contradict each other, if the network is nearly as good as they allow."""
    setup, reached = exam.setup, exam.now.train.loss
    guess = guess_loss(setup.config.loss, setup.all_rows.y, setup.config.net.n_out)
    if floor < 0.5 * guess or guess - reached < 0.6 * (guess - floor):
        return
    evidence = (
        f"Rows with the same inputs have different targets: no network of these inputs can get "
        f"below {in_text(floor)}, and this one is at {in_text(reached)}.",
        f"Guessing gives {in_text(guess)}.",
    )
    fix = "look for columns that tell such rows apart: a larger network cannot"
    exam.add("noise_floor", evidence, fix, None)


LEARN_MORE = {
    "four times the units": "use more hidden units, or a hidden layer where there is none",
    "four times the epochs": "train for more epochs",
    "no penalty, decay or dropout": "lower the penalty, the weight decay or the dropout",
}


def underfitting(exam: Examination) -> None:
    """A high training loss; the experiments are more units, more epochs, and no restraint."""
    if exam.now.train.capped < UNFINISHED or exam.recovered:
        return
    if exam.has_found("noise_floor", "underfitting"):
        return
    setup, epochs = exam.setup, exam.runner.epochs(exam.setup)
    options = {"four times the units": changes.wider(setup, exam.runner.seed)}
    if epochs == setup.config.epochs:
        options["four times the epochs"] = setup.change(epochs=4 * epochs)
    if changes.is_restrained(setup.config):
        options["no penalty, decay or dropout"] = changes.without_restraint(setup)
    trials = {name: exam.runner.measure(name, changed) for name, changed in options.items()}
    best = exam.best(trials, 0.15)
    if best is None:
        return
    linear = exam.runner.measured.get("linear model")
    evidence = [
        f"The training rows themselves are learnt badly: {in_text(exam.now.train.loss)}"
        + ("." if linear is None else f"; a linear model's loss is {in_text(linear)}."),
        f"Training loss with {training_losses(trials)}.",
    ]
    exam.add("underfitting", evidence, LEARN_MORE[best], exam.gain(trials[best]))
