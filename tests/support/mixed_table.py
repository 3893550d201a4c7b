"""A table with every kind of column, and its preparation, for the tests of the tables."""

import json
from typing import Any

import numpy as np

from chainrule.tables import Preparation, Table, infer_schema, read_table

DAY = np.datetime64("2020-03-01", "us")


def mixed(seed: int = 0, n: int = 120) -> Table:
    """A table with every kind of column, with gaps in every kind that can have them."""
    rng = np.random.default_rng(seed)

    def holes(values: Any, empty: Any = None) -> Any:
        values = np.array(values, object if empty is None else None)
        values[rng.random(n) < 0.2] = empty
        return values

    days = DAY + (rng.integers(0, 900, n) * 86_400_000_000).astype("timedelta64[us]")
    columns: dict[str, Any] = {
        "number": rng.normal(50, 9, n),
        "gaps": holes(rng.normal(size=n), np.nan),
        "whole": rng.integers(-5, 90, n),
        "truth": rng.random(n) < 0.4,
        "yes": holes(rng.choice(["no", "yes"], n)),
        "side": rng.choice(["left", "right"], n),
        "level": holes(rng.choice(["a", "b", "c", "d"], n)),
        "rare": np.array(["x", "y", "z"] * (n // 3), object),
        "day": holes(days, np.datetime64("NaT")),
        "moment": days + (rng.integers(0, 86_400, n) * 1_000_000).astype("timedelta64[us]"),
        "pixel": rng.integers(0, 256, n).astype(np.uint8),
        "cabin": holes([f"cabin number {i}" for i in range(n)]),
        "y": rng.integers(0, 3, n),
    }
    columns["rare"][3], columns["rare"][4] = "once", "twice"
    return read_table(columns)


def prepared(table: Table, scaling: str = "standard", **asked: Any) -> Preparation:
    return Preparation.fit(table, infer_schema(table, "y", **asked), scaling=scaling)


def through_json(preparation: Preparation) -> Preparation:
    return Preparation.from_dict(json.loads(json.dumps(preparation.to_dict(), allow_nan=False)))
