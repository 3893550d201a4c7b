"""Small tables and quick runs of every preset, for the tests of the room `tabular`."""

from typing import Any

import numpy as np

from chainrule.tables import Table, read_table
from chainrule.tabular.outcome import Outcome
from chainrule.tabular.run import TableRun

QUICK: dict[str, dict[str, Any]] = {
    "simple": {"preset": "simple", "hidden": (8,), "epochs": 3},
    "strong": {"preset": "strong", "hidden": (8,), "members": 2, "epochs": 3},
    "ensemble": {"preset": "ensemble", "hidden": (6,), "members": 3, "epochs": 2},
}
PRESETS = tuple(QUICK)


def made_up(n: int = 200) -> Table:
    """Two numbers, a colour, groups of ten, days, weights, two classes "y" and a number "z"."""
    rng = np.random.default_rng(0)
    i, x = np.arange(n), rng.normal(size=(n, 2))
    return read_table(
        {
            "a": x[:, 0],
            "b": x[:, 1],
            "colour": np.array(["red", "blue", "green"], object)[i % 3],
            "who": np.array([f"p{k}" for k in i // 10], object),
            "when": (np.datetime64("2024-01-01") + i.astype("timedelta64[D]")).astype("M8[us]"),
            "w": (i % 4).astype(float),
            "y": np.array(["no", "yes"], object)[(x[:, 0] + (i % 2) > 0.5).astype(int)],
            "z": 3 * x[:, 0] - x[:, 1] + 10,
        }
    )


UNUSED = {"y": ("z", "who", "when", "w"), "z": ("y", "who", "when", "w")}


def built(table: Table, target: str = "y", preset: str = "simple", **settings: Any) -> TableRun:
    """An untrained run with the settings of QUICK, of `made_up` only the columns that it asks for.

    `drop` is what is left out; by default what is no feature and no part of the split.
    """
    asked = {settings.get(part) for part in ("group", "time", "weight")}
    if "drop" not in settings:
        left_out = UNUSED.get(target, ())
        settings["drop"] = [n for n in left_out if n in table.columns and n not in asked]
    return TableRun.read(table, target, **{**QUICK[preset], **settings})


def trained(table: Table, target: str = "y", preset: str = "simple", **settings: Any) -> TableRun:
    """The run of `built`, trained to its end."""
    run = built(table, target, preset, **settings)
    for _ in run.train():
        pass
    return run


def finished(table: Table, target: str = "y", preset: str = "simple", **settings: Any) -> Outcome:
    """What came of the run of `trained`, without other models beside it."""
    return trained(table, target, preset, **settings).outcome(compared=False)
