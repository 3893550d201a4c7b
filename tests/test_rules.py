"""Every rule of rules.py holds for our sources, and is shown able to fail."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import tables
from support.rules import (
    Sources,
    banned_imports,
    circles,
    core_over_budget,
    long_files,
    long_functions,
    loose_modules,
    mentioned,
    named_like_functions,
    read_sources,
    undocumented,
    unfinished,
    unsafe,
)

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
HEAVY = {"duckdb", "narwhals", "matplotlib", "scipy", "rich", "click", "sklearn", "numba"}
Rule = Callable[[Sources], set[str]]

PLANTED: list[tuple[Rule, Sources, str]] = [
    (banned_imports, {"chainrule.core.layers": "import scipy"}, "numpy and the standard"),
    (banned_imports, {"chainrule.core.layers": "from .losses import Loss"}, "a layer knows"),
    (banned_imports, {"chainrule.core.activations": "from . import optimizers"}, "a layer knows"),
    (banned_imports, {"chainrule.core.network": "from chainrule import training"}, "outside core"),
    (banned_imports, {"chainrule.core.__init__": "from ..tables import read"}, "outside core"),
    (banned_imports, {"chainrule.core.optimizers": "from .network import N"}, "an optimizer knows"),
    (banned_imports, {"chainrule.tables.read": "from ..core import metrics"}, "outside tables"),
    (banned_imports, {"chainrule.proof.verify": "import numpy as np"}, "proof recomputes"),
    (banned_imports, {"chainrule.formulas": "def f():\n import numpy"}, "proof recomputes"),
    (banned_imports, {"chainrule.proof.redo": "from ..core.x import y"}, "proof imports formulas"),
    (banned_imports, {"chainrule.trace.a": "from ..chain import b"}, "trace imports core"),
    (banned_imports, {"chainrule.chain.a": "from ..writing import b"}, "chain imports core"),
    (banned_imports, {"chainrule.gradcheck.a": "from ..trace import b"}, "gradcheck imports core"),
    (banned_imports, {"chainrule.models.a": "def f():\n import chainrule.compiled"}, "an engine"),
    (banned_imports, {"chainrule.training.a": "from ..compiled import b"}, "chooses an engine"),
    (banned_imports, {"chainrule.report": "from chainrule.cli.x import y"}, "may import cli"),
    (banned_imports, {"chainrule.estimators.a": "from .. import lab"}, "may import lab"),
    (banned_imports, {"chainrule.training.a": "from ..cluster import b"}, "may import cluster"),
    (banned_imports, {"chainrule.lessons.a": "from sklearn.datasets import x"}, "scikit-learn"),
    (circles, {"chainrule.a.b": "from .c import D", "chainrule.a.c": "from . import b"}, "b and"),
    (
        circles,
        {
            "chainrule.a.b": "if TYPE_CHECKING:\n from .c import D",
            "chainrule.a.c": "from .d import E",
            "chainrule.a.d": "def f():\n from .b import F",
        },
        "chainrule.a.b and chainrule.a.c and chainrule.a.d",
    ),
    (loose_modules, {"chainrule.files": "from .core import x"}, "files is no leaf"),
    (loose_modules, dict.fromkeys([f"chainrule.{name}" for name in "abcd"], ""), "4 modules"),
    (long_files, {"chainrule.a": "x = 1\n" * 401}, "401"),
    (long_functions, {"chainrule.a": "def f():\n" + "    x = 1\n" * 40}, "a.f: 41"),
    (
        core_over_budget,
        {"chainrule.core.a": "x = 1\n" * 1250, "chainrule.core.b": "y\n" * 1250},
        "2500",
    ),
    (undocumented, {"chainrule.a": ""}, "chainrule.a"),
    (undocumented, {"chainrule.a": "'A.'\ndef f(): ..."}, "a.f"),
    (undocumented, {"chainrule.a": "'A.'\nclass C: ..."}, "a.C"),
    (undocumented, {"chainrule.a": "'A.'\nclass C:\n 'C.'\n def f(self): ..."}, "a.C.f"),
    (unfinished, {"chainrule.a": "x = 1  # TO" + "DO: two"}, "TO" + "DO"),
    (unfinished, {"chainrule.a": "raise NotImplemented" + "Error"}, "NotImplemented"),
    (unsafe, {"chainrule.core.layers": "np.random.seed(1)"}, "np.random.seed"),
    (unsafe, {"chainrule.core.layers": "np.random.RandomState(1)"}, "RandomState"),
    (unsafe, {"chainrule.core.layers": "from numpy.random import rand"}, "numpy.random.rand"),
    (unsafe, {"chainrule.models": "def f():\n    import pickle"}, "pickle"),
    (unsafe, {"chainrule.models": "np.load(file, allow_pickle=True)"}, "allow_pickle"),
    (unsafe, {"chainrule.proof.verify": "exec('1 + 1')"}, "exec"),
]

ALLOWED: list[tuple[Rule, Sources]] = [
    (banned_imports, {"chainrule.core.layers": "import math\nimport numpy as np\nfrom . import x"}),
    (banned_imports, {"chainrule.cli.demo": "def f():\n    from sklearn import datasets"}),
    (banned_imports, {"chainrule.training.engines": "def f():\n    from ..compiled import epochs"}),
    (banned_imports, {"chainrule.__main__": "from chainrule.cli import main"}),
    (banned_imports, {"chainrule.estimators.mlp": "from sklearn.base import BaseEstimator"}),
    (banned_imports, {"chainrule.chain.session": "def f():\n    from ..lab import show"}),
    (circles, {"chainrule.a.b": "from .c import D", "chainrule.a.c": "from .d import b"}),
    (loose_modules, {"chainrule.files": "import os", "chainrule.__init__": "from . import core"}),
    (long_files, {"chainrule.short": "x = 1\n" * 400}),
    (
        long_functions,
        {"chainrule.short": "def f():\n    '''A\n\n    B.'''\n\n" + "    x = 1\n" * 39},
    ),
    (core_over_budget, {"chainrule.core.a": "x = 1\n" * 2499, "chainrule.tables": "x = 1\n" * 9}),
    (
        undocumented,
        {
            "chainrule.a": "'''Doc.'''\nclass A:\n '''Doc.'''\n def f(self):\n  '''Doc.'''",
            "chainrule.b": "'''Doc.'''\nclass B(a.A):\n '''Doc.'''\n def f(self): ...",
            "chainrule._private": "def f(): ...",
        },
    ),
    (unsafe, {"chainrule.lessons.deep": "np.random.RandomState(1)\nnp.random.default_rng(1)"}),
]


def label(case: object) -> str:
    return getattr(case, "__name__", "")


@pytest.mark.parametrize("check", dict.fromkeys(rule for rule, _, _ in PLANTED), ids=label)
def test_source_keeps_the_rule(check: Rule) -> None:
    assert check(read_sources(SRC)) == set()


def test_no_test_file_is_too_long() -> None:
    assert long_files(read_sources(ROOT / "tests")) == set()


@pytest.mark.parametrize(("check", "planted", "named"), PLANTED, ids=label)
def test_planted_violation_is_named(check: Rule, planted: Sources, named: str) -> None:
    found = check(planted)
    assert len(found) >= 1
    assert all(named in violation for violation in found)


@pytest.mark.parametrize(("check", "planted"), ALLOWED, ids=label)
def test_what_is_allowed_passes(check: Rule, planted: Sources) -> None:
    assert check(planted) == set()


def run_python(code: str) -> str:
    """What a fresh interpreter prints when it runs `code`; our sources are importable in it."""
    path = os.pathsep.join(filter(None, [str(SRC), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "100"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def heavy_modules(statement: str) -> set[str]:
    return HEAVY & set(run_python(f"import sys\n{statement}\nprint(*sys.modules)").split())


def test_import_loads_nothing_heavy() -> None:
    assert heavy_modules("import chainrule") == set()
    assert heavy_modules("import chainrule, click") == {"click"}


def read_docs() -> str:
    files = [file for file in [ROOT / "README.md"] if file.is_file()]
    texts = [f.read_text(encoding="utf-8") for f in [*files, *sorted(ROOT.glob("docs/**/*.md"))]]
    if not texts:
        pytest.skip("there is neither a README.md nor a docs folder yet")
    return "\n".join(texts)


def unmentioned(names: list[str], docs: str) -> set[str]:
    return {name for name in names if not re.search(rf"\b{re.escape(name)}\b", docs)}


def test_public_names_resolve_and_are_mentioned_in_the_docs() -> None:
    chainrule = importlib.import_module("chainrule")
    assert [name for name in chainrule.__all__ if not hasattr(chainrule, name)] == []
    assert (
        unmentioned([n for n in chainrule.__all__ if not n.startswith("__")], read_docs()) == set()
    )


def test_no_package_takes_the_name_of_a_public_function() -> None:
    public = set(importlib.import_module("chainrule").__all__)
    assert named_like_functions(read_sources(SRC), public - {"metrics"}) == set()
    planted = {"chainrule.explain.a": "", "chainrule.tables.b": ""}
    assert named_like_functions(planted, public) == {"explain"}


def test_unmentioned_name_is_found() -> None:
    assert unmentioned(["Dense", "Den"], "`Dense(4)` is a layer") == {"Den"}


def documented_verbs(docs: str) -> set[str]:
    """The verbs in `chainrule verb`, in code spans and on the `$ ` lines of code blocks."""
    shell = "\n".join(re.findall(r"^\s*\$ (.*)", docs, re.MULTILINE))
    spans = re.findall(r"`chainrule ([a-z][a-z-]*)", docs)
    return {*spans, *re.findall(r"\bchainrule ([a-z][a-z-]*)", shell)}


def listed_verbs(usage: str) -> set[str]:
    """The verbs of click's help: the first words of the lines below `Commands:`."""
    return set(re.findall(r"^\W*([a-z][a-z-]*)  ", usage.partition("Commands")[2], re.MULTILINE))


