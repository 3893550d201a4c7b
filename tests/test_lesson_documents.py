"""Which claims are ticks in a table, which have a line of their own, and where sections end."""

from support.lesson_pages import shown

from chainrule.lessons import Part, Progress, Say, to_json, to_markdown
from chainrule.lessons.documents import sections
from chainrule.lessons.parts import claim, numbers

REPEATED: list[Part] = [
    numbers("T", ("a", "1/4", "0.25", 0.25), ("b", "0", None, 0.0), ("c", "2", None, 2.0)),
    claim("a", 0.25, 0.25),
    claim("a and c", [0.25, 2], [0.25, 2.0]),
]
NOT_REPEATED: list[Part] = [
    claim("rounded", 0.25, 0.25, 1e-3),
    claim("zero", 0.0, 0.0),
    claim("both", [2, 3], [2, 3]),
    claim("wrong", 0.5, 2.0),
    claim("plain", True, True),
]


def claim_lines(markdown: str) -> list[str]:
    """The sentences of the claims that have a line of their own."""
    lines = [line for line in markdown.splitlines() if line[:3] in ("- ✓", "- ✗")]
    return [line[4:].split(":")[0] for line in lines]


def test_claim_that_repeats_a_table_is_a_tick_in_its_row() -> None:
    text = to_markdown(REPEATED)
    assert "| 0.25 ✓ |" in text
    assert "| 2 ✓ |" in text
    assert "| b | 0 |  | 0 |" in text
    assert claim_lines(text) == []


def test_claim_that_says_more_than_a_table_has_a_line() -> None:
    text = to_markdown([*REPEATED, *NOT_REPEATED])
    assert claim_lines(text) == ["rounded", "zero", "both", "wrong", "plain"]


def test_claim_about_a_table_of_another_section_has_a_line() -> None:
    elsewhere = [Say("Next.", "Next"), claim("another section", 2.0, 2.0)]
    assert claim_lines(to_markdown([*REPEATED, *elsewhere])) == ["another section"]


def test_json_counts_every_claim() -> None:
    assert to_json([*REPEATED, *NOT_REPEATED])["claims"] == 7


def test_terminal_explains_the_ticks_it_shows() -> None:
    text, holds = shown(REPEATED)
    assert holds
    assert "0.25 ✓" in text
    assert "2 claims checked, all hold" in text
    assert "A ✓ behind a number" in text
    assert "A ✓ behind a number" not in shown(NOT_REPEATED[:3])[0]


def test_sections_end_at_a_heading_and_at_a_training() -> None:
    first, second, progress = (
        Say("One.", "First"),
        Say("Two.", "Second"),
        Progress(1, 1, "training"),
    )
    more = Say("More.")
    parts = list(sections([first, more, progress, more, second]))
    assert parts == [[first, more], progress, [more], [second]]
