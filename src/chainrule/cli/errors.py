"""A user's mistake becomes one sentence and exit code 2, a warning a note; our own bugs are shown
in full.
"""

import io
import json
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

from .signals import handled, held, leave, received

NO, MISTAKE, BUG, INTERRUPTED, TERMINATED = 1, 2, 70, 130, 143
PACKAGE = Path(__file__).parents[1]


class Guarded(click.Group):
    """A group of verbs that ends every failure with one sentence and its exit code.

    What a verb returns is the exit code (None is 0). With `--json` a mistake is also the one
    document on standard output: {"error": "…"}. Verbs are listed in the order they were added.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order they were added, not by the alphabet."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; a reader that leaves early is not a failure."""
        try:
            code = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:  # the reader, `head` perhaps, has all it wanted
            code = 0
        return code

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run the command line and exit with its code, whatever happens."""
        arguments = list(sys.argv[1:] if args is None else args)
        extra |= {"standalone_mode": False, "obj": arguments}  # a report quotes the command
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
        received.clear()
        with held():  # signals wait while the last output is written
            code = self._run(arguments, extra)
            if signal.SIGTERM in received and code in (0, NO, INTERRUPTED):
                code = TERMINATED
            _settle()
        sys.exit(code)

    def _run(self, arguments: list[str], extra: dict[str, Any]) -> int:
        try:
            with handled(leave), _noted_warnings():
                return super().main(arguments, "chainrule", **extra) or 0
        except click.exceptions.NoArgsIsHelpError as error:
            _print(error.format_message(), err=True)
            return MISTAKE
        except (click.Abort, KeyboardInterrupt) as error:
            left = str(error.__cause__ or "") or "what was not finished is not written"
            _print(f"chainrule: stopped; {left}", err=True)
            return INTERRUPTED
        except SystemExit:  # click's answer to a reader that left while it printed help
            return 0
        except Exception as error:
            return _print_error(error, "--json" in arguments)


@contextmanager
def _noted_warnings() -> Iterator[None]:
    """Within it a warning that points at our code is a note in one sentence on standard error."""
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], filename: str, *where: Any) -> None:
        if Path(filename).is_relative_to(PACKAGE):
            _print(f"chainrule: note: {_one_line(message)}", err=True)
        else:
            before(message, category, filename, *where)

    warnings.showwarning = show  # type: ignore[assignment]
    try:
        yield
    finally:
        warnings.showwarning = before


def _print_error(error: Exception, as_json: bool) -> int:
    message, code = sentence(error), MISTAKE
    if message is None:
        _print("".join(traceback.format_exception(error)).rstrip(), err=True)
        code = BUG
        message = f"this is a bug in chainrule, please report it ({type(error).__name__}: {error})"
    if as_json:
        _print(json.dumps({"error": message}, ensure_ascii=False))
    _print(f"chainrule: {message}", err=True)
    return code


def _print(text: str, *, err: bool = False) -> None:
    """Print a line, above a bar if there is one. If the stream is closed, print nothing: the exit
    code still tells the result.
    """
    stream = sys.stderr if err else sys.stdout
    try:
        if stream is not None:
            print(text, file=stream, flush=True)  # click.echo would write into the bar
    except OSError:
        _settle()


def _settle() -> None:
    """Drop what a closed pipe or a full disk did not take, or Python fails again at exit."""
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def sentence(error: Exception) -> str | None:
    """One sentence for a mistake of the user or the machine; None for an error that is a bug."""
    if isinstance(error, click.UsageError):
        verb = error.ctx.command_path if error.ctx else "chainrule"
        return f"{error.format_message().rstrip('.')}: see {verb} --help"
    if isinstance(error, MemoryError):
        return f"there is not enough memory: {_one_line(error) or 'train on fewer rows or columns'}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, (ValueError, OSError)) or _is_ours(error):
        return _one_line(error)
    return None


def _is_ours(error: Exception) -> bool:
    """Whether it is a divergence or DuckDB's error, told apart without importing either."""
    names = {f"{cls.__module__}.{cls.__name__}" for cls in type(error).__mro__}
    return bool(names & {"chainrule.core.nonfinite.Diverged", "_duckdb.Error", "duckdb.Error"})


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
