"""What a run leaves behind: its model first, then its report, and what is said of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import NO, sentence
from .options import check_apart
from .signals import held

if TYPE_CHECKING:
    from ..tabular.outcome import Outcome

Files = dict[str, Path | None]


def files_of(model: Path, report: str | None, inputs: dict[str, str]) -> Files:
    """Where model and report go; ValueError where that cannot be, or would overwrite an input."""
    from ..files import check_writable
    from ..tables import source_files

    read = {option: source_files(source) for option, source in inputs.items()}
    check_apart({"--out": model, "--report": report}, read)
    files: Files = {"model": model, "report": None if report is None else Path(report)}
    for path in files.values():
        if path is not None:
            check_writable(path)
    return files


def save_model(outcome: "Outcome", files: Files) -> str:
    """Save the network before anything else can go wrong; says what was written.

    Ctrl-C and SIGTERM wait for it; then they raise KeyboardInterrupt.
    """
    from ..models.modelfile import save

    model = files["model"]
    assert model is not None
    told = _written(model, "model")
    with held() as waiting:
        save(outcome.model, model)
    with saved(files):
        if waiting:
            raise KeyboardInterrupt
    return told


def write_report(outcome: "Outcome", files: Files, command: Sequence[object]) -> list[str]:
    """Make the report in full, then write it; says what was written, nothing without a report."""
    report = files["report"]
    if report is None:
        return []
    from ..report.html import write_report as write
    from ..tabular.report import training_report

    told = _written(report, "report")
    write(report, training_report(outcome, command=["chainrule", *command]))
    return [told]


@contextmanager
def saved(files: Files) -> Iterator[None]:
    """An error or Ctrl-C within it begins with the words that the model is saved, and where."""
    lost = f", but not the report {files['report']}" if files["report"] else ""
    told = f"the model is saved in {files['model']}{lost}"
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(told) from None
    except Exception as error:
        why = sentence(error)
        raise (RuntimeError if why is None else ValueError)(f"{told}: {why or error}") from error


def _written(path: Path, what: str) -> str:
    return f"{path} ({what}{', replacing the old one' * path.exists()})"


def exit_code(outcome: "Outcome") -> int:
    """1 where a network diverged and only what it had before was kept, else 0."""
    return NO if outcome.diverged else 0
