"""A stored preparation is believed in nothing: every field is checked."""

from typing import Any

import pytest
from support.mixed_table import mixed, prepared

from chainrule.tables import Preparation

LIES: list[tuple[str, Any]] = [
    ("columns", []),
    ("columns", {}),
    ("columns", [3]),
    ("task", "ranking"),
    ("task", "regression"),
    ("classes", None),
    ("classes", ["a"]),
    ("classes", [None, 1]),
    ("target_name", 3),
    ("target_mean", "1"),
    ("target_mean", float("nan")),
    ("target_scale", 0.0),
    ("target_scale", float("inf")),
]
COLUMN_LIES: list[tuple[int, str, Any]] = [
    (0, "kind", "constant"),
    (0, "name", None),
    (0, "name", "gaps"),
    (0, "fill", "a"),
    (0, "fill", float("nan")),
    (0, "fill", None),
    (0, "indicator", 1),
    (0, "indicator", True),
    (0, "center", [0.0, 1.0]),
    (0, "center", [float("inf")]),
    (0, "center", ["0"]),
    (0, "reading", "number"),
    (0, "reading", True),
    (0, "scale", [0.0]),
    (0, "scale", [-1.0]),
    (0, "scale", []),
    (3, "levels", [False]),
    (5, "fill", "nobody"),
    (5, "levels", [1, 2]),
    (6, "levels", ["a", "a", "b", "c"]),
    (6, "pooled", True),
    (8, "fill", "yesterday"),
    (8, "origin", None),
    (8, "hours", True),
]


@pytest.mark.parametrize(("key", "value"), LIES)
def test_lying_preparation_is_refused(key: str, value: Any) -> None:
    stored = prepared(mixed()).to_dict()
    with pytest.raises(ValueError, match="preparation"):
        Preparation.from_dict({**stored, key: value})
    with pytest.raises(ValueError, match=f'has no "{key}"'):
        Preparation.from_dict({k: v for k, v in stored.items() if k != key})


@pytest.mark.parametrize(("place", "key", "value"), COLUMN_LIES)
def test_lying_column_is_refused(place: int, key: str, value: Any) -> None:
    stored = prepared(mixed()).to_dict()
    stored["columns"][place][key] = value
    with pytest.raises(ValueError, match="preparation"):
        Preparation.from_dict(stored)
