"""TableData: the rows of a table as a training run needs them, before any network is built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from ..tables import Preparation, Schema, Split, Table, infer_schema, split_rows
from ..tables.rows import Rows, counted_rows, unseen_notes
from ..tables.table import cell_text


@dataclass(frozen=True)
class TableData:
    """A table with its schema, its test rows, and the preparation fitted to the others.

    `train` are the rows that are not the test: members of a run hold some of them out. `test` is
    None where no row was kept for it. Rows without a target and rows of weight 0 are in neither.
    """

    table: Table
    schema: Schema
    preparation: Preparation
    train: Rows
    test: Rows | None
    notes: tuple[str, ...]
    seed: int

    @classmethod
    def read(
        cls, table: Table, target: str, *, test: float = 0.2, test_table: Table | None = None,
        task: str | None = None, roles: Mapping[str, str] | None = None, drop: Sequence[str] = (),
        group: str | None = None, time: str | None = None, weight: str | None = None,
        scaling: str = "standard", seed: int = 0,
    ) -> Self:  # fmt: skip
        """Say what the columns are, keep a share `test` of the rows for the test, fit the
        preparation on the others.

        `test_table`, where given, is the test instead. `roles` says what columns are ({"Pclass":
        "category"}), `drop` leaves some out, `group` and `time` steer every split, `weight` names
        the row weights, `scaling` is as in `Preparation.fit`. Raises ValueError with one sentence
        for whatever does not fit.
        """
        schema = infer_schema(
            table, target, task=task, roles=roles, drop=drop, group=group, time=time, weight=weight
        )
        counted, dropped = counted_rows(table, schema)
        share = test if test_table is None else 0.0
        split = split_rows(schema, table.take(counted), valid=0.0, test=share, seed=seed)
        preparation = Preparation.fit(table, schema, counted[split.train], scaling=scaling)
        notes = [*table.notes, *schema.notes, *dropped, *split.notes]
        tested, origin = counted[split.test], table if test_table is None else test_table
        if test_table is not None:
            tested, dropped = counted_rows(test_table, schema)
            if len(test_table) == len(table) and test_table.sha256() == table.sha256():
                itself = "is the training table itself, so these scores are not a test"
                notes.append(f"{test_table.source} {itself}")
            notes += [f"{test_table.source}: {note}" for note in test_table.notes]
            notes += unseen_notes(preparation, test_table)
            notes += [f"{test_table.source}: {note}" for note in dropped]
        train = Rows.of(table, counted[split.train], preparation, schema)
        if schema.classes and len(first := np.unique(train.y)) == 1:
            only = cell_text(schema.classes[first[0]])
            raise ValueError(f'every training row is "{only}": there is nothing to tell apart')
        try:
            held = Rows.of(origin, tested, preparation, schema) if len(tested) else None
        except ValueError as error:
            raise ValueError(f"in {origin.source}, {error}") from None
        return cls(table, schema, preparation, train, held, tuple(dict.fromkeys(notes)), seed)

    def held_out(self, share: float, seed: int) -> Split:
        """A split of `train` that holds out a share of it, along the group or time if any."""
        return split_rows(self.schema, self.train.as_table, valid=share, test=0.0, seed=seed)

    @cached_property
    def varied(self) -> tuple[int, ...]:
        """The features that have more than two values in the training rows."""
        X = self.train.X
        return tuple(j for j in range(X.shape[1]) if len(np.unique(X[:, j])) > 2)

    @property
    def outputs(self) -> int:
        """How many classes there are; 0 where a number is predicted."""
        return len(self.schema.classes or ())
