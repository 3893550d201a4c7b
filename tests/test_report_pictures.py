"""Pictures show the numbers they are given, in words that fit, and hold hostile names."""

import math
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from support.figures import HOSTILE, drawn, texts, title

from chainrule import (
    Network,
    Sigmoid,
)
from chainrule.core import metrics
from chainrule.report import pictures, style
from chainrule.writing.words import clean, count, number, percent, plural, score, shorten


@dataclass(frozen=True)
class Epoch:
    epoch: int
    loss: float
    valid_loss: float | None = None


def line(figure: Figure, label: str, axes: int = 0) -> Any:
    found = [drawn for drawn in figure.axes[axes].get_lines() if drawn.get_label() == label]
    assert len(found) == 1, label
    return found[0]


def falling(n: int) -> list[Epoch]:
    return [Epoch(e, 1.0 / (e + 1), 0.2 + (e - 7) ** 2 / 100) for e in range(n)]


def side(X: NDArray[Any]) -> NDArray[Any]:
    return 1 / (1 + np.exp(-(X[:, 1] - X[:, 0])))


def test_loss_curves_draw_both_losses_and_mark_the_best_epoch() -> None:
    records = falling(20)
    figure = pictures.loss_curves(records)
    for label, values in [
        ("training loss", [r.loss for r in records]),
        ("validation loss", [r.valid_loss for r in records]),
    ]:
        np.testing.assert_array_equal(line(figure, label).get_xdata(), np.arange(1, 21))
        np.testing.assert_array_equal(line(figure, label).get_ydata(), values)
    assert line(figure, "lowest").get_xydata().tolist() == [[8.0, 0.2]]
    assert title(figure) == "Validation loss is lowest at epoch 8: 0.200"
    assert figure.axes[0].get_yscale() == "linear"
    assert figure.get_label().startswith(title(figure))


def test_loss_curves_without_validation_mark_the_lowest_training_loss() -> None:
    figure = pictures.loss_curves([Epoch(0, 2.0), Epoch(1, 0.5), Epoch(2, 0.7)])
    assert title(figure) == "Training loss is lowest at epoch 2: 0.500"
    assert [drawn.get_label() for drawn in figure.axes[0].get_lines()].count("validation loss") == 0


def test_loss_curves_turn_logarithmic_when_the_range_asks_for_it() -> None:
    for last, scale in [(0.05, "linear"), (0.01, "log"), (0.0, "linear")]:
        figure = pictures.loss_curves([Epoch(0, 1.0), Epoch(1, last)])
        assert figure.axes[0].get_yscale() == scale
        assert drawn(figure)


@pytest.mark.parametrize(
    ("records", "headline"),
    [
        ([Epoch(0, 0.5, 0.7)], "After one epoch the validation loss is 0.700"),
        ([Epoch(e, 0.6931, 0.6931) for e in range(5)], "The validation loss stays at 0.693"),
        ([Epoch(e, 0.0) for e in range(5)], "The training loss stays at 0"),
    ],
)
def test_loss_curves_of_hard_cases(records: list[Epoch], headline: str) -> None:
    figure = pictures.loss_curves(records)
    assert title(figure) == headline
    assert drawn(figure)


def test_end_labels_never_touch() -> None:
    figure = pictures.loss_curves([Epoch(e, 0.5, 0.5) for e in range(5)])
    low, high = sorted(float(text.get_position()[1]) for text in figure.axes[0].texts)
    assert high - low > 0.06


def test_decision_boundary_shows_points_line_and_surface(rng: np.random.Generator) -> None:
    X = rng.normal(size=(60, 2))
    y = (X[:, 1] > X[:, 0]).astype(int)
    figure = pictures.decision_boundary(
        side, X, y, classes=["below", "above"], line=lambda x: 1.5 * x
    )
    axes = figure.axes[0]
    for kind, label in enumerate(["below", "above"]):
        points = next(c for c in axes.collections if c.get_label() == label)
        np.testing.assert_array_equal(points.get_offsets(), X[y == kind])
    boundary = next(c for c in axes.collections if type(c).__name__ == "QuadContourSet")
    learned = np.concatenate([path.vertices for path in boundary.get_paths()])
    np.testing.assert_allclose(learned[:, 0], learned[:, 1], atol=1e-4)
    true = next(d for d in axes.get_lines() if len(np.asarray(d.get_xdata())) == 200)
    np.testing.assert_allclose(true.get_ydata(), 1.5 * np.asarray(true.get_xdata()))
    image = np.asarray(axes.images[0].get_array())
    assert image[0, -1, 0] > image[0, -1, 2]  # orange where class 0 is sure
    assert image[-1, 0, 2] > image[-1, 0, 0]  # blue where class 1 is
    assert title(figure) == "100 % of 60 points lie on the side of their class"


