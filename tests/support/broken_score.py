"""What `diagnose` reaches on broken runs: precision and recall over their causes."""

from collections.abc import Iterable
from typing import NamedTuple

import chainrule as cr
from support.broken_cases import Run


class Judged(NamedTuple):
    """One run: the causes found rightly, wrongly, those missed, and those allowed besides."""

    run: Run
    right: set[str]
    wrong: set[str]
    missed: set[str]
    also: frozenset[str] = frozenset()


def judge(run: Run, seed: int = 0) -> Judged:
    """Diagnose a run; what is allowed counts neither for nor against."""
    case = run.build()
    found = set(cr.diagnose(case.configuration, case.X, case.y, valid=case.valid, seed=seed).causes)
    wrong = found - run.expected - run.allowed
    also = frozenset(found & run.allowed)
    return Judged(run, found & run.expected, wrong, run.expected - found, also)


def figures(judged: Iterable[Judged], *, strict: bool = False) -> tuple[float, float]:
    """(precision, recall): right / (right + wrong), right / (right + missed), over all causes.

    `strict` counts what is allowed besides the known causes as wrong.
    """
    many = list(judged)
    right, wrong, missed, also = (
        sum(len(getattr(one, name)) for one in many)
        for name in ("right", "wrong", "missed", "also")
    )
    wrong += also if strict else 0
    return right / max(1, right + wrong), right / max(1, right + missed)
