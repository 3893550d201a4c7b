"""chainrule: neural networks whose every number can be read, explained, checked and replayed.

The public names are imported when they are first used, so that `import chainrule` costs little
more than `import numpy`.
"""

import sys
import warnings
from importlib import import_module
from types import ModuleType
from typing import Any

from .core import showing

_HOMES = {
    "core.network": ["Network"],
    "core.layers": ["Layer", "Dense", "Scale", "Dropout", "Temperature"],
    "core.normalisation_layers": ["BatchNorm", "LayerNorm"],
    "core.branch_layers": ["Residual", "Average"],
    "core.activation_layers": [
        "Identity", "Step", "Sigmoid", "Tanh", "ReLU", "LeakyReLU", "PReLU", "ELU", "SELU", "GELU",
        "SiLU", "Mish", "Softplus", "Softsign", "HardSigmoid", "HardTanh", "ParametricActivation",
    ],
    "core.embedding_layers": ["CosineEmbedding", "CategoryEmbedding"],
    "core.losses": [
        "Loss", "SquaredError", "AbsoluteError", "SumOfErrors", "Huber", "Pinball",
        "BinaryCrossEntropy", "SoftmaxCrossEntropy", "Poisson", "Hinge",
    ],
    "core.optimizers": [
        "Optimizer", "SGD", "Momentum", "Nesterov", "AdaGrad", "RMSProp", "Adam", "AdamHat",
        "AdamW",
    ],
    "core.schedules": [
        "Schedule", "Constant", "StepDecay", "Exponential", "Cosine", "FlatCosine", "CosLog",
        "WarmUp", "OneCycle", "Plateau",
    ],
    "core.penalty": ["Penalty"],
    "core.nonfinite": ["Diverged"],
    "core.contracts": ["check_layer", "check_loss"],
    "core": ["metrics"],
    "training.loop": ["train", "Record"],
    "training.rate_search": ["find_lr"],
    "training.lbfgs": ["minimize"],
    "training.engines": ["load_engine"],
    "trace.step": ["trace_step", "Trace", "replay"],
    "trace.notation": ["Notation"],
    "chain.explain": ["explain"],
    "chain.explanation": ["Explanation"],
    "chain.paper": ["Paper"],
    "chain.session": ["Session"],
    "chain.contributions": ["contributions", "Contributions"],
    "chain.why": ["why"],
    "proof.verify": ["verify", "Verification"],
    "proof.script": ["to_python"],
    "writing.labels": ["text_labels"],
    "gradcheck.check": ["check_gradients"],
    "gradcheck.report": ["GradientReport"],
    "diagnosing.configuration": ["Configuration"],
    "diagnosing.diagnose": ["diagnose", "Diagnosis"],
    "diagnosing.health": ["Health"],
    "tabular.data": ["TableData"],
    "tabular.presets": ["Simple", "Strong"],
    "tabular.run": ["TableRun"],
    "tabular.outcome": ["Outcome"],
    "models.model": ["Model"],
    "models.modelfile": ["save", "load"],
    "models.header": ["ModelFileError"],
    "tables": ["read_table"],
    "estimators.mlp": ["MLPClassifier", "MLPRegressor"],
    "estimators.tabular": ["TabularClassifier", "TabularRegressor"],
}  # fmt: skip

showing.WRITERS["Network", "html"] = "chainrule.report.diagram:to_html"
showing.WRITERS |= {
    ("Explanation", form): f"chainrule.writing.render:to_{form}"
    for form in ("text", "markdown", "latex", "html", "json")
}

_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("chainrule")
    if name not in _HOME:
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    if name == "metrics":
        value: Any = import_module("chainrule.core.metrics")
    else:
        value = getattr(import_module(f"chainrule.{_HOME[name]}"), name)
    globals()[name] = value
    return value


class _Moved(ModuleType):
    """A documented module's old name, for one version more."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in _HOME:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        advice = f"{self.__name__}.{name} is chainrule.{name} now: import it from there"
        warnings.warn(advice, DeprecationWarning, stacklevel=2)
        return getattr(sys.modules["chainrule"], name)


sys.modules["chainrule.storage"] = _Moved("chainrule.storage")


def __dir__() -> list[str]:
    return __all__