def test_decision_boundary_of_three_classes_and_of_none_in_view(rng: np.random.Generator) -> None:
    X = rng.normal(size=(40, 2))
    logits = lambda X: np.c_[X[:, 0], X[:, 1], -X.sum(axis=1)]  # noqa: E731
    P = lambda X: np.exp(logits(X)) / np.exp(logits(X)).sum(axis=1, keepdims=True)  # noqa: E731
    figure = pictures.decision_boundary(P, X, P(X).argmax(axis=1), classes=[HOSTILE, "b", ""])
    assert title(figure) == "100 % of 40 points lie in the region of their class"
    assert drawn(figure)
    sure = pictures.decision_boundary(lambda X: np.full(len(X), 0.9), X, np.ones(40))
    assert "learned" not in [line.get_label() for line in sure.axes[0].get_lines()]


def test_fitted_line_draws_the_data_and_the_prediction(rng: np.random.Generator) -> None:
    x = rng.uniform(-2, 2, 30)
    figure = pictures.fitted_line(lambda X: X**2, x, x**2 + 0.1)
    np.testing.assert_array_equal(line(figure, "data").get_xydata(), np.c_[x, x**2 + 0.1])
    fitted = line(figure, "fitted").get_xydata()
    np.testing.assert_allclose(fitted[:, 1], fitted[:, 0] ** 2)
    assert f"R² {number(metrics.r2(x**2 + 0.1, x**2), 3)}" in title(figure)


def test_confusion_colours_a_cell_by_its_share_of_the_row() -> None:
    figure = pictures.confusion([[90, 10], [1, 3]], ["no", "yes"])
    alpha = np.asarray(figure.axes[0].collections[0].get_array())[..., 3]
    np.testing.assert_allclose(alpha, 0.03 + 0.97 * np.array([[0.9, 0.1], [0.25, 0.75]]), atol=1e-6)
    assert texts(figure).split("\n") == ["90", "90 %", "10", "10 %", "1", "25 %", "3", "75 %"]
    assert title(figure) == "93 of 104 rows are right (89.42 %); no was called yes in 10 rows"


@pytest.mark.parametrize("k", [1, 2, 26, 60])
def test_confusion_of_any_number_of_classes(k: int, rng: np.random.Generator) -> None:
    matrix = rng.integers(0, 4, (k, k)) + 50 * np.eye(k, dtype=int)
    matrix[0] = 0
    figure = pictures.confusion(matrix, [f"{HOSTILE} {i}" for i in range(k)])
    numbers = np.count_nonzero(matrix) if k > 8 else k * k
    assert len(figure.axes[0].texts) == (0 if k > 40 else numbers)
    assert drawn(figure)


@pytest.mark.parametrize("n", [1, 50, 100_000])
def test_residuals_draw_every_row_or_their_density(n: int, rng: np.random.Generator) -> None:
    y = rng.normal(20, 5, n)
    figure = pictures.residuals(y, y + 2.0, "mpg")
    assert title(figure) == "Half of the predictions are within 2 mpg of the truth"
    if n <= style.DENSE:
        np.testing.assert_allclose(figure.axes[0].get_lines()[0].get_xydata(), np.c_[y, y + 2])
        assert sum(bar.get_height() for bar in figure.axes[1].patches) == n
    assert len(drawn(figure)) < 300_000


def test_residuals_of_a_perfect_constant() -> None:
    assert drawn(pictures.residuals([3.0, 3.0], [3.0, 3.0]))


