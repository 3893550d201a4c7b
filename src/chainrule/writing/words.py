"""The words and numbers on pictures and pages: cleaned, shortened, rounded, made of plain text."""

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

COUNTED = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SHOWN_CLASSES = 10
# What neither XML nor a terminal can show; matplotlib would write it into an SVG all the same.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe\uffff]+")


def clean(text: object, *, lines: bool = False) -> str:
    """str(text) without control characters, direction marks and halves of characters.

    A run of them becomes one space; with `lines` the line breaks and tabs stay.
    """
    whole = str(text).encode("utf-8", "replace").decode("utf-8")
    if not lines:
        return CONTROL.sub(" ", whole).strip()
    kept = whole.replace("\r\n", "\n").replace("\t", "    ").split("\n")
    return "\n".join(CONTROL.sub(" ", line) for line in kept)


def shorten(text: object, width: int = 20) -> str:
    """The clean text in at most `width` characters, "…" in its middle where some are left out."""
    whole = clean(text)
    if len(whole) <= width:
        return whole
    tail = (width - 1) // 3
    return f"{whole[: width - 1 - tail].rstrip()}…{whole[len(whole) - tail :].lstrip()}"


def capitalized(text: str) -> str:
    """The text with a capital first letter; the others stay as they are."""
    return text[:1].upper() + text[1:]


def wrap(text: str, width: int) -> str:
    """The text in lines of at most `width` characters."""
    return "\n".join(textwrap.wrap(text, width))


def number(value: float, digits: int = 4) -> str:
    """`digits` significant digits without an exponent where one can do without: 0.8312, 12346."""
    value = float(value)
    if not math.isfinite(value):
        return "–" if math.isnan(value) else str(value)
    if value == 0 or (value.is_integer() and abs(value) < 10**digits):
        return str(int(value))
    size = int(f"{value:.{digits - 1}e}".partition("e")[2])  # of the rounded: 0.99999 has that of 1
    if not -5 <= size <= 8:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - size)}f}"


def in_text(value: float, digits: int = 4) -> str:
    """At most `digits` significant digits, as a sentence has them: 0.5, 12,346, 1.2e-06."""
    value = float(value)
    if not math.isfinite(value) or (value != 0 and not 1e-4 <= abs(value) < 1e7):
        return f"{value:.{digits - 1}g}"
    size = 0 if value == 0 else math.floor(math.log10(abs(value)))
    text = f"{value:,.{max(0, digits - 1 - size)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """A share in per cent, with a decimal where rounding would say 0 or 100 and be wrong."""
    exact = 100 * share
    nearly_all_or_none = 0 < exact < 1 or 99 < exact < 100
    if nearly_all_or_none:
        return f"{min(max(exact, 0.1), 99.9):.1f} %"
    return f"{exact:.0f} %"


def count(n: float) -> str:
    """A count: 1,234. A number that is not whole, such as a sum of weights, as in `number`."""
    return f"{n:,.0f}" if float(n).is_integer() else number(n)


def plural(n: int, noun: str) -> str:
    """1 row, 2,000 rows."""
    return f"{count(n)} {noun}" if n == 1 else f"{count(n)} {noun}s"


def score(metric: str, value: float | None) -> str:
    """A metric's value, wherever it is shown: 95.58 % for accuracy, else four digits; an R² of
    nearly 0, as the mean's, is 0.
    """
    if value is None or not math.isfinite(value):
        return "–" if value is None else number(value)
    if metric == "r2" and abs(value) < 5e-5:
        return "0.0000"
    return f"{100 * value:.2f} %" if metric == "accuracy" else number(value)


def coverage_in_words(coverage: Mapping[str, float], target: str) -> str:
    """What share of the test rows lies within their intervals, and how wide these are."""
    return (
        f"Intervals meant to hold {percent(coverage['share'])} of the answers hold "
        f"{percent(coverage['coverage'])} ± {100 * coverage['error']:.1f} points of these rows; "
        f"they are {number(coverage['width'])} wide on average, in the unit of {target}."
    )


def task_in_words(classes: Sequence[Any] | None) -> str:
    """What is predicted: "two classes (benign, malignant)", or a number."""
    if classes is None:
        return "a number"
    labels = [clean(label) for label in classes]
    names = ", ".join(labels[:SHOWN_CLASSES]) + (", …" if len(labels) > SHOWN_CLASSES else "")
    many = COUNTED[len(labels)] if len(labels) < len(COUNTED) else str(len(labels))
    return f"{many} classes ({names})"


def exact(value: float) -> str:
    """Every digit of a number, a whole one without a point: 0.1, 12, 1e+20."""
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else repr(value)
