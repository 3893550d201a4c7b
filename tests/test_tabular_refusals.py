"""What a run of a table does not take, each in one sentence that names it and the fix."""

from pathlib import Path
from typing import Any

import pytest
from support.table_runs import built, made_up, trained

from chainrule.core.nonfinite import Diverged
from chainrule.tables import Table, read_table
from chainrule.tabular.presets import PRESETS, get_preset
from chainrule.tabular.run import TableRun


@pytest.fixture(scope="module")
def titanic(data: Path) -> Table:
    table: Table = read_table(data / "titanic.csv")
    return table


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"target": "Survivd"}, 'no column "Survivd" for target.*did you mean "Survived"'),
    ({"preset": "best"}, "preset is 'best': use one of strong, ensemble, simple"),
    ({"optimizer": "adman"}, "optimizer is 'adman': use one of sgd"),
    ({"activation": "rule"}, "activation is 'rule': use a layer"),
    ({"epochs": 0}, "epochs is 0: it must be a whole number of at least 1"),
    ({"members": 0}, "members is 0: it must be a whole number of at least 1"),
    ({"patience": 0}, "patience is 0"),
    ({"batch_size": 0}, "batch_size is 0"),
    ({"lr": -1.0}, "lr is -1.0"),
    ({"lr": float("nan")}, "lr is nan"),
    ({"clip": 0.0}, "clip is 0.0"),
    ({"hidden": (0,)}, "n is 0"),
    ({"hidden": (2.5,)}, "n is 2.5"),
    ({"dropout": 1.0}, "Dropout rate is 1.0"),
    ({"engine": "fast"}, "engine is 'fast'"),
    ({"valid": 1.0}, "leave no row for training"),
    ({"valid": -0.1}, "leave no row for training"),
    ({"test": 1.0}, "leave no row for training"),
    ({"seed": -1}, "seed|rng|non-negative"),
    ({"threads": 0}, "threads is 0"),
    ({"task": "regresion"}, '"regresion" is no task'),
    ({"target": "Name"}, "different values"),
    ({"weight": "Name"}, 'weight column "Name" holds'),
    ({"group": "Ticket", "time": "Age"}, "by group or by time, not both"),
    ({"drop": ["Survived"]}, "is the target and cannot be drop"),
    ({"roles": {"Sex": "number"}}, 'column "Sex" of .* cannot be a number'),
    ({"metric": "rmse"}, "metric is 'rmse': use one of accuracy, log_loss, auc"),
    ({"metric": "r2", "target": "Fare"}, "metric is 'r2': use one of rmse, mae"),
    ({"interval": 0.9}, 'interval is 0.9, but "Survived" is taken for 2 classes: set the task'),
    ({"interval": 1.5, "target": "Fare"}, "interval is 1.5: give a share such as 0.9"),
    ({"interval": 0.0, "target": "Fare"}, "interval is 0.0: give a share such as 0.9"),
    ({"class_weight": "balanced", "target": "Fare"}, "class_weight is for classes, but the tar"),
    ({"class_weight": {0: 0.0, 1: 0.0}}, "weight sums to 0"),
    ({"class_weight": "even"}, "class_weight"),
    ({"hidden": (10**6, 10**6)}, "of memory in training"),
    ({"wide": 1}, "has no setting 'wide': it has activation, batch_size"),
]


@pytest.mark.parametrize("preset", ["simple", "strong"])
@pytest.mark.parametrize(("settings", "message"), WRONG, ids=str)
def test_wrong_settings_get_one_sentence(
    titanic: Table, settings: dict[str, Any], message: str, preset: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        TableRun.read(titanic, **{"target": "Survived", "preset": preset, **settings})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_setting_of_a_preset_is_known_by_its_name(preset: str) -> None:
    with pytest.raises(ValueError, match=rf'preset "{preset}" has no setting \'name\''):
        TableRun.read(made_up(), "y", preset, name="mine")
    assert get_preset(preset, epochs=7).epochs == 7
    assert get_preset(preset).name == preset


def test_held_out_rows_that_weigh_nothing() -> None:
    """Rows of weight 0 are gone before the split, but a class may still weigh nothing."""
    with pytest.raises(ValueError, match=r"in the held-out rows, weight sums to 0"):
        built(last_days_are_red(), time="when", class_weight={"red": 0.0, "blue": 1.0})


def last_days_are_red() -> Table:
    table = made_up()
    later = table.columns["when"] > table.columns["when"][110]
    colours = table.columns["colour"].copy()
    colours[later], colours[~later] = "red", "blue"
    return Table({**table.columns, "y": colours}, "t.csv").without(["colour"])


def test_a_network_without_a_finite_epoch_diverges() -> None:
    with pytest.raises(Diverged, match="lower the learning rate"):
        trained(made_up(), "z", "strong", lr=1e30)
