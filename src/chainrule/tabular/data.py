"""TableData: the rows of a table as a training run needs them, before any network is built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from ..tables import Preparation, Schema, Split, Table, infer_schema, split_rows
from ..tables.rows import Rows, training_and_test


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
        parts = training_and_test(
            table, schema, test=test, test_table=test_table, scaling=scaling, seed=seed
        )
        return cls(table, schema, *parts, seed)

    def held_out(self, share: float, seed: int) -> Split:
        """A split of `train` that holds out a share of it, along the group or time if any."""
        return split_rows(self.schema, self.train.known, valid=share, test=0.0, seed=seed)

    @cached_property
    def varied(self) -> tuple[int, ...]:
        """The features that have more than two values in the training rows."""
        X = self.train.X
        return tuple(j for j in range(X.shape[1]) if len(np.unique(X[:, j])) > 2)

    @property
    def outputs(self) -> int:
        """How many classes there are; 0 where a number is predicted."""
        return len(self.schema.classes or ())
