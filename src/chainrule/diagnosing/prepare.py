"""The rows as experiments take them: finite, not too many, some held out."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from ..core.arrays import Array
from ..core.checks import as_real
from ..core.epoch import Batch
from ..core.network import multiply_adds
from .baselines import class_codes
from .configuration import Configuration
from .experiments import Setup
from .findings import Finding
from .formatting import listed
from .loss_faults import as_train_takes_it
from .runner import MOST_WORK, Runner, Stream

MOST_ROWS, FEWEST_EPOCHS = 2000, 20


def prepare(
    runner: Runner,
    asked: Configuration,
    X: ArrayLike,
    y: ArrayLike,
    valid: tuple[ArrayLike, ArrayLike] | None,
    trained: bool,
) -> tuple[Setup, list[Finding]]:
    """The rows as experiments take them: finite, not too many, a fifth held out; with what was
    found on the way. What a trained network has seen cannot be held out.
    """
    matrix, target = asked.net.as_input(X), _target(y)
    if target.ndim == 0 or len(target) != len(matrix) or len(matrix) == 0:
        raise ValueError(
            f"y has shape {target.shape} and X {matrix.shape}: give at least one row, and one "
            "target for each"
        )
    matrix, target, holes = drop_nonfinite(matrix, target)
    setup = Setup(asked, Batch(matrix, target))
    if valid is not None:
        if not isinstance(valid, tuple | list) or len(valid) != 2:
            raise ValueError("valid must be (X, y): give such a tuple")
        rows = asked.net.as_input(valid[0]), _target(valid[1])
        setup = replace(setup, held=Batch(*drop_nonfinite(*rows)[:2]))
    setup, refused = as_train_takes_it(setup)
    setup = fewer_rows(runner, setup)
    if valid is None and not trained:
        setup = hold_out(runner, setup)
    epochs, wanted = runner.epochs(setup), setup.config.epochs
    if epochs < wanted:
        runner.notes.append(f"every experiment ran {epochs:,} of the {wanted:,} epochs asked for")
    return setup, [*holes, *refused]


def _target(y: ArrayLike) -> Array:
    """The target as numbers; yes and no as 1 and 0."""
    target = as_real("y", y)
    return target.astype(np.int64) if target.dtype.kind == "b" else target


def fewer_rows(runner: Runner, setup: Setup) -> Setup:
    """As many rows as FEWEST_EPOCHS passes over them are affordable, drawn by the seed."""
    config, n = setup.config, len(setup.train)
    work = 3 * multiply_adds(config.net.layers, config.net.n_in) * FEWEST_EPOCHS
    most = int(min(MOST_ROWS, max(300, MOST_WORK // work)))
    if setup.held is not None and len(setup.held) > MOST_ROWS:
        setup = replace(setup, held=drawn(runner, setup.held, MOST_ROWS))
        runner.notes.append(f"scored on {MOST_ROWS:,} of the validation rows, drawn by the seed")
    if n <= most:
        return setup
    runner.notes.append(f"the experiments used {most:,} of the {n:,} rows, drawn by the seed")
    return replace(setup, train=drawn(runner, setup.train, most))


def drawn(runner: Runner, rows: Batch, most: int) -> Batch:
    """So many of the rows, in their order."""
    order = runner.rng(Stream.DRAWN).permutation(len(rows))
    return rows.take(np.sort(order[:most]))


def drop_nonfinite(X: Array, y: Array) -> tuple[Array, Array, list[Finding]]:
    """(X, y) without the rows that hold nan or inf, and the findings that name the cells."""
    rows = y.reshape(len(y), -1) if y.dtype.kind == "f" else np.zeros((len(y), 1))
    bad_X, bad_y = ~np.isfinite(X), ~np.isfinite(rows)
    bad = bad_X.any(axis=1) | bad_y.any(axis=1)
    if not bad.any():
        return X, y, []
    evidence = []
    for name, cells, values in (("X", bad_X, X), ("y", bad_y, rows)):
        if cells.any():
            row, column = np.argwhere(cells)[0].tolist()
            columns = tuple(np.flatnonzero(cells.any(axis=0)).tolist())
            place = f"row {row}" + (f", column {column}" if name == "X" else "")
            where = f" in {listed(columns)}" if name == "X" else ""
            evidence.append(
                f"{name} holds {int(cells.sum())} number{'s' if cells.sum() > 1 else ''} that "
                f"{'are' if cells.sum() > 1 else 'is'} not finite{where}; the first is "
                f"{values[row, column]} at {place}."
            )
    evidence.append("One such number makes every sum it enters, so the loss and all weights, nan.")
    fix = "fill these cells or drop their rows before training"
    return X[~bad], y[~bad], [Finding("nonfinite", tuple(evidence), fix)]


def hold_out(runner: Runner, setup: Setup) -> Setup:
    """A fifth of the rows held out by the seed, class by class, where there are at least 50."""
    n = len(setup.train)
    if n < 50:
        return setup
    order, codes = (
        runner.rng(Stream.HELD_OUT).permutation(n),
        class_codes(setup.config.loss, setup.train.y),
    )
    if codes is not None:
        order = order[np.argsort(codes[order], kind="stable")]
    held = np.zeros(n, bool)
    held[order[2::5]] = True
    return replace(setup, train=setup.train.take(~held), held=setup.train.take(held))
