"""`python -m chainrule.lessons > docs/lessons.md`: every lesson, run now, as one Markdown page."""

import sys

from . import LESSONS, TEXTS, to_markdown

HEAD = """# Lessons

Nine lessons, one for each system of five texts on how a network works. Each explains, computes the
text's numbers with the library, shows them as printed and exact, and checks every claim as it runs.
`chainrule lesson` lists them; `chainrule lesson alice` runs one, and `--pictures FOLDER` saves its
pictures. In Python:

```python
from chainrule.lessons import LESSONS, Claim

claims = [part for part in LESSONS["alice"].run() if isinstance(part, Claim)]
all(claim.holds for claim in claims)  # → True
```

This page is what they print, made by `python -m chainrule.lessons > docs/lessons.md`. "Printed" is
what the text prints, "exact" the float64 value without rounding on the way. A ✓ behind a number: it
agrees to 1e-12 with what was worked out for the text. The texts:
"""


def page() -> str:
    """The whole page; runs every lesson, `titanic` without its file."""
    contents = "\n".join(
        f"- [{lesson.name}](#{lesson.name}-{_anchor(lesson.title)}) ({lesson.source}): "
        f"{lesson.summary}"
        for lesson in LESSONS.values()
    )
    texts = "\n".join(f"- {name}: {about}." for name, about in TEXTS.items())
    pages = ("\n" + to_markdown(lesson.run(), lesson) for lesson in LESSONS.values())
    return "\n".join([HEAD, texts, "\nThe lessons:\n", contents, *pages])


def _anchor(title: str) -> str:
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(page())