def test_docs_list_the_verbs_of_the_command_line() -> None:
    if not (SRC / "chainrule" / "cli").is_dir():
        pytest.skip("there is no command line yet")
    call = "import sys\nfrom chainrule.cli import main\nsys.argv = ['chainrule', '--help']\nmain()"
    assert documented_verbs(read_docs()) == listed_verbs(run_python(call)) != set()


def test_verbs_are_read_from_docs_and_help() -> None:
    docs = "Use `chainrule train`.\nfrom chainrule import x\n  $ .venv/bin/chainrule info m"
    usage = "Options:\n  --help  Show\n\nCommands:\n  check-gradients  Name\n  info  Show"
    assert documented_verbs(docs) == {"train", "info"}
    assert listed_verbs(usage) == {"check-gradients", "info"}


LIMITS = {"activation": 3, "optimizer": 3, "loss": 4, "layer": 4}
# Rooms and files that choose a class, build with it, or ask whether a user chose it: they describe
# nothing of it. The kernels have a class Step of their own, `Session` another.
CHOICES = {
    "Dense": {"chain", "compiled", "core", "diagnosing", "estimators", "lessons", "models",
              "tabular", "writing"},
    "Sigmoid": {"core/epoch.py", "estimators/mlp_base.py", "lessons"},
    "HardSigmoid": {"core/epoch.py"},
    "Step": {"chain/session.py", "compiled/kernels.py", "compiled/step.py", "models/upgrade.py"},
    "Identity": {"estimators/mlp_base.py"}, "ReLU": {"diagnosing"}, "LeakyReLU": {"diagnosing"},
    "PReLU": {"chain/why.py", "diagnosing"},
    "ParametricActivation": {"compiled/program.py", "diagnosing", "models/cosine_order.py",
                             "tabular/presets.py"},
    "Scale": {"lessons/titanic.py", "models/cosine_order.py", "tabular/presets.py"},
    "Dropout": {"compiled", "core/network.py", "diagnosing", "estimators", "models", "tabular"},
    "Temperature": {"models", "report/diagram.py", "tabular/run.py"},
    "BatchNorm": {"compiled", "diagnosing/symptoms.py", "models/cosine_order.py"},
    "Average": {"core/network.py", "models"},
    "CosineEmbedding": {"chain/contributions.py", "models", "report/diagram.py", "tabular"},
    "CategoryEmbedding": {"report/diagram.py", "tabular/presets.py"},
    "SquaredError": {"cli/explain.py", "diagnosing", "lessons", "tabular", "writing/render.py"},
    "AbsoluteError": {"diagnosing/changes.py", "lessons/errors.py", "tabular/presets.py"},
    "Pinball": {"diagnosing/changes.py", "models", "tabular/presets.py"},
    "BinaryCrossEntropy": {"diagnosing", "estimators/mlp.py", "lessons", "tabular"},
    "SoftmaxCrossEntropy": {"chain/numbers.py", "diagnosing", "estimators/mlp.py", "tabular"},
    "SGD": {"chain/why.py", "cli/explain.py", "estimators", "lessons", "training/lbfgs.py"},
    "Momentum": {"estimators/stochastic.py"}, "Nesterov": {"estimators/stochastic.py"},
    "Adam": {"diagnosing"}, "AdamHat": {"estimators/stochastic.py"},
    "AdamW": {"tabular/presets.py"},
}  # fmt: skip


