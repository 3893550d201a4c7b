"""The group of verbs. Every verb is a thin file over functions of the library.

This file imports click alone; a verb imports what it needs when it runs, so that help is quick.
"""

import click

from .check_gradients import check_gradients
from .demo import demo
from .diagnose import diagnose
from .errors import Guarded
from .evaluate import evaluate
from .explain import explain
from .info import info
from .lesson import lesson
from .predict import predict
from .train import train
from .verify import verify


@click.group(cls=Guarded, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chainrule", message="%(prog)s %(version)s")
def main() -> None:
    """Neural networks for your own tables, every number of them readable.

    Exit codes: 0 done, 1 the answer is no, 2 wrong use or bad input, 130 stopped by Ctrl-C, 143 by
    SIGTERM.
    """


VERBS = (
    train, predict, evaluate, explain, verify, diagnose, check_gradients, info, demo, lesson
)  # fmt: skip
for _verb in VERBS:
    main.add_command(_verb)
