"""scikit-learn's own checks and tests on MLPClassifier and MLPRegressor."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sklearn
import sklearn.neural_network
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

import chainrule as cr

CHECKED = [
    cr.MLPClassifier(max_iter=100), cr.MLPRegressor(max_iter=100),
    cr.MLPRegressor(solver="lbfgs"), cr.MLPRegressor(loss="huber", activation=["gelu"]),
    cr.MLPRegressor(solver="sgd", learning_rate="adaptive", max_iter=50, engine="readable"),
    cr.MLPClassifier(class_weight="balanced", clip=1.0, max_iter=100),
    cr.MLPClassifier(activation="silu", hidden_layer_sizes=(20, 10), max_iter=100),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(CHECKED)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


PRIVATE = {  # tests of scikit-learn's that call what only its own class has
    "test_fit": "sets coefs_, t_ and _coef_grads by hand and calls _fit_stochastic's parts",
    "test_gradient": "calls _loss_grad_lbfgs",
}
NEW = "chainrule.estimators.mlp"


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"), reason="the tests of 1.9"
)
def test_scikit_learns_own_tests_pass_on_ours(tmp_path: Path) -> None:
    own = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
    if not own.is_file():
        pytest.skip("this scikit-learn came without its tests")
    old = "from sklearn.neural_network import MLPClassifier, MLPRegressor"
    text = own.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "test_theirs.py").write_text(
        text.replace(old, old.replace("sklearn.neural_network", NEW)), encoding="utf-8"
    )
    (tmp_path / "conftest.py").write_text(
        "import pytest\n@pytest.fixture\ndef global_random_seed():\n    return 42\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
         "test_theirs.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    failed = {
        line.partition("::")[2].partition(" ")[0].partition("[")[0]
        for line in lines if line.startswith(("FAILED", "ERROR"))
    }  # fmt: skip
    assert failed == set(PRIVATE), done.stdout
    passed = re.search(r"(\d+) passed", lines[-1])
    assert passed is not None
    assert int(passed[1]) >= 50  # 57 of scikit-learn 1.9