def test_calibration_compares_what_was_said_with_what_happened() -> None:
    p = np.repeat([0.15, 0.85], 20)
    y = np.r_[np.ones(5), np.zeros(15), np.ones(17), np.zeros(3)]
    figure = pictures.calibration(y, p, positive="survived")
    joined = line(figure, "observed").get_xydata()
    np.testing.assert_allclose(joined[[1, 8]], [[0.15, 0.25], [0.85, 0.85]], atol=1e-12)
    assert np.isnan(np.delete(joined[:, 1], [1, 8])).all()
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    assert heights == [0, 20, 0, 0, 0, 0, 0, 0, 20, 0]
    assert title(figure) == "Predicted probabilities are off by 5.0 points on average"


def test_calibration_leaves_bins_of_few_rows_hollow_and_apart() -> None:
    p = np.repeat([0.05, 0.15, 0.25, 0.35], [10, 10, 9, 10])
    figure = pictures.calibration(np.arange(39) % 2, p)
    enough, few = line(figure, "observed"), line(figure, "of few rows")
    assert np.flatnonzero(np.isfinite(np.asarray(enough.get_ydata()))).tolist() == [0, 1, 3]
    assert (few.get_linestyle(), few.get_markerfacecolor()) == ("None", style.PAGE)
    np.testing.assert_allclose(few.get_xydata(), [[0.25, 4 / 9]])
    assert "hollow: fewer than 10 rows" in figure.axes[0].get_title(loc="left")
    plenty = pictures.calibration(np.arange(20) % 2, np.full(20, 0.5))
    assert "hollow" not in plenty.axes[0].get_title(loc="left")


def test_calibration_of_one_class_says_so() -> None:
    figure = pictures.calibration(np.ones(7), [0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0])
    assert title(figure) == "All 7 rows are of one class: calibration says little here"
    assert drawn(figure)


def test_roc_has_the_area_of_the_metric(rng: np.random.Generator) -> None:
    y = rng.integers(0, 2, 200)
    p = np.round(np.clip(0.3 * y + 0.7 * rng.random(200), 0, 1), 1)  # many ties
    curve = line(pictures.roc(y, p), "model").get_xydata()
    assert np.trapezoid(curve[:, 1], curve[:, 0]) == pytest.approx(metrics.auc(y, p), rel=1e-12)
    assert curve[0].tolist() == [0, 0]
    assert curve[-1].tolist() == [1, 1]


def test_scores_set_the_model_beside_the_baselines() -> None:
    table = {
        "network": {"accuracy": 0.83, "log_loss": 0.42},
        "linear": {"accuracy": 0.80, "log_loss": None},
        "always 0": {"accuracy": 0.62, "log_loss": math.nan},
    }
    figure = pictures.scores(table)
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.83, 0.80, 0.62]
    assert [bar.get_width() for bar in figure.axes[1].patches] == [0.42, 0.0, 0.0]
    assert title(figure) == "Network: accuracy 83.00 %, ahead of linear at 80.00 %"
    assert "80.00 %" in texts(figure).split("\n")
    assert title(pictures.scores(table, title="As good as linear")) == "As good as linear"
    assert "lower is better" in figure.axes[1].get_title(loc="left")


@pytest.mark.parametrize(
    ("table", "headline"),
    [
        ({"net": {"rmse": 3.0}, "mean": {"rmse": 2.0}}, "Mean: RMSE 2, ahead of net at 3"),
        (
            {"net": {"r2": -0.5}, "mean": {"r2": -0.5}},
            "Net: R² -0.5000, level with mean at -0.5000",
        ),
        ({"net": {"mse": 0.25}}, "Net: MSE 0.2500"),
        (
            {HOSTILE: {HOSTILE: 1.0}, "b": {}},
            f"{shorten(HOSTILE, 28)}: {clean(HOSTILE).replace('_', ' ')} 1",
        ),
    ],
)
def test_scores_say_who_is_ahead(table: dict[str, dict[str, float]], headline: str) -> None:
    figure = pictures.scores(table)
    assert title(figure) == headline
    assert drawn(figure)


