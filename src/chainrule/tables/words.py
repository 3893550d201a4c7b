"""Names of columns: no two alike, and listed in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def listed(names: Iterable[object], limit: int | None = None) -> str:
    """The names in quotes, "…" for those after the first `limit`."""
    quoted = [f'"{name}"' for name in names]
    if limit is not None and len(quoted) > limit:
        quoted[limit:] = ["…"]
    return ", ".join(quoted)


def several(n: int, noun: str) -> str:
    """1 row, 2000 rows."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def unique_names(names: Iterable[str]) -> dict[str, str]:
    """New name -> name, in order: empty ones are numbered, repeated ones told apart."""
    names, originals = list(names), dict[str, str]()
    taken = set(names)
    for i, name in enumerate(names):
        new, count = name or f"column{i}", 0
        while new in originals or (new != name and new in taken):
            count += 1
            new = f"{name or 'column'}_{count}"
        originals[new] = name
    return originals


def renaming_notes(originals: Mapping[str, str]) -> list[str]:
    """The note that says which columns were renamed, if any were."""
    renamed = listed(new for new, name in originals.items() if new != name)
    return [f"columns renamed: {renamed}"] if renamed else []


def doubled(originals: Mapping[str, str]) -> dict[str, str]:
    """New name -> name of those that were renamed because the name stood twice."""
    return {new: name for new, name in originals.items() if name not in ("", new)}
