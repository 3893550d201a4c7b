"""Do the parts of a model belong together? Asked before a file is written and after one is read."""

from typing import Any

import numpy as np

from ..core.losses import Pinball
from ..tables import Preparation, Schema, Table
from .model import Model, gives_probabilities

NUMBER = (int, float)
FACTS: dict[str, tuple[type, ...]] = {
    "source": (str,), "rows": (dict,), "data_sha256": (str,), "seed": (int,), "epochs": (int,),
    "best_epoch": (int, type(None)), "best_epochs": (list,), "average": (list,),
    "estimator": (dict,), "optimizer": (str,), "lr": NUMBER,
    "batch_size": (int,), "preset": (str,), "metric": (str,),
    "temperature": (float, type(None)), "interval": (dict, type(None)),
    "engine": (str, type(None)), "seconds": NUMBER, "test": (dict,),
}  # fmt: skip


def check_agreement(model: Model) -> None:
    """Raise ValueError unless network, loss, preparation, schema and facts fit each other."""
    check_facts(model.facts)
    preparation = model.preparation
    if preparation is None and model.schema is not None:
        raise ValueError("there is a schema, but no preparation that turns its columns to numbers")
    if preparation is None:
        return
    n, n_in = len(preparation.feature_names), model.net.n_in
    if n != n_in:
        raise ValueError(f"the preparation makes {n} features, but the network takes {n_in}")
    _check_task(model, preparation)
    if model.schema is not None:
        _check_schema(model.schema, preparation)


def check_facts(facts: Any) -> None:
    """Raise ValueError unless the facts that the command line reads are of their kind."""
    if not isinstance(facts, dict):
        raise ValueError(f"facts is {facts!r}, not an object")
    for name, kinds in FACTS.items():
        if name in facts and type(facts[name]) not in kinds:
            raise ValueError(f'"{name}" of facts is {facts[name]!r}')
    if not all(type(v) in NUMBER for v in facts.get("average", [])):
        raise ValueError('"average" of facts holds what is no number')
    for name, value in facts.get("estimator", {}).items():
        if type(value) is not {"classes": list}.get(name, dict):
            raise ValueError(f'"estimator" of facts has {value!r} as its "{name}"')
    for name, count in facts.get("rows", {}).items():
        if type(count) is not int or count < 0:
            raise ValueError(f'"rows" of facts has {count!r} for "{name}"')
    interval = facts.get("interval")
    if interval is not None and not (
        interval.keys() == {"share", "coverage", "error", "width"}
        and all(type(v) in NUMBER for v in interval.values())
    ):
        raise ValueError(f'"interval" of facts is {interval!r}: no coverage of an interval')
    for name, scores in facts.get("test", {}).items():
        allowed = (*NUMBER, type(None))
        if not isinstance(scores, dict) or not all(type(v) in allowed for v in scores.values()):
            raise ValueError(f'"test" of facts has {scores!r} for "{name}": no scores')


def _check_task(model: Model, preparation: Preparation) -> None:
    n_out, loss = model.net.n_out, model.loss
    if preparation.classes is None:
        quantiles = np.atleast_1d(loss.quantile) if isinstance(loss, Pinball) else np.zeros(1)
        if n_out != len(quantiles):
            raise ValueError(
                f"a regression has one output, or one for each of {len(quantiles)} quantiles, but "
                f"the network has {n_out}"
            )
        if loss is not None and loss.classifies:
            raise ValueError(f"{type(loss).__name__} is for classes, but the task is a regression")
        return
    k = len(preparation.classes)
    if n_out != k and not (k == 2 and n_out == 1):
        raise ValueError(f"there are {k} classes, but the network has {n_out} outputs")
    if not gives_probabilities(loss, n_out):
        raise ValueError(
            f"{type(loss).__name__} gives no probabilities of {k} classes from {n_out} outputs: "
            "use BinaryCrossEntropy for one output, SoftmaxCrossEntropy for more"
        )


def _check_schema(schema: Schema, preparation: Preparation) -> None:
    pairs = {
        "target": (schema.target, preparation.target_name),
        "task": (schema.task, preparation.task),
        "classes": (schema.classes, preparation.classes),
        "feature columns": (
            [(column.name, column.reading) for column in schema.features()],
            [(plan.name, plan.reading) for plan in preparation.columns],
        ),
    }
    for what, (of_schema, of_preparation) in pairs.items():
        if of_schema != of_preparation:
            raise ValueError(f"schema and preparation disagree about the {what}")


def try_out(model: Model) -> None:
    """Predict one row of which nothing is known; raises ValueError where no number comes out."""
    row = np.zeros((1, model.net.n_in))
    with np.errstate(all="ignore"):
        if not np.isfinite(model.net.predict(row)).all():
            raise ValueError("the network gives no finite output for a row of zeros")
        if model.preparation is not None:
            empty = {p.name: np.array([None], object) for p in model.preparation.columns}
            model.predict(Table(empty, "an empty row"))