BAD: list[tuple[Any, str]] = [
    (lambda: pictures.loss_curves([]), "records is empty"),
    (lambda: pictures.loss_curves([Epoch(0, math.nan)]), "no finite loss"),
    (lambda: pictures.decision_boundary(side, np.ones((3, 3)), [0, 1, 0]), r"shape \(3, 3\)"),
    (lambda: pictures.decision_boundary(side, np.eye(2), [0, 1, 1]), "X 2 and y 3"),
    (lambda: pictures.decision_boundary(side, np.eye(2), [0, 2]), "classes 0 to 1"),
    (lambda: pictures.decision_boundary(side, np.eye(2), [0, 1], classes="abc"), "names 3"),
    (lambda: pictures.decision_boundary(lambda X: X[:, 0] * 9, np.eye(2), [0, 1]), "loss.link"),
    (lambda: pictures.fitted_line(lambda X: X, [1.0, math.inf], [1, 2]), r"\[1\] is inf"),
    (lambda: pictures.residuals([], []), "one number for each row"),
    (lambda: pictures.residuals([1.0, 2.0], [1.0]), "y 2 and predicted 1"),
    (lambda: pictures.confusion([[1, 2]], ["a", "b"]), "k × k"),
    (lambda: pictures.confusion([[-1]], ["a"]), "negative"),
    (lambda: pictures.calibration([0, 2], [0.1, 0.2]), "0 or 1"),
    (lambda: pictures.calibration([0, 1], [0.1, 1.2]), "probabilities"),
    (lambda: pictures.roc([1, 1], [0.1, 0.2]), "both classes"),
    (lambda: pictures.network(Network(2, [Sigmoid()], rng=0)), "no Dense layer"),
    (lambda: pictures.network(Network.mlp([2, 1], rng=0), ["a"]), "feature_names has 1"),
    (lambda: pictures.network(Network.mlp([2, 3], rng=0), None, ["a"]), "class_names has 1"),
    (lambda: pictures.scores({"net": {"auc": None}}), "no number"),
]


@pytest.mark.parametrize(("call", "said"), BAD)
def test_what_cannot_be_drawn_is_said_in_a_sentence(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


def test_pictures_are_drawn_in_threads() -> None:
    done: list[bytes] = []

    def draw() -> None:
        done.append(drawn(pictures.confusion([[1, 2], [3, 4]], ["漢", "字"])))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(done)) == 1
    assert len(done) == 4


def loaded_by(*modules: str) -> list[str]:
    """The modules that a fresh interpreter has loaded after importing these."""
    code = f"import sys, {', '.join(modules)}\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.split()


def test_a_page_loads_no_matplotlib() -> None:
    loaded = loaded_by("chainrule.report.html", "chainrule.report.files")
    assert "chainrule.report.html" in loaded
    assert "matplotlib" not in loaded


def test_pictures_load_no_pyplot() -> None:
    loaded = loaded_by("chainrule.report.pictures")
    assert "matplotlib" in loaded
    assert "matplotlib.pyplot" not in loaded


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (number(0.83146), "0.8315"),
        (number(12345.67), "12346"),
        (number(0.0), "0"),
        (number(3.0), "3"),
        (number(0.99999), "1.000"),
        (number(-9999.7), "-10000"),
        (number(1.5e-9, 3), "1.50e-09"),
        (number(2.5e12, 2), "2.5e+12"),
        (number(math.nan), "–"),
        (number(-math.inf), "-inf"),
        (count(1234567), "1,234,567"),
        (count(np.int64(12)), "12"),
        (count(1234.5), "1234"),
        (plural(1, "row"), "1 row"),
        (plural(4097, "parameter"), "4,097 parameters"),
        (score("accuracy", 0.95575), "95.58 %"),
        (score("auc", 1.0), "1"),
        (score("mae", math.nan), "–"),
        (score("accuracy", None), "–"),
        (percent(0.9999), "99.9 %"),
        (percent(0.0001), "0.1 %"),
        (percent(1.0), "100 %"),
        (clean("a\x00b\n\u202ec\ud800"), "a b c?"),
        (shorten("island=Torgersen North", 12), "island=T…rth"),
    ],
)
def test_words_and_numbers(said: str, meant: str) -> None:
    assert said == meant
