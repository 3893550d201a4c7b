"""The process of `check-gradients` in which a user's file runs: it runs the file, checks its
gradient, and writes one JSON document to a given path.

Whatever the file prints, changes or breaks stays in this process.
"""

import os
import runpy
import sys
import traceback
from dataclasses import asdict
from json import dumps, loads
from pathlib import Path
from typing import Any

NAMES = ("loss", "gradient", "parameters")
RUN_AS = "__chainrule__"
"""The file's __name__: what it guards by `if __name__ == "__main__"` does not run."""


def main(arguments: list[str]) -> None:
    """Check FILE and write the document to OUT: arguments FILE OUT SETTINGS, the last in JSON. Ends
    the process, whatever of the file still runs.
    """
    file, out, settings = arguments
    write, replace, leave = Path.write_text, os.replace, os._exit  # as they are before the file
    try:
        document = check_file(file, Path(f"{out}.started"), **loads(settings))
    except (ValueError, TimeoutError, MemoryError) as error:
        document = {"error": " ".join(str(error).split()) or "there is not enough memory"}
    write(Path(f"{out}.part"), dumps(document), encoding="utf-8")
    replace(f"{out}.part", out)
    leave(0)


def check_file(
    file: str, started: Path, rows: int | None, seed: int, time_limit: float
) -> dict[str, Any]:
    """The report of check_gradients on what a file defines, as a document.

    Raises ValueError where the file does not run, or lacks one of NAMES.
    """
    from ..gradcheck.check import check_gradients
    from ..gradcheck.report import CAUSES

    started.touch()  # from here on it is the file that takes time
    names = _run(file)
    for name in NAMES:
        if name not in names:
            raise ValueError(
                f"{file} defines no {name}: it needs the functions loss(parameters) and "
                f"gradient(parameters), and parameters to start from"
            )
    rows = names.get("rows") if rows is None else rows
    if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int)):
        raise ValueError(f"rows is {rows!r} in {file}: give the number of rows, or leave it out")
    report = check_gradients(
        names["loss"], names["gradient"], names["parameters"],
        rows=rows, seed=seed, time_limit=time_limit,
    )  # fmt: skip
    words = CAUSES[report.cause]
    return {"file": file, "ok": report.ok, **asdict(report), "words": words, "rows": rows}


def _run(file: str) -> dict[str, Any]:
    sys.path.insert(0, str(Path(file).resolve().parent))  # for its own imports
    sys.argv = [file]
    try:
        return runpy.run_path(file, run_name=RUN_AS)
    except SyntaxError as error:
        place = f"{Path(error.filename or file).name}, line {error.lineno}"
        raise ValueError(f"{place}: {error.msg}: this is no Python") from error
    except (Exception, SystemExit) as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
        own = next((f for f in reversed(frames) if Path(f.filename).name == Path(file).name), None)
        line = f", line {own.lineno}" if own else ""
        raise ValueError(f"{file}{line}: raised {type(error).__name__}: {error}") from error


if __name__ == "__main__":
    main(sys.argv[1:])
