"""Every lesson runs, every claim holds, and a claim fails when the engine's numbers are wrong."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from support.lesson_pages import shown

from chainrule import SGD, Dense, Sigmoid, SquaredError
from chainrule.lessons import (
    LESSONS,
    Claim,
    Part,
    Picture,
    Progress,
    Say,
    Table,
    get_lesson,
    to_json,
    to_markdown,
)
from chainrule.lessons.__main__ import page
from chainrule.lessons.parts import as_tuple, claim, in_sections, numbers, section, sketch
from chainrule.lessons.terminal import render_terminal, render_title

DOCS = Path(__file__).parents[1] / "docs" / "lessons.md"
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.]*\d)")
BARS = re.compile("[▁▂▃▄▅▆▇█]+")


@cache
def parts(name: str) -> list[Part]:
    """The lesson's parts, run once; titanic without its file."""
    return list(LESSONS[name].run())


def claims(found: list[Part]) -> list[Claim]:
    return [part for part in found if isinstance(part, Claim)]


def failures(found: list[Part]) -> list[str]:
    return [part.sentence for part in claims(found) if not part.holds]


@pytest.mark.parametrize("name", LESSONS)
def test_every_claim_holds(name: str) -> None:
    found = parts(name)
    assert failures(found) == []
    assert any(isinstance(part, Say) for part in found)
    assert len(claims(found)) >= 8 or LESSONS[name].needs_file


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_is_whole(name: str) -> None:
    lesson, found = LESSONS[name], parts(name)
    assert lesson.name == name
    assert all(part.text.count("`") % 2 == 0 for part in found if isinstance(part, Say))
    tables = [part for part in found if isinstance(part, Table)]
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)
    if not lesson.needs_file:
        assert tables
        assert any(isinstance(part, Picture) for part in found)


def long_numbers(case: Any) -> list[float]:
    """The worked numbers of a case: its floats of many digits, at any depth, but for `printed`."""
    if isinstance(case, dict):
        return [n for key, v in case.items() if key != "printed" for n in long_numbers(v)]
    if isinstance(case, list):
        return [n for value in case for n in long_numbers(value)]
    return [case] if isinstance(case, float) and len(repr(case)) > 9 else []


def test_every_worked_number_of_the_texts_is_claimed(texts: dict[str, Any]) -> None:
    found = [c for name in LESSONS for c in claims(parts(name))]
    expected = np.array([float(value) for c in found for value in as_tuple(c.expected)])
    wanted = {(name, n) for name, case in texts.items() for n in long_numbers(case)}
    missing = {(name, n) for name, n in wanted if np.abs(expected - n).min() > 1e-12}
    assert len(wanted) > 60
    assert missing == set()


def test_titanic_on_the_real_file(data: Path) -> None:
    found = list(LESSONS["titanic"].run(data / "titanic.csv"))
    assert failures(found) == []
    assert len(claims(found)) == 7
    assert "891 passengers, 177 gaps" in to_markdown(found)


def test_titanic_without_a_file_says_where_to_get_it() -> None:
    told = to_markdown(parts("titanic"))
    assert "Titanic: Machine Learning from Disaster" in told
    assert "datasciencedojo/datasets" in told


ROW = "1,3,male,22,1,0,7.25"
HEAD = "Survived,Pclass,Sex,Age,SibSp,Parch,Fare"
BAD_FILES = {
    "no column Survived": f"{HEAD.replace('Survived', 'Lived')}\n" + f"{ROW}\n" * 30,
    "the Sex 'tall'": f"{HEAD}\n" + f"{ROW}\n" * 30 + ROW.replace("male", "tall"),
    "text in the column Age": f"{HEAD}\n" + f"{ROW.replace('22', 'old')}\n" * 30,
    "1 values of Survived": f"{HEAD}\n" + f"{ROW}\n" * 30,
    "2 rows": f"{HEAD}\n{ROW}\n0{ROW[1:]}\n",
}


