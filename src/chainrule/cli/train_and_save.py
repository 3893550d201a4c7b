"""What `train` and `demo` share: announce a run, train and test it, save model and report, and
print the outcome.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from ..tabular.outcome import Outcome
from ..writing.words import number, plural, task_in_words
from .errors import NO, sentence
from .json_output import print_json
from .options import check_distinct, model_path, test_file
from .progress import train_watched
from .screen import Screen, screen, working
from .signals import held

if TYPE_CHECKING:
    from ..tabular.run import TableRun

PARTS = {"train": "for training", "valid": "held out for the best epoch", "test": "for the test"}


class OutputFiles(NamedTuple):
    """Where model and report go; no report where it is None."""

    model: Path
    report: Path | None

    @classmethod
    def beside(cls, file: str, test: str | None, model: str | None, report: str | None) -> Self:
        """The files for a run on the table `file` with its test rows `test`, as `--test` has them;
        ValueError or OSError where one cannot be written, or would overwrite an input.
        """
        from ..files import check_writable
        from ..tables import source_files

        files = cls(Path(model) if model else model_path(file), Path(report) if report else None)
        inputs = {"FILE": file, "--test": test_file(test)}
        read = {option: source_files(source) for option, source in inputs.items() if source}
        check_distinct({"--out": files.model, "--report": files.report}, read)
        for path in filter(None, files):
            check_writable(path)
        return files


def announce(console: Screen, run: "TableRun", *, verbose: bool = False) -> None:
    """The table's profile, what happened to its rows, the split, the network and the settings;
    `verbose` with the reason for each setting.
    """
    table, schema, preset = run.data.table, run.data.schema, run.preset
    size = f"{plural(len(table), 'row')}, {plural(len(table.names), 'column')}"
    console.print(f"{table.source}: {size}", style="bold")
    console.show_profile(schema.columns, folded=True)
    console.show_notes(run.data.notes)
    rows = ", ".join(f"{n:,} {PARTS[part]}" for part, n in run.rows.items() if n)
    each = " of each network" if len(run.members) > 1 and run.rows["valid"] else ""
    console.print(f"\nRows{each}: {rows} (seed {run.data.seed})")
    console.heading(f"Network for {schema.target}: {task_in_words(schema.classes)}")
    console.print(run.layers)
    if verbose:
        for name, why in run.reasons.items():
            console.print(f"  {name}: {why}", soft_wrap=True)
    else:
        console.print(
            f"preset {preset.name}: {preset.optimizer}, learning rate {preset.lr:g}, batches of "
            f"{preset.batch_size} rows, at most {plural(preset.epochs, 'epoch')}"
        )


def train_and_save(
    run: "TableRun", files: OutputFiles, command: Sequence[object],
    next_commands: Sequence[Sequence[object]], *, as_json: bool = False, quiet: bool = False,
    verbose: bool = False, compared: bool = True, written: Sequence[str] = (),
    show_more: Callable[[Screen, Outcome], None] | None = None,
) -> int:  # fmt: skip
    """Train and test a run, save its model before anything else can go wrong, write its report, and
    print the outcome; returns the exit code.

    The report quotes `command` as the words that repeat the run. `written` lists files that are
    already written, `show_more` prints more below the scores.
    """
    console = screen()
    if not (quiet or as_json):
        announce(console, run, verbose=verbose)
    train_watched(run, quiet=quiet)
    outcome = run.outcome(compared=compared, watch=partial(_comparing, quiet=quiet))
    written = [*written, _save_model(outcome, files)]
    with _model_is_saved(files):
        if not as_json:
            show_outcome(console, outcome, brief=quiet)
        if show_more is not None:
            show_more(console, outcome)
        if files.report is not None:
            written.append(_write_report(outcome, files.report, command))
    if as_json:
        print_json(outcome.to_dict() | {"files": files._asdict()})
    else:
        console.heading("Saved")
        for line in written:
            console.print(f"  {line}", soft_wrap=True)
        if not quiet:
            console.show_next(*next_commands)
    return exit_code(outcome)


def _comparing(name: str, *, quiet: bool) -> AbstractContextManager[object]:
    """What is shown while the model of that name is trained."""
    words = f"Training a {name} to compare with (Ctrl-C leaves it out)"
    return nullcontext() if quiet else working(words)


def _save_model(outcome: Outcome, files: OutputFiles) -> str:
    """Save the network; says what was written. Ctrl-C and SIGTERM wait for it; then they raise
    KeyboardInterrupt.
    """
    from ..models.modelfile import save

    written = _written(files.model, "model")
    with held() as waiting:
        save(outcome.model, files.model)
    with _model_is_saved(files):
        if waiting:
            raise KeyboardInterrupt
    return written


def _write_report(outcome: Outcome, path: Path, command: Sequence[object]) -> str:
    """Make the report in full, then write it; says what was written."""
    from ..report.html import write_report
    from ..tabular.report import training_report

    written = _written(path, "report")
    write_report(path, training_report(outcome, command=["chainrule", *command]))
    return written


def _written(path: Path, what: str) -> str:
    return f"{path} ({what}{', replacing the old one' * path.exists()})"


@contextmanager
def _model_is_saved(files: OutputFiles) -> Iterator[None]:
    """An error or Ctrl-C within it begins with the words that the model is saved, and where."""
    lost = f", but not the report {files.report}" if files.report else ""
    message = f"the model is saved in {files.model}{lost}"
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(message) from None
    except Exception as error:
        why = sentence(error)
        raise (RuntimeError if why is None else ValueError)(f"{message}: {why or error}") from error


def show_outcome(console: Screen, outcome: Outcome, *, brief: bool = False) -> None:
    """How training ended and what the network is worth on rows it has not seen; `brief` leaves out
    how it ended.
    """
    facts = outcome.model.facts
    if not brief:
        console.heading(f"Trained in {number(facts['seconds'], 2)} s")
        well = outcome.stopped in ("epochs", "patience", "time") and not outcome.diverged
        console.print(outcome.ending, style="" if well else "bold yellow")
    if outcome.scores:
        console.heading(f"On {plural(facts['rows']['test'], 'test row')} not seen before")
    console.show_notes(outcome.warnings)
    if outcome.scores:
        console.show_scores(outcome.named_scores, ahead=outcome.ahead)
    for line in (*outcome.coverage, outcome.verdict):
        console.print(line)


def exit_code(outcome: Outcome) -> int:
    """1 if a network diverged and its last good epoch was kept, else 0."""
    return NO if outcome.diverged else 0
