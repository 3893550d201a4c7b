"""Mistakes become one sentence and exit code 2; what is our fault is shown in full."""

import io
import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

NO, MISTAKE, BUG, INTERRUPTED = 1, 2, 70, 130


class Guarded(click.Group):
    """A group of verbs that ends every failure with one sentence and its exit code.

    What a verb returns is the exit code (None is 0). With `--json` a mistake is also the one
    document on standard output: {"error": "…"}. Verbs are listed in the order they were added.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order they were added, not by the alphabet."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; a reader that leaves early is no failure."""
        try:
            code = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:  # the reader, `head` perhaps, has all it wanted
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = 0
        return code

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run the command line and exit with its code, whatever happens."""
        given = list(sys.argv[1:] if args is None else args)
        extra |= {"standalone_mode": False, "obj": given}  # a report quotes the command
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
        try:
            code = super().main(given, "chainrule", **extra) or 0
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            code = MISTAKE
        except (click.Abort, KeyboardInterrupt):
            click.echo("chainrule: stopped; what was not finished is not written", err=True)
            code = INTERRUPTED
        except Exception as error:
            code = _tell(error, "--json" in given)
        sys.exit(code)


def _tell(error: Exception, as_json: bool) -> int:
    told = sentence(error)
    if told is None:
        traceback.print_exception(error)
        told = f"this is a bug in chainrule, please report it ({type(error).__name__}: {error})"
    if as_json:
        click.echo(json.dumps({"error": told}, ensure_ascii=False))
    click.echo(f"chainrule: {told}", err=True)
    return BUG if sentence(error) is None else MISTAKE


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


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
