"""chainrule: neural networks whose every number can be read, explained, checked and replayed.

The public names are imported when they are first used, so that `import chainrule` costs little
more than `import numpy`.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "core.network": ["Network"],
    "core.layers": [
        "Layer", "Dense", "Scale", "Dropout", "Temperature", "BatchNorm", "LayerNorm",
    ],
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
    "engines": ["load_engine"],
    "explaining.trace": ["trace_step", "Trace", "replay"],
    "explaining.chain": ["explain"],
    "explaining.explanation": ["Explanation"],
    "explaining.mathematics": ["Notation"],
    "explaining.paper": ["Paper"],
    "explaining.labels": ["text_labels"],
    "explaining.verify": ["verify", "Verification"],
    "explaining.why": ["why"],
    "explaining.script": ["to_python"],
    "gradcheck.check": ["check_gradients"],
    "gradcheck.report": ["GradientReport"],
    "diagnosing.configuration": ["Configuration"],
    "diagnosing.diagnose": ["diagnose", "Diagnosis"],
    "explaining.health": ["Health"],
    "explaining.contributions": ["contributions", "Contributions"],
    "training": ["train", "Record", "find_lr"],
    "session": ["Session"],
    "lbfgs": ["minimize"],
    "tabular.data": ["TableData"],
    "tabular.presets": ["Simple", "Strong"],
    "tabular.run": ["TableRun"],
    "tabular.outcome": ["Outcome"],
    "model": ["Model"],
    "storage": ["save", "load"],
    "tables": ["read_table"],
    "estimators.mlp": ["MLPClassifier", "MLPRegressor"],
    "estimators.tabular": ["TabularClassifier", "TabularRegressor"],
}  # fmt: skip

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


def __dir__() -> list[str]:
    return __all__
