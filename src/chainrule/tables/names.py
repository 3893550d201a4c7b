"""Names of columns: every one there is, and no two alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def unique_names(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The names with empty ones numbered and repeated ones told apart, and new name -> old name."""
    taken = Counter(names)
    result: list[str] = []
    used: set[str] = set()
    changed = {}
    for i, name in enumerate(names):
        new, count = name or f"column{i}", 0
        while new in used or (new != name and new in taken):
            count += 1
            new = f"{name or 'column'}_{count}"
        if new != name:
            changed[new] = name
        result.append(new)
        used.add(new)
    return result, changed


def renaming_notes(changed: dict[str, str]) -> list[str]:
    """The note that tells which columns were renamed, if any were."""
    told = ", ".join(f'"{name}"' for name in changed)
    return [f"columns renamed: {told}"] if told else []


def doubled(changed: dict[str, str]) -> dict[str, str]:
    """New name -> old name of those that were renamed because the old one stood twice."""
    return {new: old for new, old in changed.items() if old}
