"""Faults of the data: constant columns, columns and targets far from mean 0 and spread 1, columns
that reveal the answer or number the rows, rows that are on both sides of a split.
"""

from dataclasses import replace

import numpy as np

from ..core.arrays import Array
from ..core.metrics import auc
from ..writing.words import capitalized, in_text, percent
from .baselines import class_codes
from .changes import is_flat, nonzero_std, scaled, without_columns
from .examination import Examination
from .experiments import Outcome, Score, Setup
from .findings import Gain
from .formatting import listed

BINS = 20
FEWEST = 10  # held-out rows to go by


def constant_columns(exam: Examination) -> None:
    """Columns that are the same in every row; the experiment sets them to 0."""
    X = exam.first.train.X
    flat = np.flatnonzero(np.ptp(X, axis=0) == 0)
    if not len(flat) or len(X) < 2:
        return
    columns = tuple(flat.tolist())
    after = exam.runner.run(without_columns(exam.setup, columns))
    verb = "holds" if len(columns) == 1 else "hold"
    evidence = [
        f"{capitalized(listed(columns))} of {X.shape[1]} {verb} "
        f"{in_text(X[0, flat[0]])}{', …,' if np.ptp(X[0, flat]) else ''} in all {len(X):,} rows."
    ]
    if len(flat) == X.shape[1]:
        evidence.append("So every row looks the same to the network: it can only guess.")
        fix = "give columns that differ from row to row"
    else:
        fix = f"leave {listed(columns)} out: they can only act as a second bias"
    exam.add("constant_input", evidence, fix, exam.gain(after), columns=columns)


def column_alone(x: Array, y: Array, codes: Array | None) -> float:
    """How well one column predicts by itself, from 0 to 1: 2·AUC - 1 for two classes, else R².

    For more classes, the share of rows that the column's bins get right beyond the most common
    class. The bins are fitted on the even rows and scored on the odd rows.
    """
    if codes is not None and codes.max() == 1:
        return abs(2 * auc(codes, x) - 1)
    edges = np.unique(np.quantile(x, np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, x)
    half = np.arange(len(x)) % 2 == 0
    if codes is not None:
        table = np.zeros((BINS + 1, int(codes.max()) + 1))
        np.add.at(table, (bins[half], codes[half]), 1)
        right = float(np.mean(table.argmax(axis=1)[bins[~half]] == codes[~half]))
        common = float(np.bincount(codes).max() / len(codes))
        return max(0.0, (right - common) / max(1 - common, 1e-12))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1] ** 2)


def leaking_columns(exam: Examination) -> None:
    """A column that predicts alone; the experiment is the run without it."""
    setup, now = exam.setup, exam.now.judged
    X, y = setup.train.X, setup.train.y.reshape(len(setup.train), -1)
    if X.shape[1] < 2 or y.shape[1] > 1 or len(X) < 20:
        return
    codes = class_codes(setup.config.loss, setup.train.y)
    strength = np.array([column_alone(x, y[:, 0], codes) for x in X.T])
    for j in np.flatnonzero(strength > 0.985).tolist():
        name = f"without X[:, {j}]"
        without = exam.runner.measure(name, without_columns(setup, [j])).judged
        if without.capped - now.capped < 0.1:
            continue
        kind = "R²" if codes is None else "2·AUC - 1" if codes.max() == 1 else "accuracy gained"
        evidence = (
            f"Column X[:, {j}] alone predicts the target: {kind} = {strength[j]:.4f}; the next "
            f"best column reaches {np.max(np.delete(strength, j)):.2f}.",
            f"Without it the same run ends at {in_text(without.loss)}, with it at "
            f"{in_text(now.loss)}.",
        )
        fix = f"leave column X[:, {j}] out, unless it is known before the answer is"
        gain = honest_gain(setup, now, without)
        exam.add("leaking_column", evidence, fix, gain, columns=(j,))


def honest_gain(setup: Setup, before: Score, after: Score) -> Gain:
    """What a leak hid: without it the loss is larger, and honest."""
    measure = f"loss on {setup.judged_name} rows, made honest,"
    return Gain(measure, before.loss, after.loss, after.capped - before.capped)


def identifiers(exam: Examination) -> None:
    """Whole numbers that never repeat; the experiment leaves them out, and nothing gets worse.

    Both runs have all columns scaled; otherwise leaving these out would repair their scale too.
    """
    X, n = exam.first.train.X, len(exam.first.train)
    columns = tuple(j for j, x in enumerate(X.T) if numbers_the_rows(x))
    if not columns or n < 20:
        return
    comparable, which = scaled(exam.setup), listed(columns)
    before = exam.runner.run(comparable).judged
    without = exam.runner.run(without_columns(comparable, columns)).judged
    if without.capped > before.capped + 0.05:
        return
    low, high = X[:, columns[0]].min(), X[:, columns[0]].max()
    evidence = (
        f"{capitalized(which)} of {X.shape[1]} holds a whole number that is never the "
        f"same twice in {n:,} rows, from {low:.0f} to {high:.0f}: it numbers the rows.",
        f"All columns scaled, the run ends at {in_text(without.loss)} without it and at "
        f"{in_text(before.loss)} with it: nothing is lost.",
    )
    fix = f"leave {which} out: a new row's number says nothing about its answer"
    after = exam.runner.run(without_columns(exam.setup, columns))
    exam.add("identifier_column", evidence, fix, exam.gain(after), columns=columns)
    exam.accept(f"{which} left out", after)