@pytest.mark.parametrize("complaint", BAD_FILES)
def test_titanic_refuses_another_table(complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text(BAD_FILES[complaint], encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(complaint)):
        list(LESSONS["titanic"].run(file))


def test_titanic_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.csv does not exist"):
        list(LESSONS["titanic"].run(tmp_path / "gone.csv"))


def test_unknown_lesson_is_refused() -> None:
    with pytest.raises(ValueError, match="no lesson 'bob': choose one of neuron-line, titanic"):
        get_lesson("bob")


def test_file_is_refused_by_a_lesson_that_needs_none() -> None:
    with pytest.raises(ValueError, match="the lesson alice takes no file, but got x.csv"):
        get_lesson("alice").run("x.csv")


def wrong_sigmoid_slope(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Sigmoid, "slopes", lambda self, Z, A: A * (1.0 + 1e-6 - A))


def wrong_bias_gradient(patch: pytest.MonkeyPatch) -> None:
    right = Dense.backward

    def backward(self, p, cache, dY):  # type: ignore[no-untyped-def]
        dX, grads = right(self, p, cache, dY)
        return dX, {name: g * (2.0 if name == "b" else 1.0) for name, g in grads.items()}

    patch.setattr(Dense, "backward", backward)


def wrong_squared_error(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SquaredError, "slopes", lambda self, Z, Y: Z - Y)


def wrong_step(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SGD, "update", lambda self, grad, state, theta, lr, decay=0.0: lr * grad)


BREAKS: list[tuple[Callable[[pytest.MonkeyPatch], None], str, str]] = [
    (wrong_sigmoid_slope, "alice", "∂h1/∂w1"),
    (wrong_sigmoid_slope, "boolean", "δ of the output"),
    (wrong_sigmoid_slope, "neuron-line", "The slope of σ at 0"),
    (wrong_sigmoid_slope, "deep", "The gradient by the first unit's weights"),
    (wrong_sigmoid_slope, "two-layer", "The text's first d_weights2, -∂E/∂W2"),
    (wrong_bias_gradient, "alice", "∂L/∂b3"),
    (wrong_squared_error, "people", "The error after one epoch"),
    (wrong_squared_error, "errors", "Its slope is the mistake itself"),
    (wrong_step, "boolean", "w10, w11, w12"),
]


@pytest.mark.parametrize(
    ("sabotage", "name", "sentence"), BREAKS, ids=lambda case: getattr(case, "__name__", case)
)
def test_broken_engine_fails_a_claim(
    sabotage: Callable[[pytest.MonkeyPatch], None],
    name: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sabotage(monkeypatch)
    for part in LESSONS[name].run():
        if isinstance(part, Claim) and part.sentence == sentence:
            assert not part.holds
            return
    pytest.fail(f"{name} makes no claim {sentence!r}")


HOLDS = [
    (1.0, 1.0 + 1e-13, True),
    (1.0, 1.0 + 1e-11, False),
    (1.0, float("nan"), False),
    ([1.0, 2.0], [1.0, 2.0], True),
    ([1.0, 2.0], [1.0, 2.1], False),
    ([1.0, 2.0], [1.0], False),
    (True, np.bool_(True), True),
    (True, False, False),
]


@pytest.mark.parametrize(("expected", "actual", "holds"), HOLDS)
def test_claim_compares_number_by_number(expected: object, actual: object, holds: bool) -> None:
    assert claim("x", expected, actual).holds is holds  # type: ignore[arg-type]


EXAMPLE: list[Part] = [
    Say("A formula `a[b]` and [bold]no markup[/bold].", "Heading"),
    numbers("Numbers", ("w", "1/4", "0.25", 0.25), ("v", "-x", None, -7.0)),
    Progress(1, 2, "training"),
    claim("A right claim", 0.5, 0.5),
    Picture("none", "A picture", lambda: pytest.fail("drawn unasked"), sketch([3, 2, 1])),
]
WRONG = claim("A wrong claim", 0.5, 0.6)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("terminal", [True, False])
def test_terminal_shows_every_part(width: int, terminal: bool) -> None:
    text, holds = shown(EXAMPLE, width=width, force_terminal=terminal, no_color=True)
    assert holds
    wanted = ["Heading", "a[b] and [bold]no markup[/bold]", "printed", "0.25", "-7", "✓", "3 █▅▁ 1"]
    assert [word for word in wanted if word not in text] == []
    assert "1 claim checked" in text


def test_bar_is_gone_when_the_training_is() -> None:
    text, _ = shown([Progress(1, 2, "training"), *EXAMPLE[3:]], force_terminal=True)
    assert "training" not in text.partition("A right claim")[2]
    assert "A right claim" in text


def test_failed_claim_is_loud_everywhere() -> None:
    text, holds = shown([*EXAMPLE, WRONG])
    assert not holds
    assert "A wrong claim: expected 0.5, got 0.6" in text
    assert "1 of 2 claims FAIL" in text
    assert "✗ A wrong claim" in to_markdown([WRONG])
    assert to_json([*EXAMPLE, WRONG])["holds"] is False
    assert "this does not hold" in to_markdown([claim("A fact", True, False)])


def headed(sentence: str) -> Iterator[Part]:
    """A heading

    A paragraph that is
    broken over lines.
    """
    yield claim(sentence, 1.0, 1.0)


def continued() -> Iterator[Part]:
    """A paragraph without a heading."""
    yield from ()


def test_section_begins_with_its_docstring() -> None:
    text = Say("A paragraph that is broken over lines.", "A heading")
    assert list(section(headed, "x")) == [text, claim("x", 1.0, 1.0)]
    assert list(section(continued)) == [Say("A paragraph without a heading.")]


def test_sections_follow_each_other() -> None:
    parts = in_sections(continued, continued)
    assert list(parts()) == list(parts()) == [Say("A paragraph without a heading.")] * 2


def test_section_without_docstring_is_refused() -> None:
    with pytest.raises(ValueError, match="run it without -OO"):
        list(section(lambda: iter(())))


UNSKETCHED = {"neuron-line", "boolean", "errors", "alice", "people"}


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_fits_80_columns(name: str) -> None:
    text, _ = shown(parts(name))
    assert max(map(len, text.splitlines())) <= 80
    told = " ".join(text.split())
    assert ("--pictures FOLDER saves it" in told) == (name in UNSKETCHED)
    assert "…" not in text


def test_title_names_the_text() -> None:
    console = Console(file=io.StringIO(), width=80)
    render_title(LESSONS["alice"], console)
    assert "text 003" in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["neuron-line", "alice"])
def test_json_is_plain_and_complete(name: str) -> None:
    told = json.loads(json.dumps(to_json(parts(name), LESSONS[name]), allow_nan=False))
    assert told["name"] == name
    assert told["holds"] is True
    assert told["claims"] == len(claims(parts(name)))
    assert {part["kind"] for part in told["parts"]} == {"say", "table", "claim", "picture"}
    cells = [c for p in told["parts"] if p["kind"] == "table" for row in p["rows"] for c in row]
    assert ("nan" in cells) is (name == "neuron-line")


def test_pictures_are_saved_where_asked(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=80)
    for name in ("alice", "errors", "neuron-line", "people"):
        assert render_terminal(parts(name), console, tmp_path / "new")
    saved = {file.name for file in (tmp_path / "new").iterdir()}
    wanted = {"alice-network", "errors", "line", "line-cost", "people-boundary", "people-loss"}
    assert saved == {f"{name}.png" for name in wanted}


def skeleton(text: str) -> tuple[str, list[float]]:
    """The text with every number as # and curves cut out, and the numbers."""
    found = [float(number.replace(",", "")) for number in NUMBER.findall(text)]
    return NUMBER.sub("#", BARS.sub("~", text)), found


def differences(page: str, fresh: str) -> list[str]:
    """Lines that differ in more than the last digits, which another processor may round apart."""
    pairs = zip(page.splitlines(), fresh.splitlines(), strict=False)
    wrong = [f"{a}\n  now {b}" for a, b in pairs if not same(a, b)]
    return wrong + (["lengths"] if page.count("\n") != fresh.count("\n") else [])


def same(a: str, b: str) -> bool:
    (text, old), (fresh, new) = skeleton(a), skeleton(b)
    near = len(old) == len(new) and np.allclose(old, new, rtol=1e-6, atol=1e-11)
    return near and text == fresh


def test_docs_page_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {name: parts(name) for name in LESSONS}
    for name, lesson in LESSONS.copy().items():
        again = replace(lesson, parts=lambda *_, n=name: iter(made[n]))
        monkeypatch.setitem(LESSONS, name, again)
    wrong = differences(DOCS.read_text(encoding="utf-8"), page())
    assert wrong == [], "run `python -m chainrule.lessons > docs/lessons.md`"


def test_stale_page_is_found() -> None:
    assert differences("a 0.50000000001\n▁▂ b", "a 0.5\n▁▃ b") == []
    assert len(differences("| 0.5237 |", "| 0.5238 |")) == 1
    assert len(differences("a 1\n", "b 1\n")) == 1
    assert differences("a\n", "a\nb\n") == ["lengths"]


def test_lessons_load_nothing_heavy() -> None:
    code = "import sys, chainrule.lessons; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"matplotlib", "duckdb", "rich", "scipy"} & set(done.stdout.split()) == set()
