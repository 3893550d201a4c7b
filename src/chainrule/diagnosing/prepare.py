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

MOST_ROWS, FEWEST_EPOCHS, FEWEST_TO_HOLD_OUT = 2000, 20, 50


def prepare(
    runner: Runner, config: Configuration, X: ArrayLike, y: ArrayLike,
    valid: tuple[ArrayLike, ArrayLike] | None, trained: bool,
) -> tuple[Setup, list[Finding]]:  # fmt: skip
    """The rows as experiments take them: finite, not too many, a fifth held out; with the findings
    on the way. Rows that a trained network has seen cannot be held out.
    """
    matrix, target = config.net.as_input(X), _target(y)
    if target.ndim == 0 or len(target) != len(matrix) or len(matrix) == 0:
        raise ValueError(
            f"y has shape {target.shape} and X {matrix.shape}: give at least one row, and one "
            "target for each"
        )
    train, holes = drop_nonfinite(matrix, target)
    setup = Setup(config, train)
    if valid is not None:
        if not isinstance(valid, tuple | list) or len(valid) != 2:
            raise ValueError("valid must be (X, y): give such a tuple")
        held, _ = drop_nonfinite(config.net.as_input(valid[0]), _target(valid[1]))
        setup = replace(setup, held=held)
    setup, refused = as_train_takes_it(setup)
    setup = fewer_rows(runner, setup)
    if valid is None and not trained and len(setup.train) >= FEWEST_TO_HOLD_OUT:
        setup = hold_out(runner, setup)
    epochs, total = runner.epochs(setup), setup.config.epochs
    if epochs < total:
        runner.notes.append(f"every experiment ran {epochs:,} of the {total:,} epochs asked for")
    return setup, [*holes, *refused]


def _target(y: ArrayLike) -> Array:
    """The target as numbers; yes and no as 1 and 0."""
    target = as_real("y", y)
    return target.astype(np.int64) if target.dtype.kind == "b" else target


def fewer_rows(runner: Runner, setup: Setup) -> Setup:
    """A sample of the rows, drawn by the seed, that leaves time for FEWEST_EPOCHS epochs."""
    config, n = setup.config, len(setup.train)
    work = 3 * multiply_adds(config.net.layers, config.net.n_in) * FEWEST_EPOCHS
    limit = int(min(MOST_ROWS, max(300, MOST_WORK // work)))
    if setup.held is not None and len(setup.held) > MOST_ROWS:
        setup = replace(setup, held=drawn(runner, setup.held, MOST_ROWS))
        runner.notes.append(f"scored on {MOST_ROWS:,} of the validation rows, drawn by the seed")
    if n > limit:
        setup = replace(setup, train=drawn(runner, setup.train, limit))
        runner.notes.append(f"the experiments used {limit:,} of the {n:,} rows, drawn by the seed")
    return setup


def drawn(runner: Runner, rows: Batch, count: int) -> Batch:
    """A random sample of the rows, in their order."""
    order = runner.rng(Stream.DRAWN).permutation(len(rows))
    return rows.take(np.sort(order[:count]))


def drop_nonfinite(X: Array, y: Array) -> tuple[Batch, list[Finding]]:
    """The rows without nan and inf, and the finding that names those cells."""
    Y = y.reshape(len(y), -1) if y.dtype.kind == "f" else np.zeros((len(y), 1))
    finite = np.isfinite(X).all(axis=1) & np.isfinite(Y).all(axis=1)
    if finite.all():
        return Batch(X, y), []
    tables = [(name, table) for name, table in (("X", X), ("y", Y)) if not np.isfinite(table).all()]
    evidence = [
        *(holes_in_words(name, table) for name, table in tables),
        "One such number makes every sum it enters, so the loss and all weights, nan.",
    ]
    fix = "fill these cells or drop their rows before training"
    return Batch(X[finite], y[finite]), [Finding("nonfinite", tuple(evidence), fix)]


def holes_in_words(name: str, table: Array) -> str:
    """How many cells are not finite, in which columns, and the first of them."""
    holes = ~np.isfinite(table)
    row, column = np.argwhere(holes)[0].tolist()
    columns, place = "", f"[{row}]"
    if name == "X":
        columns = f" in {listed(tuple(np.flatnonzero(holes.any(axis=0)).tolist()))}"
        place = f"[{row}, {column}]"
    numbers = "numbers that are" if holes.sum() > 1 else "number that is"
    return (
        f"{name} holds {int(holes.sum())} {numbers} not finite{columns}; the first is "
        f"{name}{place} = {table[row, column]}."
    )


def hold_out(runner: Runner, setup: Setup) -> Setup:
    """A fifth of the rows held out by the seed, class by class."""
    rows = setup.train
    order = runner.rng(Stream.HELD_OUT).permutation(len(rows))
    codes = class_codes(setup.config.loss, rows.y)
    if codes is not None:
        order = order[np.argsort(codes[order], kind="stable")]
    held = np.isin(np.arange(len(rows)), order[2::5])
    return replace(setup, train=rows.take(~held), held=rows.take(held))
