"""Training, validation and test rows: seeded, stratified, or along groups or time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .roles import to_numbers
from .schema import Schema
from .table import Places, Table, as_text, cell_text, is_missing
from .target import class_codes
from .words import several

_TRIES = 30
_STRIP = 20


@dataclass(frozen=True)
class Split:
    """Disjoint, sorted row numbers of a table, and what is worth knowing about them."""

    train: Places
    valid: Places
    test: Places
    notes: tuple[str, ...] = ()


def split_rows(
    schema: Schema, table: Table, *, valid: float = 0.2, test: float = 0.2, seed: int = 0
) -> Split:
    """Rows for training, validation and test: shares of all rows that have a target.

    Classes keep their proportions to within one row, and a class with one row is trained on; for a
    regression each strip of neighbouring target values does. With a group column no group is on two
    sides; with a time column the latest rows are the test, those before them the validation.
    ValueError: shares that leave no row for training, or too few groups or times.
    """
    if not (0 <= valid < 1 and 0 <= test < 1 and valid + test < 1):
        raise ValueError(
            f"shares of {valid} for validation and {test} for the test leave no row for training: "
            "choose shares from 0 up whose sum is below 1"
        )
    if schema.group is not None and schema.time is not None:
        raise ValueError("rows are split by group or by time, not both: choose one")
    rows = np.flatnonzero(~is_missing(table.columns[schema.target])).astype(np.int64)
    if len(rows) == 0:
        raise ValueError(f'no row of {table.source} has a value of "{schema.target}"')
    used = table.take(rows)
    codes = np.zeros(len(rows), np.int64)
    if schema.classes is not None:
        codes = class_codes(schema.target, used.columns[schema.target], schema.classes)
    rng = np.random.default_rng(seed)
    if schema.time is not None:
        side, notes = _by_time(used, schema.time, valid, test)
    elif schema.group is not None:
        side, notes = _by_group(used, schema.group, codes, valid, test, rng)
    elif schema.classes is None:
        strips = _strips(to_numbers(schema.target, used.columns[schema.target]))
        side, notes = _stratified(strips, valid, test, rng), []
    else:
        side = _stratified(codes, valid, test, rng)
        lone = _classes(schema, [np.sum(codes == i) == 1 for i in range(len(schema.classes))])
        notes = [f"one row only of {lone}: used for training"] if lone else []
    if schema.classes is not None:
        trained = codes[side == 0]
        lost = _classes(schema, [i not in trained for i in range(len(schema.classes))])
        notes += [f"no training row of {lost}"] if lost else []
    return Split(rows[side == 0], rows[side == 1], rows[side == 2], tuple(notes))


def _classes(schema: Schema, chosen: list[Any]) -> str:
    """The names of the chosen classes, as they are written in a note."""
    return ", ".join(str(cell_text(label)) for label in compress(schema.classes or (), chosen))


def _strips(y: NDArray[np.float64]) -> Places:
    """The strip of each row (n,): _STRIP rows of neighbouring target values make one.

    A few rows of extreme targets decide R²; so every side gets its share of them.
    """
    rank = np.argsort(np.argsort(y, kind="stable"))
    return rank // _STRIP


def _stratified(codes: Places, valid: float, test: float, rng: np.random.Generator) -> Places:
    """The side of each row (0 train, 1 validation, 2 test), drawn code by code."""
    side = np.zeros(len(codes), np.int64)
    for code in range(codes.max() + 1):
        members = rng.permutation(np.flatnonzero(codes == code))
        n = len(members)
        n_test, n_valid = int(n * test + 0.5), int(n * valid + 0.5)
        while n and n_test + n_valid >= n:
            n_test, n_valid = (n_test, n_valid - 1) if n_valid >= n_test else (n_test - 1, n_valid)
        side[members[:n_test]] = 2
        side[members[n_test : n_test + n_valid]] = 1
    return side


def _by_group(
    table: Table, group: str, codes: Places, valid: float, test: float, rng: np.random.Generator
) -> tuple[Places, list[str]]:
    """Whole groups to each side; of several draws the one nearest the shares in every class."""
    names = as_text(table.columns[group])
    places = {name: i for i, name in enumerate(dict.fromkeys(names))}
    member = np.array([places[name] for name in names])
    wanted = np.array([1 - valid - test, valid, test])
    needed = np.count_nonzero(wanted)
    if len(places) < needed:
        raise ValueError(
            f'the group column "{group}" has {several(len(places), "group")} in {len(names)} rows: '
            f"{needed} are needed to split them, or a share of 0 for the test or for the held-out "
            "rows"
        )
    counts = np.zeros((len(places), codes.max() + 1))
    np.add.at(counts, (member, codes), 1)
    targets = wanted[:, None] * counts.sum(0)

    def miss(sides: Places) -> float:
        dealt = np.array([counts[sides == i].sum(0) for i in range(3)])
        return float(np.abs(dealt - targets).sum())

    draws = [_deal(rng.permutation(len(places)), counts.sum(1), wanted) for _ in range(_TRIES)]
    side = min(draws, key=miss)[member]
    sides = ("training", "validation", "the test")
    parts = [f"{np.sum(side == i)} for {name}" for i, name in enumerate(sides) if wanted[i]]
    return side, [f'{len(places)} groups of "{group}" kept whole: rows {", ".join(parts)}']


def _deal(order: Places, sizes: NDArray[np.float64], wanted: NDArray[np.float64]) -> Places:
    """Each group in turn to the side that is furthest below its share; none is left empty."""
    room = wanted * sizes.sum()
    sides = np.zeros(len(order), np.int64)
    needed = [i for i in np.argsort(wanted) if wanted[i] > 0]
    for place, group in enumerate(order):
        side = needed[place] if place < len(needed) else int(np.argmax(room))
        sides[group] = side
        room[side] -= sizes[group]
    return sides


def _by_time(table: Table, time: str, valid: float, test: float) -> tuple[Places, list[str]]:
    """Rows before the validation, the validation, and the latest; equal times stay together."""
    values = table.columns[time]
    missing = is_missing(values)
    ranks = np.where(missing, -1, np.unique(values, return_inverse=True)[1])
    starts, n = np.sort(ranks), len(ranks)
    side = np.zeros(n, np.int64)
    for number, share in ((1, valid + test), (2, test)):
        count = int(n * share + 0.5)
        if count and share:
            side[ranks >= _cut(starts, n - count)] = number
    notes = [f'the latest rows by "{time}" are the test'] if test else []
    if missing.any():
        notes.append(f'{int(missing.sum())} rows without "{time}" used for training')
    for number, share, what in ((1, valid, "validation"), (2, test, "test")):
        if share and not (side == number).any() and int(n * share + 0.5):
            notes.append(f'too many rows share one "{time}": none is left for the {what}')
    return side, notes


def _cut(ranks: Places, place: int) -> int:
    """The rank at which the later part starts, chosen so that its size is closest to its share."""
    rank = ranks[place]
    first = int(np.searchsorted(ranks, rank, "left"))
    behind = int(np.searchsorted(ranks, rank, "right"))
    later = first == 0 or (behind < len(ranks) and behind - place < place - first)
    return int(rank) + 1 if later else int(rank)
