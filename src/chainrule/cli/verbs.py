"""The group of verbs. Every verb is a function in a module of its own name, over functions of the
library.

This file imports click alone; a verb imports what it needs when it runs, so that help is quick.
"""

from importlib import import_module

import click

from .errors import Guarded

VERBS = "train predict evaluate explain verify diagnose check_gradients info demo lesson".split()


@click.group(cls=Guarded, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chainrule", message="%(prog)s %(version)s")
def main() -> None:
    """Neural networks for your own tables, every number of them readable.

    Exit codes: 0 done, 1 the answer is no, 2 wrong use or bad input, 130 stopped by Ctrl-C, 143 by
    SIGTERM.
    """


for _verb in VERBS:
    main.add_command(getattr(import_module(f".{_verb}", __package__), _verb))
