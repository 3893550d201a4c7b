"""Numbers, shares, columns and outcomes in words."""

import math

from .experiments import Outcome


def number(value: float, digits: int = 4) -> str:
    """`digits` significant digits: 0.6931, 12,346, 1.2e+09."""
    value = float(value)
    if not math.isfinite(value):
        return "none" if math.isnan(value) else "not finite"
    if value != 0 and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.{digits - 1}g}"
    size = 0 if value == 0 else math.floor(math.log10(abs(value)))
    text = f"{value:,.{max(0, digits - 1 - size)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """A share in per cent: 75 %, 0.4 %."""
    return f"{100 * share:.0f} %" if share == 0 or share >= 0.01 else f"{100 * share:.2g} %"


def listed(columns: tuple[int, ...]) -> str:
    """column X[:, 3]; columns X[:, [0, 2, 5]]; at most six by their indices."""
    if len(columns) == 1:
        return f"column X[:, {columns[0]}]"
    shown, rest = list(columns), ""
    if len(columns) > 6:
        shown, rest = shown[:5], f" and {len(columns) - 5} more"
    return f"columns X[:, {shown}]{rest}"


def capitalized(text: str) -> str:
    """The text with a capital first letter; the others stay as they are."""
    return text[:1].upper() + text[1:]


def training_loss(outcome: Outcome) -> str:
    """The training loss of an outcome, or "diverged"."""
    return "diverged" if outcome.stopped else number(outcome.train.loss)
