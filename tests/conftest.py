"""What every test may ask for: the real tables, the texts' worked numbers, a seeded generator."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from support import processes

# Before anything imports matplotlib, here and in the processes that tests start.
os.environ["MPLBACKEND"] = "Agg"

SHARED = Path(__file__).parents[2] / "shared"

# Where a script starts the tests in the background, they and all they start would ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LONGEST = ("test_docs.py", "test_examples.py")

settings.register_profile("ci", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("ci")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests come first: no worker is left alone with one of them at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real tables, or a skip with the reason."""
    folder = Path(os.environ.get("CHAINRULE_DATA", SHARED / "data"))
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: set CHAINRULE_DATA to the folder of real tables")
    return folder


@pytest.fixture(scope="session")
def texts() -> dict[str, Any]:
    """The worked numbers of the five texts, by case name."""
    file = Path(__file__).with_name("texts.json")
    cases: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["cases"]
    return cases


@pytest.fixture
def rng() -> np.random.Generator:
    """A fresh generator with seed 0."""
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _floating_point_errors() -> Iterator[None]:
    """Overflow, 0/0 and x/0 raise, unless the code under test silences them on purpose.

    Underflow to zero is what a sigmoid far from zero is meant to do, so it passes.
    """
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        yield


@pytest.fixture(autouse=True)
def _processes_end() -> Iterator[None]:
    """What a test started ends with it, also where the test fails or is interrupted."""
    yield
    processes.end_all()


@pytest.fixture(autouse=True)
def _numpy_predicts() -> Iterator[None]:
    """A test that loads the compiled engine leaves the other tests their NumPy predictions."""
    from chainrule.core.network import Network

    Network.compiled_forward = None
    yield
    Network.compiled_forward = None
