"""Every example runs as its first line says, and is short enough to read."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import completed

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_runs(example: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(example)]
    done = completed(command, cwd=tmp_path, env=os.environ | {"MPLBACKEND": "Agg"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "an example shows what it found"
    assert any(tmp_path.iterdir()), "an example leaves a file to look at"


def test_the_gallery_lists_every_example_and_no_other() -> None:
    page = (EXAMPLES[0].parents[1] / "docs/examples.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`python examples/(\w+\.py)`", page))
    assert listed == {example.name for example in EXAMPLES}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_fits_on_a_screen(example: Path) -> None:
    assert len(example.read_text(encoding="utf-8").splitlines()) <= 40


def test_the_readmes_pictures_are_those_of_the_example(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(EXAMPLES[0].parent / "ring.py"), str(tmp_path)], check=True)
    made = {path.name for path in tmp_path.iterdir()}
    pictures = (EXAMPLES[0].parents[1] / "docs/pictures").iterdir()
    assert made == {path.name for path in pictures if not path.name.startswith("engine")}
