"""What a person sees: consoles, tables, a table's profile, scores, the next commands.

Column names, labels and paths are never interpreted as markup or control characters.
"""

import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from ..core.metrics import METRICS
from ..writing.words import clean, count, plural, score, shorten

if TYPE_CHECKING:
    from ..tables import Column

MANY_COLUMNS = 40
FOLDED_FROM = 20
PIPE_WIDTH = 100
COUNTS = ("Missing", "Distinct", "Columns")
ROLE_STYLES = {"left out": "dim", "feature": ""}
TextRows = Iterable[Sequence[str | Text]]


def is_live(stream: Any) -> bool:
    """Whether colours and bars belong on this stream: a terminal that wants them."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream is not None and bool(stream.isatty()) and not plain


class Screen(Console):
    """A console that falls silent if its reader leaves, while the work goes on."""

    def render_str(self, text: str, **how: Any) -> Text:
        """The text without control characters, wherever it comes from."""
        return super().render_str(clean(text, lines=True), **how)

    def on_broken_pipe(self) -> None:
        """Print nothing from now on."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())

    def heading(self, text: str) -> None:
        """A line that begins a part of the page."""
        self.print()
        self.print(text, style="bold")

    def show_table(
        self, heads: Sequence[str], rows: TextRows, numbers: Collection[str] = ()
    ) -> None:
        """Rows under these column heads; the columns of `numbers` are aligned to the right."""
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        table.header_style = "bold"
        for head in heads:
            justify: JustifyMethod = "right" if head in numbers else "left"
            table.add_column(Text(clean(head)), justify=justify, overflow="fold")
        for row in rows:
            table.add_row(*row)
        self.print(table)

    def show_profile(self, columns: Sequence["Column"], *, folded: bool = False) -> None:
        """The table of columns; more than MANY_COLUMNS are counted by kind, the left-out ones
        named.

        With `folded`, columns that are alike share a line where there are more than FOLDED_FROM.
        """
        shown, hidden = columns, 0
        if len(columns) > MANY_COLUMNS:
            self._show_kinds(columns)
            left_out = [column for column in columns if column.role == "left out"]
            shown = [column for column in columns if column.role not in ("feature", "left out")]
            shown += left_out[:MANY_COLUMNS]
            hidden = len(left_out) - MANY_COLUMNS
        fold = folded and FOLDED_FROM < len(columns) <= MANY_COLUMNS
        groups = _alike(shown) if fold else [[column] for column in shown]
        heads = ("Column", "Role", "Kind", "Missing", "Distinct", "Why")
        lines = [_profile_cells(group) for group in groups]
        used = [i for i, head in enumerate(heads) if any(line[i] for line in lines)]
        rows = []
        for group, line in zip(groups, lines, strict=True):
            style = ROLE_STYLES.get(group[0].role, "bold cyan")
            cells = (line[i] or "–" * (heads[i] == "Missing") for i in used)
            rows.append([Text(cell, style) for cell in cells])
        self.show_table([heads[i] for i in used], rows, numbers=COUNTS)
        if hidden > 0:
            self.print(f"… and {plural(hidden, 'more column')} left out")

    def _show_kinds(self, columns: Sequence["Column"]) -> None:
        kinds = Counter((column.role, column.kind) for column in columns)
        missing = Counter[tuple[str, str]]()
        for column in columns:
            missing[column.role, column.kind] += column.missing
        rows = [(count(n), *kind, count(missing[kind])) for kind, n in kinds.most_common()]
        self.show_table(("Columns", "Role", "Kind", "Missing"), rows, numbers=COUNTS)

    def show_scores(
        self, by_model: Mapping[str, Mapping[str, float | None]], *, mark: bool = True,
        ahead: tuple[str, Mapping[str, str]] | None = None,
    ) -> None:  # fmt: skip
        """One row for each model, one column for each metric; `mark` stars the best of each metric.
        `ahead` is one more column: its heading, and the text of each model.
        """
        metrics = list(next(iter(by_model.values())))
        heads = [METRICS[m].name for m in metrics] + ([ahead[0]] if ahead else [])
        rows = list[list[str | Text]]()
        for name, values in by_model.items():
            cells = [Text(name, "bold" if name == "network" else "")]
            for metric in metrics:
                best = mark and values[metric] == best_of(by_model, metric)
                star = "* " * best
                cells.append(Text(star + score(metric, values[metric]), "green" if best else ""))
            rows.append([*cells, *([ahead[1].get(name, "")] if ahead else [])])
        self.show_table(("", *heads), rows, numbers=heads)
        lower = [METRICS[m].name for m in metrics if not METRICS[m].more_is_better]
        marked = "* best of the column; " * mark
        self.print(Text(f"{marked}{' and '.join(lower)}: less is better", "dim"))

    def show_notes(self, notes: Iterable[str]) -> None:
        """One line for each note about the data."""
        for note in notes:
            self.print(f"note: {note}", style="yellow")

    def show_next(self, *commands: Sequence[object]) -> None:
        """What to type next; the parts of a command are quoted for the shell."""
        self.heading("Next")
        for command in commands:
            line = shlex.join([*program(), *(str(part) for part in command)])
            self.print(Text(f"  {line}", "cyan"), soft_wrap=True)


def screen(*, stderr: bool = False, plain: bool = False) -> Screen:
    """A console that shows text as it is, in colours on a live terminal only."""
    stream = sys.stderr if stderr else sys.stdout
    live = is_live(stream) and not plain
    console = Screen(
        file=stream, markup=False, emoji=False, highlight=False, force_terminal=live,
        color_system="auto" if live else None, no_color=False,
    )  # fmt: skip
    if stream is not None and not stream.isatty() and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


def working(words: str) -> AbstractContextManager[object]:
    """A context in which a live terminal shows that work goes on, on standard error."""
    console = screen(stderr=True)
    return console.status(words) if is_live(console.file) else nullcontext()


def _alike(columns: Sequence["Column"]) -> list[list["Column"]]:
    """The columns in groups of one, those of the same role and kind without gaps together."""
    groups: dict[object, list[Column]] = {}
    for column in columns:
        alike = (column.role, column.kind, column.short_why)
        groups.setdefault(column.name if column.missing else alike, []).append(column)
    return list(groups.values())


def _profile_cells(group: Sequence["Column"]) -> list[str]:
    """The text of each cell of a line, for one column or several alike."""
    first, last = group[0], group[-1]
    name, distinct = shorten(first.name, 28), count(first.distinct)
    if len(group) > 1:
        name = f"{len(group)} columns, {shorten(first.name, 20)} … {shorten(last.name, 24)}"
        low, high = (pick(column.distinct for column in group) for pick in (min, max))
        distinct = count(low) if low == high else f"{count(low)}–{count(high)}"
    missing = count(first.missing) if first.missing else ""
    cells = (name, first.role, first.kind, missing, distinct, first.short_why)
    return [clean(cell) for cell in cells]


def best_of(by_model: Mapping[str, Mapping[str, float | None]], metric: str) -> float | None:
    """The best value of a metric among the models; None where none has one."""
    values = [v for scores in by_model.values() if (v := scores[metric]) is not None and v == v]
    best = max if METRICS[metric].more_is_better else min
    return best(values, default=None)


def program() -> list[str]:
    """The words that start this program here."""
    called = sys.argv[0]
    if os.path.basename(called) != "chainrule":
        return ["python", "-m", "chainrule"] if called.endswith("__main__.py") else ["chainrule"]
    return ["chainrule"] if shutil.which("chainrule") == shutil.which(called) else [called]