def numbers_the_rows(x: Array) -> bool:
    """Whether a column holds whole numbers that never repeat and leave few gaps."""
    whole = bool(np.all(x == np.round(x)))
    return whole and len(np.unique(x)) == len(x) and bool(np.ptp(x) < 3 * len(x) + 100)


def duplicates(exam: Examination) -> None:
    """Validation rows that are among the training rows, compared with how many would be by chance.

    Later experiments are scored without these copies.
    """
    setup, held = exam.first, exam.first.held
    if held is None:
        return
    share, where = copies(setup.train.X, held.X)
    rng = np.random.default_rng(exam.runner.seed)
    shuffled = np.column_stack([rng.permutation(x) for x in setup.train.X.T])
    chance = copies(shuffled, held.X)[0]
    if share < 0.05 or share < 3 * chance:
        return
    whose = "your validation rows" if exam.own_held_out else "the rows held out at random"
    evidence = [
        f"{percent(share)} of {whose} stand among the training rows too; if the columns were "
        f"dealt out at random, {percent(chance)} would."
    ]
    gain, unique = None, held.take(~where)
    if len(unique) >= 2:
        at_end = Outcome(setup, exam.base.net)
        copied, new = (at_end.score(rows) for rows in (held.take(where), unique))
        evidence.append(
            f"The loss is {in_text(copied.loss)} on these copies and {in_text(new.loss)} on the "
            "rest."
        )
        gain = honest_gain(setup, exam.base.judged, new)
    fix = "drop the copies before the rows are split, or keep all copies of a row on one side"
    exam.add("duplicates_across_split", evidence, fix, gain)
    new_held = unique if len(unique) >= FEWEST else None
    exam.now = exam.runner.run(replace(exam.setup, held=new_held))
    without_copies = Outcome(replace(setup, held=new_held), exam.base.net)
    exam.base = without_copies if exam.trained else exam.now


def copies(X: Array, others: Array) -> tuple[float, Array]:
    """(share, which) of the rows of `others` that are in X, equal in every number."""
    rows = {row.tobytes() for row in np.ascontiguousarray(X) + 0.0}
    where = np.array([row.tobytes() in rows for row in np.ascontiguousarray(others) + 0.0], bool)
    return float(where.mean()), where


def unscaled_inputs(exam: Examination) -> None:
    """Columns far from mean 0 and spread 1; the experiment scales them only."""
    X = exam.setup.train.X
    mean, std, flat = X.mean(axis=0), nonzero_std(X), is_flat(X)
    far = ~flat & ((np.abs(mean) > 5 * np.maximum(std, 1)) | (std > 5) | (std < 0.1))
    if not far.any() or exam.has_found("unscaled_inputs"):
        return
    after = exam.runner.measure("scaled inputs", scaled(exam.setup))
    if not after.improves_on(exam.now):
        return
    columns = tuple(np.flatnonzero(far).tolist())
    worst = int(np.argmax(np.where(far, np.abs(np.log(std)) + np.abs(mean) / std, -1)))
    verb = "is" if len(columns) == 1 else "are"
    evidence = (
        f"{capitalized(listed(columns))} of {X.shape[1]} {verb} far from mean 0 and spread 1: "
        f"X[:, {worst}] has mean {in_text(mean[worst])} and standard deviation "
        f"{in_text(std[worst])}.",
        f"Scaled, the same run ends at {in_text(after.train.loss)} on its training rows, unscaled "
        f"at {in_text(exam.now.train.loss)}.",
    )
    fix = "scale each column: subtract its mean and divide by its standard deviation"
    exam.add("unscaled_inputs", evidence, fix, exam.gain(after))
    exam.accept("scaled inputs", after)


def unscaled_target(exam: Examination) -> None:
    """A target far from mean 0 and spread 1; the experiment scales it only."""
    y = exam.setup.train.y
    if y.dtype.kind != "f" or exam.setup.config.loss.wants_logits:
        return
    mean, std = y.mean(axis=0), nonzero_std(y)
    if not np.any((np.abs(mean) > 3 * std) | (std > 5) | (std < 0.1)):
        return
    after = exam.runner.measure("scaled target", scaled(exam.setup, "y"))
    if not after.improves_on(exam.now):
        return
    evidence = (
        f"The target has mean {in_text(np.max(np.abs(mean)))} and standard deviation "
        f"{in_text(np.max(std))}, while the network's first answers lie around 0.",
        f"In units of what guessing the mean gives, the same run ends at "
        f"{in_text(after.train.excess)} with the target scaled and at "
        f"{in_text(exam.now.train.excess)} without.",
    )
    fix = "train on (y - mean) / standard deviation and turn the answers back by hand"
    before, reached = (outcome.judged.excess for outcome in (exam.now, after))
    gain = exam.gain(after)
    gain = replace(
        gain, measure=f"{gain.measure} in units of guessing", before=before, after=reached
    )
    exam.add("unscaled_target", evidence, fix, gain)
    exam.accept("a scaled target", after)
