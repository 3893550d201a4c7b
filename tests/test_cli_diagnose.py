"""`chainrule diagnose`: a run that goes wrong on purpose is named, on the screen and in JSON."""

from pathlib import Path

import pytest
from support.cli_tables import call, document, ok, write_flowers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("diagnose")
    write_flowers(place / "flowers.csv", n=120)
    return place


WILD = ["diagnose", "flowers.csv", "--target", "kind", "--preset", "simple", "--hidden", "8",
        "--epochs", "60", "--optimizer", "sgd", "--lr", "0.00001", "--dropout", "0",
        "--time-limit", "60"]  # fmt: skip


def test_a_rate_that_is_too_low(folder: Path) -> None:
    told = document(*WILD, cwd=folder)
    assert "learning_rate_too_low" in [finding["cause"] for finding in told["findings"]]
    found = next(f for f in told["findings"] if f["cause"] == "learning_rate_too_low")
    assert found["gain"]["after"] < found["gain"]["before"]
    assert "guessing gives" in told["summary"][0]
    page = ok(*WILD, cwd=folder)
    assert "learning_rate_too_low" in page
    assert "  fix: " in page
    assert "  gain: " in page


def test_mistakes(folder: Path) -> None:
    for more, words in ((["--lr", "-1"], "lr is -1"), (["--time-limit", "0"], "--time-limit")):
        result = call(*WILD[:4], *more, cwd=folder)
        assert result.exit_code == 2
        assert words in result.stderr
