"""Columns and outcomes in words."""

from ..writing.words import in_text
from .experiments import Outcome


def listed(columns: tuple[int, ...]) -> str:
    """column X[:, 3]; columns X[:, [0, 2, 5]]; at most six by their indices."""
    if len(columns) == 1:
        return f"column X[:, {columns[0]}]"
    shown, rest = list(columns), ""
    if len(columns) > 6:
        shown, rest = shown[:5], f" and {len(columns) - 5} more"
    return f"columns X[:, {shown}]{rest}"


def training_loss(outcome: Outcome) -> str:
    """The training loss of an outcome, or "diverged"."""
    return "diverged" if outcome.stopped else in_text(outcome.train.loss)
