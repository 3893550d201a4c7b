"""Do the parts of a model fit each other? Checked before a file is written and after reading."""

from typing import Any

import numpy as np

from ..core.losses import Pinball
from ..tables import Preparation, Schema, Table
from ..tables.stored import require
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
    if preparation is None:
        fault = "there is a schema, but no preparation that turns its columns to numbers"
        require(model.schema is None, fault)
        return
    n, n_in = len(preparation.feature_names), model.net.n_in
    require(n == n_in, f"the preparation makes {n} features, but the network takes {n_in}")
    _check_task(model, preparation)
    if model.schema is not None:
        _check_schema(model.schema, preparation)


def check_facts(facts: Any) -> None:
    """Raise ValueError unless the facts that the command line reads are of their kind."""
    require(isinstance(facts, dict), f"facts is {facts!r}, not an object")
    for name, kinds in FACTS.items():
        fits = name not in facts or type(facts[name]) in kinds
        require(fits, f'"{name}" of facts is {facts.get(name)!r}')
    numeric = all(type(v) in NUMBER for v in facts.get("average", []))
    require(numeric, '"average" of facts holds what is no number')
    for name, value in facts.get("estimator", {}).items():
        fits = type(value) is {"classes": list}.get(name, dict)
        require(fits, f'"estimator" of facts has {value!r} as its "{name}"')
    for name, count in facts.get("rows", {}).items():
        fits = type(count) is int and count >= 0
        require(fits, f'"rows" of facts has {count!r} for "{name}"')
    if (interval := facts.get("interval")) is not None:
        fits = interval.keys() == {"share", "coverage", "error", "width"}
        fits = fits and all(type(v) in NUMBER for v in interval.values())
        require(fits, f'"interval" of facts is {interval!r}: no coverage of an interval')
    for name, scores in facts.get("test", {}).items():
        allowed = (*NUMBER, type(None))
        fits = isinstance(scores, dict) and all(type(v) in allowed for v in scores.values())
        require(fits, f'"test" of facts has {scores!r} for "{name}": no scores')


def _check_task(model: Model, preparation: Preparation) -> None:
    n_out, loss = model.net.n_out, model.loss
    if preparation.classes is None:
        quantiles = np.atleast_1d(loss.quantile) if isinstance(loss, Pinball) else np.zeros(1)
        wanted = f"one output, or one for each of {len(quantiles)} quantiles"
        fault = f"a regression has {wanted}, but the network has {n_out}"
        require(n_out == len(quantiles), fault)
        fault = f"{type(loss).__name__} is for classes, but the task is a regression"
        require(loss is None or not loss.classifies, fault)
        return
    k = len(preparation.classes)
    fits = n_out == k or (k == 2 and n_out == 1)
    require(fits, f"there are {k} classes, but the network has {n_out} outputs")
    fault = f"{type(loss).__name__} gives no probabilities of {k} classes from {n_out} outputs"
    fix = "use BinaryCrossEntropy for one output, SoftmaxCrossEntropy for more"
    require(gives_probabilities(loss, n_out), f"{fault}: {fix}")


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
        require(of_schema == of_preparation, f"schema and preparation disagree about the {what}")


def try_out(model: Model) -> None:
    """Predict a row whose cells are all missing; raises ValueError unless numbers come out."""
    row = np.zeros((1, model.net.n_in))
    with np.errstate(all="ignore"):
        if not np.isfinite(model.net.predict(row)).all():
            raise ValueError("the network gives no finite output for a row of zeros")
        if model.preparation is not None:
            empty = {p.name: np.array([None], object) for p in model.preparation.columns}
            model.predict(Table(empty, "an empty row"))