def built_in_classes() -> dict[str, str]:
    """The kind of each layer, activation, loss and optimizer, by the name of its class."""
    classes = {type(layer).__name__: "layer" for layer in tables.LAYERS.values()}
    classes |= {type(one).__name__: "activation" for one in tables.ACTIVATION_LAYERS.values()}
    classes |= {"ParametricActivation": "activation"}
    losses = (tables.LOSSES | tables.UNTRAINABLE).values()
    classes |= {type(case.loss).__name__: "loss" for case in losses}
    return classes | {type(one).__name__: "optimizer" for one in tables.OPTIMIZERS.values()}


@pytest.mark.parametrize(("name", "kind"), built_in_classes().items())
def test_few_files_mention_a_class(name: str, kind: str) -> None:
    files = {
        module.removeprefix("chainrule.").replace(".", "/") + ".py"
        for module, source in read_sources(SRC).items()
        if name in mentioned(source)
    }
    chosen = CHOICES.get(name, set())
    describing = {f for f in files if f not in chosen and f.partition("/")[0] not in chosen}
    assert len(describing) <= LIMITS[kind], describing
    assert all(any(f == c or f.startswith(f"{c}/") for f in files) for c in chosen)


def test_a_mention_is_found_as_a_name_a_string_and_an_import() -> None:
    assert "GELU" in mentioned("x = core.GELU()") & mentioned("NAMES = ['GELU']")
    assert "GELU" in mentioned("from .a import GELU") & mentioned("class GELU: ...")
    assert "GELU" not in mentioned("'GELU is one.'\n# GELU\nx = 'a GELU'")
