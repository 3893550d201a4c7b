"""The task that a target sets: classes or a number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .roles import counts, first_non_number
from .table import Values, as_text, cell_text

TASKS = ("binary", "multiclass", "regression")
_MOST_CLASSES = 20
_ROWS_PER_CLASS = 10


def infer_task(
    name: str, values: Values, task: str | None = None
) -> tuple[str, tuple[Any, ...] | None, dict[Any, int]]:
    """The task, its sorted classes (None for a regression), and the count of each value.

    `values` (n,) has no missing cells. ValueError: a constant target, a date, text with too many
    values for classes, a task that the values do not allow.
    """
    if task not in (None, "classification", *TASKS):
        raise ValueError(f'"{task}" is no task: choose classification, {", ".join(TASKS)}')
    levels = counts(values)
    if len(levels) < 2:
        fault = f'the target "{name}" is constant, always {cell_text(next(iter(levels)))}'
        why = "there is nothing to learn, neither a class nor a number"
        raise ValueError(f"{fault}: {why}: choose another column")
    if values.dtype.kind == "M":
        raise ValueError(f'the target "{name}" holds dates: predict a number or classes')
    whole = values.dtype.kind != "f" or bool(np.all(values == np.floor(values)))
    if task == "regression":
        wrong = first_non_number(values)
        if wrong is not None:
            fault = f'the target "{name}" cannot be a number: row {wrong[0] + 1} holds "{wrong[1]}"'
            raise ValueError(f"{fault}: use classification")
        return "regression", None, levels
    if task is None and values.dtype != object and not (whole and len(levels) <= _MOST_CLASSES):
        return "regression", None, levels
    if task is None and len(levels) > max(_MOST_CLASSES, len(values) / _ROWS_PER_CLASS):
        raise ValueError(
            f'the target "{name}" is text with {len(levels)} different values in {len(values)} '
            "rows: choose a target with fewer classes or a number"
        )
    classes = _classes(list(levels), whole and values.dtype.kind == "f")
    inferred = "binary" if len(classes) == 2 else "multiclass"
    if task in TASKS and task != inferred:
        fault = f'the target "{name}" has {len(classes)} classes and so cannot be {task}'
        raise ValueError(f"{fault}: use {inferred}")
    return inferred, classes, levels


def _classes(levels: list[Any], whole: bool) -> tuple[Any, ...]:
    if whole:
        levels = [int(v) for v in levels]
    if len({type(v) for v in levels}) > 1:
        levels = [str(cell_text(v)) for v in levels]
    return tuple(sorted(levels))


def class_codes(name: str, values: Values, classes: tuple[Any, ...]) -> NDArray[np.int64]:
    """The place of each cell (n,) in `classes`, -1 where it is missing.

    ValueError: a cell that is none of the classes, with its row.
    """
    places = {cell_text(c): i for i, c in enumerate(classes)} | {None: -1}
    texts = as_text(values)
    unknown = next((row for row, text in enumerate(texts) if text not in places), None)
    if unknown is not None:
        names = ", ".join(str(cell_text(c)) for c in classes[:12]) + ", …" * (len(classes) > 12)
        fault = f'the target "{name}" holds "{texts[unknown]}" in row {unknown + 1}'
        raise ValueError(f"{fault}, which is none of the classes {names}")
    return np.array([places[text] for text in texts], np.int64)
