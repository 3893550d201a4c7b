"""The tables of parameters in docs/scikit-learn.md name every one, with its default."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import chainrule as cr

PAGE = (Path(__file__).parents[1] / "docs/scikit-learn.md").read_text(encoding="utf-8")
DROP_IN, TABLES = PAGE.split("## Tables as they come")
ROW = re.compile(r"^\| (?P<names>`[^|]*?) \| (?P<defaults>[^|]*?) \|", re.M)
NOT_SET = {"none": "None"}


def told(part: str, kind: str) -> dict[str, str]:
    """Parameter -> default as written, of the rows that hold for this kind of estimator."""
    found: dict[str, str] = {}
    for row in ROW.finditer(part):
        names = re.findall(r"`(\w+)`", row["names"])
        other = {"classifier": "(regressor)", "regressor": "(classifier)"}[kind]
        if names and other not in row["names"]:
            defaults = re.split(r", (?![^(]*\))", row["defaults"])
            found |= dict(zip(names, defaults, strict=False))
    return found


@pytest.mark.parametrize(
    ("estimator", "part", "kind"),
    [
        (cr.MLPClassifier, DROP_IN, "classifier"),
        (cr.MLPRegressor, DROP_IN, "regressor"),
        (cr.TabularClassifier, TABLES, "classifier"),
        (cr.TabularRegressor, TABLES, "regressor"),
    ],
)
def test_every_parameter_is_in_the_table(estimator: Any, part: str, kind: str) -> None:
    wanted = inspect.signature(estimator).parameters
    rows = told(part, kind)
    missing = set(wanted) - set(rows)
    assert missing == set()
    for name, parameter in wanted.items():
        written = rows[name].strip("`")
        assert NOT_SET.get(written, written).replace('"', "'") == repr(parameter.default), name
